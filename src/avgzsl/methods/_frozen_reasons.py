"""What speaks for a clip that was found by labels: which of them, and whether any fits the phrase at all."""

from collections.abc import Mapping

import torch

from avgzsl.methods._embeddings import Embeddings, TextEmbeddings
from avgzsl.methods._frozen_spaces import LabelSpace, Space
from avgzsl.scores.label_mix import FEW_LABELS, because
from avgzsl.types import MODALITIES, Modality, TestModality


def reasons(
    spaces: Mapping[Modality, Space], clips: Embeddings, text: TextEmbeddings, modality: TestModality
) -> list[tuple[str, ...]]:
    """The labels that add most to the score of each clip for a phrase (one row of text), the greatest first."""
    labels = {m: space.labels for m, space in spaces.items() if isinstance(space, LabelSpace)}
    share = 0.5 if text.video_weight is None else float(text.video_weight[0])
    found = []
    for row in torch.arange(len(clips)):
        clip = clips.where(torch.arange(len(clips)) == row)
        has = [m for m in labels if modality in (m, "both") and bool(clip.has(m).all())]
        both: dict[Modality, float] = {"audio": 1 - share, "video": share}
        shares = both if len(has) == len(MODALITIES) else dict.fromkeys(has, 1.0)
        weights = {m: vectors[0] for m in has if (vectors := text.of(m)) is not None}
        roots = {m: z[0] for m in has if (z := clip.of(m)) is not None}
        # of a label with several names, as "dalmatian, coach dog, carriage dog", the first
        names = (reason.label.split(",")[0].strip() for reason in because(labels, weights, shares, roots))
        found.append(tuple(dict.fromkeys(names)))
    return found


def few_labels(fit: float) -> str | None:
    """What to say of a phrase that no label fits well; None where one does. `fit` is its greatest kappa."""
    if fit >= FEW_LABELS:
        return None
    return f"few labels of the taggers fit these words (the best by {fit:.2f}), so what is found may be chance"
