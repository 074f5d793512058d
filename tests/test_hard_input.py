"""Every method, given data at the edge of what a data set may be, gives finite scores or says what is wrong."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.errors import ConfigError, DataError
from avgzsl.learning.training import Job
from avgzsl.methods import build, method_class, methods

QUICK = {
    "epochs": 2,
    "steps": 0,
    "batch_size": 4,
    "milestones": (),
    "lr": 0.01,
    "attention_epochs": 1,
    "max_steps": 30,
    "depth": 1,
}
EDGES = ("duplicate text", "constant dimension", "constant feature", "zero clip", "equal clips", "huge", "tiny")
CASES = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 99),
        "counts": st.lists(st.integers(1, 4), min_size=2, max_size=4),  # clips of each class
        "sizes": st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 6)),
        "edges": st.sets(st.sampled_from(EDGES), max_size=3),
    }
)


def hard_data(seed: int, counts: list[int], sizes: tuple[int, int, int], edges: set[str]):
    """Training clips, seen classes, and the text of seen and unseen ones: often fewer clips than dimensions."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    audio, video = (torch.randn(len(labels), size, generator=g) for size in sizes[:2])
    text = torch.randn(len(counts) + 2, sizes[2], generator=g)
    if "duplicate text" in edges:
        text[1] = text[-1] = text[0]
    if "constant dimension" in edges:
        video[:, 0] = 0.1
    if "constant feature" in edges:
        video[:] = 0.1
    if "zero clip" in edges:
        video[0] = audio[0] = 0
    if "equal clips" in edges:
        video[:] = video[0].clone()
    factor = {"huge": 1e30, "tiny": 1e-30}.get(next(iter(edges & {"huge", "tiny"}), ""), 1.0)
    ids = np.array([f"clip-{i}" for i in range(len(labels))])
    names = tuple(f"class {c}" for c in range(len(counts)))
    classes = ClassTable(names, text[: len(counts)], torch.ones(len(counts), dtype=torch.bool))
    return ClipSet(audio * factor, video * factor, labels, ids), classes, text


def variants(name: str) -> list[dict]:
    """Quick settings; each scaling and input where a method has the choice."""
    known = {field.name for field in dataclasses.fields(method_class(name))}
    quick = {key: value for key, value in QUICK.items() if key in known}
    if not {"input", "scale"} <= known:
        return [quick]
    return [
        {**quick, "input": input_, "scale": scale}
        for input_, scale in (("video", "l2"), ("video", "none"), ("video", "z-score"), ("concat", "l2"))
    ]


# features of any sizes stand in no one space with the text, which is all that a method without weights has
@pytest.mark.parametrize("name", [name for name in methods() if not method_class(name).untrained])
@settings(max_examples=20, deadline=None, derandomize=True)
@given(case=CASES)
def test_scores_are_finite_or_the_error_is_clear(name, case):
    train, classes, text = hard_data(**case)
    for changes in variants(name):
        try:
            method = build(name, settings=changes).fit(train, classes, Job())
        except (DataError, ConfigError) as error:
            # only a view without any spread, and features of a scale that was left as it is, are too hard
            if not (name == "gcca" or changes.get("scale") == "none"):
                raise AssertionError(changes) from error
            continue
        for modality in method.modalities:
            assert torch.isfinite(method.scores(train, text, modality)).all(), (changes, modality)
