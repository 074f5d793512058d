"""What a method says of itself is held to where it counts: no index, no pack where it says why not."""

import pytest

from avgzsl import pack, search
from avgzsl.archive.indexing import index
from avgzsl.errors import ConfigError
from avgzsl.experiments.train_evaluate import train
from avgzsl.methods import method_class
from tests.small_set import write_set

WHY = "its classifier knows a closed list of names"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return train(data, "least-squares", out=tmp_path_factory.mktemp("runs") / "run").folder


def test_index_and_search_refuse_a_method_with_its_reason(data, run, tmp_path, monkeypatch):
    made = tmp_path / "index"
    index(run, data, made, split="val", engine="memory")
    monkeypatch.setattr(method_class("least-squares"), "searchable", WHY)
    with pytest.raises(ConfigError, match=f"least-squares can be neither indexed nor searched with: {WHY}"):
        index(run, data, tmp_path / "other", split="val", engine="memory")
    assert not (tmp_path / "other").exists()
    with pytest.raises(ConfigError, match=WHY):
        search(made, "a word")


def test_pack_refuses_a_method_with_its_reason(run, tmp_path, monkeypatch):
    monkeypatch.setattr(method_class("least-squares"), "packable", WHY)
    with pytest.raises(ConfigError, match=f"a run of least-squares cannot be packed: {WHY}"):
        pack(run, tmp_path / "packed")
    assert not (tmp_path / "packed").exists()
