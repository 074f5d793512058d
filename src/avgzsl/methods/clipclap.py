"""ClipClap (Kurzendörfer, Mercea, Koepke, Akata, CVPR Workshops 2024, arXiv 2404.06309), as its public code has it.

Features of CLIP and CLAP, and text of both, are encoded, projected into one space and compared there by Euclidean
distance; what it learns by is a cross-entropy over the seen classes, a regression and a reconstruction of encoded text.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Int
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from avgzsl.learning.train_set import TrainSet
from avgzsl.learning.training import SETTINGS
from avgzsl.methods._clipclap import ClipClapMethod, ClipClapNetworks, reconstruction, regression
from avgzsl.methods._single import Input
from avgzsl.types import MODALITIES, Modality


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class ClipClap(ClipClapMethod[ClipClapNetworks], name="clipclap"):
    """Sound and picture end to end, drawn to the text of the class.

    L = CE(theta_o . theta_w of all seen classes, y) + L_reg + L_rec, all weights 1.
    """

    input: Input = "concat"
    """Feature of a clip: concat, both end to end, of clips that have both; or audio or video, with its text."""

    citation: ClassVar[str] = "clipclap"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "vggsound": {"lr": 1e-4, "epochs": 15},
        "activitynet": {"lr": 1e-4, "epochs": 15},
        # for about a thousand clips: the best of a few by pseudo-unseen folds
        "realset": {"lr": 3e-3, "epochs": 60, "steps": 0, "milestones": (30, 50), "plateau": 0, "hidden": 128},
    }
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "lr": (7e-5, 1e-4, 3e-4, 1e-3),
        "epochs": (5, 10, 15, 20),
        "dropout": (0.1, 0.3, 0.5),
        "weight_decay": (0.0, 1e-5, 1e-4),
        "text_scale": ("raw", "centred"),
    }

    @property
    def reads(self) -> tuple[Modality, ...]:
        """As `input` says."""
        return MODALITIES if self.input == "concat" else (self.input,)

    def build(self, sizes: Mapping[str, int], generator: Generator) -> ClipClapNetworks:
        """The six blocks, with weights from the generator."""
        return ClipClapNetworks(sizes, self, generator)

    def loss(self, data: TrainSet, rows: Int[Tensor, " b"], generator: Generator | None) -> dict[str, Tensor]:
        """The three terms on a batch of clips."""
        labels = data.labels[rows]
        p = self.through({m: data.fetch(m, rows) for m in self.reads}, data, labels, generator)
        scores = cross_entropy(p.theta_o @ p.classes.T, labels)
        return {"ce": scores, "reg": regression(p), "rec": reconstruction(p)}
