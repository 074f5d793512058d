"""The tables and figures of the paper, all of them, on a small set: whole, and from cells that are made once."""

import re
from dataclasses import fields

import pytest

from avgzsl.experiments.benchmark import Entry
from avgzsl.generators import generate
from avgzsl.methods import method_class
from avgzsl.reports import reproduction
from avgzsl.reports.entries import needed
from avgzsl.reports.reproduction import ALL, reproduce


@pytest.fixture
def quick(monkeypatch):
    """Every line of the paper, trained for one epoch."""
    full = reproduction.paper_entry

    def entry(*arguments):
        made = full(*arguments)
        short = {"epochs": 1} if "epochs" in {field.name for field in fields(method_class(made.method))} else {}
        return Entry(
            made.label, made.method, {split: {**settings, **short} for split, settings in made.settings.items()}
        )

    monkeypatch.setattr(reproduction, "paper_entry", entry)


def test_all_of_the_paper_is_made_and_made_once(quick, tmp_path):
    data = generate("audioset-zsl", tmp_path / "set", scale=0.004, seed=0)
    heard = []

    def progress(step):
        heard.append(step.item)

    found = reproduce("all", data, tmp_path / "out", seeds=1, processes=1, progress=progress)
    assert not found.comparison.failed and len(heard) == len(set(heard)) >= len(needed(ALL))
    names = {path.name for path in found.files}
    for name in ALL:
        assert any(file.startswith(name) for file in names), name
    assert all(path.stat().st_size for path in found.files)
    page = (tmp_path / "out" / "report.html").read_text()
    assert re.search("Code version [0-9a-f]{16}", page)
    before = {path.name: path.read_bytes() for path in found.files}
    heard.clear()
    again = reproduce("all", data, tmp_path / "out", seeds=1, processes=1, progress=progress)
    assert not heard and {path.name: path.read_bytes() for path in again.files} == before
    (*_, one) = reproduce("table1", data, tmp_path / "out", seeds=1, processes=1, baselines=False).files
    assert one.name == "report-table1.html" and "Table 2" not in one.read_text()
    assert (tmp_path / "out" / "report.html").read_text() == page
