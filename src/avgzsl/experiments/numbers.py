"""The numbers of a calibration, chosen on clips whose labels are known: those of validation, or of several folds.

With the penalty, a stretch of the scores of seen classes is chosen where it is asked for, and the weight of video in
the fusion `weighted`: of all pairs that one with the best HM, each at its best penalty. The energy of retrieval is
chosen after them. A method's numbers over several galleries are those with the best mean.
"""

from collections.abc import Sequence

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.experiments.gallery import Gallery, gallery_of
from avgzsl.experiments.protocol import Mode, Numbers, choose_modes, main_fusion
from avgzsl.methods import Method
from avgzsl.scores.choosing import STRETCHES, Energy, Problem, choose_energy, choose_stacking, first_best
from avgzsl.scores.metrics import Classification

WEIGHTS = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9, 0.0, 1.0)  # of equally good ones the first


def choose_numbers(galleries: Sequence[Gallery], modes: Sequence[Mode], *, energy: bool = True) -> dict[Mode, Numbers]:
    """The numbers of each mode that some clip has in full; none without a gallery, where nothing can be chosen.

    A stretch is chosen of galleries that are made `to_stretch`. The single modalities' numbers come along where mode
    `both` is asked for, for clips that lack one; the `energy` is left at its default unless it is wanted. Raises
    DataError when there are no clips of seen, or none of unseen classes.
    """
    alone = dict.fromkeys(mode for gallery in galleries for mode in gallery.modes if mode.modality != "both")
    both = any(mode.modality == "both" for mode in modes)
    chosen = {}
    for mode in dict.fromkeys([*modes, *(alone if both else [])]):
        there = [gallery for gallery in galleries if bool(gallery.embeddings.has(mode.modality).any())]
        if there:
            chosen[mode] = _choose(there, mode, energy)
    return chosen


def _choose(galleries: Sequence[Gallery], mode: Mode, energy: bool) -> Numbers:
    """Of galleries that have clips of the mode."""

    def problems(weight: float | None) -> list[Problem]:
        found = (gallery.complete(mode, weight) for gallery in galleries)
        return [problem for problem in found if problem is not None]

    # where the text of a class says how much video counts, there is nothing to choose
    open_weight = mode.fusion == "weighted" and galleries[0].text.video_weight is None
    weights: tuple[float | None, ...] = WEIGHTS if open_weight else (None,)
    stretches = STRETCHES if galleries[0].stretched else (0.0,)
    tried = {weight: choose_stacking(problems(weight), stretches) for weight in weights}
    best = first_best(list(tried.values()))
    weight = next(weight for weight, stacking in tried.items() if stacking is best)
    taken = choose_energy(problems(weight)) if energy else Energy(0.0, Numbers.energy_temperature)
    return Numbers(best.gamma, best.stretch, weight, *taken)


def validate(method: Method, clips: ClipSet, classes: ClassTable) -> Classification:
    """How well clips are classified in the fullest mode, at the penalty that is best for them.

    Weights of the modalities are equal, but where the method's attention picks one of them (`main_fusion`). Raises
    DataError as `choose_numbers`, ModalityError when the clips can be tested in no mode.
    """
    gallery = gallery_of(method, clips, classes)
    modes = choose_modes(method, gallery.modes, None, None, "validation clips")
    wanted = ("equal", main_fusion(method))
    mode = [mode for mode in modes if mode.fusion in wanted][-1]
    return gallery.classify(gallery.score(mode, choose_numbers([gallery], [mode], energy=False)))
