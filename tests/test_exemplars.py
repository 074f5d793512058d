"""Predicted exemplars against loops over clips and classes that share no code with them, and what is kept of a clip."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avgzsl.data.clips import ClipSet, TextPart
from avgzsl.methods import build
from tests.worlds import world


def unit(x):
    return x / np.linalg.norm(x)


def slow_text(classes, of, seen_rows, parts):
    """t_c, part by part: unit, less the mean of the seen, unit again; joined by 1 / sqrt(K)."""
    pieces, start = [], 0
    for width in parts:
        columns = slice(start, start + width)
        centre = np.mean([unit(row[columns]) for row in seen_rows], axis=0)
        pieces.append(np.array([unit(unit(row[columns]) - centre) for row in of]))
        start += width
    return np.concatenate(pieces, 1) / np.sqrt(len(parts))


def slow_root(sigma):
    """The symmetric inverse root: another one than the method's."""
    values, vectors = np.linalg.eigh(sigma)
    return vectors @ np.diag(values**-0.5) @ vectors.T


def slow_parts(x, labels, count, rho):
    """mu, Sigma^(-1/2), and the exemplars by class of one modality."""
    x = np.array([unit(row) for row in x])
    of = {s: [row for row, label in zip(x, labels, strict=True) if label == s] for s in range(count)}
    of = {s: rows for s, rows in of.items() if rows}
    mu = np.mean([np.mean(rows, axis=0) for rows in of.values()], axis=0)
    within = np.zeros((x.shape[1], x.shape[1]))
    for rows in of.values():
        centre = np.mean(rows, axis=0)
        within += sum(np.outer(row - centre, row - centre) for row in rows) / len(rows) / len(of)
    sigma = (1 - rho) * within + rho * np.trace(within) / len(within) * np.eye(len(within))
    root = slow_root(sigma)
    means = {s: np.mean([unit(root @ (row - mu)) for row in rows], axis=0) for s, rows in of.items()}
    centre = np.mean(list(means.values()), axis=0)
    return mu, root, {s: mean - centre for s, mean in means.items()}


def slow_scores(train, labels, tested, seen_text, text, rho, ridge, own=None):
    """Cosines of clips with the exemplars of classes; `own` names the seen class whose exemplar a class has."""
    mu, root, exemplars = slow_parts(train, labels, len(seen_text), rho)
    have = sorted(exemplars)
    t_s = seen_text[have]
    scores = np.zeros((len(tested), len(text)))
    for c, t in enumerate(text):
        a = np.linalg.solve(t_s @ t_s.T + ridge * np.eye(len(have)), t_s @ t)
        e = sum(weight * exemplars[s] for weight, s in zip(a, have, strict=True))
        if own is not None and own[c] is not None:
            e = exemplars[own[c]]
        for i, x in enumerate(tested):
            scores[i, c] = unit(root @ (unit(x) - mu)) @ unit(e)
    return scores


def problem(parts=(8,), **settings):
    data = world(clips=6, sizes=(10, 12, sum(parts)), **settings)
    classes = replace(data.classes, parts=tuple(TextPart(width) for width in parts))
    data = replace(data, classes=classes)
    return data, *data.training()


@pytest.mark.parametrize(("rho", "ridge"), [(0.7, 1.0), (0.2, 0.05), (1.0, 5.0)])
@pytest.mark.parametrize("parts", [(8,), (5, 3)])
def test_scores_are_cosines_with_the_predicted_exemplars(rho, ridge, parts):
    data, train, seen = problem(parts)
    method = build("exemplars", settings={"rho": rho, "ridge": ridge}).fit(train, seen)
    test, rows = data.split("test"), seen.text.double().numpy()
    text = slow_text(seen, data.classes.text.double().numpy(), rows, parts)
    seen_text = slow_text(seen, rows, rows, parts)
    expected = {}
    for modality in ("audio", "video"):
        x, y = (clips.feature(modality).double().numpy() for clips in (train, test))
        expected[modality] = slow_scores(x, train.labels.tolist(), y, seen_text, text, rho, ridge)
        got = method.scores(test, data.classes.text, modality)
        np.testing.assert_allclose(got, expected[modality], atol=2e-5)
    mean = (expected["audio"] + expected["video"]) / 2
    np.testing.assert_allclose(method.scores(test, data.classes.text), mean, atol=2e-5)


