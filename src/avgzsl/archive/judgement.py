"""Is what was found there at all? Evidence of hits, which of them are likely, and what speaks for them.

A hit is held against the bank of everyday phrases (`scores.evidence`), encoded as the run encodes words. Where there is
no bank (`recognition.bank`), or a clip is asked with, there is no evidence, and nothing is likely or unlikely. The same
holds where validation put the line below the least evidence that counts: in the space of such a run, words that it
never saw lie nearer to everything than its classes do.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from avgzsl.archive.nearest import NearestClips
from avgzsl.errors import DataError
from avgzsl.experiments.protocol import Mode
from avgzsl.methods import Method, TextEmbeddings
from avgzsl.recognition.bank import Bank
from avgzsl.scores.evidence import Lines, likely, z_evidence
from avgzsl.scores.label_mix import FEW_LABELS
from avgzsl.text.names import STOP_WORDS, tokens

PART_OF_NAME = (
    "what fits was learned from whole names of classes, of which this is a part; words alone lie further off, so that "
    "some of these may fit nevertheless"
)
_UNTOLD = "whether it is there at all cannot be told: "
_BLIND = "on the run's validation clips names that are there had hardly more evidence than everyday phrases"


class Judgement(NamedTuple):
    """Of each hit its evidence, whether it is likely, and labels that speak for it; None for what nothing tells."""

    evidence: Sequence[float | None]
    likely: Sequence[bool | None]
    because: Sequence[tuple[str, ...] | None]
    notes: tuple[str, ...] = ()


def is_part_of_name(phrase: str, names: Collection[frozenset[str]]) -> bool:
    """Whether a phrase has some words of a longer name, and is no name itself; names are given as `words_of` them.

    >>> is_part_of_name("slow drum", [words_of("a red square with a slow drum")])
    True
    """
    words = words_of(phrase)
    return bool(words) and words not in names and any(words < name for name in names)


def words_of(name: str) -> frozenset[str]:
    """The words that say something, in small letters."""
    return frozenset(word.casefold() for word in tokens(name)) - STOP_WORDS


def unjudged(k: int, *notes: str) -> Judgement:
    """Of k hits of which nothing is told."""
    return Judgement([None] * k, [None] * k, [None] * k, notes)


def judge(
    method: Method,
    bank: Bank,
    lines: Lines,
    found: NearestClips,
    point: TextEmbeddings,
    mode: Mode,
    weight: float | None = None,
) -> Judgement:
    """What is to be said of the hits of words, with the run's lines; `weight` is as in `Method.compare`."""
    k = len(found.clips)
    if not k:
        return unjudged(0)
    if lines.found < lines.least:
        return unjudged(k, f"{_UNTOLD}{_BLIND}")
    if method.absolute:
        evidence = torch.from_numpy(found.scores - found.addends).double()
    elif bank.text is None:
        return unjudged(k, f"{_UNTOLD}{bank.why}")
    else:
        try:
            evidence = _held_against(method, bank.text, found, mode, weight)
        except DataError as problem:
            return unjudged(k, f"{_UNTOLD}{problem}")
    fits = point.fit is None or float(point.fit[0]) >= FEW_LABELS
    said = method.because(found.embeddings, point, mode.modality)
    remark = method.remark(point, mode.modality)
    return Judgement(
        evidence.tolist(),
        likely(evidence, lines.at(max(found.archive, 1))).tolist() if fits else [False] * k,
        [None] * k if said is None else said,
        () if remark is None else (remark,),
    )


def _held_against(
    method: Method,
    bank: TextEmbeddings,
    found: NearestClips,
    mode: Mode,
    weight: float | None,
) -> Float64[Tensor, " k"]:
    """Evidence from scores as they are ranked by: what was added to the first hit's is added to the bank's."""
    first = found.embeddings.where(torch.arange(len(found.clips)) == 0)
    of_bank = method.compare(first, bank, *mode, weight)[0].double() + float(found.addends[0])
    return z_evidence(torch.from_numpy(found.scores), of_bank)
