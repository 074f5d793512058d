"""Extraction of clips: its rate against decoding and embedding alone on one core, and its memory over many clips.

    python -m benchmarks.extraction --clips DIR --models DIR --document docs/benchmarks.md [--many 10000]

Real clips (a folder with manifest.csv); where the folder is absent, rendered ones, and only the backbones without
weights. The limit in the same run: cores / (decode time + backbone time a clip, each alone on one core). To fill the
run, the clips are listed several times, each time as another span.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from avgzsl import backbones
from avgzsl.features.extract import extract
from avgzsl.generators import generate
from avgzsl.media.decode import decode
from avgzsl.media.needs import FrameNeeds, SoundNeeds, Span
from avgzsl.types import EncoderChoice, Modality
from benchmarks.spine import peak_memory
from benchmarks.tables import measured, put

PAIRS = {
    "descriptors": EncoderChoice(audio="descriptors", video="descriptors"),
    "YAMNet + MobileNetV2": EncoderChoice(audio="yamnet", video="mobilenet-v2"),
}
SAMPLE, ROUNDS = 60, 3
MANY = (100, 1_000, 10_000)
Row = tuple[str, str, str]


def manifest(path: Path, files: Sequence[str], count: int) -> Path:
    """`count` clips: the files over and over, each time starting a millisecond later."""
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "start"])
        for number in range(count):
            table.writerow([files[number % len(files)], round(0.001 * (number // len(files)), 3)])
    return path


def alone(clips: Path, files: Sequence[str], pair: EncoderChoice, models: Path | None) -> tuple[float, float]:
    """Seconds a clip to decode, and to embed, on one core: medians over rounds."""
    torch.set_num_threads(1)
    specs: dict[Modality, str | None] = {"audio": pair.audio, "video": pair.video}
    loaded = {m: backbones.load(spec, m, models=models) for m, spec in specs.items() if spec is not None}
    needs = {m: backbone.needs for m, backbone in loaded.items()}
    frames, sound = needs["video"], needs["audio"]
    if not isinstance(frames, FrameNeeds) or not isinstance(sound, SoundNeeds):
        raise TypeError("a backbone of each modality is needed")
    decoding, embedding = [], []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        decoded = [decode(clips / file, Span(), frames, sound) for file in files[:SAMPLE]]
        between = time.perf_counter()
        for clip in decoded:
            if clip.waveform is not None:
                loaded["audio"].embed([clip.waveform])
            if clip.frames is not None:
                loaded["video"].embed([clip.frames])
        decoding.append((between - begun) / SAMPLE)
        embedding.append((time.perf_counter() - between) / SAMPLE)
    return statistics.median(decoding), statistics.median(embedding)


def rate_rows(clips: Path, files: Sequence[str], models: Path | None, names: Sequence[str], count: int) -> list[Row]:
    """Clips a second over the limit, for each pair of backbones."""
    cores = len(os.sched_getaffinity(0))
    rows = []
    for name in names:
        one, other = alone(clips, files, PAIRS[name], models)
        rates = []
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                listed = manifest(Path(folder) / "manifest.csv", files, count)
                begun = time.perf_counter()
                encoders = replace(PAIRS[name], models=models)
                extract(clips, Path(folder) / "store", manifest=listed, encoders=encoders)
                rates.append(count / (time.perf_counter() - begun))
        rate = statistics.median(rates)
        ratio = rate * (one + other) / cores
        about = f"{count} clips; decode {1000 * one:.1f} ms, embed {1000 * other:.1f} ms a clip on one core"
        rows.append((f"extraction, {name} ({about}): clips/s", f"{rate:.1f}", ""))
        rows.append((f"extraction, {name}: over {cores} cores / (decode + embed)", f"{ratio:.2f}", "≥ 0.8"))
    return rows


def memory_rows(clips: Path, files: Sequence[str], most: int) -> list[Row]:
    """Peak memory of the process that extracts, with `descriptors`, over more and more clips."""
    rows = []
    for count in [count for count in MANY if count <= most]:
        with tempfile.TemporaryDirectory() as folder:
            listed = manifest(Path(folder) / "manifest.csv", files, count)
            command = [sys.executable, "-m", "benchmarks.extraction", "--child", str(clips), str(listed), folder]
            out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        peak = json.loads(out.splitlines()[-1])["peak"]
        rows.append((f"extraction, descriptors: peak memory over {count:,} clips, MB", f"{peak / 1e6:.0f}", "flat"))
    return rows


def main() -> None:
    """Put the table into --document."""
    if sys.argv[1:2] == ["--child"]:
        clips, listed, folder = map(Path, sys.argv[2:])
        extract(clips, folder / "store", manifest=listed, encoders=PAIRS["descriptors"])
        print(json.dumps({"peak": peak_memory()}))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--document", type=Path, required=True)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--count", type=int, default=828)
    parser.add_argument("--only-memory", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips, names = options.clips, list(PAIRS)
        if not clips.is_dir():
            print(f"{clips} is not there: rendered clips and no downloaded weights instead", file=sys.stderr)
            clips, names = generate("clips", Path(folder) / "clips", scale=0.01), ["descriptors"]
        with (clips / "manifest.csv").open(newline="") as stream:
            files = [row["path"] for row in csv.DictReader(stream)]
        if not options.only_memory:
            save(options.document, "extraction", rate_rows(clips, files, options.models, names, options.count))
        save(options.document, "extraction-memory", memory_rows(clips, files, options.many))


def save(document: Path, name: str, rows: list[Row]) -> None:
    """Put a table into the document."""
    put(document, name, measured(rows))


if __name__ == "__main__":
    main()
