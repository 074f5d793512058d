"""A backbone around a model of the transformers library: a clip is cut into inputs, its row is the mean of theirs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor
from torch.nn.functional import normalize

from avgzsl.backbones._base import Steps, check_clips
from avgzsl.errors import WeightsError
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.media.prepared import Prepare, places_of
from avgzsl.support.weights import WeightFile
from avgzsl.types import Modality, Precision

_FILTERS: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}  # by PIL's numbers
_LEAST = 1e-12  # length of a row that is scaled to 1, as in `normalize`
PICTURES_AT_ONCE = 64  # that go through a model together, whether of one clip or of several


@dataclass(eq=False)
class TransformerBackbone:
    """A loaded model: `prepare` cuts a clip into u inputs of one shape (u x …), `rows` gives their vectors (u x d).

    With `unit` a clip's row has length 1. `at_once` inputs go through the model together. On a GPU they are of several
    clips; on the CPU of one alone, where more are no faster, so that no bit of a row hangs on another clip.
    """

    spec: str
    modality: Modality
    dimension: int
    needs: FrameNeeds | SoundNeeds
    weights: tuple[WeightFile, ...]
    device: torch.device
    prepare: Prepare
    rows: Callable[[Tensor], Tensor]
    unit: bool = False
    at_once: int = 16
    precision: Precision = "float32"

    def embed(self, clips: Sequence[np.ndarray]) -> Float[Tensor, "n d"]:
        """See `Backbone`. Raises DataError for a clip that is not as `needs` asks, WeightsError for rows not finite."""
        check_clips(clips, self.needs)
        return self.embed_prepared([self.prepare(clip) for clip in clips])

    @torch.inference_mode()
    def embed_prepared(self, clips: Sequence[Shaped[np.ndarray, "_u ..."]]) -> Float[Tensor, "n d"]:
        """See `PreparingBackbone`. Raises WeightsError for rows not finite."""
        return self._scaled(self._means(self._vectors(clips)))

    @torch.inference_mode()
    def embed_steps(self, clips: Sequence[Shaped[np.ndarray, "_u ..."]], lengths: Sequence[int]) -> list[Steps]:
        """See `SteppingBackbone`: a step an input. Raises WeightsError for rows not finite."""
        vectors = self._vectors(clips)
        means = self._means(vectors)
        rows = self._scaled(means)
        norms = means.norm(dim=1).clamp(min=_LEAST) if self.unit else torch.ones(len(means))
        places = [places_of(self.prepare, length, len(clip)) for clip, length in zip(clips, lengths, strict=True)]
        return [Steps(row, part / norm, at) for row, part, norm, at in zip(rows, vectors, norms, places, strict=True)]

    def _vectors(self, clips: Sequence[np.ndarray]) -> list[Float[Tensor, "_u d"]]:
        """Of each clip, what the model makes of its inputs."""
        out: list[Tensor] = [torch.empty(0)] * len(clips)
        for places in self._groups(clips):
            rows = self._rows([clips[place] for place in places])
            parts = rows.split([len(clips[place]) for place in places])
            for place, part in zip(places, parts, strict=True):
                out[place] = part
        return out

    def _means(self, vectors: Sequence[Float[Tensor, "_u d"]]) -> Float[Tensor, "n d"]:
        out = torch.empty(len(vectors), self.dimension)
        for row, part in zip(out, vectors, strict=True):
            row[:] = part.mean(0)
        if not out.isfinite().all():
            raise WeightsError(
                f"{self.spec}: the model answers with values that are not finite; its weights are damaged"
            )
        return out

    def _scaled(self, means: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        return normalize(means, dim=1) if self.unit else means

    def _groups(self, clips: Sequence[np.ndarray]) -> Iterable[list[int]]:
        """The positions of clips that go through the model together: their inputs have one shape."""
        if self.device.type == "cpu":
            return ([place] for place in range(len(clips)))
        groups: dict[tuple[int, ...], list[int]] = {}
        for place, clip in enumerate(clips):
            groups.setdefault(clip.shape[1:], []).append(place)
        return groups.values()

    def _rows(self, clips: Sequence[Shaped[np.ndarray, "_u ..."]]) -> Float[Tensor, "u d"]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            parts = self._inputs(clips).split(self.at_once)
            return torch.cat([self.rows(part).float() for part in parts]).cpu()

    def _inputs(self, clips: Sequence[Shaped[np.ndarray, "_u ..."]]) -> Shaped[Tensor, "u ..."]:
        """Those of all clips, on the device; it fetches them by itself where they lie in page-locked memory."""
        if self.device.type == "cpu":
            return torch.from_numpy(np.concatenate(clips))
        moved = [torch.from_numpy(np.ascontiguousarray(clip)).to(self.device, non_blocking=True) for clip in clips]
        return torch.cat(moved)


def filter_of(processor: Any, where: object) -> Literal["bilinear", "bicubic"]:
    """How the checkpoint's image processor resizes. Raises WeightsError for another way than the decoder's two."""
    resample = int(processor.resample)
    if resample not in _FILTERS:
        raise WeightsError(
            f"{where}: its image processor resizes with filter {resample}; expected bilinear (2) or bicubic (3)"
        )
    return _FILTERS[resample]


def frame_needs(processor: Any, size: int, count: int, where: object) -> FrameNeeds:
    """`count` frames as the checkpoint's image processor would cut them for a model of `size` pixels.

    Raises WeightsError when it would give the model pictures of another size, or resizes in an unknown way.
    """
    resample, box, crop = filter_of(processor, where), processor.size, processor.crop_size
    cut = (crop.height, crop.width) if processor.do_center_crop else (box.height or size, box.width or size)
    if cut != (size, size) or not processor.do_resize:
        raise WeightsError(
            f"{where}: its image processor gives pictures of {cut[0]} x {cut[1]} (resize {processor.do_resize}); "
            f"expected {size} x {size}, as the model takes, resized"
        )
    if box.shortest_edge is None and (box.height, box.width) != (size, size):
        raise WeightsError(
            f"{where}: its image processor resizes to {dict(box)}; expected a shortest edge, or a square"
        )
    return FrameNeeds(size, count=count, short_side=box.shortest_edge, interpolation=resample)


@dataclass(frozen=True, eq=False)
class Colours:
    """Pixels to the numbers that a model takes, on its device: (pixel * factor - mean) / std, by colour."""

    factor: float
    mean: Float[Tensor, "3 1 1"]
    std: Float[Tensor, "3 1 1"]

    def __call__(self, pictures: UInt8[Tensor, "*n s s 3"]) -> Float[Tensor, "*n 3 s s"]:
        """Channels first, float32."""
        return (pictures.movedim(-1, -3).float() * self.factor - self.mean) / self.std


def colours_of(processor: Any, device: torch.device) -> Colours:
    """As the checkpoint's image processor scales and normalises; the decoder resizes and crops."""
    normalised = processor.do_normalize
    mean, std = (processor.image_mean, processor.image_std) if normalised else ([0.0] * 3, [1.0] * 3)
    factor = float(processor.rescale_factor) if processor.do_rescale else 1.0
    return Colours(factor, *(torch.tensor(values, device=device).view(3, 1, 1) for values in (mean, std)))
