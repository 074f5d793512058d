"""A backbone around a model of the transformers library: a clip is cut into inputs, its row is the mean of theirs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from avgzsl.backbones._base import check_clips
from avgzsl.errors import WeightsError
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.support.weights import WeightFile
from avgzsl.types import Modality

_FILTERS: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}  # by PIL's numbers
_AT_ONCE = 16  # inputs of one clip that go through the model together


@dataclass(eq=False)
class TransformerBackbone:
    """A loaded model: `inputs` cuts a clip into u inputs of one shape (u x …), `rows` gives their vectors (u x d)."""

    spec: str
    modality: Modality
    dimension: int
    needs: FrameNeeds | SoundNeeds
    weights: tuple[WeightFile, ...]
    device: torch.device
    inputs: Callable[[np.ndarray], Tensor]
    rows: Callable[[Tensor], Tensor]

    @torch.inference_mode()
    def embed(self, clips: Sequence[np.ndarray]) -> Float[Tensor, "n d"]:
        """See `Backbone`. Raises DataError for a clip that is not as `needs` asks, WeightsError for rows not finite."""
        check_clips(clips, self.needs)
        out = torch.empty(len(clips), self.dimension)
        for position, clip in enumerate(clips):  # clip by clip, so that no row hangs on another
            parts = [self.rows(part.to(self.device)) for part in self.inputs(clip).split(_AT_ONCE)]
            out[position] = torch.cat(parts).mean(0)
        if not out.isfinite().all():
            raise WeightsError(
                f"{self.spec}: the model answers with values that are not finite; its weights are damaged"
            )
        return out


def frame_needs(processor: Any, size: int, count: int, where: object) -> FrameNeeds:
    """`count` frames as the checkpoint's image processor would cut them for a model of `size` pixels.

    Raises WeightsError when it would give the model pictures of another size, or resizes in an unknown way.
    """
    resample, box, crop = int(processor.resample), processor.size, processor.crop_size
    cut = (crop.height, crop.width) if processor.do_center_crop else (box.height or size, box.width or size)
    if cut != (size, size) or not processor.do_resize or resample not in _FILTERS:
        raise WeightsError(
            f"{where}: its image processor gives pictures of {cut[0]} x {cut[1]} (resize {processor.do_resize}, "
            f"filter {resample}); expected {size} x {size}, as the model takes, resized bilinear (2) or bicubic (3)"
        )
    if box.shortest_edge is None and (box.height, box.width) != (size, size):
        raise WeightsError(
            f"{where}: its image processor resizes to {dict(box)}; expected a shortest edge, or a square"
        )
    return FrameNeeds(size, count=count, short_side=box.shortest_edge, interpolation=_FILTERS[resample])


def pixels(processor: Any, frames: UInt8[np.ndarray, "t s s 3"]) -> Float[Tensor, "t 3 s s"]:
    """Frames scaled and normalised by the checkpoint's processor; the decoder has resized and cropped them already."""
    normalised: Tensor = processor(
        list(frames), do_resize=False, do_center_crop=False, input_data_format="channels_last", return_tensors="pt"
    )["pixel_values"]
    return normalised.view(len(frames), 3, *frames.shape[1:3])


def evenly(frames: UInt8[np.ndarray, "t s s 3"], count: int) -> UInt8[np.ndarray, "c s s 3"]:
    """`count` frames from the middles of equal parts: all of them where there are so many, else some repeated."""
    return frames[(2 * np.arange(count) + 1) * len(frames) // (2 * count)]


def windows(waveform: Float[np.ndarray, " n"], size: int) -> list[Float[np.ndarray, " _m"]]:
    """As few windows of `size` samples as cover the waveform, evenly spread; a shorter waveform is its own window."""
    count = -(-len(waveform) // size)
    starts = np.linspace(0, max(0, len(waveform) - size), count).round().astype(int)
    return [waveform[start : start + size] for start in starts]
