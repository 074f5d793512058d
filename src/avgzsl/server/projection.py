"""A map of an archive: clips and class names in the plane, as in Figure 6 of the paper, by t-SNE.

t-SNE of a few thousand clips takes half a minute, so a few are laid out, and the others stand by those of them that
they are nearest to.
"""

from collections import Counter
from functools import lru_cache
from importlib.util import find_spec

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from avgzsl.server import clusters
from avgzsl.server.clouds import SAMPLE
from avgzsl.server.contract import Archive, Cloud, Unanswerable
from avgzsl.server.map_schema import Cluster, Clusters, Map, Plane, Points, Star
from avgzsl.types import TestModality

FEWEST = 4
_SAID = {"both": "sound and picture", "audio": "sound", "video": "a picture"}
PERPLEXITY = 30.0  # scikit-learn's; the paper gives none
_NEIGHBOURS = 5
_ONE_PLACE = 2.0  # times as far as clips of the sample would lie apart, spread evenly: farther neighbours do not pull
_CHUNK = 2048
_DIGITS = 5
_NO_TSNE = """This server has no t-SNE, so the map shows the two main directions of the embeddings (PCA), in which more
lies on top of each other: pip install "avgzsl[tsne]" brings it.""".replace("\n", " ")


def map_of(archive: Archive, modality: TestModality | None, most: int) -> bytes:
    """The map of an archive, as JSON, made once for an archive as it stands. Raises as `project`."""

    def make() -> bytes:
        return project(archive.cloud(modality, most)).model_dump_json().encode()

    return archive.kept(("map", modality, most), make)


def clusters_of(archive: Archive, modality: TestModality | None) -> bytes:
    """The clusters that the map shows, counted among the clips that stand for all. Raises as `project`."""

    def make() -> bytes:
        cloud = archive.cloud(modality, SAMPLE)
        _require_enough(cloud)
        found = Clusters(modality=cloud.modality, clusters=_clustered(cloud)[1], named_by=cloud.named_by)
        return found.model_dump_json().encode()

    return archive.kept(("clusters", modality), make)


def project(cloud: Cloud) -> Map:
    """The map of a cloud. Raises Unanswerable for fewer than FEWEST clips, or embeddings that are all equal."""
    _require_enough(cloud)
    sample = cloud.points[cloud.sample]
    place = plane(torch.cat([sample, cloud.texts]))
    of_sample, of_texts = place[: len(sample)], place[len(sample) :].round(_DIGITS)
    x, y = _beside(cloud, of_sample).round(_DIGITS).T.tolist()
    labels = [label for label, _ in Counter(label for label in cloud.labels if label is not None).most_common()]
    number = {label: i for i, label in enumerate(labels)}
    own, groups = _clustered(cloud)
    stars = zip(cloud.classes, cloud.seen, of_texts.tolist(), strict=True)
    kind = _kind()
    return Map(
        modality=cloud.modality,
        clusters=groups,
        named_by=cloud.named_by,
        total=cloud.total,
        sample="all" if len(cloud.ids) == cloud.total else "spread",
        plane=kind,
        laid_out=len(sample),
        note=None if kind == "t-SNE" else _NO_TSNE,
        clips=Points(
            id=cloud.ids,
            x=x,
            y=y,
            label=[-1 if label is None else number[label] for label in cloud.labels],
            cluster=own.tolist(),
        ),
        labels=labels,
        classes=[Star(label=label, seen=seen, x=x, y=y) for label, seen, (x, y) in stars],
    )


def _require_enough(cloud: Cloud) -> None:
    if len(cloud.ids) < FEWEST:
        few = f"{len(cloud.ids)} with {_SAID[cloud.modality]}"
        raise Unanswerable(f"a map needs {FEWEST} clips or more, and here are {few}")


def _clustered(cloud: Cloud) -> tuple[Int64[Tensor, " n"], list[Cluster]]:
    """The cluster of each clip, and all clusters; they are found, and named, by the clips that stand for all."""
    sample = cloud.points[cloud.sample]
    centres = clusters.centres(sample, clusters.how_many(len(sample), len(cloud.words)))
    own = clusters.nearest(cloud.points, centres)
    names = clusters.names(own[cloud.sample], cloud.fits, cloud.words, len(centres))
    sizes = torch.bincount(own, minlength=len(centres)).tolist()
    return own, [Cluster(number=c, name=names[c], clips=sizes[c]) for c in range(len(centres))]


def _beside(cloud: Cloud, of_sample: Float[np.ndarray, "s 2"]) -> Float[np.ndarray, "n 2"]:
    """The place of each clip: its own in the sample, else the mean place of its nearest ones there.

    The nearer count the more, and those that lie elsewhere on the map than the nearest do not count: between two
    islands is no place.
    """
    sample, places = cloud.points[cloud.sample], torch.from_numpy(of_sample)
    found = torch.zeros(len(cloud.points), 2, dtype=torch.float64)
    found[cloud.sample] = places
    others = torch.ones(len(found), dtype=torch.bool)
    others[cloud.sample] = False
    k = min(_NEIGHBOURS, len(sample))
    for rows in others.nonzero()[:, 0].split(_CHUNK):
        far, near = torch.cdist(cloud.points[rows], sample).topk(k, largest=False)
        weight = 1 / far.double().clamp(min=1e-9).square()
        apart = (places[near] - places[near[:, :1]]).norm(dim=2)
        weight[apart > _ONE_PLACE / len(sample) ** 0.5] = 0
        found[rows] = (places[near] * weight[..., None]).sum(1) / weight.sum(1, keepdim=True)
    return found.numpy()


def plane(points: Float[Tensor, "n d"]) -> Float[np.ndarray, "n 2"]:
    """t-SNE (van der Maaten, Hinton 2008) started from PCA, which makes it the same every time; scaled into 0 to 1.

    PCA alone where scikit-learn is not installed. The last few are kept: it takes seconds, and an archive as it stands
    is asked for again.
    """
    return _plane(points.float().numpy().tobytes(), points.shape[1])


@lru_cache(maxsize=6)
def _plane(points: bytes, width: int) -> Float[np.ndarray, "n 2"]:
    values = np.frombuffer(points, np.float32).reshape(-1, width).astype(np.float64)
    if not np.ptp(values, axis=0).any():
        raise Unanswerable("all embeddings are equal: there is nothing to draw, the training collapsed")
    places = _tsne(values) if _kind() == "t-SNE" else _main_directions(values)
    low, high = places.min(0), places.max(0)
    scaled: np.ndarray = (places - low) / np.where(high > low, high - low, 1.0)
    return scaled


def _kind() -> Plane:
    return "PCA" if find_spec("sklearn") is None else "t-SNE"


def _tsne(values: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n 2"]:
    from sklearn.manifold import TSNE  # type: ignore[import-untyped,unused-ignore]

    perplexity = min(PERPLEXITY, (len(values) - 1) / 3)
    tsne = TSNE(n_components=2, perplexity=perplexity, init="pca", learning_rate="auto", random_state=0)
    return np.asarray(tsne.fit_transform(values), np.float64)


def _main_directions(values: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n 2"]:
    """The first two principal components."""
    centred = values - values.mean(0)
    basis = np.linalg.eigh(centred.T @ centred)[1][:, -2:][:, ::-1]
    signs = np.where(basis[np.abs(basis).argmax(0), [0, 1][: basis.shape[1]]] < 0, -1.0, 1.0)  # else they are chance
    places: np.ndarray = np.zeros((len(values), 2))
    places[:, : basis.shape[1]] = centred @ basis * signs
    return places
