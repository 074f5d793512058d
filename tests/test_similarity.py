"""Similarities against loops in numpy; higher is nearer for every one of them."""

import numpy as np
import pytest
import torch

from avgzsl.scores.similarity import SIMILARITIES, cosine, dot, euclidean, mse

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def loop(name, clip, text):
    if name == "dot":
        return sum(float(a) * float(b) for a, b in zip(clip, text, strict=True))
    if name == "cosine":
        norms = np.sqrt((clip**2).sum()) * np.sqrt((text**2).sum())
        return loop("dot", clip, text) / norms if norms else 0.0
    squares = sum((float(a) - float(b)) ** 2 for a, b in zip(clip, text, strict=True))
    return -np.sqrt(squares) if name == "euclidean" else -squares / len(clip)


@DTYPES
@pytest.mark.parametrize("name", SIMILARITIES)
@pytest.mark.parametrize(("n", "c", "d"), [(5, 3, 4), (1, 1, 1), (40, 33, 64)])
def test_equals_a_loop(name, dtype, n, c, d):
    generator = torch.Generator().manual_seed(n)
    clips = torch.randn(n, d, generator=generator, dtype=dtype)
    text = torch.randn(c, d, generator=generator, dtype=dtype)
    expected = [[loop(name, a, b) for b in text.double().numpy()] for a in clips.double().numpy()]
    got = SIMILARITIES[name](clips, text)
    assert got.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 1e-13
    np.testing.assert_allclose(got.double().numpy(), expected, rtol=tolerance, atol=tolerance)


@DTYPES
@pytest.mark.parametrize("name", ["cosine", "euclidean", "mse"])
def test_a_vector_is_nearest_to_itself(name, dtype):
    points = torch.randn(20, 8, generator=torch.Generator().manual_seed(0), dtype=dtype)
    assert SIMILARITIES[name](points, points).argmax(1).tolist() == list(range(20))


@DTYPES
def test_distances_are_zero_at_most_and_exactly_zero_at_the_same_point(dtype):
    points = 1e3 * torch.randn(30, 64, generator=torch.Generator().manual_seed(1), dtype=dtype)
    for similarity in (euclidean, mse):
        got = similarity(points, points.clone())
        assert (got <= 0).all()
        assert (got.diagonal() == 0).all()


def test_euclidean_keeps_its_digits_far_from_the_origin():
    # |x|² - 2xy + |y|² gives 0 or 4 here in float32
    clips, text = torch.full((1, 2), 4096.0), torch.full((40, 2), 4096.5)
    assert euclidean(clips.expand(40, 2).contiguous(), text)[0, 0].item() == pytest.approx(-np.sqrt(0.5), rel=1e-6)


@DTYPES
def test_cosine_of_a_zero_vector_is_zero_and_scale_does_not_matter(dtype):
    clips, text = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=dtype), torch.tensor([[6.0, 8.0]], dtype=dtype)
    assert cosine(clips, text).tolist() == [[0.0], [pytest.approx(1.0)]]


def test_mse_ranks_as_euclidean_does():
    generator = torch.Generator().manual_seed(2)
    clips, text = torch.randn(50, 6, generator=generator), torch.randn(9, 6, generator=generator)
    assert torch.equal(mse(clips, text).argsort(1), euclidean(clips, text).argsort(1))


def test_euclidean_has_a_finite_gradient_at_distance_zero():
    clips = torch.ones(2, 3, requires_grad=True)
    euclidean(clips, torch.ones(2, 3)).sum().backward()
    assert clips.grad is not None
    assert torch.isfinite(clips.grad).all()


@pytest.mark.parametrize("name", SIMILARITIES)
def test_a_clip_does_not_hang_on_its_batch_and_no_clips_are_no_error(name):
    generator = torch.Generator().manual_seed(3)
    clips, text = torch.randn(100, 64, generator=generator), torch.randn(33, 64, generator=generator)
    whole = SIMILARITIES[name](clips, text)
    torch.testing.assert_close(whole[7:8], SIMILARITIES[name](clips[7:8], text), rtol=1e-5, atol=1e-5)
    assert SIMILARITIES[name](clips[:0], text).shape == (0, 33)


def test_dot_is_the_inner_product():
    assert dot(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -4.0]])).item() == -5.0
