"""Lists of clips: what is read, and that every line that is wrong is named at once."""

import csv
from pathlib import Path

import pytest

from avgzsl.errors import DataError
from avgzsl.features.manifest import clip_id, list_folder, read_manifest
from avgzsl.media.needs import Span
from tests.small_clips import write_wav


@pytest.fixture
def root(tmp_path) -> Path:
    for name in ("a.mp4", "sub dir/b,c.mp4", "d.wav"):
        (tmp_path / "clips" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clips" / name).write_bytes(b"x")
    return tmp_path / "clips"


def manifest(root: Path, text: str) -> Path:
    path = root.parent / "labels.csv"
    path.write_bytes(text.encode())
    return path


def problems(root: Path, text: str) -> str:
    with pytest.raises(DataError) as found:
        read_manifest(manifest(root, text), root)
    assert "labels.csv" in str(found.value)
    return str(found.value)


def test_every_column_is_read_and_further_ones_are_carried_along(root):
    text = (
        "\ufeffid,path,label,split,seen,start,end,licence,source\r\n"
        'first,a.mp4,"dog, barking",trn,yes,1.5,2,CC BY,x\r\n'
        ',"sub dir/b,c.mp4",bell,TEST,0,,,,\r\n'
        "\r\n"
        ",./d.wav,,,,,,CC0,y\r\n"
    )
    first, second, third = read_manifest(manifest(root, text), root)
    assert (first.id, first.path, first.label) == ("first", "a.mp4", "dog, barking")
    assert (first.split, first.seen) == ("train", True)
    assert first.span == Span(1.5, 2.0) and first.more == {"licence": "CC BY", "source": "x"}
    assert (second.id, second.path, second.split, second.seen) == ("sub dir/b,c.mp4",) * 2 + ("test", False)
    assert second.span == Span() and second.more == {"licence": "", "source": ""}
    assert (third.id, third.label, third.split, third.seen) == ("d.wav", None, None, None)


def test_every_bad_line_is_reported_with_its_number(root):
    text = """path,label,split,seen,start,end,id
gone.mp4,a,,,,,
a.mp4,a,training,,,,
a.mp4,a,,maybe,,,
a.mp4,a,,,x,,
a.mp4,a,,,3,2,
a.mp4,a,,,-1,,
a.mp4,a,,,nan,,
a.mp4,a
a.mp4,b,,,1,2,one
a.mp4,b,,,1,2,two
d.wav,b,,,,,one
../secret.mp4,a,,,,,
,a,,,,,
sub dir,a,,,,,
a.mp4,,,yes,5,6,
"""
    said = problems(root, text)
    expected = {
        2: "not there",
        3: "training",
        4: "maybe",
        5: "'x'",
        6: "end 2 is not after start 3",
        7: "'-1'",
        8: "'nan'",
        9: "2 values",
        11: "line 10 already",
        12: "id 'one'",
        13: "leaves the folder",
        14: "no path",
        15: "not a file",
        16: "no label",
    }
    lines = {int(line.split()[1].rstrip(":")): line for line in said.splitlines()[1:]}
    assert lines.keys() == expected.keys()
    for number, words in expected.items():
        assert words in lines[number], lines[number]


@pytest.mark.parametrize("path", ["../x.wav", "sub/../../x.wav", "..\\x.wav", "link.wav"])
def test_no_path_leaves_the_folder(root, path):
    write_wav(root.parent / "x.wav")
    (root / "sub").mkdir()
    (root / "link.wav").symlink_to(root.parent / "x.wav")
    assert "line 2" in problems(root, f"path\n{path}\n")


def test_an_absolute_path_is_taken_inside_the_folder_only(root):
    (row,) = read_manifest(manifest(root, f"path\n{root / 'a.mp4'}\n"), root)
    assert row.path == "a.mp4"
    assert "outside" in problems(root, f"path\n{write_wav(root.parent / 'x.wav')}\n")


def test_the_same_clip_by_two_ways_to_write_its_path_is_a_duplicate(root):
    assert "stands on line 2" in problems(root, "path\na.mp4\n./a.mp4\n")


def test_seen_must_be_one_thing_for_a_class_and_said_of_all_or_none(root):
    said = problems(root, "path,label,seen\na.mp4,a,yes\nd.wav,a,no\n")
    assert "both" not in said and "yes and no" in said and ": a;" in said
    assert "not for b" in problems(root, "path,label,seen\na.mp4,a,yes\nd.wav,b,\n")
    rows = read_manifest(manifest(root, "path,label,seen\na.mp4,a,yes\nd.wav,a,\n"), root)
    assert [row.seen for row in rows] == [True, None]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing"),
        ("label\nx\n", "label"),
        ("path,path\na.mp4,a.mp4\n", "'path'"),
        ("path,\na.mp4,\n", "''"),
        ("path,sha256\na.mp4,x\n", "sha256"),
        ("path\n", "lists no clip"),
        ('path\n"a.mp4\n', "csv"),
        ("path\n\0\n", "line 2"),
    ],
)
def test_what_is_no_manifest_is_refused(root, text, words):
    assert words in problems(root, text)


