"""The tuples: who is drawn, how often, and from which class."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avgzsl.learning.sampling import (
    ClipSampler,
    PairSampler,
    deal,
    draw_class_pairs,
    draw_clips,
    index_classes,
    new_deck,
)


def labels_of(*sizes: int) -> torch.Tensor:
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(3))]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(1, 40), st.integers(0, 2**31), st.data())
def test_every_clip_of_a_class_once_before_any_again(sizes, batch, seed, data):
    labels = labels_of(*sizes)
    index, generator = index_classes(labels, len(sizes)), torch.Generator().manual_seed(seed)
    deck, dealt = new_deck(index), [[] for _ in sizes]
    for _ in range(4):
        wanted = torch.tensor(data.draw(st.lists(st.integers(0, len(sizes) - 1), min_size=batch, max_size=batch)))
        rows, deck = deal(index, deck, wanted, generator)
        assert torch.equal(labels[rows], wanted)
        for row, c in zip(rows.tolist(), wanted.tolist(), strict=True):
            dealt[c].append(row)
    for size, rows in zip(sizes, dealt, strict=True):
        for start in range(0, len(rows), size):
            chunk = rows[start : start + size]
            assert len(set(chunk)) == len(chunk)


def test_passes_are_shuffled_anew():
    labels, generator = labels_of(50, 50), torch.Generator().manual_seed(0)
    index = index_classes(labels, 2)
    rows, _ = deal(index, new_deck(index), torch.zeros(100, dtype=torch.long), generator)
    assert not torch.equal(rows[:50], rows[50:])
    assert rows[:50].tolist() != sorted(rows[:50].tolist())


def expected_pairs(sizes: list[int], prior: str) -> torch.Tensor:
    """The probability of each (positive, negative) class, by definition."""
    table = torch.zeros(len(sizes), len(sizes), dtype=torch.float64)
    for p, size in enumerate(sizes):
        for q, other in enumerate(sizes):
            if p != q and prior == "uniform":
                table[p, q] = 1 / len(sizes) / (len(sizes) - 1)
            elif p != q:
                table[p, q] = size / sum(sizes) * other / (sum(sizes) - size)
    return table


@pytest.mark.parametrize("prior", ["uniform", "empirical"])
def test_class_pairs_follow_the_prior(prior):
    sizes, draws = [40, 10, 5, 25], 200_000
    index = index_classes(labels_of(*sizes), 4)
    p, q = draw_class_pairs(index, draws, prior, torch.Generator().manual_seed(0))
    assert (p != q).all()
    found = torch.bincount(4 * p + q, minlength=16).double().view(4, 4) / draws
    assert torch.allclose(found, expected_pairs(sizes, prior), atol=0.005)


def test_negative_clips_are_uniform_within_their_class():
    labels = labels_of(3, 7)
    index = index_classes(labels, 2)
    rows = draw_clips(index, torch.ones(70_000, dtype=torch.long), torch.Generator().manual_seed(0))
    count = Counter(rows.tolist())
    assert set(count) == set((labels == 1).nonzero().squeeze(1).tolist())
    assert all(abs(n - 10_000) < 400 for n in count.values())  # four standard deviations


def test_negatives_hang_not_on_positives():
    """The same clip comes as negative again although the positive deck is not through."""
    labels = labels_of(100, 100)
    rows = draw_clips(index_classes(labels, 2), torch.zeros(100, dtype=torch.long), torch.Generator().manual_seed(0))
    assert len(set(rows.tolist())) < 100


def test_an_epoch_is_as_many_steps_as_batches_cover_the_clips():
    sampler = PairSampler(labels_of(10, 11), 2, batch_size=8, prior="uniform")
    batches = sampler.epoch(torch.Generator().manual_seed(0))
    assert [tuple(batch.shape) for batch in batches] == [(2, 8)] * 3 and sampler.steps == 3


def test_pair_sampler_goes_on_from_its_state():
    labels, generator = labels_of(9, 5, 12), torch.Generator().manual_seed(1)
    first = PairSampler(labels, 3, 8, "empirical")
    first.epoch(generator)
    state, noise = {k: v.clone() for k, v in first.state().items()}, generator.get_state()
    after = first.epoch(generator)
    second, again = PairSampler(labels, 3, 8, "empirical"), torch.Generator()
    second.restore(state)
    again.set_state(noise)
    assert all(torch.equal(x, y) for x, y in zip(after, second.epoch(again), strict=True))


@pytest.mark.parametrize("prior", ["uniform", "empirical"])
def test_epochs_deal_every_clip_of_a_class_before_any_comes_again(prior):
    """Of whole epochs, one after another: drawing with replacement would repeat clips and leave others out."""
    sizes = [4, 9, 17]
    labels, generator = labels_of(*sizes), torch.Generator().manual_seed(2)
    sampler = PairSampler(labels, 3, 8, prior)
    dealt: list[list[int]] = [[] for _ in sizes]
    negatives: Counter[int] = Counter()
    for _ in range(20):
        batches = sampler.epoch(generator)
        assert [tuple(batch.shape) for batch in batches] == [(2, 8)] * 4  # ceil(30 / 8)
        for p, q in torch.cat(batches, 1).T.tolist():
            assert labels[p] != labels[q]
            dealt[labels[p]].append(p)
            negatives[q] += 1
    for label, (size, rows) in enumerate(zip(sizes, dealt, strict=True)):
        own = set((labels == label).nonzero().squeeze(1).tolist())
        passes = [rows[start : start + size] for start in range(0, len(rows) - size + 1, size)]
        assert len(passes) > 3
        assert all(set(one) == own for one in passes)
        assert len({tuple(one) for one in passes}) > 1
    assert len(negatives) == len(labels)


@pytest.mark.parametrize("count", [1, 7, 100])
def test_a_clip_sampler_gives_every_clip_once_in_every_epoch_in_a_new_order(count):
    rows = torch.arange(count) * 3 + 5
    sampler, generator = ClipSampler(rows, 8), torch.Generator().manual_seed(1)
    epochs = [torch.cat(sampler.epoch(generator)).tolist() for _ in range(5)]
    assert all(sorted(epoch) == rows.tolist() for epoch in epochs)
    assert count == 1 or len({tuple(epoch) for epoch in epochs}) > 1
    assert sampler.steps == len(sampler.epoch(generator))


def test_clip_sampler_shows_every_clip_once():
    rows = torch.tensor([3, 5, 8, 13, 21])
    batches = ClipSampler(rows, 2).epoch(torch.Generator().manual_seed(0))
    assert sorted(torch.cat(batches).tolist()) == rows.tolist() and [len(b) for b in batches] == [2, 2, 1]


def test_with_replacement_a_clip_may_come_twice_before_another_comes() -> None:
    labels = labels_of(4, 40)
    sampler = PairSampler(labels, 2, 64, "uniform", steps=3, replacement=True)
    batches = sampler.epoch(torch.Generator().manual_seed(0))
    assert [tuple(batch.shape) for batch in batches] == [(2, 64)] * 3
    assert all((labels[batch[0]] != labels[batch[1]]).all() for batch in batches)
    drawn = torch.cat([batch[0] for batch in batches])
    often = torch.bincount(drawn, minlength=44)[labels == 1]
    assert often.max() - often.min() > 1  # without replacement, counts differ by one at most
    half = float((labels[drawn] == 0).float().mean())
    assert 0.35 < half < 0.65
