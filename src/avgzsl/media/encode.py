"""Frames and waveform to a file that any browser plays."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from avgzsl.errors import MediaError
from avgzsl.support.files import write_whole

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
"""Samples a second that AAC knows."""

# with its lookahead, libx264 does not give the same bytes for the same frames every time
_X264 = {"crf": "18", "preset": "veryfast", "x264-params": "rc-lookahead=0"}
_PIECE = 1024  # samples of an AAC frame
_BLOCK = 4096  # samples of a FLAC frame


def encode(
    path: Path,
    frames: UInt8[np.ndarray, "t h w 3"],
    fps: float,
    waveform: Float32[np.ndarray, " n"] | None = None,
    rate: int | None = None,
) -> None:
    """Write an mp4 of H.264 and mono AAC, whole or not at all; odd sizes lose their last row or column.

    `fps` frames and `rate` samples a second; samples beyond [-1, 1] are clipped. Raises MediaError for no frame, for a
    frame under 2 x 2, and for a rate that is missing or not one of AAC's.
    """
    count, height, width = frames.shape[:3]
    if count == 0 or height < 2 or width < 2 or not 0 < fps <= 1000:
        raise MediaError(f"{path}: cannot encode {count} frames of {width} x {height} at {fps} a second")
    if waveform is not None and rate not in RATES:
        raise MediaError(f"{path}: the rate of a waveform is one of {RATES} samples a second; got {rate}")
    write_whole(Path(path), lambda temporary: write_mp4(temporary, frames, fps, waveform, rate or 0))


def write_mp4(path: Path, frames: Iterable[np.ndarray], fps: float, waveform: np.ndarray | None, rate: int) -> None:
    """Fill `path` with an mp4 of the frames as they come, uint8 of h x w x 3, if any, and the waveform, if any.

    The waveform is mono (n samples) or stereo (2 x n).
    """
    import av

    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        video = audio = None
        if waveform is not None:
            audio = container.add_stream("aac", rate=rate, layout=_layout(waveform))
        for index, picture in enumerate(frames):
            height, width = (side // 2 * 2 for side in picture.shape[:2])  # halves of the colour planes
            video = video or _add_video(container, width, height, fps)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
            frame.pts = index
            container.mux(video.encode(frame))
        if video is not None:
            container.mux(video.encode(None))
        if waveform is not None:
            _write_sound(container, audio, np.clip(waveform, -1, 1), rate)


def write_flac(path: Path, waveform: Float32[np.ndarray, "c n"], rate: int) -> None:
    """Fill `path` with FLAC, 16 bits a sample: mono or stereo, without loss but for the rounding."""
    import av

    samples = (np.clip(waveform, -1, 1) * 32767).round().astype(np.int16)
    with av.open(str(path), "w", format="flac") as container:
        audio = container.add_stream("flac", rate=rate, layout=_layout(waveform))
        for start in range(0, samples.shape[1], _BLOCK):
            packed = np.ascontiguousarray(samples[:, start : start + _BLOCK].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=_layout(waveform))
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))


def _layout(waveform: np.ndarray) -> str:
    return "stereo" if np.atleast_2d(waveform).shape[0] == 2 else "mono"


def _add_video(container: Any, width: int, height: int, fps: float) -> Any:
    stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=_X264)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.thread_count = 1
    return stream


def _write_sound(container: Any, audio: Any, waveform: np.ndarray, rate: int) -> None:
    import av

    waveform = np.atleast_2d(waveform)
    for start in range(0, waveform.shape[1], _PIECE):
        piece = np.ascontiguousarray(waveform[:, start : start + _PIECE])
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=_layout(waveform))
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        container.mux(audio.encode(frame))
    container.mux(audio.encode(None))
