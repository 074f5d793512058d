"""Clips as sequences, held against loops."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet, Dataset, content_hash, restrict
from avgzsl.data.merging import merged
from avgzsl.data.sequences import Sequences, by_size
from avgzsl.errors import DataError

LENGTHS = (3, 1, 0, 5, 2)
WIDTH = 4


def ragged(lengths: Sequence[int] = LENGTHS, seed: int = 0) -> tuple[list[Tensor], list[Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    steps = [torch.randn(count, WIDTH, generator=generator) for count in lengths]
    return steps, [torch.arange(count) * 0.5 + 0.25 for count in lengths]


def clips_of(lengths: Sequence[int] = LENGTHS) -> ClipSet:
    sequences = Sequences.of(*ragged(lengths))
    has = sequences.length > 0
    labels = torch.arange(len(lengths)) % 2
    ids = np.array([f"clip {row}" for row in range(len(lengths))])
    return ClipSet(sequences.means(), None, labels, ids, has, sequences={"audio": sequences})


def test_a_batch_is_padded_to_its_longest() -> None:
    steps, times = ragged()
    sequences = Sequences.of(steps, times)
    rows = [4, 2, 0]
    x, mask = sequences.padded(torch.tensor(rows))
    seconds = sequences.padded_times(torch.tensor(rows))
    assert x.shape == (3, 3, WIDTH) and mask.shape == seconds.shape == (3, 3)
    for place, row in enumerate(rows):
        for step in range(3):
            there = step < LENGTHS[row]
            assert bool(mask[place, step]) == there
            assert torch.equal(x[place, step], steps[row][step] if there else torch.zeros(WIDTH))
            assert float(seconds[place, step]) == (float(times[row][step]) if there else 0.0)


def test_what_another_clip_has_does_not_come_into_the_padding() -> None:
    sequences = Sequences.of(*ragged())
    sequences.steps[0] = torch.nan
    x, mask = sequences.padded(torch.tensor([1, 3, 2]))
    assert x.isfinite().all() and not x[~mask].any()


def test_a_batch_without_steps_has_one_place_that_is_empty() -> None:
    sequences = Sequences.of(*ragged())
    for rows in ([2], [2, 2]):
        x, mask = sequences.padded(torch.tensor(rows))
        assert x.shape == (len(rows), 1, WIDTH) and not mask.any() and not x.any()
    assert sequences.padded(torch.zeros(0, dtype=torch.int64))[0].shape == (0, 1, WIDTH)


def test_means_are_those_of_each_clip() -> None:
    steps, times = ragged()
    means = Sequences.of(steps, times).means()
    for row, own in enumerate(steps):
        expected = [0.0] * WIDTH if not len(own) else [sum(column) / len(column) for column in own.T.double().tolist()]
        assert means[row].tolist() == torch.tensor(expected, dtype=torch.float64).float().tolist()


def test_clips_are_taken_without_copying_their_steps() -> None:
    clips = clips_of()
    taken = clips.take(torch.tensor([3, 0, 3]))
    sequences = taken.sequences["audio"]
    assert sequences.steps.data_ptr() == clips.sequences["audio"].steps.data_ptr()
    steps, times = ragged()
    for place, row in enumerate([3, 0, 3]):
        assert torch.equal(sequences.clip(place)[0], steps[row]) and torch.equal(sequences.clip(place)[1], times[row])


def test_sequences_follow_clips_where_classes_are_chosen_or_merged() -> None:
    clips = clips_of((3, 1, 4, 5, 2))
    classes = ClassTable(("play guitar", "play_guitar"), torch.eye(2), torch.tensor([True, True]))
    chosen, _ = restrict(clips, classes, torch.tensor([False, True]))
    assert chosen.sequences["audio"].length.tolist() == [1, 5]
    joined = merged(Dataset.of(classes, {"train": clips}))
    assert len(joined.classes) == 1
    assert joined.splits["train"].sequences["audio"].length.tolist() == [3, 1, 4, 5, 2]


def test_a_hash_tells_sequences_apart_and_does_not_mind_where_they_stand() -> None:
    clips = clips_of()
    plain = replace(clips, sequences={})
    own = clips.sequences["audio"]
    later = replace(own, times=own.times + 1)
    changed = replace(own, steps=own.steps.clone())
    changed.steps[0, 0] += 1
    hashes = {content_hash(replace(clips, sequences={"audio": each})) for each in (own, later, changed)}
    assert len({*hashes, content_hash(plain)}) == 4
    order = torch.tensor([4, 2, 0, 1, 3])
    back = torch.argsort(order)
    steps, times = ragged()
    moved = Sequences.of([steps[i] for i in order.tolist()], [times[i] for i in order.tolist()]).take(back)
    assert content_hash(replace(clips, sequences={"audio": moved})) == content_hash(clips)


def test_sequences_of_a_modality_go_with_it() -> None:
    absent = torch.zeros(len(LENGTHS), dtype=torch.bool)
    assert not replace(clips_of(), audio=None, has_audio=absent).sequences


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sequences": {"audio": Sequences.of(*ragged((1, 2)))}}, "2 sequences of audio for 5 labels"),
        ({"audio": torch.ones(5, 3)}, "steps of 4 numbers for audio features of 3"),
        ({"has_audio": torch.ones(5, dtype=torch.bool)}, "1 clips are marked as having audio"),
    ],
)
def test_sequences_that_do_not_fit_their_clips_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        replace(clips_of(), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"first": torch.tensor([0, 3, 4, 4])}, "4 first steps for 5 lengths"),
        ({"times": torch.zeros(3)}, "3 times for 11 steps"),
        ({"length": torch.tensor([3, 1, 0, 5, 3])}, "as clip 4: 3 from step 9 on"),
        ({"length": torch.tensor([3, -1, 0, 5, 2])}, "as clip 1"),
        ({"first": torch.tensor([0, 3, -1, 4, 9])}, "as clip 2"),
    ],
)
def test_steps_that_are_not_there_are_refused(change: dict[str, Tensor], words: str) -> None:
    with pytest.raises(DataError, match=words):
        replace(Sequences.of(*ragged()), **change)


@pytest.mark.parametrize(
    ("widths", "times", "words"),
    [((4, 4), 1, "1 lists of times for 2 clips"), ((4, 5), 2, "clip 1: steps of 5"), ((), 0, "of 1 or more")],
)
def test_clips_that_make_no_sequences_are_refused(widths: tuple[int, ...], times: int, words: str) -> None:
    with pytest.raises(DataError, match=words):
        Sequences.of([torch.zeros(3, width) for width in widths], [torch.zeros(3)] * times)


def test_chunks_are_bounded_and_hold_every_row_once() -> None:
    generator = torch.Generator().manual_seed(3)
    for limit in (1, 7, 40, 10_000):
        length = torch.randint(0, 30, (200,), generator=generator)
        chunks = by_size(length, limit)
        assert sorted(torch.cat(chunks).tolist()) == list(range(200))
        for chunk in chunks:
            padded = len(chunk) * max(1, int(length[chunk].max()))
            assert padded <= limit or len(chunk) == 1
    assert len(by_size(torch.full((100,), 10), 100)) == 10
    assert by_size(torch.zeros(0, dtype=torch.int64)) == []
    with pytest.raises(DataError, match="limit of 0"):
        by_size(torch.ones(3, dtype=torch.int64), 0)
