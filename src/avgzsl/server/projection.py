"""A map of an archive: clips and class names in the plane, as in Figure 6 of the paper, by t-SNE."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.server.contract import Archive, Unanswerable
from avgzsl.server.schema import Map, Point, Star
from avgzsl.types import TestModality

FEWEST = 4
PERPLEXITY = 30.0  # scikit-learn's; the paper gives none


def project(archive: Archive, modality: TestModality | None, most: int) -> Map:
    """The map of an archive. Raises Unanswerable for fewer than FEWEST clips, or embeddings that are all equal."""
    cloud = archive.cloud(modality, most)
    if len(cloud.clips) < FEWEST:
        raise Unanswerable(f"{len(cloud.clips)} clips have {cloud.modality} embeddings; a map needs {FEWEST} or more")
    place = plane(torch.cat([cloud.points, cloud.texts])).tolist()
    of_clips, of_texts = place[: len(cloud.clips)], place[len(cloud.clips) :]
    stars = zip(cloud.labels, cloud.seen, of_texts, strict=True)
    return Map(
        modality=cloud.modality,
        total=cloud.total,
        sample="all" if len(cloud.clips) == cloud.total else "spread",
        clips=[Point(clip=clip, x=x, y=y) for clip, (x, y) in zip(cloud.clips, of_clips, strict=True)],
        classes=[Star(label=label, seen=seen, x=x, y=y) for label, seen, (x, y) in stars],
    )


def plane(points: Float[Tensor, "n d"]) -> Float[np.ndarray, "n 2"]:
    """t-SNE (van der Maaten, Hinton 2008) started from PCA, which makes it the same every time; scaled into 0 to 1.

    The last few are kept: it takes seconds, and an archive as it stands is asked for again.
    """
    return _plane(points.float().numpy().tobytes(), points.shape[1])


@lru_cache(maxsize=6)
def _plane(points: bytes, width: int) -> Float[np.ndarray, "n 2"]:
    from sklearn.manifold import TSNE  # type: ignore[import-untyped,unused-ignore]

    values = np.frombuffer(points, np.float32).reshape(-1, width).astype(np.float64)
    if not np.ptp(values, axis=0).any():
        raise Unanswerable("all embeddings are equal: there is nothing to draw, the training collapsed")
    perplexity = min(PERPLEXITY, (len(values) - 1) / 3)
    tsne = TSNE(n_components=2, perplexity=perplexity, init="pca", learning_rate="auto", random_state=0)
    places = np.asarray(tsne.fit_transform(values), np.float64)
    low, high = places.min(0), places.max(0)
    scaled: np.ndarray = (places - low) / np.where(high > low, high - low, 1.0)
    return scaled
