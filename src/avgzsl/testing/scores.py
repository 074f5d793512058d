"""Scores of a method in all that it serves, and how a test compares them."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.methods import Method


def all_scores(method: Method, clips: ClipSet, classes: ClassTable) -> dict[str, Tensor]:
    """Clips by classes, for each modality and fusion that the method serves."""
    scores = {f"{modality}-equal": method.scores(clips, classes.text, modality) for modality in method.modalities}
    for fusion in method.fusions if "both" in method.modalities else ():
        scores[f"both-{fusion}"] = method.scores(clips, classes.text, "both", fusion)
    return scores


def assert_same(expected: Mapping[str, Tensor], scores: Mapping[str, Tensor], exactly: bool = True) -> None:
    """Fails where two sets of scores differ, in a bit or by more than rounding."""
    assert expected.keys() == scores.keys()
    for key, value in expected.items():
        same = torch.equal(value, scores[key]) if exactly else torch.allclose(value, scores[key], atol=1e-5)
        assert same, key


@contextmanager
def chunks_of(count: int, module: str) -> Iterator[list[str]]:
    """Whatever works through clips in chunks takes so many at a time: a module that does so calls the number _CHUNK.

    Gives the names of these modules, of the package and the `module` of the method.
    """
    ours = [name for name in sys.modules if name.startswith("avgzsl.") or name == module]
    chunked = [name for name in ours if "_CHUNK" in vars(sys.modules[name])]
    with pytest.MonkeyPatch.context() as patch:
        for name in chunked:
            patch.setattr(sys.modules[name], "_CHUNK", count)
        yield chunked
