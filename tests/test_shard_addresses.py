"""Lists of addresses of the engine `sharded`: how they are read and shown, and the key that each shard has."""

import pytest

from avgzsl.archive.engines import PLUGINS, address, is_approximate, open_engine, shards
from avgzsl.errors import AvgzslError
from avgzsl.support.confidential import Address, bare_address, key_from, of_part

MEMORY = PLUGINS.load("memory")


def test_each_address_has_the_engine_of_the_one_before():
    text = "pgvector=postgresql://a:5432,b:5432/db,postgresql://c/db,qdrant=http://d:6333"
    found = shards(Address(text))
    assert [(shard.engine, shard.url.whole()) for shard in found] == [
        ("pgvector", "postgresql://a:5432,b:5432/db"),
        ("pgvector", "postgresql://c/db"),
        ("qdrant", "http://d:6333"),
    ]
    assert bare_address(text) == "pgvector=postgresql://a:5432,b:5432,postgresql://c,qdrant=http://d:6333"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://a:1,http://b:1", "does not say of which engine"),
        ("qdrant=http://a:1,nothing=http://b:1", "unknown engine 'nothing'"),
        ("qdrant=http://a:1,http://user:secret@b:1", "holds more than an address"),
        ("qdrant=http://a:1,http://b:1?key=secret", "holds more than an address"),
        ("qdrant=http://a:1,sharded=http://b:1", "a shard cannot be sharded itself"),
        ("qdrant=http://a:1,http://a:1", "the same place twice"),
        ("qdrant=http://a:1,memory=http://b:1", "memory is a folder on disk"),
        ("memory=/a,qdrant=/b", "no address"),
        ("qdrant=", "no address"),
    ],
)
def test_a_list_that_is_none_is_refused_and_shows_no_secret(text, said):
    with pytest.raises(AvgzslError, match=said) as told:
        address("sharded", text)
    assert "secret" not in str(told.value)
    assert "secret" not in bare_address(text)


def test_one_of_the_shards_is_approximate(tmp_path):
    assert is_approximate("sharded", f"memory={tmp_path},faiss={tmp_path}")
    assert not is_approximate("sharded", f"memory={tmp_path},memory-bf16={tmp_path}")


def test_a_key_of_one_shard_comes_before_that_of_all(monkeypatch):
    monkeypatch.setenv("SOME_KEY", "common")
    monkeypatch.setenv("SOME_KEY_2", "own")
    with of_part(2):
        assert key_from("SOME_KEY").get_secret_value() == "own"
    with of_part(1):
        assert key_from("SOME_KEY").get_secret_value() == "common"
    assert key_from("SOME_KEY").get_secret_value() == "common"


def test_a_shard_that_reads_its_key_when_it_is_opened_has_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "common")
    monkeypatch.setenv("SOME_KEY_2", "own")
    keys, whole = [], MEMORY.open_engine
    opens = lambda *given: keys.append(key_from("SOME_KEY").get_secret_value()) or whole(*given)  # noqa: E731
    monkeypatch.setattr(MEMORY, "open_engine", opens)
    places = ",".join(str(tmp_path / name) for name in ("one", "two", "three"))
    open_engine("sharded", tmp_path, "both", 6, f"memory={places}").close()
    assert keys == ["common", "own", "common"]
