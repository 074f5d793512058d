"""The table of the settings in docs/serving.md says what the code says."""

import inspect
import re
from pathlib import Path

import pytest

from avgzsl.errors import ConfigError
from avgzsl.server.settings import PREFIX, Settings, read_settings

PAGE = Path(__file__).parents[1] / "docs" / "serving.md"


def documented():
    """Name to its cells."""
    table = PAGE.read_text().partition("<!-- begin settings -->")[2].partition("<!-- end settings -->")[0]
    rows = [line.strip("| ").split(" | ") for line in table.strip().splitlines()[2:]]
    return {row[0].strip("`"): row[1:] for row in rows}


def said():
    """Name to what its docstring says, without line breaks."""
    found = re.findall(r'^    (\w+): .*?\n    """(.*?)"""$', inspect.getsource(Settings), re.M | re.S)
    return {name: " ".join(text.split()) for name, text in found}


def test_every_setting_is_documented_with_its_default():
    rows, texts = documented(), said()
    assert list(rows) == [PREFIX + name.upper() for name in Settings.model_fields]
    assert texts.keys() == Settings.model_fields.keys()
    for name, field in Settings.model_fields.items():
        default, text = rows[PREFIX + name.upper()]
        shown = {None: "none", (): "none"}.get(field.default, f"{field.default}")
        assert default.replace(",", "") == shown, name
        assert text == texts[name], name


def test_a_wrong_variable_is_told_with_its_name_and_value_but_for_the_token(monkeypatch):
    monkeypatch.setenv("AVGZSL_SERVE_BATCHING", "maybe")
    monkeypatch.setenv("AVGZSL_SERVE_TOKEN", "short-secret")
    with pytest.raises(ConfigError, match="AVGZSL_SERVE_BATCHING=maybe: ") as raised:
        read_settings()
    assert "short-secret" not in str(raised.value)
