"""Base of methods that score by a bilinear form F(x, y) = (W x)·s_y, and of how W x and text are compared."""

from typing import Literal

from pydantic.dataclasses import dataclass

from avgzsl.learning.training import SETTINGS
from avgzsl.methods._single import SingleFeature
from avgzsl.scores.similarity import Name


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class Bilinear(SingleFeature):
    """The form itself, or its parts compared otherwise."""

    compare_by: Literal["dot", "cosine", "euclidean"] = "dot"
    """Similarity of W x and a text vector when clips are scored; learning uses the dot product."""

    @property
    def similarity(self) -> Name:
        """As set by `compare_by`."""
        return self.compare_by
