"""The text of classes in parts: which columns are whose, and what they are made from."""

import pytest
import torch
from pydantic import TypeAdapter

from avgzsl.data.clips import ClassTable, Descriptions, Encoder, Prompts, TextPart, fingerprint
from avgzsl.errors import DataError
from avgzsl.support.weights import WeightFile
from avgzsl.text.part_record import columns_of

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
