"""Answers that may lack clips say so, wherever they are read: Python, the command line, the API."""

import json
import logging
import math
import shutil

import pytest
from typer.testing import CliRunner

from avgzsl import cli
from avgzsl.archive.collection import open_index
from avgzsl.archive.engines import PLUGINS
from avgzsl.archive.hits import Hits
from avgzsl.archive.indexing import index, index_info, index_remove
from avgzsl.archive.recall_record import RECALL
from avgzsl.archive.search import search
from avgzsl.errors import AvgzslError, ConfigError, DataError
from avgzsl.experiments.run import load_run, read_classes
from avgzsl.experiments.train_evaluate import train
from tests.serve_world import application, client_of
from tests.small_set import write_set

pytest.importorskip("faiss")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return train(data, "least-squares", out=tmp_path_factory.mktemp("runs") / "run").folder


@pytest.fixture(scope="module")
def name(run):
    return read_classes(load_run(run)).names[0]


def avgzsl(*arguments):
    ran = CliRunner().invoke(cli.app, list(map(str, arguments)))
    assert ran.exit_code == 0, ran.output
    return ran


def test_an_approximate_index(data, run, name, tmp_path):
    folder = tmp_path / "index"
    avgzsl("index", run, data, "--out", folder, "--engine", "faiss", "--recall", 0.9)
    noted = json.loads((folder / RECALL).read_text())
    assert all(one["recall"] >= 0.9 for one in noted["modes"].values())
    assert all(one["questions"] > 1 for one in noted["modes"].values()), "names of classes, and clips"
    info = index_info(folder)
    assert info.recall == {mode: one["recall"] for mode, one in noted["modes"].items()}
    assert info.record.wanted_recall == 0.9

    hits = search(folder, name, top=3)
    assert hits.approximate
    assert not hits.partial
    said = f"approximate: finds {math.floor(1000 * hits.recall) / 10:.1f} % of the ten nearest"
    assert said in hits.notes
    assert said in avgzsl("search", folder, name).stdout
    rows = json.loads(avgzsl("search", folder, name, "--json").stdout)
    assert [(row["recall"], row["partial"]) for row in rows] == [(hits.recall, False)] * len(rows)
    with application(folder) as app:
        found = client_of(app).get("/v1/search", params={"q": name}).json()
    assert (found["recall"], found["partial"]) == (hits.recall, False)
    assert said in found["notes"]

    with pytest.raises(DataError, match=r"made for a recall of 0\.9, and 0\.5 is asked for"):
        index(run, data, folder, recall=0.5)
    (folder / RECALL).unlink()
    assert not search(folder, name).approximate, "unmeasured, all clips are compared"
    avgzsl("index-rebuild", folder)
    assert search(folder, name).recall == hits.recall


def test_an_exact_index_is_certain_and_takes_no_recall(data, run, name, tmp_path):
    index(run, data, tmp_path / "index", engine="memory")
    hits = search(tmp_path / "index", name)
    assert (hits.recall, hits.approximate, hits.partial, hits.absent) == (None, False, False, ())
    with pytest.raises(ConfigError, match="memory is exact"):
        index(run, data, tmp_path / "other", engine="memory", recall=0.9)
    assert not (tmp_path / "other").exists()


def test_a_shard_that_is_dead(data, run, name, tmp_path, monkeypatch, caplog):
    folder, url = tmp_path / "index", f"memory={tmp_path / 'one'},{tmp_path / 'two'}"
    avgzsl("index", run, data, "--out", folder, "--engine", "sharded", "--url", url)
    assert json.loads((folder / "index.json").read_text())["url"] == url
    whole = json.loads(avgzsl("search", folder, name, "--url", url, "--json", "--top", 5).stdout)
    assert not any(row["partial"] for row in whole)

    def nobody(*_):
        raise AvgzslError("nobody is there")

    opened = PLUGINS.load("sharded").open_engine

    def one_dead(*given):
        made = opened(*given)
        made.engines[1].query = made.engines[1].count = nobody
        return made

    with monkeypatch.context() as patched:
        patched.setattr(PLUGINS.load("sharded"), "open_engine", one_dead)
        ran = avgzsl("search", folder, name, "--url", url, "--json", "--top", 5)
        assert all(row["partial"] for row in json.loads(ran.stdout))
        assert "shard 2 of 2 (memory at" in ran.stderr
        patched.setenv("AVGZSL_ENGINE_URL", url)
        with application(folder) as app, caplog.at_level(logging.WARNING, "avgzsl.server"):
            found = client_of(app).get("/v1/search", params={"q": name}).json()
        assert found["partial"]
        assert "shard 2 of 2 (memory at" in caplog.records[-1].about["absent"][0], (
            "whoever keeps the server learns which"
        )
        assert "partial: 1 part of the index does not answer, clips may be missing" in found["notes"]
        assert str(tmp_path) not in json.dumps(found), "where shards are is the server's own affair"
    (tmp_path / "two").rename(tmp_path / "away")  # as a disk that is not mounted
    there = search(open_index(folder, url), name)
    assert there.partial and "no such folder" in there.absent[0]
    verified = CliRunner().invoke(cli.app, ["index-verify", str(folder), "--url", url])
    assert verified.exit_code == 1 and "see that it runs" in verified.stdout and "index-rebuild" not in verified.stdout
    kept = shutil.copytree(folder, tmp_path / "kept")
    with pytest.raises(AvgzslError, match=r"no such folder here.*; 1 clips are removed, and not all is erased"):
        index_remove(kept, [whole[0]["id"]], purge=True, url=url)
    (tmp_path / "away").rename(tmp_path / "two")
    with pytest.raises(DataError, match="in their order, `avgzsl index-rebuild --shard 1`"):
        search(open_index(folder, f"memory={tmp_path / 'two'},{tmp_path / 'one'}"), name)
    avgzsl("index-rebuild", folder, "--url", url, "--shard", 2)
    assert json.loads(avgzsl("search", folder, name, "--url", url, "--json", "--top", 5).stdout) == whole


@pytest.mark.parametrize("only_likely", [False, True])
def test_no_hit_of_a_part_of_the_index_is_told_by_the_exit_code(only_likely, monkeypatch):
    monkeypatch.setattr("avgzsl.archive.collection.open_index", lambda *_: None)
    arguments = ["search", "index", "bell", "--json", *(["--only-likely"] if only_likely else [])]
    for absent, code in (((), 3 if only_likely else 0), (("shard 2 of 2: nobody is there",), 4)):
        found = Hits((), absent=absent)
        monkeypatch.setattr("avgzsl.archive.search.search", lambda *_, found=found, **__: found)
        ran = CliRunner().invoke(cli.app, arguments)
        assert (ran.exit_code, ran.stdout) == (code, "[]\n")
        assert ("shard 2 of 2" in ran.stderr) == bool(absent)
