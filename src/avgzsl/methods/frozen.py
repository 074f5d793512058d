"""Frozen encoders, without any training: what a method has to beat before its training is worth its name.

After the zero-shot use of CLIP (Radford et al., ICML 2021) and CLAP (Wu et al., ICASSP 2023): a clip is of the class
whose prompt is nearest in the space that encoder and words share. Of taggers, whose features no words meet, the labels
are the bridge (`scores/label_mix.py`). Encoders may have met the "unseen" classes in their own training.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic.dataclasses import dataclass

from avgzsl.learning.training import SETTINGS
from avgzsl.methods._frozen import FrozenEncoders


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class Frozen(FrozenEncoders, name="frozen"):
    """Encoders that share a space with words, or taggers by their labels; nothing is trained."""

    untrained: ClassVar[bool] = True
    citation: ClassVar[str] = "clip, clap"
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {"text_scale": ("unit", "centred")}
