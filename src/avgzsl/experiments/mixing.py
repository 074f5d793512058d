"""A trained run's scores mixed with those of frozen encoders: does what was learned add to what was there?

    score = (1 - m) s_trained / d_trained + m s_frozen / d_frozen

d is the standard deviation of all scores of a test mode on the clips that calibration looks at (those of validation),
or on the tested ones where it looks at none, so that m is a share whatever the units. Each mode has its own m, chosen
together with the penalty; 0 is the run alone, 1 the frozen encoders alone. Without clips to choose it on, m is 1/2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from avgzsl.experiments.gallery import Gallery, Measured, Scored
from avgzsl.experiments.numbers import choose_numbers
from avgzsl.experiments.protocol import NOTHING, Mode, ModeNumbers, Numbers
from avgzsl.scores.choosing import Problem, choose_energy, choose_stacking, first_best
from avgzsl.types import MODALITIES

MIXES = (0.0, 1.0, *(m / 20 for m in range(1, 20)))  # of equally good ones the first
UNKNOWN = 0.5


class Pair(NamedTuple):
    """The same clips, as the trained method and as the frozen encoders embed them."""

    trained: Gallery
    frozen: Gallery

    @property
    def modes(self) -> list[Mode]:
        """The trained method's test modes that the frozen encoders serve, too."""
        there = {mode.modality for mode in self.frozen.modes}
        return [mode for mode in self.trained.modes if mode.modality in there]


@dataclass(frozen=True)
class Mix:
    """How a mode is mixed: the share of the frozen encoders, both deviations, and the numbers of the mixed scores."""

    share: float
    trained_deviation: float
    frozen_deviation: float
    numbers: Numbers | None


class Mixed(NamedTuple):
    """What a mode comes to, mixed."""

    measured: Measured
    mix: Mix


def mixed(tested: Pair, known: Pair | None, modes: Sequence[Mode]) -> list[Mixed]:
    """The modes (of `tested.modes`) mixed, the tested clips with the shares and penalties chosen on the `known` ones.

    Raises DataError for known clips of seen or of unseen classes alone, and ModalityError where no clip has a mode.
    """
    alone = [mode for mode in tested.modes if mode.modality != "both"]
    asked = list(dict.fromkeys([*modes, *alone]))
    weights = _weights(tested, known)
    mixes = {mode: mix for mode in asked if (mix := _mix(tested, known, mode, weights)) is not None}
    found = []
    for mode in modes:
        scored = _scored(tested, mode, mixes, weights)
        found.append(Mixed(tested.trained.measured(scored, mixes[mode].numbers), mixes[mode]))
    return found


def _frozen_mode(pair: Pair, mode: Mode) -> Mode:
    """The frozen encoders' fullest mode of the same modality."""
    return [own for own in pair.frozen.modes if own.modality == mode.modality][-1]


def _weights(tested: Pair, known: Pair | None) -> tuple[ModeNumbers, ModeNumbers]:
    """The weights of video that each of the two has by itself, where it has one."""
    if known is None:
        return {}, {}
    return (
        choose_numbers([known.trained], [mode for mode in tested.modes if mode.fusion == "weighted"], energy=False),
        choose_numbers([known.frozen], [_frozen_mode(tested, mode) for mode in tested.modes], energy=False),
    )


def _mix(tested: Pair, known: Pair | None, mode: Mode, weights: tuple[ModeNumbers, ModeNumbers]) -> Mix | None:
    """None where no clip has the mode in full."""
    pair = tested if known is None else known
    own = _frozen_mode(tested, mode)
    trained = pair.trained.complete(mode, weights[0].get(mode, NOTHING).weight)
    frozen = pair.frozen.complete(own, weights[1].get(own, NOTHING).weight)
    if trained is None or frozen is None:
        return None
    deviations = _deviation(trained.scores), _deviation(frozen.scores)
    if known is None:
        return Mix(UNKNOWN, *deviations, None)

    def problem(share: float) -> Problem:
        scores = (1 - share) * trained.scores / deviations[0] + share * frozen.scores / deviations[1]
        return Problem(scores, trained.labels, trained.seen)

    tried = {share: choose_stacking([problem(share)]) for share in MIXES}
    best = first_best(list(tried.values()))
    share = next(share for share, stacking in tried.items() if stacking is best)
    return Mix(share, *deviations, Numbers(best.gamma, 0.0, None, *choose_energy([problem(share)])))


def _scored(tested: Pair, mode: Mode, mixes: dict[Mode, Mix], weights: tuple[ModeNumbers, ModeNumbers]) -> Scored:
    """The mixed scores of the clips that both can test; a clip that lacks a modality is mixed as those of the other."""
    own = _frozen_mode(tested, mode)
    trained, frozen = tested.trained.score(mode, weights[0]), tested.frozen.score(own, weights[1])
    rows = trained.rows[torch.isin(trained.rows, frozen.rows)]
    clips = tested.trained.embeddings.where(torch.isin(torch.arange(len(tested.trained.labels)), rows))

    def of_clips(name: str) -> Float64[Tensor, " m"]:
        values = torch.full((len(rows),), _number(mixes[mode], name), dtype=torch.float64)
        if mode.modality == "both":
            for modality in MODALITIES:
                lone = mixes.get(Mode(modality, "equal"))
                if lone is not None:
                    values[clips.has(modality) & ~clips.has("both")] = _number(lone, name)
        return values

    share = of_clips("share")
    scores = _part(trained, rows, (1 - share) / of_clips("trained_deviation"))
    scores += _part(frozen, rows, share / of_clips("frozen_deviation"))
    each = (of_clips(name) for name in ("gamma", "stretch", "energy_share", "energy_temperature"))
    return Scored(mode, rows, scores, tested.trained.labels[rows], *each)


def _part(scored: Scored, rows: Tensor, factor: Float64[Tensor, " m"]) -> Float64[Tensor, "m c"]:
    return scored.scores[torch.isin(scored.rows, rows)].double() * factor[:, None]


def _number(mix: Mix, name: str) -> float:
    holder = mix if hasattr(mix, name) else mix.numbers or NOTHING
    return float(getattr(holder, name))


def _deviation(scores: Float[Tensor, "n c"]) -> float:
    """Of scores that do not differ it is 1."""
    deviation = float(scores.double().std(correction=0))
    return deviation if deviation > 0 else 1.0
