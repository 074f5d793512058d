"""An optional library that does not load: the message says which of the reasons it is."""

import sys
from pathlib import Path

import pytest

from avgzsl.errors import ConfigError
from avgzsl.support.registry import require


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"this needs optional_library, which is not installed; .*'avgzsl\[extra\]'"),
        (
            "import no_such_library_at_all",
            "needs optional_library, and that needs no_such_library_at_all",
        ),
        ("raise ImportError('libx.so: cannot open')", "is installed and does not load .*libx.so: cannot open"),
        ("raise OSError(28, 'No space left on device')", "is installed and does not load .*No space left"),
        ("import optional_library.inner", "and does not load|which is not installed"),
    ],
)
def test_the_cause_is_named(content, said, tmp_path: Path, monkeypatch):
    if content is not None:
        (tmp_path / "optional_library.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "optional_library", raising=False)
    with pytest.raises(ConfigError, match=said):
        require("optional_library", "extra")
