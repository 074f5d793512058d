"""Closed forms at the full size of AudioSetZSL: the time of a fit against the covariance products alone, in turn.

python -m benchmarks.closed_forms --document docs/benchmarks.md
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from avgzsl.data.layouts import open_dataset
from avgzsl.generators import generate
from avgzsl.methods import build
from benchmarks.spine import seconds
from benchmarks.tables import put

ROUNDS = 3
CHUNK = 8192
# method and the features whose covariances it needs
METHODS = {"least-squares": ("audio", "video"), "eszsl": ("video",), "sae": ("video",), "gcca": ("audio", "video")}


def covariances(features: list[Tensor]) -> None:
    """X'X of the features side by side, in float64, chunk by chunk: what every closed form here cannot do without."""
    width = sum(x.shape[1] for x in features)
    total = torch.zeros(width, width, dtype=torch.float64)
    for rows in torch.arange(len(features[0])).split(CHUNK):
        x = torch.cat([x[rows[0] : rows[-1] + 1] for x in features], 1).double()
        total += x.T @ x


def main() -> None:
    """Put the table into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--document", type=Path, required=True)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AVGZSL_CACHE"] = str(Path(folder) / "cache")
        train, classes = open_dataset(generate("audioset-zsl", Path(folder) / "data", scale=options.scale)).training()
    lines = ["| method | fit, s | covariance products alone, s | ratio | wanted |", "|---|---:|---:|---:|---:|"]
    for name, modalities in METHODS.items():
        features = [x for m in modalities if (x := train.audio if m == "audio" else train.video) is not None]
        pairs = []
        for _ in range(ROUNDS):
            bare = seconds(lambda features=features: covariances(features))
            pairs.append((seconds(lambda name=name: build(name).fit(train, classes)), bare))
        fit, bare = (statistics.median(values) for values in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        lines.append(f"| {name} | {fit:.1f} | {bare:.1f} | {ratio:.1f} × | ≤ 3 × |")
        print(lines[-1], flush=True)
    put(options.document, "closed-forms", "\n".join(lines))


if __name__ == "__main__":
    main()
