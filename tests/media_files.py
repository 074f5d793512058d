"""Small media files with a known content: a number drawn in every frame, tones of known frequency."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 16_000
QUICK = {"libx264": {"preset": "ultrafast"}, "libvpx": {"deadline": "realtime", "cpu-used": "8"}}


def numbered(number: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A frame that shows `number` < 256: sixteenths of white on the left, sixteens on the right."""
    frame = np.empty((height, width, 3), np.uint8)
    frame[:, : width // 2] = number % 16 * 16 + 8
    frame[:, width // 2 :] = number // 16 * 16 + 8
    return frame


def numbers(frames: np.ndarray) -> list[int]:
    """What `numbered` drew."""
    size = frames.shape[2]
    left, right = frames[:, :, : size // 3].mean((1, 2, 3)), frames[:, :, -(size // 3) :].mean((1, 2, 3))
    return [int(a // 16 + 16 * (b // 16)) for a, b in zip(left, right, strict=True)]


def tone(seconds: float, frequency: float = 440.0, rate: int = RATE, loudness: float = 0.5) -> np.ndarray:
    return (loudness * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write(
    path: Path,
    frames: Sequence[np.ndarray] = (),
    sound: np.ndarray | None = None,
    *,
    fps: int = 10,
    rate: int = RATE,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    sound_codec: str = "aac",
    layout: str = "mono",
    samples: str = "fltp",
    times: Sequence[int] | None = None,
    late_picture: float = 0.0,
    late_sound: float = 0.0,
    matrix: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    format_options: dict[str, str] | None = None,
) -> Path:
    """A file of frames (at `times` in milliseconds, else `fps`) and sound, channels x samples or one row."""
    with av.open(str(path), "w", options=format_options or {}) as container:
        video = audio = None
        if len(frames):
            video = container.add_stream(codec, rate=fps, options=QUICK.get(codec, {}) | (options or {}))
            video.bit_rate = 2_000_000
            video.height, video.width, video.pix_fmt = *frames[0].shape[:2], pixels
            if times is not None:
                video.codec_context.time_base = Fraction(1, 1000)
            if matrix is not None:
                video.set_display_matrix(matrix)
        if sound is not None:
            audio = container.add_stream(sound_codec, rate=rate, layout=layout)
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.time_base = Fraction(1, 1000)
            frame.pts = round(1000 * late_picture) + (round(1000 * index / fps) if times is None else times[index])
            container.mux(video.encode(frame))
        if video is not None:
            container.mux(video.encode(None))
        if audio is not None:
            planes = np.atleast_2d(sound)
            for start in range(0, planes.shape[1], 1024):
                piece = np.ascontiguousarray(planes[:, start : start + 1024])
                if not samples.endswith("p"):
                    piece = np.ascontiguousarray(piece.T.reshape(1, -1))
                frame = av.AudioFrame.from_ndarray(piece, format=samples, layout=layout)
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = start + round(late_sound * rate)
                container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path
