"""Clips as sequences: what a backbone gave for each window or frame, with the time of each, before the mean was taken.

Clips are ragged: their steps stand one after the other in one matrix, which may be mapped from a file, and each clip
says where its own begin and how many there are. A batch is padded to its longest; `by_size` bounds how large it gets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from avgzsl.errors import DataError

STEPS_AT_ONCE = 16384  # of padded batches, where nothing else is said: 64 MiB of 1024 numbers a step


@dataclass(frozen=True, eq=False)
class Sequences:
    """The steps of n clips in one modality: those of clip i are rows `first[i]` to `first[i] + length[i]` of `steps`.

    `steps` is s x d and may be mapped from a file, `times` the seconds of the middle of each step, from where its clip
    begins. A clip that lacks the modality has the length 0. Several clips may share steps.

    Raises DataError for counts that differ, a negative length, and clips whose steps are not there.
    """

    # `_n`, `_s`: counts are compared below, with an error for people
    steps: Float[Tensor, "_s d"]
    first: Int[Tensor, " _n"]
    length: Int[Tensor, " _n"]
    times: Float[Tensor, " _s"]

    def __post_init__(self) -> None:
        if len(self.first) != len(self.length):
            raise DataError(
                f"{len(self.first)} first steps for {len(self.length)} lengths; expected one of each a clip"
            )
        if len(self.steps) != len(self.times):
            raise DataError(f"{len(self.times)} times for {len(self.steps)} steps; expected one a step")
        outside = (self.length < 0) | (self.first < 0) | (self.first + self.length > len(self.steps))
        if (wrong := outside.nonzero().squeeze(1).tolist()) != []:
            clip = wrong[0]
            raise DataError(
                f"{len(wrong)} clips have steps that are not there, as clip {clip}: {int(self.length[clip])} from step "
                f"{int(self.first[clip])} on; expected them within the {len(self.steps)} steps that are given"
            )

    def __len__(self) -> int:
        return len(self.length)

    @property
    def dimension(self) -> int:
        """Numbers a step."""
        return self.steps.shape[1]

    @classmethod
    def of(cls, steps: Sequence[Float[Tensor, "_t d"]], times: Sequence[Float[Tensor, " _t"]]) -> "Sequences":
        """Sequences from the steps and times of each clip, one or more.

        Raises DataError for no clip, for counts that differ, and for steps of different widths.
        """
        if not steps or len(steps) != len(times):
            raise DataError(f"{len(times)} lists of times for {len(steps)} clips; expected one for each, of 1 or more")
        for clip, (rows, seconds) in enumerate(zip(steps, times, strict=True)):
            if rows.shape[1] != steps[0].shape[1]:
                raise DataError(f"clip {clip}: steps of {rows.shape[1]} numbers, the first clip's {steps[0].shape[1]}")
            if len(rows) != len(seconds):
                raise DataError(f"clip {clip}: {len(seconds)} times for {len(rows)} steps; expected one a step")
        length = torch.tensor([len(rows) for rows in steps], dtype=torch.int64)
        return cls(torch.cat(list(steps)), length.cumsum(0) - length, length, torch.cat(list(times)))

    def take(self, index: Int[Tensor, " k"]) -> "Sequences":
        """Those of the clips at `index`, in that order; steps are shared, not copied."""
        return replace(self, first=self.first[index], length=self.length[index])

    def clip(self, row: int) -> tuple[Float[Tensor, "t d"], Float[Tensor, " t"]]:
        """The steps of one clip and their times, uncopied."""
        start = int(self.first[row])
        own = slice(start, start + int(self.length[row]))
        return self.steps[own], self.times[own]

    def means(self) -> Float[Tensor, "n d"]:
        """The mean of each clip's steps, summed in float64; zero for a clip without steps."""
        out = torch.zeros(len(self), self.dimension)
        for row, count in enumerate(self.length.tolist()):
            if count:
                out[row] = self.clip(row)[0].double().mean(0).float()
        return out

    def padded(self, rows: Int[Tensor, " b"]) -> tuple[Float[Tensor, "b t d"], Bool[Tensor, "b t"]]:
        """The steps of clips in float32, zero behind the end of each, and where there is a step.

        T is the longest of them, 1 at least. `by_size` gives rows whose batches stay small.
        """
        return self._padded(self.steps, rows)

    def padded_times(self, rows: Int[Tensor, " b"]) -> Float[Tensor, "b t"]:
        """The seconds of the steps that `padded` gives, zero behind the end of each clip."""
        return self._padded(self.times, rows)[0]

    def _padded(
        self, values: Float[Tensor, "s ..."], rows: Int[Tensor, " b"]
    ) -> tuple[Float[Tensor, "b t ..."], Bool[Tensor, "b t"]]:
        first, length = self.first[rows], self.length[rows]
        offset = torch.arange(max(1, int(length.max()) if len(rows) else 1))
        mask = offset < length[:, None]
        if not bool(mask.any()):
            return torch.zeros(*mask.shape, *values.shape[1:]), mask
        # all places are read and then some made zero: half the time of reading and writing those with a step alone
        places = torch.where(mask, first[:, None] + offset, 0)
        out = values.index_select(0, places.flatten()).float().view(*mask.shape, *values.shape[1:])
        out[~mask] = 0.0
        return out, mask


def by_size(length: Int[Tensor, " n"], limit: int = STEPS_AT_ONCE) -> list[Int[Tensor, " _b"]]:
    """Rows in chunks whose padded batches have `limit` steps at most, padding counted; all rows, each once.

    They come in order of length, so that little is padded, and rows of one length in their own order. A clip that is
    longer than the limit has a chunk of its own. Raises DataError for a limit below 1.
    """
    if limit < 1:
        raise DataError(f"a limit of {limit} steps; expected 1 or more")
    chunks: list[list[int]] = []
    order = torch.argsort(length, stable=True)
    for row, count in zip(order.tolist(), length[order].tolist(), strict=True):
        if chunks and (len(chunks[-1]) + 1) * max(1, count) <= limit:  # the longest so far: they come in that order
            chunks[-1].append(row)
        else:
            chunks.append([row])
    return [torch.tensor(chunk) for chunk in chunks]


def sequence_hash(sequences: Sequences) -> str:
    """SHA-256 of the clips' steps and times, wherever these stand in the matrix."""
    digest = sha256(repr((sequences.dimension, sequences.length.tolist())).encode())
    for row in range(len(sequences)):
        for part in sequences.clip(row):
            digest.update(part.contiguous().numpy().data)
    return digest.hexdigest()