def test_classes_count_alike_however_many_clips_they_have():
    """Class 0 with its clips three times is as it was: the mean, the covariance and the exemplars are of classes."""
    _data, train, seen = problem()
    rows = torch.cat([torch.arange(len(train)), *[(train.labels == 0).nonzero().squeeze(1)] * 2])
    heavier = build("exemplars").fit(train.take(rows), seen).state()
    for name, value in build("exemplars").fit(train, seen).state().items():
        assert torch.allclose(heavier[name], value, atol=1e-5), name


def test_a_seen_class_keeps_its_own_exemplar_where_it_is_marked():
    data, train, seen = problem()
    method = build("exemplars").fit(train, seen)
    rows, every = seen.text.double().numpy(), data.classes.text
    text, seen_text = slow_text(seen, every.double().numpy(), rows, (8,)), slow_text(seen, rows, rows, (8,))
    own = [seen.names.index(name) if name in seen.names else None for name in data.classes.names]
    test = data.split("test")
    got = method.compare(method.embed_clips(test), method.embed_classes(every, data.classes.seen), "video")
    x, y = train.video.double().numpy(), test.video.double().numpy()
    expected = slow_scores(x, train.labels.tolist(), y, seen_text, text, 0.7, 1.0, own)
    np.testing.assert_allclose(got, expected, atol=2e-5)
    unmarked = method.embed_classes(every, torch.zeros_like(data.classes.seen))
    assert torch.equal(unmarked.video, method.embed_text(every).video)
    predicted, marked = method.embed_text(every), method.embed_classes(every, data.classes.seen)
    differs = (predicted.audio != marked.audio).any(1)
    assert torch.equal(differs, data.classes.seen)
    moved = torch.where(data.classes.seen[:, None], every + 0.01, every)  # seen by name, but of another text
    assert torch.equal(method.embed_classes(moved, data.classes.seen).audio, method.embed_text(moved).audio)


def test_a_class_without_the_modality_has_no_exemplar_there_and_the_others_are_as_if_it_were_not_there():
    data, train, seen = problem()
    deaf = ClipSet(train.audio, train.video, train.labels, train.ids, has_audio=train.labels != 2)
    method = build("exemplars", settings={"text_scale": "unit"}).fit(deaf, seen)
    keep = torch.arange(len(seen)) != 2
    rows = train.labels != 2
    fewer = train.where(rows)
    renumbered = ClipSet(fewer.audio, fewer.video, fewer.labels - (fewer.labels > 2).long(), fewer.ids)
    without = build("exemplars", settings={"text_scale": "unit"}).fit(renumbered, seen.take(keep.nonzero().squeeze(1)))
    test = data.split("test")
    expected = without.scores(test, data.classes.text, "audio")
    assert torch.allclose(method.scores(test, data.classes.text, "audio"), expected, atol=1e-5)
    marked = method.embed_classes(data.classes.text, data.classes.seen).audio
    silent = data.classes.names.index(seen.names[2])
    assert torch.equal(marked[silent], method.embed_text(data.classes.text).audio[silent])


def test_a_clip_is_so_many_numbers_as_there_are_seen_classes():
    data, train, seen = problem()
    method = build("exemplars").fit(train, seen)
    clips, text = method.embed_clips(data.split("test")), method.embed_text(data.classes.text)
    assert clips.audio.shape[1] == clips.video.shape[1] == text.audio.shape[1] == text.video.shape[1] == len(seen)
    assert method.similarity == "dot"


def test_one_clip_a_class_leaves_nothing_to_whiten_by():
    data, train, seen = problem()
    first = torch.tensor([int((train.labels == c).nonzero()[0]) for c in range(len(seen))])
    method = build("exemplars").fit(train.take(first), seen)
    assert torch.isfinite(method.scores(data.split("test"), data.classes.text)).all()
    root = method.state()["root.audio"]
    assert torch.allclose(root, root[0, 0] * torch.eye(len(root)))


def test_each_modality_may_have_its_own_text():
    data, train, seen = problem((5, 3))
    parts = (TextPart(5, "audio"), TextPart(3, "video"))
    both = build("exemplars").fit(train, replace(seen, parts=parts))
    for modality, columns in (("audio", slice(0, 5)), ("video", slice(5, 8))):
        alone = build("exemplars").fit(train, replace(seen, text=seen.text[:, columns], parts=()))
        test, text = data.split("test"), data.classes.text
        expected = alone.scores(test, text[:, columns], modality)
        assert torch.allclose(both.scores(test, text, modality), expected, atol=1e-6)
