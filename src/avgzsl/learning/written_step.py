"""The step of AVGZSLNet with its gradients written out: the terms of `methods/avgzslnet.py`, by fewer operations.

It is for complete modalities, all terms, Euclidean distances and mean squared reconstruction; `AVGZSLNet.loss` is the
same without these limits, and the oracle of its tests. B tuples, C classes, N = 2 B for each modality, whose rows are
clips p and then clips q. What makes it cheap:

1. Embeddings z of both modalities and roles stand in one matrix: distances to text and the decoder run once.
2. |z - t|^2 = |z|^2 + |t|^2 - 2 z·t for all classes is one product; each row then needs two columns, its own class and
   the other of its tuple. Below what the type resolves a distance is 0; its root's gradient there is 0.
3. Exchanging p and q (`symmetric`) is a flip of the roles: own - flip(other) is anchored in text, own - other in clips.
4. With h the decoder's hidden units of a clip, t' those of p's text and e = h - t': D(z) - D(t) = A2 e, without bias.
5. With G = A2^T A2: |D(z) - D(t)|^2 = e^T G e, so that no vector need be decoded but those of the classes.
6. With delta = D(t) - x: |D(z) - x|^2 = e^T G e + 2 e·(A2^T delta) + |delta|^2, so that class sums of e suffice.

Of features in bfloat16, their projections, h, e and G are bfloat16; z, distances, sums and weights stay as weights are.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from avgzsl.learning.nets import Decoder, Projection, distinct, keep_mask, take_rows
from avgzsl.learning.train_set import TrainSet
from avgzsl.learning.turns import Gradients
from avgzsl.types import Modality

_CHUNKS = 4
# names of a modality's terms: text-anchored, clip-anchored, decoded
TERMS: dict[Modality, tuple[str, str, str]] = {"audio": ("ta", "at", "cta"), "video": ("tv", "vt", "ctv")}


class Parts(NamedTuple):
    """The networks of a step: F_A and F_V, F_T, D."""

    project: Mapping[Modality, Projection]
    text: nn.Linear
    decoder: Decoder


class _Projected(NamedTuple):
    """What the gradients of a projection need: features, hidden units after dropout and ReLU, whose slope is `slope`.

    `places` says which features each row has.
    """

    features: Float[Tensor, "u d"]
    hidden: Float[Tensor, "n h"]
    places: Int[Tensor, " n"] | slice
    slope: float


class _Text(NamedTuple):
    """The classes: text x, its embedding t, the decoder's hidden units t', delta = D(t) - x, and one-hot rows of p."""

    x: Float[Tensor, "c t"]
    embedded: Float[Tensor, "c e"]
    hidden: Float[Tensor, "c h"]
    delta: Float[Tensor, "c t"]
    hot: Float[Tensor, "b c"]


class _Triplets(NamedTuple):
    """Means of the terms (by text, by clip) a modality, and their gradients by z and by t."""

    means: Float[Tensor, "2 m"]
    by_z: Float[Tensor, "n e"]
    by_t: Float[Tensor, "c e"]


class _Decoded(NamedTuple):
    """The mean of rec, those of the decoded triplets a modality, gradients by h and t', A2 and a2."""

    rec: Float[Tensor, ""]
    triplets: Float[Tensor, " m"]
    by_h: Float[Tensor, "n h"]
    by_text_h: Float[Tensor, "c h"]
    by_weight: Float[Tensor, "t h"]
    by_bias: Float[Tensor, " t"]


