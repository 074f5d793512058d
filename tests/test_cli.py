"""The commands as a user types them."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from avgzsl import cli
from avgzsl.errors import ConfigError

COMMANDS = tuple(get_command(cli.app).commands)
FEW = ["epochs=4", "batch_size=512", "milestones=2,3", "attention_epochs=1"]


def avgzsl(*arguments: object) -> tuple[int, str]:
    """Exit code and all that was printed."""
    ran = CliRunner().invoke(cli.app, list(map(str, arguments)))
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran.exit_code, ran.output


def failing(*arguments: object) -> str:
    """What the installed command prints to stderr; its exit code must be 1, and there must be no traceback."""
    ran = subprocess.run([sys.executable, "-c", "from avgzsl.cli import main; main()", *map(str, arguments)],
                         capture_output=True, text=True)  # fmt: skip
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert ran.stderr.startswith("error: ")
    return ran.stderr


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "set"
    assert avgzsl("generate", "audioset-zsl", "--out", path, "--scale", 0.001)[0] == 0
    return path


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("run") / "run"
    code, printed = avgzsl("train", data, "--out", path, "--tensorboard", "--no-baselines", *FEW)
    assert code == 0
    assert "Table 1" in printed
    assert "Table 2" in printed
    assert "Calibration: val" in printed
    assert f"{path / 'results.json'}" in printed
    return path


def test_help_names_every_command_and_is_quick():
    code = "import sys; sys.argv[1:] = ['--help']\nfrom avgzsl.cli import main\nmain()"
    ran = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0
    assert all(f"  {command}  " in ran.stdout for command in COMMANDS)
    heavy = [
        name for name in ("torch", "numpy", "pandas", "matplotlib", "h5py", "pyarrow") if f"| {name}\n" in ran.stderr
    ]
    assert heavy == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    code, printed = avgzsl(command, "--help")
    assert code == 0
    assert "Usage:" in printed


def test_inspect(data):
    code, printed = avgzsl("inspect", data)
    assert code == 0
    assert "problems: none" in printed
    assert json.loads(avgzsl("inspect", data, "--json")[1])["problems"] == []


def test_methods_and_layouts():
    printed = avgzsl("methods")[1]
    assert "avgzslnet: " in printed and printed.count(" [default]\n") == 1
    assert "official, paper, realset" in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert "momentum=0.9  Momentum of sgd" in avgzsl("methods", "avgzslnet")[1]
    of_one = avgzsl("methods", "f-vaegan")[1].splitlines()
    assert max(map(len, of_one)) <= 80 and "" not in of_one
    about = {one["name"]: one for one in json.loads(avgzsl("methods", "--json")[1])}
    assert about["cjme"]["cite"] == ["cjme"] and about["cjme"]["formulas"] == "docs/methods.md#cjme"
    layouts = avgzsl("layouts")[1]
    assert "audioset-zsl: " in layouts and "\nstore: store.json" in layouts


def test_train_writes_a_run_and_its_evaluation(run):
    written = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file() and "tfevents" not in path.name}
    each = [f"test-val/{kind}" for kind in ("results.json", "tables.md", "seen-unseen.png")]
    modes = ("audio", "video", "both-equal", "both-attention")
    each += [f"test-val/predictions-{mode}.csv" for mode in modes] + [
        f"test-val/per-class-{mode}.png" for mode in modes
    ]
    assert written == {
        "README.md", "classes.safetensors", "config.json", "history.jsonl", "model.safetensors", "recognition.json",
        "results.json", *each,
    }  # fmt: skip
    assert list((run / "tensorboard").glob("*tfevents*"))


def test_results_are_one_object_of_rows_and_provenance(run):
    found = json.loads((run / "results.json").read_text())
    assert found.keys() == {"results", "provenance"}
    assert len(found["results"]) == 12
    for row in found["results"]:
        figures = {"S", "U", "HM", "ZSL", "AUSUC", "gamma", "stretch", "per_class"}
        assert row.keys() == {"task", "retrieval", "modality", "fusion", "calibration", "clips", *figures}
        assert len(row["per_class"]) == 33
    about = found["provenance"]
    assert about["calibration"] == "val"
    assert about["settings"]["milestones"] == [2, 3]
    assert len(about["data"]["fingerprint"]) == len(about["run"]) == 64


def test_evaluate_with_a_stretch_tells_it_apart(run, tmp_path):
    file = tmp_path / "results.json"
    forms = ["--figures", "svg", "--figures", "pdf"]
    code, printed = avgzsl(
        "evaluate", run, "--modality", "video", "--stretch", "--out", tmp_path, "--json", file, *forms
    )
    assert code == 0 and "(stretch " in printed and "(corrected)" in printed
    rows = json.loads(file.read_text())["results"]
    assert [row["stretch"] is None for row in rows] == [True, True, True, False]
    names = {path.name for path in tmp_path.iterdir()}
    assert {
        "predictions-video.csv",
        "predictions-video-stretched.csv",
        "per-class-video.svg",
        "seen-unseen.pdf",
    } <= names
    assert not any(name.endswith(".png") for name in names)


def test_evaluate_options(run, tmp_path):
    file = tmp_path / "mine" / "results.json"
    code, printed = avgzsl("evaluate", run, "--modality", "both", "--fusion", "attention", "--calibration", "oracle",
                           "--predictions", "parquet", "--out", tmp_path / "files", "--json", file)  # fmt: skip
    assert code == 0
    assert "upper bound" in printed
    rows = json.loads(file.read_text())["results"]
    assert [(row["modality"], row["fusion"]) for row in rows] == [("both", "attention")] * 3
    table = pyarrow.parquet.read_table(tmp_path / "files" / "predictions-both-attention.parquet").to_pydict()
    assert len(table["id"]) == len(set(table["id"])) == rows[0]["clips"]
    right = sum(label == found for label, found in zip(table["label"], table["prediction"], strict=True))
    csv = pyarrow.csv.read_csv(run / "test-val" / "predictions-both-attention.csv").to_pydict()
    assert csv["id"] == table["id"]
    assert 0 < right < rows[0]["clips"]


def test_resume_from_the_command_line(run, data):
    before = (run / "model.safetensors").read_bytes()
    code, _ = avgzsl("train", data, "--out", run, "--resume", *FEW)
    assert code == 0
    assert (run / "model.safetensors").read_bytes() == before


def test_mistakes_end_in_one_clear_error(run, data, tmp_path):
    assert "did you mean avgzslnet" in failing("train", data, "--out", tmp_path / "r", "--method", "avgzslnett")
    printed = failing("train", data, "--out", tmp_path / "r", "epoch=3", "lr=-1", "terms=ta,tx", "momentum=1.5")
    assert "4 bad settings:" in printed
    assert "1 bad setting:" in failing("train", data, "--out", tmp_path / "r", "epoch=3")
    assert "realset. Or give a YAML file." in failing("train", data, "--out", tmp_path / "r", "--preset", "nowhere")
    assert "give --audio, --video or both" in failing("extract", data, "--out", tmp_path / "r")
    assert "did you mean epochs" in printed
    assert all(part in printed for part in ("lr=-1", "momentum=1.5", "'tx'"))
    assert "expected key=value" in failing("train", data, "--out", tmp_path / "r", "fast")
    assert "did you mean class-split" in failing("train", data, "--out", tmp_path / "r", "--class-split", "class-splt")
    assert "not there" in failing("train", data.parent / "sett", "--out", tmp_path / "r")
    closed_form = ("--method", "least-squares", "--tensorboard")
    assert "this method has none" in failing("train", data, "--out", tmp_path / "r", *closed_form)
    assert not (tmp_path / "r").exists()
    assert "is not a run" in failing("evaluate", data)
    assert "did you mean eszsl" in failing("benchmark", data, "--out", tmp_path / "r", "--against", "eszls")
    assert "holds a run already" in failing("train", data, "--out", run)
    assert "did you mean test" in failing("evaluate", run, "--split", "tst")
    code, printed = avgzsl("evaluate", run, "--calibration", "orakel")
    assert code == 2
    assert "oracle" in printed


def test_a_set_without_unseen_classes_trains_and_says_why_there_is_no_gzsl(data, tmp_path):
    for name in ("all", "seen"):
        lines = (data / "class-split" / "seen_class.txt").read_text()
        (tmp_path / "set" / "class-split").mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / "class-split" / f"{name}_class.txt").write_text(lines)
    (tmp_path / "set" / "class-split" / "unseen_class.txt").write_text("")
    (tmp_path / "set" / "features").symlink_to(data / "features")
    code, printed = avgzsl("train", tmp_path / "set", "--out", tmp_path / "run", *FEW)
    assert code == 0
    assert "no class is unseen" in printed


def test_demo_prints_both_tables_and_names_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr("avgzsl.showcase.train", lambda *a, **k: _short_training(*a, **k))
    monkeypatch.setattr("avgzsl.generators.clips.FEWEST", 1)
    code, printed = avgzsl("demo", "--out", tmp_path / "demo", "--scale", 0.001)
    assert code == 0
    assert "Table 1" in printed
    assert "Table 2" in printed
    assert "which training never saw:" in printed
    assert "Searched by 22 single words, " in printed and "Searched by 8 phrases never trained, " in printed
    assert [line.split()[1] for line in printed.split("Try next:\n")[1].splitlines()] == ["search", "serve", "evaluate"]
    page = (tmp_path / "demo" / "report" / "report.html").read_text()
    assert page.count("data:image/png") == 2 and "unseen" in page
    assert (tmp_path / "demo" / "index" / "run" / "results.json").is_file(), "the page of the model is empty"
    for line in printed.split("wrote:\n")[1].partition("\n\n")[0].splitlines():
        assert Path(line.strip()).exists()


def _short_training(*arguments, **options):
    from avgzsl.experiments.train_evaluate import train

    if len(arguments) > 1:  # another method than AVGZSLNet
        return train(*arguments, **options)
    return train(*arguments, **options, settings={"epochs": 2, "batch_size": 512, "attention_epochs": 1})


def test_a_training_draws_its_figures_in_the_forms_asked_for(data, tmp_path):
    out = tmp_path / "run"
    code, _ = avgzsl("train", data, "--method", "least-squares", "--out", out, "--no-baselines", "--figures", "svg")
    assert code == 0
    assert {path.suffix for path in (out / "test-val").iterdir()} == {".json", ".md", ".csv", ".svg"}


def test_a_form_of_figures_that_there_is_none_of_is_refused_before_anything_is_written(data, run, tmp_path):
    with pytest.raises(ConfigError, match="'gif'; there are: pdf, png, svg"):
        avgzsl("train", data, "--figures", "gif", "--out", tmp_path / "new")
    with pytest.raises(ConfigError, match="'gif'; there are: pdf, png, svg"):
        avgzsl("evaluate", run, "--modality", "video", "--figures", "gif", "--out", tmp_path / "new")
    assert not (tmp_path / "new").exists()
