"""Decoding of clips, picture and sound, beside bare loops over PyAV that do the same work and check nothing.

    python -m benchmarks.decoding --clips DIR --videos DIR [--every 12] [--rounds 7] [--document docs/benchmarks.md]

Each file is decoded as extraction asks for it, for three pairs of backbones. The bare loop opens the file once, decodes
both streams in one thread, is told which frames to take, scales them, takes the mean of the channels and resamples it
by the same library. Both take turns, file by file; a file's time is the median over rounds, of the processor's time,
which is that of the clock where nothing else runs. That both give the same frames and sound is looked at first.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import soxr
from av.video.reformatter import Interpolation

from avgzsl.media.decode import decode
from avgzsl.media.needs import FrameNeeds, SoundNeeds, Span
from avgzsl.media.pictures import sampling_times
from avgzsl.media.tracks import survey
from benchmarks.tables import put

PAIRS = {
    "descriptors": (FrameNeeds(64, fps=8.0), SoundNeeds(16_000)),
    "YAMNet + MobileNetV2": (FrameNeeds(224, fps=1.0), SoundNeeds(16_000)),
    "CLAP + CLIP": (FrameNeeds(224, count=8, short_side=224, interpolation="bicubic"), SoundNeeds(48_000)),
}
KERNELS = {"bilinear": Interpolation.BILINEAR, "bicubic": Interpolation.BICUBIC}
MEDIA = (".mp4", ".avi", ".wav")
WANTED = "≤ 1.5 ×"
Pair = tuple[FrameNeeds, SoundNeeds]
Content = tuple[np.ndarray | None, np.ndarray | None]


def bare(path: Path, times: Sequence[float], pair: Pair) -> Content:
    """The frames shown at `times` (rising, in seconds) and the sound, by plain loops."""
    frames, sound = pair
    pictures: list[np.ndarray] = []
    pieces: list[np.ndarray] = []
    with av.open(path) as container:
        zero = (container.start_time or 0) / 1e6
        best = [container.streams.best(kind) for kind in ("video", "audio")]
        streams = [stream for stream in best if stream is not None]
        for stream in streams:
            stream.codec_context.thread_count = 1
        shown: Any = None
        wide = float(best[0].sample_aspect_ratio or 1) if best[0] is not None else 1.0
        for packet in container.demux(streams):
            if packet.stream is best[1]:
                pieces += [piece.to_ndarray() for piece in packet.decode()]
            elif len(pictures) < len(times):
                for frame in packet.decode():
                    while len(pictures) < len(times) and shown and times[len(pictures)] + 1e-3 < frame.time - zero:
                        pictures.append(scaled(shown, wide, frames))
                    shown = frame
        while len(pictures) < len(times):
            pictures.append(scaled(shown, wide, frames))
    waveform = None if best[1] is None else resampled(pieces, best[1].codec_context, sound.rate)
    return np.stack(pictures) if pictures else None, waveform


def scaled(frame: Any, wide: float, needs: FrameNeeds) -> np.ndarray:
    """A frame as `needs` ask; its pixels are `wide` times as wide as high."""
    width, height = needs.size, needs.size
    if needs.short_side is not None:
        scale = needs.short_side / min(frame.width * wide, frame.height)
        width, height = round(frame.width * wide * scale), round(frame.height * scale)
    small = frame.reformat(width, height, "rgb24", interpolation=KERNELS[needs.interpolation], threads=1).to_ndarray()
    top, left = (height - needs.size) // 2, (width - needs.size) // 2
    picture: np.ndarray = small[top : top + needs.size, left : left + needs.size]
    return picture


def resampled(pieces: list[np.ndarray], codec: Any, rate: int) -> np.ndarray:
    """Mono, at `rate` samples a second."""
    values = np.concatenate(pieces, axis=1)
    if not codec.format.is_planar:
        values = values.reshape(-1, codec.channels).T
    scale = -float(np.iinfo(values.dtype).min) if values.dtype.kind == "i" else 1.0
    mean = values[0] if len(values) == 1 else values.mean(axis=0, dtype=np.float32)
    full = np.clip(mean / scale, -1, 1).astype(np.float32)
    sound: np.ndarray = soxr.resample(full, codec.sample_rate, rate, quality="HQ")
    return sound.clip(-1, 1)


def moments(path: Path, frames: FrameNeeds) -> list[float]:
    """When frames are wanted of a whole file."""
    track = survey(path).video
    return [] if track is None or track.end is None else sampling_times(track.start, track.end, frames)


def check(path: Path, pair: Pair, times: Sequence[float]) -> None:
    """Raise ValueError unless both ways give the same: every pixel, and sound but for a rounded begin or end.

    AVI tells times of decoding only, by which the bare loop takes some frames a step too early: as much work.
    """
    ours, plain = decode(path, Span(), *pair), bare(path, times, pair)
    if ours.frames is not None and path.suffix != ".avi" and not np.array_equal(ours.frames, plain[0]):
        raise ValueError(f"{path}: the bare loop takes other frames")
    if ours.waveform is not None and plain[1] is not None:
        differ = abs(len(ours.waveform) - len(plain[1])) / pair[1].rate
        both = min(len(ours.waveform), len(plain[1])) // 2
        if differ > 0.1 or np.abs(ours.waveform[:both] - plain[1][:both]).max() > 1e-4:
            raise ValueError(f"{path}: the bare loop gives another sound")


def ratio(files: Sequence[Path], pair: Pair, rounds: int) -> tuple[float, float]:
    """Mean milliseconds a file, ours and bare."""
    ours, plain = [], []
    for path in files:
        times = moments(path, pair[0])
        check(path, pair, times)
        ways = partial(decode, path, Span(), *pair), partial(bare, path, times, pair)
        pairs = [[seconds(way) for way in ways] for _ in range(rounds)]
        ours.append(statistics.median(one for one, _ in pairs))
        plain.append(statistics.median(other for _, other in pairs))
    return 1000 * statistics.mean(ours), 1000 * statistics.mean(plain)


def seconds(work: Callable[[], object]) -> float:
    """Of the processor."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def rows(sets: dict[str, list[Path]], rounds: int) -> list[str]:
    """Markdown, a row for each pair and set of files."""
    lines = ["| decoding a file whole, one thread | ms | bare, ms | measured | wanted |", "|---|---:|---:|---:|---:|"]
    for name, pair in PAIRS.items():
        for kind, files in sets.items():
            ours, plain = ratio(files, pair, rounds)
            about = f"as {name} need it, {len(files)} {kind}"
            lines.append(f"| {about} | {ours:.1f} | {plain:.1f} | {ours / plain:.2f} × | {WANTED} |")
    return lines


def main() -> None:
    """Print the table, or put it into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="a folder of folders of clips")
    parser.add_argument("--videos", type=Path, required=True, help="a folder of whole videos")
    parser.add_argument("--every", type=int, default=6, help="take each n-th clip")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--document", type=Path)
    options = parser.parse_args()
    clips = sorted(path for path in options.clips.glob("*/*") if path.suffix in MEDIA)[:: options.every]
    videos = sorted(path for path in options.videos.iterdir() if path.suffix in MEDIA)
    table = "\n".join(rows({"real clips of 4 s": clips, "videos and sounds": videos}, options.rounds))
    print(table)
    if options.document:
        put(options.document, "decoding", table)


if __name__ == "__main__":
    main()