@torch.no_grad()
def written_step(
    parts: Parts,
    data: TrainSet,
    pairs: Int[Tensor, "2 b"],
    generator: Generator | None,
    margin: float,
    symmetric: bool,
) -> tuple[dict[str, Tensor], Gradients]:
    """The terms by name, in the order of `AVGZSLNet.loss`, and the gradient of their sum by each weight.

    No clip is of the other class of its tuple. No generator means no dropout.
    """
    labels = data.labels[pairs]
    z, projected = _project(parts.project, data, pairs.reshape(-1), generator)
    text = _classes(parts, data.text, labels[0])
    triplets = _triplets(z, text.embedded, labels, margin, symmetric)
    first, second = parts.decoder.first, parts.decoder.second
    narrow = next(iter(projected.values())).hidden.dtype
    narrow_z, narrow_weight = z.to(narrow), first.weight.to(narrow)
    h = torch.addmm(first.bias.to(narrow), narrow_z, narrow_weight.T).relu_()
    decoded = _decode(h, text, labels[0], second.weight, margin)

    by_z = triplets.by_z.add_(decoded.by_h @ narrow_weight)
    by_t = torch.addmm(triplets.by_t, decoded.by_text_h, first.weight)
    gradients: list[tuple[Tensor, Tensor]] = [
        (parts.text.weight, by_t.T @ text.x),
        (parts.text.bias, by_t.sum(0)),
        (first.weight, _of_rows(decoded.by_h, narrow_z).addmm_(decoded.by_text_h.T, text.embedded)),
        (first.bias, decoded.by_h.sum(0).to(z.dtype) + decoded.by_text_h.sum(0)),
        (second.weight, decoded.by_weight),
        (second.bias, decoded.by_bias),
    ]
    terms = {"rec": decoded.rec}
    for m, (modality, own) in enumerate(projected.items()):
        by_text, by_clip, triplet = TERMS[modality]
        terms |= {by_text: triplets.means[0, m], by_clip: triplets.means[1, m], triplet: decoded.triplets[m]}
        gradients += _through_projection(parts.project[modality], own, by_z.view(len(projected), -1, z.shape[1])[m])
    return terms, gradients


def _project(
    nets: Mapping[Modality, Projection], data: TrainSet, rows: Int[Tensor, " n"], generator: Generator | None
) -> tuple[Float[Tensor, "_n e"], dict[Modality, _Projected]]:
    """z of all modalities, one below the other, and what their gradients need.

    The first layer meets each distinct clip only once, but in bfloat16, where finding them costs more than it spares.
    """
    places: Tensor | slice = slice(None)
    if next(iter(data.feature.values())).dtype is not torch.bfloat16:
        rows, places = distinct(rows)
    embedded, projected = [], {}
    for modality, net in nets.items():
        x = data.fetch(modality, rows)
        hidden = torch.addmm(net.first.bias.to(x.dtype), x, net.first.weight.to(x.dtype).T)
        hidden = take_rows(hidden, places)
        if generator is not None and net.dropout:
            hidden.mul_(keep_mask(hidden, net.dropout, generator))
        hidden.relu_()
        z = torch.addmm(net.second.bias.to(x.dtype), hidden, net.second.weight.to(x.dtype).T)
        embedded.append(z.to(net.second.weight.dtype))
        projected[modality] = _Projected(x, hidden, places, 1.0 if generator is None else 1 / (1 - net.dropout))
    return torch.cat(embedded), projected


def _through_projection(net: Projection, own: _Projected, by_z: Float[Tensor, "n e"]) -> Gradients:
    """The gradients by the weights of a projection, from those by its embeddings."""
    narrow, weight = by_z.to(own.hidden.dtype), net.second.weight * own.slope
    by_hidden = _where_positive(narrow @ weight.to(narrow.dtype), own.hidden)
    bias = by_hidden.sum(0).to(by_z.dtype)
    gradients: list[tuple[Tensor, Tensor]] = [
        (net.second.weight, _of_rows(narrow, own.hidden)),
        (net.second.bias, by_z.sum(0)),
    ]
    if isinstance(own.places, Tensor):
        by_hidden = by_hidden.new_zeros(len(own.features), by_hidden.shape[1]).index_add_(0, own.places, by_hidden)
    return [(net.first.weight, _of_rows(by_hidden, own.features)), (net.first.bias, bias), *gradients]


def _classes(parts: Parts, x: Float[Tensor, "c t"], p: Int[Tensor, " b"]) -> _Text:
    first, second = parts.decoder.first, parts.decoder.second
    t = torch.addmm(parts.text.bias, x, parts.text.weight.T)
    hidden = torch.addmm(first.bias, t, first.weight.T).relu_()
    delta = torch.addmm(second.bias, hidden, second.weight.T) - x
    hot = t.new_zeros(len(p), len(t)).scatter_(1, p[:, None], 1.0)
    return _Text(x, t, hidden, delta, hot)


