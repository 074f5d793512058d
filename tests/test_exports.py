"""What was found, taken along: a table, a playlist, cut files; nothing is overwritten, and nothing else is opened."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from avgzsl import cli
from avgzsl.archive.exports import cut_clips, cut_stem, save_playlist, save_table
from avgzsl.archive.hits import Hits
from avgzsl.archive.indexing import index
from avgzsl.archive.playlist import Played, playlist
from avgzsl.archive.search import open_searcher, search
from avgzsl.errors import ConfigError, DataError
from avgzsl.media.decode import decode, probe
from avgzsl.media.needs import FrameNeeds, SoundNeeds, Span
from avgzsl.support.own_folders import VARIABLE
from avgzsl.support.spreadsheet import read_table
from tests import clip_runs
from tests.small_clips import write_wav

RATE = clip_runs.RATE


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Films of three seconds, and a sound of as many, a piece of 0.75 s each second: an index of a run over it."""
    place = tmp_path_factory.mktemp("clips")
    for name in ("red low", "blue high"):
        clip_runs.render(place / "films" / f"{name} & co.mp4", name, seconds=3.0)
    write_wav(place / "a tone.wav", 600.0, 3.0)
    return place


@pytest.fixture(scope="module")
def archive(folder, tmp_path_factory):
    made = tmp_path_factory.mktemp("runs")
    few = clip_runs.clips(made / "few")
    run = clip_runs.train(clip_runs.dataset(few), made / "run").folder
    index(run, folder, made / "index", engine="memory", window=0.75, hop=1.0)
    return open_searcher(made / "index")


@pytest.fixture(scope="module")
def hits(archive):
    found = search(archive, "red low", top=50)
    assert len(found) == 9
    return found


def test_a_table_has_a_line_a_hit_and_no_formula(hits, tmp_path):
    wild = Hits((replace(hits[0], id="=cmd()", label="@sum", licence=None), *hits[1:]))
    save_table(wild, tmp_path / "found.csv")
    rows = read_table(tmp_path / "found.csv")
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, 10)]
    assert (rows[0]["id"], rows[0]["label"], rows[0]["licence"]) == ("=cmd()", "@sum", "")
    assert "\n1,'=cmd()," in (tmp_path / "found.csv").read_text()
    for row, hit in zip(rows[1:], hits[1:], strict=True):
        assert (row["id"], row["path"], float(row["start"]), float(row["score"])) == (
            hit.id, hit.path, hit.start, pytest.approx(hit.score),
        )  # fmt: skip


def test_a_playlist_plays_the_seconds_of_each_clip(hits, tmp_path):
    gone = replace(hits[1], file="gone")
    save_playlist(Hits((hits[0], gone, replace(hits[2], path=None))), tmp_path / "found.m3u")
    hit, lines = hits[0], (tmp_path / "found.m3u").read_text(encoding="utf-8").splitlines()
    expected = ["#EXTM3U", "#EXTENC:UTF-8", f"#EXTINF:1,{hit.label or hit.id} (1)"]
    expected += [f"#EXTVLCOPT:start-time={hit.start:.3f}"] if hit.start else []
    assert lines == [*expected, f"#EXTVLCOPT:stop-time={hit.end:.3f}", hit.path]


def test_no_name_takes_another_s_line_of_a_playlist():
    written = playlist(
        [
            Played("a\n#EXTINF:1,b\u2028c", "/a", 0.0, None),
            Played("x", "/b\n/etc/passwd", 0.0, 1.0),
            Played("y", "#z", 0.0, 1.0),
        ]
    )
    assert written.split("\n") == ["#EXTM3U", "#EXTENC:UTF-8", "#EXTINF:-1,a #EXTINF:1,b c", "/a", ""]


