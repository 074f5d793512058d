"""Base of bilinear methods that this field knows by their ports in the code of AVCA: its settings are the defaults."""

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from avgzsl.learning.sampling import ClassPrior
from avgzsl.learning.training import SETTINGS
from avgzsl.methods._compatibility import PORT, Compatibility
from avgzsl.methods._examples import Scale
from avgzsl.methods._single import Input
from avgzsl.methods._text import TextScale


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class Ported(Compatibility):
    """The settings are those of `PORT`, for C3D and VGGish features."""

    input: Input = PORT["input"]
    """Feature of a clip: audio, video, or concat, both end to end, of clips that have both."""
    scale: Scale = PORT["scale"]
    """Scaling of features: none, l2 (each modality of a clip to length 1), joint-l2 (both together), or z-score by
    training clips."""
    text_scale: TextScale = PORT["text_scale"]
    """Scaling of each part of the text of classes: raw, unit, or centred on the seen classes and then unit."""
    compare_by: Literal["dot", "cosine", "euclidean"] = PORT["compare_by"]
    """Similarity of V x and a text vector when clips are scored; learning uses the dot product."""
    class_prior: ClassPrior = PORT["class_prior"]
    """Clips of a step: of each class alike (uniform), or every clip once an epoch (empirical)."""
    replacement: bool = PORT["replacement"]
    """Draw each clip of a class anew, instead of every clip once before any comes again."""
    steps: int = Field(default=PORT["steps"], ge=0)
    """Steps of an epoch, however many clips there are; 0 is ceil(training clips / batch_size)."""
    epochs: int = Field(default=PORT["epochs"], ge=1)
    """An epoch is `steps` steps."""
    plateau: int = Field(default=PORT["plateau"], ge=0)
    """Multiply the rate by `decay` when validation HM has not risen for more than so many looks at it; 0 is off."""