def _triplets(
    z: Float[Tensor, "n e"], t: Float[Tensor, "c e"], labels: Int[Tensor, "2 b"], margin: float, symmetric: bool
) -> _Triplets:
    """Eqs. 7-10 of all modalities; two columns are the row's own class and the other one of its tuple."""
    b, m = labels.shape[1], len(z) // labels.numel()
    columns = torch.stack([labels, labels.flip(0)], 2).view(-1, 2).repeat(m, 1)
    squares, of_text = torch.linalg.vector_norm(z, dim=1, keepdim=True).square(), t.square().sum(1)
    sizes = squares + of_text[columns]
    gap = sizes - 2 * (z @ t.T).gather(1, columns)
    length = torch.where(gap > 4 * torch.finfo(z.dtype).eps * sizes, gap, 0).sqrt_()

    own, other = length.view(m, 2, b, 2).unbind(3)
    hinges = torch.stack([own - other.flip(1), own - other]).add_(margin).relu_()  # by text, by clip; m; role; b
    if not symmetric:
        hinges[:, :, 1] = 0
    by_text, by_clip = (hinges > 0).to(z.dtype).div_(b)
    slope = torch.stack([by_text + by_clip, -by_text.flip(1) - by_clip], 3).view(-1, 2)
    pull = _over(slope, length)
    spread = z.new_zeros(len(z), len(t)).scatter_(1, columns, pull)
    by_z = torch.addmm(z * pull.sum(1, keepdim=True), spread, t, alpha=-1)
    by_t = torch.addmm(t * spread.sum(0)[:, None], spread.T, z, alpha=-1)
    return _Triplets(hinges.sum((2, 3)) / b, by_z, by_t)


def _decode(
    h: Float[Tensor, "n h"],
    text: _Text,
    p: Int[Tensor, " b"],
    weight: Float[Tensor, "t h"],
    margin: float,
) -> _Decoded:
    """Eqs. 3-5 of all modalities: what is decoded is held against what p's text gives, for clips q, too."""
    b, units = len(text.hot), h.shape[1]
    m = len(h) // (2 * b)
    e = (h.view(-1, b, units) - text.hidden.to(h.dtype).index_select(0, p)).view(-1, units)
    through = e @ (weight.T @ weight).to(h.dtype)
    square = (through * e).sum(1, dtype=weight.dtype).clamp_(min=0)
    length = square.sqrt()

    near, far = length.view(m, 2, b).unbind(1)
    hinges = (near - far).add_(margin).relu_()
    active = (hinges > 0).to(weight.dtype).div_(b)
    pull = _over(torch.stack([active, -active], 1).view(-1), length)

    hot, rate = text.hot.to(h.dtype), 2 / (b * weight.shape[0])  # of rec, the mean over tuples and numbers
    pull.view(m, 2, b)[:, 0] += rate
    sums = _of_rows(hot, e.view(m, 2, b, units)[:, 0].sum(0))
    counts, linear = (1 + m) * text.hot.sum(0)[:, None], text.delta @ weight
    rec = square.view(m, 2, b)[:, 0].sum() + (2 * sums * linear).sum() + (counts * text.delta.square()).sum()

    weighted = pull[:, None].to(h.dtype)
    squared = _of_rows(e * weighted, e)
    by_e = through.mul_(weighted).view(m, 2, b, units)
    by_e[:, 0] += (rate * linear).to(h.dtype).index_select(0, p)
    by_delta = rate * (sums @ weight.T + counts * text.delta)
    by_text_h = torch.addmm(_of_rows(hot, by_e.sum((0, 1))), by_delta, weight, beta=-1)
    return _Decoded(
        rec * (rate / 2),
        hinges.sum(1) / b,
        _where_positive(by_e.view(-1, units), h),
        _where_positive(by_text_h, text.hidden),
        torch.addmm(by_delta.T @ text.hidden, weight, squared).addmm_(text.delta.T, rate * sums),
        by_delta.sum(0),
    )


def _where_positive(gradient: Float[Tensor, "n d"], out: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """The gradient through the ReLU that gave `out`, in its place."""
    passed: Tensor = torch.ops.aten.threshold_backward.grad_input(gradient, out, 0, grad_input=gradient)
    return passed


def _over(slope: Float[Tensor, "*n"], length: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """slope / length, and 0 where the length is."""
    return torch.where(length > 0, slope / length, 0)


def _of_rows(left: Float[Tensor, "n a"], right: Float[Tensor, "n b"]) -> Float[Tensor, "a b"]:
    """left^T right, at least in float32. Of bfloat16 on a CPU in chunks of rows, which its units multiply faster."""
    chunks = next(k for k in (_CHUNKS, 1) if len(left) % k == 0)
    if left.dtype is not torch.bfloat16 or left.device.type != "cpu":
        return (left.T @ right).to(torch.promote_types(left.dtype, torch.float32))
    parts = torch.bmm(left.view(chunks, -1, left.shape[1]).mT, right.view(chunks, -1, right.shape[1]))
    return parts.sum(0, dtype=torch.float32)
