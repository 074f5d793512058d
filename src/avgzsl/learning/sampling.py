"""Training tuples by index tables: no per-sample Python, everything on the device that trains.

A tuple is a positive clip p and a negative clip q of another class (paper, section 3.2). The official code searches all
labels for every clip it draws, and with worker processes starts over with the same clips every epoch; here an epoch's
tuples are one table made by a few sorts.
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Int
from torch import Generator, Tensor

ClassPrior = Literal["uniform", "empirical"]


class ClassIndex(NamedTuple):
    """The clips of each class: `rows[start[c] : start[c] + size[c]]`; every class has at least one clip."""

    rows: Int[Tensor, " n"]
    start: Int[Tensor, " c"]
    size: Int[Tensor, " c"]


class Deck(NamedTuple):
    """Per class a shuffled stack of its clips (`order`, grouped like ClassIndex.rows) and how many were dealt."""

    order: Int[Tensor, " n"]
    dealt: Int[Tensor, " c"]


def index_classes(labels: Int[Tensor, " n"], n_classes: int) -> ClassIndex:
    """Group rows by label."""
    count = torch.bincount(labels, minlength=n_classes)
    return ClassIndex(torch.argsort(labels, stable=True), torch.cumsum(count, 0) - count, count)


def draw_class_pairs(
    index: ClassIndex, pairs: int, prior: ClassPrior, generator: Generator
) -> tuple[Int[Tensor, " b"], Int[Tensor, " b"]]:
    """Positive and negative classes, never the same.

    `uniform`: each class as often as any other. `empirical`: in proportion to its clips.
    """
    device, classes, clips = index.rows.device, len(index.size), len(index.rows)
    if prior == "uniform":
        positive = torch.randint(classes, (pairs,), generator=generator, device=device)
        step = torch.randint(1, classes, (pairs,), generator=generator, device=device)
        return positive, (positive + step) % classes
    class_of = torch.repeat_interleave(torch.arange(classes, device=device), index.size)
    positive = class_of[torch.randint(clips, (pairs,), generator=generator, device=device)]
    # a clip drawn from all but the positive class's: step over that class's stretch of the table
    others = clips - index.size[positive]
    draw = (torch.rand(pairs, generator=generator, device=device, dtype=torch.float64) * others).long()
    draw = torch.where(draw >= index.start[positive], draw + index.size[positive], draw)
    return positive, class_of[draw]


def draw_clips(index: ClassIndex, classes: Int[Tensor, " b"], generator: Generator) -> Int[Tensor, " b"]:
    """For each class one of its clips, drawn independently and uniformly."""
    unit = torch.rand(len(classes), generator=generator, device=classes.device, dtype=torch.float64)
    return index.rows[index.start[classes] + (unit * index.size[classes]).long()]


def new_deck(index: ClassIndex) -> Deck:
    """A deck with nothing left in it: the first deal shuffles."""
    return Deck(index.rows.clone(), index.size.clone())


def deal(
    index: ClassIndex, deck: Deck, classes: Int[Tensor, " b"], generator: Generator
) -> tuple[Int[Tensor, " b"], Deck]:
    """For each class its next clip: every clip of a class comes once before any comes again.

    All passes over a class that this call needs are laid out one after another, the rest of the present deck first,
    and each new pass is shuffled by one sort over (class, pass, random key).
    """
    device = classes.device
    asked = torch.bincount(classes, minlength=len(index.size))
    passes = (deck.dealt + asked + index.size - 1) // index.size
    passes = passes.clamp(min=1)
    length = passes * index.size
    first = torch.cumsum(length, 0) - length

    group = torch.repeat_interleave(torch.arange(len(length), device=device), length)
    within = torch.arange(len(group), device=device) - first[group]
    in_pass, member = within // index.size[group], within % index.size[group]
    key = (torch.cumsum(passes, 0) - passes)[group] + in_pass
    shuffle = torch.argsort(key + torch.rand(len(key), generator=generator, device=device, dtype=torch.float64))
    place = index.start[group] + member
    stream = torch.where(in_pass == 0, deck.order[place], index.rows[place[shuffle]])

    by_class = torch.argsort(classes, stable=True)
    nth = torch.empty_like(classes)
    nth[by_class] = torch.arange(len(classes), device=device) - (torch.cumsum(asked, 0) - asked)[classes[by_class]]
    rows = stream[first[classes] + deck.dealt[classes] + nth]
    last = in_pass == passes[group] - 1
    return rows, Deck(stream[last], deck.dealt + asked - (passes - 1) * index.size)


class PairSampler:
    """The tuples of one epoch after another; its state is two small tensors.

    `steps` of an epoch are ceil(n / batch_size) where they are 0. With `replacement` each clip of a class is drawn
    anew, else every clip comes once before any comes again.
    """

    def __init__(
        self,
        labels: Int[Tensor, " n"],
        n_classes: int,
        batch_size: int,
        prior: ClassPrior,
        steps: int = 0,
        replacement: bool = False,
    ) -> None:
        self.index = index_classes(labels, n_classes)
        self.deck = new_deck(self.index)
        self.batch_size = batch_size
        self.prior: ClassPrior = prior
        self.steps = steps or -(-len(labels) // batch_size)
        self.replacement = replacement

    def epoch(self, generator: Generator) -> list[Int[Tensor, "2 b"]]:
        """Batches of rows: positives in row 0, negatives in row 1."""
        positive, negative = draw_class_pairs(self.index, self.steps * self.batch_size, self.prior, generator)
        if self.replacement:
            rows = draw_clips(self.index, positive, generator)
        else:
            rows, self.deck = deal(self.index, self.deck, positive, generator)
        pairs = torch.stack([rows, draw_clips(self.index, negative, generator)])
        return list(pairs.split(self.batch_size, dim=1))

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return {"order": self.deck.order, "dealt": self.deck.dealt}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from `state`."""
        device = self.index.rows.device
        self.deck = Deck(state["order"].to(device), state["dealt"].to(device))


class BalancedSampler(PairSampler):
    """Full batches of clips, each class as often as any other: the positives of the tuples."""

    def epoch(self, generator: Generator) -> list[Int[Tensor, " b"]]:
        """Batches of rows."""
        return [pairs[0] for pairs in super().epoch(generator)]


class ClipSampler:
    """Every clip once an epoch, in a new order each time; stateless between epochs."""

    def __init__(self, rows: Int[Tensor, " n"], batch_size: int) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.steps = -(-len(rows) // batch_size)

    def epoch(self, generator: Generator) -> list[Int[Tensor, " b"]]:
        """Batches of rows; the last may be shorter."""
        shuffle = torch.randperm(len(self.rows), generator=generator, device=self.rows.device)
        return list(self.rows[shuffle].split(self.batch_size))

    def state(self) -> dict[str, Tensor]:
        """Nothing to keep."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Nothing to restore."""
