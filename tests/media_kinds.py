"""Films whose time is out of the ordinary: 25 numbered frames a second, beeps of 0.1 s at 1 s and 2 s.

Frame 25 belongs to the first beep (1 kHz), frame 50 to the second (600 Hz).
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.media_files import QUICK, RATE, numbered, tone, write

FPS = 25


def beeps(seconds: float = 3.0, loudness: float = 0.6) -> np.ndarray:
    """Silence, with 1 kHz from 1.0 to 1.1 s and 600 Hz from 2.0 to 2.1 s."""
    time = np.arange(round(seconds * RATE)) / RATE
    first = np.sin(2 * np.pi * 1000 * time) * ((time >= 1.0) & (time < 1.1))
    second = np.sin(2 * np.pi * 600 * time) * ((time >= 2.0) & (time < 2.1))
    return (loudness * (first + second)).astype(np.float32)


def onsets(waveform: np.ndarray) -> list[float]:
    """Seconds at which sound begins after a quarter of a second of silence."""
    loud = np.flatnonzero(np.abs(waveform) > 0.2) / RATE
    return [float(at) for at, before in zip(loud, np.append(-1.0, loud)[:-1], strict=True) if at - before > 0.25]


def film(path: Path, seconds: float = 3.0, **options: Any) -> Path:
    """The film of this module, for any container and codecs that `write` can make."""
    frames = [numbered(i) for i in range(round(FPS * seconds))]
    sound = beeps(seconds)
    if options.get("samples", "fltp").startswith("s16"):
        sound = (sound * 32767).astype(np.int16)
    options.setdefault("options", {"g": "25"})
    return write(path, frames, sound, fps=FPS, **options)


def held(
    path: Path,
    stamps: Sequence[float],
    end: float,
    *,
    codec: str = "libx264",
    sound: float = 0.0,
    sound_codec: str = "aac",
    told: bool = True,
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    format_options: dict[str, str] | None = None,
) -> Path:
    """Frame i at `stamps[i]` seconds, each with its length, the last one until `end`; beeps for `sound` seconds.

    Without `told`, no frame says its length.
    """
    with av.open(str(path), "w", options=format_options or {}) as container:
        video = container.add_stream(codec, rate=FPS, options=QUICK.get(codec, {}) | (options or {}))
        video.height, video.width, video.pix_fmt = 48, 64, pixels
        video.codec_context.time_base = Fraction(1, 1000)
        audio = container.add_stream(sound_codec, rate=RATE, layout="mono") if sound else None
        packets = []
        for number, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = round(1000 * stamp), Fraction(1, 1000)
            packets += video.encode(frame)
        packets += video.encode(None)
        times = [*stamps, end]
        for packet in packets:
            place = int(np.argmin([abs(stamp - float(packet.pts * packet.time_base)) for stamp in stamps]))
            packet.duration = round((times[place + 1] - times[place]) / packet.time_base) if told else 0
        if path.suffix in (".mp4", ".mov"):  # whose lengths are those from one decoding to the next
            packets[-1].duration = round((end - float(packets[-1].pts * packets[-1].time_base)) / packets[-1].time_base)
        if audio is not None:
            packets += _encoded(audio, beeps(sound))
        for packet in sorted(packets, key=lambda one: float(one.dts * one.time_base)):
            container.mux(packet)
    return path


def remuxed(source: Path, path: Path, change: Callable[[Any, float], float | None], **options: str) -> Path:
    """The packets of a file in another one: `change` of a packet and its seconds tells those to be added, or None."""
    with av.open(str(source)) as file, av.open(str(path), "w", options=options) as out:
        copies = {stream.index: out.add_stream_from_template(stream) for stream in file.streams}
        for packet in file.demux():
            if not packet.size:
                continue
            added = change(packet, float((packet.dts if packet.dts is not None else packet.pts) * packet.time_base))
            if added is None:
                continue
            ticks = round(added / packet.time_base)
            packet.pts, packet.dts = (None if one is None else one + ticks for one in (packet.pts, packet.dts))
            packet.stream = copies[packet.stream.index]
            out.mux(packet)
    return path


def joined(path: Path, *parts: Path) -> Path:
    """The bytes of the parts one after the other, as `cat` writes them."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def declared(path: Path, codec: str, sound_codec: str, kept: str, **format_options: str) -> Path:
    """A file that declares picture and sound, of which only the kind `kept` has packets: 3 s."""
    with av.open(str(path), "w", options=format_options) as container:
        video = container.add_stream(codec, rate=FPS, options=QUICK.get(codec, {}))
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        audio = container.add_stream(sound_codec, rate=48_000, layout="mono")
        if kept == "video":
            for number in range(3 * FPS):
                picture = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
                picture.pts = number
                container.mux(video.encode(picture))
            container.mux(video.encode(None))
            return path
        container.mux(_encoded(audio, tone(3.0, rate=48_000)))
    return path


def _encoded(stream: Any, values: np.ndarray) -> list[Any]:
    """The packets of a mono sound."""
    form = stream.format.name
    if form.startswith("s16"):
        values = (values * 32767).astype(np.int16)
    packets = []
    for start in range(0, len(values), 960):
        piece = av.AudioFrame.from_ndarray(values[None, start : start + 960], format=form, layout="mono")
        piece.sample_rate, piece.time_base, piece.pts = stream.rate, Fraction(1, stream.rate), start
        packets += stream.encode(piece)
    return [*packets, *stream.encode(None)]
