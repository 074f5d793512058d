"""SAE, ESZSL, GCCA and PCA against slow solvers that share no code with them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cca_zoo.linear import GCCA as ReferenceGCCA
from sklearn.decomposition import PCA

from avgzsl.errors import DataError
from avgzsl.methods import build
from avgzsl.methods.gcca import maxvar
from avgzsl.methods.pretrained import principal_axes
from avgzsl.methods.sae import sylvester
from tests.worlds import world


def unit(x) -> np.ndarray:
    x = np.asarray(x, np.float64)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def columns(clips: int = 5, **settings) -> tuple:
    """A data set and, clip by column, its unit video features, the unit text of each clip's class, the labels."""
    train, classes = world(clips=clips, sizes=(6, 7, 4), **settings).training()
    return train, classes, unit(train.video).T, unit(classes.text)[train.labels].T, train.labels.numpy()


def gradient(objective, at: np.ndarray) -> np.ndarray:
    variable = torch.tensor(at, requires_grad=True)
    objective(variable).backward()
    return variable.grad.numpy()


def kron_solve(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """a W + W b = c as one linear system over the entries of W; of all solutions the shortest."""
    system = np.kron(np.eye(len(b)), a) + np.kron(b.T, np.eye(len(a)))
    return np.linalg.lstsq(system, c.T.ravel(), rcond=1e-11)[0].reshape(c.T.shape).T


@pytest.mark.parametrize("lamda", [0.01, 0.2, 5e5])
@pytest.mark.parametrize("direction", ["F->S", "S->F"])
def test_sae_is_where_the_gradient_vanishes(lamda, direction):
    train, classes, x, s, _ = columns()
    method = build("sae", settings={"lamda": lamda, "direction": direction}).fit(train, classes)
    w = method.state()["weight"].double().numpy().T

    def objective(w):
        return ((torch.tensor(x) - w.T @ torch.tensor(s)) ** 2).sum() + lamda * (
            (w @ torch.tensor(x) - torch.tensor(s)) ** 2
        ).sum()

    assert np.abs(gradient(objective, w)).max() < 1e-5 * np.abs(gradient(objective, 0 * w)).max()
    np.testing.assert_allclose(w, kron_solve(s @ s.T, lamda * x @ x.T, (1 + lamda) * s @ x.T), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("rank_a", "rank_b"), [(4, 6), (2, 6), (4, 3), (2, 3)])
def test_sylvester_is_the_shortest_solution_also_where_it_is_not_the_only_one(rank_a, rank_b):
    rng = np.random.default_rng(rank_a + rank_b)
    s, x = rng.standard_normal((4, rank_a)), rng.standard_normal((6, rank_b))
    a, b = s @ s.T, x @ x.T
    c = a @ rng.standard_normal((4, 6)) + rng.standard_normal((4, 6)) @ b
    w = sylvester(*map(torch.tensor, (a, b, c))).numpy()
    np.testing.assert_allclose(a @ w + w @ b, c, atol=1e-10)
    np.testing.assert_allclose(w, kron_solve(a, b, c), atol=1e-8)


def test_sae_scores_are_cosines_in_the_space_of_its_direction():
    train, classes, x, _, _ = columns()
    text = unit(classes.text)
    for direction in ("F->S", "S->F"):
        method = build("sae", settings={"direction": direction}).fit(train, classes)
        w = method.state()["weight"].numpy().T
        clips, names = ((w @ x).T, text) if direction == "F->S" else (x.T, text @ w)
        np.testing.assert_allclose(
            method.scores(train, classes.text, "video"), unit(clips) @ unit(names).T, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("targets", ["signed", "binary"])
@pytest.mark.parametrize(("gamma", "lamda"), [(1.0, 1.0), (0.01, 100.0), (100.0, 0.01)])
def test_eszsl_is_where_the_gradient_vanishes(targets, gamma, lamda):
    train, classes, x, _, labels = columns()
    method = build("eszsl", settings={"gamma": gamma, "lamda": lamda, "targets": targets}).fit(train, classes)
    v = method.state()["weight"].double().numpy()
    signatures = unit(classes.text).T
    y = np.where(labels[:, None] == np.arange(len(classes)), 1.0, -1.0 if targets == "signed" else 0.0)

    def objective(v):
        features, text = torch.tensor(x), torch.tensor(signatures)
        fit = ((features.T @ v @ text - torch.tensor(y)) ** 2).sum()
        return (
            fit + gamma * ((v @ text) ** 2).sum() + lamda * ((features.T @ v) ** 2).sum() + gamma * lamda * (v**2).sum()
        )

    assert np.abs(gradient(objective, v)).max() < 1e-5 * np.abs(gradient(objective, 0 * v)).max()
    left, right = x @ x.T + gamma * np.eye(len(x)), signatures @ signatures.T + lamda * np.eye(len(signatures))
    solution = np.linalg.solve(np.kron(right, left), (x @ y @ signatures.T).T.ravel()).reshape(v.T.shape).T
    np.testing.assert_allclose(v, solution, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(method.scores(train, classes.text, "video"), x.T @ v @ signatures, rtol=1e-4, atol=1e-5)


def views_of(train, classes) -> list[np.ndarray]:
    views = [unit(train.audio), unit(train.video), unit(classes.text)[train.labels]]
    return [view - view.mean(0) for view in views]


@pytest.mark.parametrize("r", [0.01, 0.1, 1.0])
def test_gcca_agrees_with_cca_zoo(r):
    train, classes, *_ = columns(clips=8)
    views = views_of(train, classes)
    method = build("gcca", settings={"k": 3, "r": r}).fit(train, classes)
    # its ridge is (1 - c) Sigma + c I with Sigma over n - 1; as a common factor 1 - c would weigh the view, undo it
    ridge = [r * (view**2).sum() / (len(view) - 1) / view.shape[1] for view in views]
    shrinkage = [value / (1 + value) for value in ridge]
    reference = ReferenceGCCA(n_components=3, shrinkage=shrinkage, view_weights=[1 - c for c in shrinkage]).fit(views)
    expected = reference.transform(views)
    found = [*method.embed_clips(train).__dict__.values()][:2]
    found.append(method.embed_text(classes.text).joint[train.labels])
    signs = [np.sign((found[0][:, i].numpy() * expected[0][:, i]).sum()) for i in range(3)]
    # all views and components by one factor: G is scaled to length 1, not sqrt(n - 1), and views weigh 1 - c
    scale = np.linalg.norm(found[0]) / np.linalg.norm(expected[0])
    for view, other, c in zip(found, expected, shrinkage, strict=True):
        weight = (1 - c) / (1 - shrinkage[0])
        np.testing.assert_allclose(view, scale * weight * other * signs, rtol=1e-3, atol=1e-4)


def test_gcca_is_the_maxvar_eigenproblem_over_clips():
    train, classes, *_ = columns(clips=8)
    views = views_of(train, classes)
    joined = np.concatenate(views, 1)
    sizes = [view.shape[1] for view in views]
    maps = maxvar(torch.tensor(joined.T @ joined), sizes, 2, 0.1, False)
    projected = [view @ w.numpy() for view, w in zip(views, maps, strict=True)]
    smooth = []
    for view in views:
        gram = view.T @ view
        smooth.append(view @ np.linalg.inv(gram + 0.1 * np.diag(gram).mean() * np.eye(len(gram))) @ view.T)
    value, vectors = np.linalg.eigh(sum(smooth))
    for i in range(2):
        g = vectors[:, -1 - i]
        expected = [part @ g for part in smooth]
        sign = np.sign(projected[0][:, i] @ expected[0])
        for part, other in zip(projected, expected, strict=True):
            np.testing.assert_allclose(part[:, i], sign * other, atol=1e-10)
    weighted = maxvar(torch.tensor(joined.T @ joined), sizes, 2, 0.1, True)
    agreement = (value[:-3:-1] - 1) / 2
    for plain, scaled in zip(maps, weighted, strict=True):
        np.testing.assert_allclose(scaled, plain.numpy() * agreement, atol=1e-10)


def test_gcca_learns_from_clips_with_all_views_and_from_one_modality():
    data = world(missing=0.4)
    train, classes = data.training()
    both = train.where(train.has_audio & train.has_video)
    assert all(
        torch.equal(value, build("gcca").fit(both, classes).state()[key])
        for key, value in build("gcca").fit(train, classes).state().items()
    )
    deaf = replace(train, audio=None, has_audio=torch.zeros(len(train), dtype=torch.bool)).where(train.has_video)
    scores = build("gcca").fit(deaf, classes).scores(deaf, classes.text, "video")
    assert (scores.argmax(1) == deaf.labels).float().mean() > 0.5
    for constant in (0.0, 0.1):
        with pytest.raises(DataError, match="audio is the same in all training clips"):
            build("gcca").fit(replace(train, audio=torch.full_like(train.audio, constant)), classes)


@pytest.mark.parametrize(("dimensions", "count"), [(7, 4), (3, 4)])
def test_principal_axes_are_scikit_learns_then_zeros(dimensions, count):
    x = np.random.default_rng(0).standard_normal((30, dimensions)) * np.arange(1, dimensions + 1)
    axes = principal_axes(torch.tensor(np.cov(x.T)), count).numpy()
    expected = PCA(min(dimensions, count)).fit(x).components_.T
    expected *= np.sign(np.take_along_axis(expected, np.abs(expected).argmax(0)[None], 0))
    np.testing.assert_allclose(axes[:, :dimensions], expected, atol=1e-10)
    assert axes.shape == (dimensions, count) and not axes[:, dimensions:].any()
    assert not principal_axes(torch.zeros(3, 3, dtype=torch.float64), 2).any()