def test_cut_files_have_the_seconds_of_their_hits(hits, folder, tmp_path):
    made = cut_clips(hits, tmp_path / "cuts")
    assert {name[5:].partition("_0")[0] for name in (file.name for file in made.files)} >= {
        "films_red-low-co",
        "films_blue-high-co",
        "a-tone",
    }
    assert made.failures == () and len(made.files) == len({file.name.casefold() for file in made.files}) == 9
    table = read_table(tmp_path / "cuts" / "clips.csv")
    assert sorted(path.name for path in (tmp_path / "cuts").iterdir()) == sorted(
        ["clips.csv", *(file.name for file in made.files)]
    )
    for hit, file, row in zip(hits, made.files, table, strict=True):
        assert (row["cut"], row["clip"], row["problem"]) == (file.name, hit.id, "")
        assert file.suffix == (".flac" if hit.path.endswith(".wav") else ".mp4")
        assert probe(file)["duration"] == pytest.approx(hit.end - hit.start, abs=0.05)
        needs = {"sound": SoundNeeds(rate=RATE)}
        if file.suffix == ".mp4":
            needs["frames"] = FrameNeeds(size=48, fps=float(clip_runs.FPS))
        whole = decode(Path(hit.path), Span(hit.start, hit.end), **needs)
        piece = decode(file, **needs)
        count = min(len(whole.waveform), len(piece.waveform))
        assert count > 0.7 * RATE
        inside = slice(RATE // 20, count - RATE // 20)
        assert np.abs(piece.waveform[inside] - whole.waveform[inside]).mean() < 0.01  # of half as loud a tone as can be
        if file.suffix == ".mp4":
            assert len(piece.frames) == len(whole.frames) == 9
            assert np.abs(piece.frames.astype(int) - whole.frames.astype(int)).mean() < 8


def test_a_hit_without_its_file_is_told_and_the_others_are_cut(hits, tmp_path, folder):
    other = tmp_path / "elsewhere.mp4"
    shutil.copy(hits[0].path, other)
    link = folder / "link.mp4"
    link.symlink_to(other)
    few = [
        hits[0],
        replace(hits[1], path=None, file=None),
        replace(hits[2], file="changed"),
        replace(hits[3], file="gone"),
        replace(hits[4], path=str(other)),
        replace(hits[5], path=str(link)),
        replace(hits[6], file="unknown"),
        replace(hits[7], start=50.0, end=51.0),
    ]
    made = cut_clips(Hits(tuple(few)), tmp_path / "cuts")
    link.unlink()
    assert [rank for rank, _ in made.failures] == [2, 3, 4, 5, 6, 7, 8] and len(made.files) == 1
    why = [reason for _, reason in made.failures]
    elsewhere = "no folder that you have indexed"
    said = ["only the features", "has changed", "is gone", elsewhere, elsewhere, elsewhere, "s long; the span"]
    assert all(part in reason for part, reason in zip(said, why, strict=True)), why
    assert [row["problem"] for row in read_table(tmp_path / "cuts" / "clips.csv")] == ["", *why]
    allowed = cut_clips(Hits((few[4], few[6])), tmp_path / "allowed", media=[tmp_path, folder])
    assert len(allowed.files) == 2 and allowed.failures == ()


def test_an_index_of_somebody_else_opens_no_file_that_the_user_did_not_name(hits, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "state"))  # of a user who named nothing
    with pytest.raises(DataError, match=r"no clip could be cut; .*lies in no folder that you have indexed"):
        cut_clips(hits, tmp_path / "cuts")
    assert not (tmp_path / "cuts").exists()


def test_a_picture_is_copied(hits, folder, tmp_path):
    place = folder / "films" / "still.png"
    Image.fromarray(np.full((8, 8, 3), 7, np.uint8)).save(place)
    made = cut_clips(Hits((replace(hits[0], path=str(place), start=None, end=None),)), tmp_path / "cuts")
    assert made.files[0].name == "0001_films_still.png" and made.files[0].read_bytes() == place.read_bytes()
    place.unlink()


