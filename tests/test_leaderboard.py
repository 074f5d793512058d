"""The published numbers: the page is what its command makes of the data, and figures that disagree say so."""

import re
from pathlib import Path

import pytest
from benchmarks import leaderboard
from benchmarks.leaderboard import DATA, Row, document, read, table
from benchmarks.tables import put

PAGE = Path(__file__).parents[1] / "docs" / "leaderboard.md"


def test_the_page_is_what_the_command_makes(tmp_path):
    copy = tmp_path / "leaderboard.md"
    copy.write_text(PAGE.read_text())
    put(copy, "leaderboard", document())
    assert copy.read_text() == PAGE.read_text()


def test_every_harmonic_mean_is_that_of_its_parts_or_a_note_says_not():
    lines = PAGE.read_text().splitlines()
    checked, marked = 0, []
    for _, rows in tables():
        for method, seen, unseen, published, *_ in rows:
            if "–" in (seen, unseen):
                continue
            own = 2 * float(seen) * float(unseen) / (float(seen) + float(unseen))
            wrong = abs(own - float(published)) > 0.02
            assert method.endswith(" *") == wrong, method
            note = f"\\* {method.removesuffix(' *')}: HM of the published S and U is {own:.2f}, not {published}."
            assert (note in lines) == wrong
            checked += 1
            marked += [own] * wrong
    assert checked == 14 and [round(own, 2) for own in marked] == [54.87, 16.10]  # of KDA


def test_a_wrong_harmonic_mean_is_marked():
    row = Row("f", "UCF", "m", (50.0, 50.0, 50.1, 10.0), "none", "right", "1", "s")
    assert "| m * |" in table("t", [row]) and "is 50.00, not 50.10" in table("t", [row])
    assert "*" not in table("t", [row._replace(figures=(50.0, 50.0, 50.01, None))]).replace("**t**", "")


def test_sets_of_features_are_never_in_one_table():
    _, rows = read()
    titles = [title for title, _ in tables()]
    assert titles == [
        f"{data}, {features}"
        for features in dict.fromkeys(row.features for row in rows)
        for data in DATA
        if any((row.features, row.data) == (features, data) for row in rows)
    ]
    for title, shown in tables():
        own = {row.method for row in rows if f"{row.data}, {row.features}" == title}
        assert {cells[0].removesuffix(" *") for cells in shown} == own and len(shown) == len(own)


def test_every_row_is_of_a_known_source_and_says_how_it_came_about():
    content, rows = read()
    for row in rows:
        assert row.source in content["sources"], row
        assert all((row.chosen, row.order, row.seeds)) and len(row.figures) == 4, row
        assert all(figure is None or 0 < figure <= 100 for figure in row.figures), row
        assert row.figures[2] is not None, row
    assert {row.chosen for row in rows if row.method.startswith("KDA")} == {"the seen penalty"}
    assert {row.order for row in rows if row.data == "UCF" and row.method == "AVCA"} == {"79 of 101 wrong", "right"}


def test_a_missing_mark_is_told(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="needs the marks <!-- leaderboard -->"):
        put(page, "leaderboard", leaderboard.document())


def tables() -> list[tuple[str, list[list[str]]]]:
    """Title and rows of every table of the page."""
    found = []
    for title, body in re.findall(r"\*\*(.*?): published, in %\*\*\n\n((?:\|.*\n)+)", PAGE.read_text()):
        found.append((title, [line.strip("| ").split(" | ") for line in body.splitlines()[2:]]))
    assert len(found) == 11
    return found
