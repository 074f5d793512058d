"""APN: attribute prototype network (Xu et al., NeurIPS 2020), as its port in AVCA's code has it for one vector a clip.

Of a vector without places, attributes by location become a second linear map: u = V x and p = P x, both as wide as the
text. With T the raw word vectors of the training classes and w that of the clip's class,

    L = CE(softmax(u T^t), y) + mse(u, w) + CE(softmax(p T^t), y) + mse(p, w)

where the port hands softmaxes to a cross-entropy that takes them for logits: a second softmax (`twice`). P moves with V
through nothing, so it changes no score; it is trained as there. Clips are scored by the Euclidean distance of u.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from avgzsl.learning.nets import undrawn_layer
from avgzsl.learning.training import SETTINGS
from avgzsl.methods._ported import Ported

_START = 2e-4  # of both maps: this times U(0, 1)


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class APN(Ported, name="apn"):
    """Two linear maps to the text vectors, by cross-entropy and squared differences."""

    twice: bool = True
    """Take the softmax twice, as the port does; else once."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout of features and text vectors in training."""

    citation: ClassVar[str] = "apn, avca"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "avca-main": {"scale": "none"},
        # for about a thousand clips
        "realset": {
            "scale": "l2",
            "text_scale": "unit",
            "twice": False,
            "batch_size": 64,
            "steps": 5,
            "epochs": 60,
            "plateau": 0,
        },
    }
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "lr": (1e-3, 1e-2, 0.1),
        "twice": (True, False),
        "scale": ("none", "l2", "joint-l2", "z-score"),
        "compare_by": ("dot", "cosine", "euclidean"),
    }

    def layer(self, n_in: int, n_text: int, generator: Generator) -> nn.Linear:
        """V above P, one matrix of 2 t rows."""
        layer: nn.Linear = undrawn_layer(n_in, 2 * n_text, bias=False)
        with torch.no_grad():
            layer.weight.uniform_(0, _START, generator=generator)
        return layer

    def terms(
        self, mapped: Float[Tensor, "b two_t"], text: Float[Tensor, "c t"], labels: Int[Tensor, " b"]
    ) -> dict[str, Tensor]:
        """Cross-entropy and mean squared difference of both maps, by name."""
        target = text[labels].float()
        terms: dict[str, Tensor] = {}
        for name, part in zip(("attributes", "prototypes"), mapped.float().split(text.shape[1], 1), strict=True):
            logits = part @ text.float().T
            terms[f"{name}_ce"] = cross_entropy(logits.softmax(1) if self.twice else logits, labels)
            terms[f"{name}_mse"] = mse_loss(part, target)
        return terms