def test_nothing_is_overwritten_and_a_folder_is_whole_or_not_there(hits, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for given in ("full", "full/a", "link"):
        with pytest.raises(ConfigError, match="holds something already"):
            cut_clips(hits, tmp_path / given)
    for save in (save_table, save_playlist):
        for given in ("full/a", "link"):
            with pytest.raises(ConfigError, match="is there already, and nothing is overwritten"):
                save(hits, tmp_path / given)
    with pytest.raises(ConfigError, match="is no folder"):
        cut_clips(hits, tmp_path / "new", media=[tmp_path / "nowhere"])
    with pytest.raises(ConfigError, match=r"give media=\["):
        cut_clips(hits, tmp_path / "new", media="films")

    def stop(step):
        if step.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_clips(hits, tmp_path / "new", progress=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "link"]
    assert (tmp_path / "full" / "a").read_text() == "mine"


@pytest.mark.parametrize(
    ("given", "stem"),
    [
        ((1, "tape.wav", None, None), "0001_tape"),
        ((12, "../../etc/x: y?.mp4", 0.0, 2.5), "0012_etc_x-y_0-2.5s"),
        ((12, "école/Glück 1.mp4", 3.25, None), "0012_école_Glück-1_3.25-s"),
        ((10_000, "...", 1.0, 2.0), "10000__1-2s"),
        ((3, "a\n\0\udc80=b.mp4", None, None), "0003_a-b"),
        ((4, "CON", None, None), "0004_CON"),
        ((6, "/a b/c/1.mp4", None, None), "0006_a-b_c_1"),
        ((7, f"{'x' * 60}/y/{'n' * 30}.mp4", None, None), f"0007_y_{'n' * 30}"),
        (
            (9, "clips/red square sliding with a bell/take 1.mp4", 0.0, 2.0),
            "0009_red-square-sliding-with-a-bell_take-1_0-2s",
        ),
        ((8, f"a/{'n' * 60}.mp4", None, None), f"0008_{'n' * 40}"),
        ((5, "a.mp4", 100.0, 2.4739909297052156e3), "0005_a_100-2473.99s"),
    ],
)
def test_names_of_cut_files_are_safe(given, stem):
    assert cut_stem(*given) == stem


def test_names_of_cut_files_are_short():
    assert len(cut_stem(1, "\U00020000" * 300 + ".mp4", 1e9, 2e9).encode()) < 200
    for name in ("a" * 300 + "/!!!.mp4", "\U00020000" * 300 + "/b.mp4", "a" * 300 + "/" + "b" * 300 + ".mp4"):
        assert 5 < len(cut_stem(1, name, 0.0, None).encode()) < 200


def avgzsl(*arguments: object):
    return CliRunner().invoke(cli.app, list(map(str, arguments)))


def test_the_command_writes_what_is_shown(archive, hits, tmp_path):
    place = archive.collection.folder
    asked = ("search", place, "red low", "-k", 3, "--json")
    ran = avgzsl(*asked, "--csv", tmp_path / "a.csv", "--m3u", tmp_path / "a.m3u", "--cut", tmp_path / "cuts")
    assert ran.exit_code == 0, ran.output
    assert [hit["id"] for hit in json.loads(ran.stdout)] == [row["id"] for row in read_table(tmp_path / "a.csv")]
    assert "3 cut files" in ran.stderr and len(list((tmp_path / "cuts").iterdir())) == 4
    assert (tmp_path / "a.m3u").read_text().count("#EXTINF") == 3
    again = avgzsl(*asked, "--csv", tmp_path / "a.csv")
    assert again.exit_code == 1 and isinstance(again.exception, ConfigError | SystemExit)
    unused = avgzsl(*asked, "--media", tmp_path)
    assert unused.exit_code == 1
    none = avgzsl(*asked, "--where", "label = nobody", "--csv", tmp_path / "b.csv")
    assert none.exit_code == 0 and "no file was written" in none.stderr and not (tmp_path / "b.csv").exists()
