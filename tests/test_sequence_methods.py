"""Every method on clips that are kept as sequences: those of vectors see the means alone."""

from dataclasses import replace

import pytest
import torch

from avgzsl.data.clips import ClipSet, Dataset, as_sequences
from avgzsl.data.sequences import Sequences
from avgzsl.methods import method_class, methods
from avgzsl.testing import MethodSuite
from avgzsl.testing.scores import all_scores, assert_same
from avgzsl.types import MODALITIES, TEST_MODALITIES


def suite(name: str) -> MethodSuite:
    return type("Suite", (MethodSuite,), {"method": name})()


def with_steps(clips: ClipSet) -> ClipSet:
    """One to five steps around the vector of each clip, none of a clip that lacks the modality."""
    generator = torch.Generator().manual_seed(11)
    kept = {}
    for modality in MODALITIES:
        rows, has = clips.feature(modality), clips.has(modality).tolist()
        assert rows is not None
        counts = torch.randint(1, 6, (len(clips),), generator=generator).tolist()
        steps = [
            row + torch.randn(count if there else 0, len(row), generator=generator)
            for row, count, there in zip(rows, counts, has, strict=True)
        ]
        kept[modality] = Sequences.of(steps, [torch.arange(len(own)) + 0.5 for own in steps])
    return replace(clips, sequences=kept)


def kept(data: Dataset) -> Dataset:
    return replace(data, splits={name: with_steps(data.split(name)) for name in data.splits})


@pytest.mark.parametrize("name", [name for name in methods() if not method_class(name).sequences])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_methods_of_vectors_see_the_means_alone(name: str, missing: float) -> None:
    tests = suite(name)
    data = tests.world(missing)
    plain, other = tests.fit(data), tests.fit(kept(data))
    state = other.state()
    assert all(torch.equal(value, state[key]) for key, value in plain.state().items())
    test = data.split("test")
    one, two = plain.embed_clips(test), plain.embed_clips(with_steps(test))
    for modality in TEST_MODALITIES:
        z, again = ((x.joint if modality == "both" else x.of(modality)) for x in (one, two))
        assert (z is None) == (again is None)
        if z is not None and again is not None:
            assert torch.equal(z[one.has(modality)], again[two.has(modality)])


@pytest.mark.parametrize("name", [name for name in methods() if method_class(name).sequences])
def test_methods_of_sequences(name: str) -> None:
    """Steps change the scores; a vector is one step; a clip does not hang on those beside it."""
    tests = suite(name)
    data = tests.world()
    method, test = tests.fit(kept(data)), with_steps(data.split("test"))
    whole = all_scores(method, test, data.classes)
    bare = all_scores(method, data.split("test"), data.classes)
    assert not any(torch.allclose(value, bare[key]) for key, value in whole.items())
    single = {m: own for m in MODALITIES if (own := as_sequences(data.split("test"), m)) is not None}
    as_steps = replace(data.split("test"), sequences=single)
    assert_same(bare, all_scores(method, as_steps, data.classes))
    part = all_scores(method, test.take(torch.arange(40, 50)), data.classes)
    for key, value in part.items():
        assert torch.allclose(value, whole[key][40:50], atol=1e-4, rtol=1e-3), key
