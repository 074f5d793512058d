"""Steps of clips as a method of sequences reads them: cropped where they are many, padded, and scaled.

The steps stay where they are, in a file that is mapped or in memory; a batch is all that is copied.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor
from torch.nn.functional import normalize, pad

from avgzsl.data.clips import ClipSet, Sequences, as_sequences
from avgzsl.learning.nets import bounded, unit_rows
from avgzsl.types import MODALITIES, Modality


class Steps(NamedTuple):
    """The steps of b clips in a modality, zero behind the end of each; where there are any; the time of each."""

    x: Float[Tensor, "b t d"]
    there: Bool[Tensor, "b t"]
    time: Float[Tensor, "b t"]


def steps_of(clips: ClipSet) -> dict[Modality, Sequences]:
    """The steps of clips that have both modalities; a clip that is kept as a vector is one step."""
    found = {m: as_sequences(clips, m) for m in MODALITIES}
    return {m: sequences for m, sequences in found.items() if sequences is not None}


class Crop(NamedTuple):
    """The most steps of a clip: `video` of picture, `audio` of sound, whose steps take `ratio` times as long.

    With `fixed` every batch is padded to just as many.
    """

    video: int
    audio: int
    ratio: float
    fixed: bool

    @classmethod
    def of(cls, video: int, audio_seconds: float, video_seconds: float, fixed: bool) -> "Crop":
        """As the public code has it: `video` times the product of the seconds of a step, of sound."""
        return cls(video, max(1, round(video * video_seconds * audio_seconds)), audio_seconds / video_seconds, fixed)

    def __call__(
        self, steps: Mapping[Modality, Sequences], rows: Int[Tensor, " b"], generator: Generator | None
    ) -> dict[Modality, Sequences]:
        """Clips of these rows, cropped: at random with a generator, else from the middle.

        Picture is cropped first. Sound begins at the same second, or as late as it can.
        """
        audio, video = (steps[m].take(rows) for m in MODALITIES)
        more = (video.length - self.video).clamp(min=0)
        share = 0.5 if generator is None else torch.rand(len(rows), generator=generator, device=generator.device).cpu()
        start = (more * share).long()
        more_sound = (audio.length - self.audio).clamp(min=0)
        sound = torch.minimum((start / self.ratio).round().long(), more_sound)
        return {
            "audio": replace(audio, first=audio.first + sound, length=audio.length.clamp(max=self.audio)),
            "video": replace(video, first=video.first + start, length=video.length.clamp(max=self.video)),
        }

    def read(
        self,
        steps: Mapping[Modality, Sequences],
        rows: Int[Tensor, " b"],
        generator: Generator | None,
        device: torch.device,
        seconds: bool,
    ) -> dict[Modality, Steps]:
        """A batch on the device; the time of a step is in seconds from the first that is left, or its number."""
        cropped, every = self(steps, rows.cpu(), generator), torch.arange(len(rows))
        batch: dict[Modality, Steps] = {}
        for modality, clips in cropped.items():
            x, there = clips.padded(every)
            time = torch.arange(x.shape[1]).expand(there.shape).float()
            if seconds:
                time = clips.padded_times(every)
                time = (time - time[:, :1]) * there
            lacking = getattr(self, modality) - x.shape[1] if self.fixed else 0
            parts = (pad(x, (0, 0, 0, lacking)), pad(there, (0, lacking)), pad(time, (0, lacking)))
            batch[modality] = Steps(*(part.to(device) for part in parts))
        return batch


class Scaling(NamedTuple):
    """Of steps before the encoders: sound divided by `audio`; picture to length 1 over time; each step to length 1."""

    audio: float
    over_time: bool
    each: bool

    def __call__(self, modality: Modality, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        """Scaled, without overflow for any finite input; what is padded stays zero."""
        if self.each:
            return unit_rows(x.flatten(0, 1)).view(x.shape)
        x = bounded(x)
        if modality == "audio":
            return x / self.audio
        return normalize(x, dim=1) if self.over_time else x