def test_other_encodings_and_missing_files_are_refused(root):
    path = root.parent / "labels.csv"
    path.write_bytes("path\ncafé.mp4\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        read_manifest(path, root)
    with pytest.raises(DataError, match="not readable"):
        read_manifest(root / "none.csv", root)
    with pytest.raises(DataError, match="expected the folder"):
        read_manifest(manifest(root, "path\na.mp4\n"), root / "none")


def test_subfolders_are_classes_where_that_is_asked_for(root):
    for name in ("bell/deep/1.MP4", "bell/notes.txt", ".hidden/x.mp4", "bell/.x.mp4"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    assert {row.label for row in list_folder(root)} == {None}
    rows = list_folder(root, labels_from_folders=True)
    assert [(row.path, row.label) for row in rows] == [
        ("a.mp4", None),
        ("bell/deep/1.MP4", "bell"),
        ("d.wav", None),
        ("sub dir/b,c.mp4", "sub dir"),
    ]
    (root.parent / "empty").mkdir()
    for bad in (root.parent / "empty", root / "none", root / "a.mp4"):
        with pytest.raises(DataError, match=str(bad)):
            list_folder(bad)


def test_ids_of_spans_differ_wherever_spans_do():
    spans = [Span(), Span(0.0, 1234.567), Span(0.0, 1234.568), Span(0.0, 1e6), Span(0.0, 1e6 + 0.25), Span(1.0)]
    assert len({clip_id("x", span) for span in spans}) == len(spans)
    assert clip_id("x", Span(0.1 * 3, 10.0)) == "x@0.3-10"


def test_a_long_manifest_is_quick_to_read(root):
    rows = [("a.mp4", f"class {n % 50}", n, n + 1) for n in range(3000)]
    with (root.parent / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "start", "end"), *rows])
    assert len(read_manifest(root.parent / "labels.csv", root)) == 3000


# Links: a listing and a manifest have one rule


def both(root: Path, name: str) -> list[str]:
    """What a listing, and a manifest of one path, say of it: "read", or the error."""
    told = []
    for read in (lambda: list_folder(root), lambda: read_manifest(manifest(root, f"path\n{name}\n"), root)):
        try:
            told.append("read" if name in {row.path for row in read()} else "absent")
        except DataError as problem:
            told.append(str(problem))
    return told


def test_a_link_to_a_file_within_is_read(root):
    (root / "other").mkdir()
    (root / "other" / "e.mp4").symlink_to(root / "a.mp4")
    (root / "other" / "f.mp4").symlink_to(Path("..") / "a.mp4")
    assert both(root, "other/e.mp4") == ["read", "read"] == both(root, "other/f.mp4")


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("chained", [False, True])
def test_a_link_out_of_the_folder_is_refused_and_named(root, folder, chained):
    away = root.parent / "away"
    away.mkdir()
    (away / "x.mp4").write_bytes(b"x")
    target, link = (away, root / "link") if folder else (away / "x.mp4", root / "link.mp4")
    if chained:
        (root / "first.txt").symlink_to(target)
        target = root / "first.txt"
    link.symlink_to(target)
    listed, read = both(root, "link/x.mp4" if folder else "link.mp4")
    for told in (listed, read):
        assert "out" in told and str(away) in told, told
    assert "put copies" in listed


def test_a_root_that_is_a_link_and_links_to_what_is_no_clip(root):
    (root.parent / "notes.txt").write_text("words")
    (root / "notes.txt").symlink_to(root.parent / "notes.txt")
    (root / "gone.mp4").symlink_to(root / "nothing.mp4")
    (root / "circle.mp4").symlink_to(root / "circle.mp4")
    (root / "round").symlink_to(root)
    (root.parent / "other name").symlink_to(root)
    for place in (root, root.parent / "other name"):
        assert [row.path for row in list_folder(place)] == ["a.mp4", "d.wav", "sub dir/b,c.mp4"]
    assert "not there" in problems(root, "path\ngone.mp4\n")
    assert "circle.mp4" in problems(root, "path\ncircle.mp4\n")


def test_folders_that_link_to_each_other_end(root):
    for a in range(8):
        (root / f"{a}").mkdir()
        for b in range(8):
            (root / f"{a}" / f"to {b}").symlink_to(root / f"{b}")
    assert len(list_folder(root)) == 3


def test_a_list_that_misses_every_file_reads_each_folder_once(root, monkeypatch):
    """As with a wrong root: a listing a line would take the square of the lines."""
    listings = []
    iterdir = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: (listings.append(folder), iterdir(folder))[1])
    said = problems(root, "path\n" + "".join(f"sub dir/{i}.mp4\n" for i in range(500)))
    assert said.count("not there") == 500
    assert len(listings) <= 4  # two folders, in two forms
