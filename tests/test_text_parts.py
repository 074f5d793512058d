"""The text of classes in parts: which columns are whose, and what they are made from."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from avgzsl.data.clips import ClassTable, Descriptions, Encoder, Prompts, TextPart, fingerprint
from avgzsl.errors import ConfigError, DataError
from avgzsl.support.weights import WeightFile
from avgzsl.text.encoders import load
from avgzsl.text.part_record import columns_of
from avgzsl.text.parts import describe_classes, load_parts, split_sentence

NAMES = ("a", "b", "c")
PARTS = (
    TextPart(2, None, Encoder("words:v.bin", (WeightFile("v.bin", "0" * 64),))),
    TextPart(
        3, "video", Encoder("minilm"), Prompts("video", ("a video of {}",)), Descriptions("s.csv", "1" * 64, ("d",))
    ),
)


def table(parts: tuple[TextPart, ...] = ()) -> ClassTable:
    text = torch.arange(1.0, 16.0).reshape(3, 5)
    return ClassTable(NAMES, text, torch.tensor([True, True, False]), parts)


def test_parts_survive_json() -> None:
    of = TypeAdapter(tuple[TextPart, ...])
    assert of.validate_json(of.dump_json(PARTS)) == PARTS


def test_a_table_is_one_part_unless_it_is_told() -> None:
    assert table().parts == (TextPart(5),)
    assert table(PARTS).parts == table(PARTS).take(torch.tensor([2, 0])).parts == PARTS
    assert columns_of(PARTS) == [slice(0, 2), slice(2, 5)]


def test_parts_are_as_wide_as_the_text() -> None:
    with pytest.raises(DataError, match=r"2 \+ 4 numbers for text vectors of 5"):
        table((PARTS[0], TextPart(4)))


def test_a_single_part_leaves_the_fingerprint_and_several_are_in_it() -> None:
    # of data from before there were parts
    before = "b1f4c5c09d1568491ee412c66f0092c7a9fa658c8508212822ced4294845998a"
    assert fingerprint(table(), ["x"]) == before
    assert fingerprint(table((TextPart(5, None, Encoder("minilm")),)), ["x"]) == before
    others = [PARTS, (TextPart(2), TextPart(3)), (TextPart(3), TextPart(2)), (TextPart(5, "audio"),)]
    names = {fingerprint(table(parts), ["x"]) for parts in others}
    assert len(names | {before}) == 5


def rows_of(encoder: str, *texts: str) -> torch.Tensor:
    return load(encoder).encode(texts).double()


def unit(rows: torch.Tensor) -> torch.Tensor:
    return (rows / rows.norm(dim=-1, keepdim=True)).float()


@pytest.fixture
def sentences(tmp_path: Path) -> Path:
    path = tmp_path / "s.csv"
    path.write_text("label,one,two\nred drum,a red skin,it booms loudly\nblue flute,thin blue wood,\n")
    return path


def test_prompts_are_the_mean_of_unit_vectors(tmp_path: Path) -> None:
    overrides = tmp_path / "o.csv"
    overrides.write_text("original,manual\ndrum,red drum\nred drum,never this\n")
    (tmp_path / "p.txt").write_text("the {} is loud\n{}\n")
    parts = load_parts([f"hashed-words:64,overrides={overrides}+prompts={tmp_path / 'p.txt'}"])
    rows, notes = parts.encode(["drum"])
    expected = unit(rows_of("hashed-words:64", "the red drum is loud", "red drum").mean(0))
    torch.testing.assert_close(rows[0], expected)
    assert notes == [] and parts.record[0].prompts == Prompts("p.txt", ("the {} is loud", "{}"))


def test_long_vectors_count_no_more_than_short_ones(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", **{"the drum": np.array([9.0, 0.0]), "drum": np.array([0.0, 1.0])})
    (tmp_path / "p.txt").write_text("the {}\n{}\n")
    rows, _ = load_parts([f"dict:{tmp_path / 'v.npz'}+prompts={tmp_path / 'p.txt'}"]).encode(["drum"])
    torch.testing.assert_close(rows, torch.full((1, 2), 0.5**0.5))


def test_sentences_of_a_class_a_phrase_and_prompts_for_what_has_none(sentences: Path) -> None:
    parts = load_parts([f"hashed-words:64+descriptions={sentences}", "hashed-words:96"])
    rows, notes = parts.encode(["Red_Drum", "blue flute", "bell", "horn"], {"bell": "bronze in a tower"})
    first, second = rows.split([64, 96], dim=1)
    expected = [
        rows_of("hashed-words:64", "a red skin", "it booms loudly").mean(0),
        rows_of("hashed-words:64", "thin blue wood")[0],
        rows_of("hashed-words:64", "bronze in a tower")[0],
        rows_of("hashed-words:64", "a video of horn")[0],
    ]
    torch.testing.assert_close(first, unit(torch.stack(expected)))
    torch.testing.assert_close(second, load("hashed-words:96").encode(["Red_Drum", "blue flute", "bell", "horn"]))
    assert notes == ["horn: no sentence; 'a video of horn' was encoded for hashed-words:64"]
    assert [part.width for part in parts.record] == [64, 96]
    assert parts.record[0].descriptions is not None and parts.record[0].descriptions.columns == ("one", "two")


def test_the_notes_say_which_prompts_stood_in(sentences: Path) -> None:
    parts = load_parts([f"hashed-words:64+prompts=languagebind+descriptions={sentences}"])
    rows, notes = parts.encode(["horn"])
    assert notes == ["horn: no sentence; 'a video of horn' and 2 more were encoded for hashed-words:64"]
    three = rows_of("hashed-words:64", "a video of horn", "a person performing horn", "the human action horn")
    torch.testing.assert_close(rows[0], unit(three.mean(0)))


def test_a_sentence_without_use_is_told() -> None:
    rows, notes = load_parts(["hashed-words:64"]).encode(["bell"], {"bell": "of bronze"})
    torch.testing.assert_close(rows, load("hashed-words:64").encode(["bell"]))
    assert notes == ["bell: its sentence was not used, for no part of the text is made of sentences"]


def test_all_classes_need_a_sentence_before_any_encoder_is_loaded(sentences: Path) -> None:
    parts = load_parts([f"no-such-encoder+descriptions={sentences}"])
    with pytest.raises(DataError, match="no sentence for 1 of 2 classes: 'horn'"):
        describe_classes(parts, ["red drum", "horn"])


def test_own_is_no_encoder_here() -> None:
    assert load_parts(["own=hashed-words:64"]).encode(["a b"])[0].shape == (1, 64)
    with pytest.raises(ConfigError, match="names no encoder, and here one is needed"):
        load_parts(["own"])


@pytest.mark.parametrize(
    ("phrase", "name", "sentence"),
    [
        ("church bell: a large bronze bell: in a tower", "church bell", "a large bronze bell: in a tower"),
        ("church bell", "church bell", None),
        ("ratio 1:2", "ratio 1:2", None),
        (": a bell", ": a bell", None),
        ("bell: ", "bell: ", None),
    ],
)
def test_a_phrase_may_carry_its_sentence(phrase: str, name: str, sentence: str | None) -> None:
    assert split_sentence(phrase) == (name, sentence)


def test_many_at_once_gives_the_same_rows_and_asks_the_encoder_once(sentences: Path, monkeypatch) -> None:
    parts = load_parts(
        ["hashed-words:128", "hashed-words:64+prompts=photo", f"hashed-words:64+descriptions={sentences}"]
    )
    asked = []
    usual = type(parts.parts[0].encoder).encode_many
    monkeypatch.setattr(
        "avgzsl.text.checked.CheckedEncoder.encode_many", lambda self, words: asked.append(words) or usual(self, words)
    )
    rows, notes = parts.many_at_once().encode(["red drum", "green bell"])
    assert len(asked) == 3 and asked[0] == ["red drum", "green bell"]
    expected, told = parts.encode(["red drum", "green bell"])
    assert torch.allclose(rows, expected, atol=1e-6) and notes == told and len(asked) == 3
