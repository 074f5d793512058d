"""Libraries below a command print nothing: neither through Python nor past it."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from avgzsl.backbones._engines import tflite
from avgzsl.cli import quiet
from avgzsl.support.native_output import without_lines
from tests.conftest import SHARED


def test_lines_of_native_code_are_left_out_and_others_stay(capfd):
    with without_lines(b"INFO: Created"):
        os.write(2, b"INFO: Created a delegate\nan error\n")
        os.write(2, b"INFO: Created another")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "an error\nafter\n"


def test_what_is_raised_comes_out_and_the_output_is_back(capfd):
    with pytest.raises(ValueError, match="broken"):
        _broken()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "why\nafter\n"


def _broken():
    with without_lines(b"x"):
        os.write(2, b"why\n")
        raise ValueError("broken")


def test_without_an_error_output_it_does_nothing():
    code = "import os\nos.close(2)\nfrom avgzsl.support.native_output import without_lines\n"
    code += "with without_lines(b'x'):\n    print('done')"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout == b"done\n"


def test_tensorflow_lite_says_nothing_of_its_delegate(monkeypatch, capfd):
    class Talker:
        def get_input_details(self):
            return [{"index": 0, "shape_signature": np.array([1, 2]), "dtype": np.float32}]

        def allocate_tensors(self):
            os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nERROR: no memory\n")

        def get_output_details(self):
            return [{"index": 0}]

        def get_tensor_details(self):
            return [{"index": 0, "name": "out", "quantization": (0.0, 0)}]

    monkeypatch.setattr(tflite, "_open", lambda path: Talker())
    tflite.open_model(Path("model.tflite"), (2,), "float32", None, "cpu")
    assert capfd.readouterr().err == "ERROR: no memory\n"


def test_the_real_library_says_nothing(capfd):
    """In a process of its own, for it tells once a process; where a real model is at hand."""
    pytest.importorskip("ai_edge_litert")
    found = next((SHARED / "models").glob("mobilenet*.tflite"), None)
    if found is None:
        pytest.skip("no model of TensorFlow Lite here")
    code = "from pathlib import Path; from avgzsl.backbones._engines.tflite import open_model; import sys\n"
    code += "open_model(Path(sys.argv[1]), (224, 224, 3), 'uint8', None, 'cpu')"
    ran = subprocess.run([sys.executable, "-c", code, str(found)], capture_output=True, text=True, check=True)
    assert ran.stderr == ""


def test_libraries_are_told_to_be_quiet_unless_the_user_says_otherwise(monkeypatch):
    for name in quiet._ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "debug")
    with warnings.catch_warnings(record=True) as heard:
        warnings.resetwarnings()
        quiet.quiet_libraries()
        warnings.warn("of a library", UserWarning, stacklevel=1)
        warnings.filterwarnings("always", category=FutureWarning)  # as of -W
        warnings.warn("asked for", FutureWarning, stacklevel=1)
    assert [str(one.message) for one in heard] == ["asked for"]
    assert os.environ["TRANSFORMERS_VERBOSITY"] == "debug"
    assert os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] == "1"


def test_a_command_prints_nothing_of_a_library_that_talks(tmp_path):
    """As a library would: a warning, a bar of tqdm on the hub's terms, and fonts that are listed for the first time."""
    code = """
import sys
from avgzsl import cli
def layouts():
    import logging, warnings
    warnings.warn("a library is going to change")
    logging.getLogger("matplotlib.font_manager").warning("building the font cache")
    print("said")
cli.app.registered_commands = [one for one in cli.app.registered_commands if one.name != "layouts"]
cli.app.command("layouts")(layouts)
sys.argv = ["avgzsl", "layouts"]
cli.main()
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("said\n", "")
