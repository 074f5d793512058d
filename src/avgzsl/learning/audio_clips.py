"""What the audio network is trained on: spectrograms of the seen training clips, kept on disk while it is trained."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from avgzsl.backbones._kumar_network import NEEDS, STEP, spectrogram
from avgzsl.errors import AvgzslError, DataError
from avgzsl.features.manifest import Row, read_manifest
from avgzsl.support.files import write_whole
from avgzsl.support.progress import Progress, Step

Batch = tuple[Float[Tensor, "b t 128"], Int[Tensor, " b"]]


def seen_training_rows(manifest: Path, root: Path) -> list[Row]:
    """The rows with split train and seen yes. Raises DataError where these are not told, or of one class."""
    rows = read_manifest(manifest, root)
    for column in ("label", "split", "seen"):
        if all(getattr(row, column) is None for row in rows):
            raise DataError(
                f"{manifest}: has no {column}; the network is trained on the training clips of seen classes, which the "
                "columns label, split (train) and seen (yes) tell"
            )
    chosen = [row for row in rows if row.split == "train" and row.seen and row.label is not None]
    if len({row.label for row in chosen}) < 2:
        raise DataError(
            f"{manifest}: {len(chosen)} of {len(rows)} clips have split train and seen yes; expected clips of two "
            "classes or more"
        )
    return chosen


def write_spectrograms(
    rows: Sequence[Row], root: Path, folder: Path, workers: int, progress: Progress | None
) -> dict[int, str]:
    """The spectrogram of each row, in a file of its own; one that is there already stays.

    Gives the reason for each row, by its place, that has none: a file that cannot be decoded, or without sound.
    """
    from avgzsl.media.workers import Decoders, Request

    missing = [place for place in range(len(rows)) if not _file(folder, place).is_file()]
    failures: dict[int, str] = {}
    with Decoders(workers) as decoders:
        requests = [Request(root / rows[place].path, rows[place].span, sound=NEEDS) for place in missing]
        for count, (place, clip) in enumerate(zip(missing, decoders.map(requests), strict=True), 1):
            if isinstance(clip, AvgzslError):
                failures[place] = str(clip)
            elif clip.waveform is None:
                failures[place] = f"{root / rows[place].path}: has no sound"
            else:
                _write(_file(folder, place), spectrogram(clip.waveform).numpy())
            if progress is not None:
                done = len(rows) - len(missing) + count
                progress(Step("decode", done, len(rows), failed=len(failures), item=rows[place].path))
    return failures


@dataclass(frozen=True, eq=False)
class Spectrograms:
    """Batches of equal length: clips are cut to whole steps of the network, whose pooling would drop the rest.

    Every clip comes once an epoch, in an order drawn from the generator. `lengths` and `labels` are by place.
    """

    folder: Path
    labels: Mapping[int, int]
    lengths: Mapping[int, int]
    batch_size: int

    def epoch(self, generator: Generator) -> Iterator[Batch]:
        """The batches of an epoch, those of one length not in a row."""
        batches: list[list[int]] = []
        for length in sorted(set(self.lengths.values())):
            places = [place for place, own in self.lengths.items() if own == length]
            drawn = [places[i] for i in torch.randperm(len(places), generator=generator).tolist()]
            parts = [drawn[i : i + self.batch_size] for i in range(0, len(drawn), self.batch_size)]
            if len(parts) > 1 and len(parts[-1]) == 1:  # one clip alone has no spread to normalise by
                last = parts.pop()
                parts[-1] += last
            batches += parts
        for i in torch.randperm(len(batches), generator=generator).tolist():
            yield self._read(batches[i])

    def state(self) -> dict[str, Tensor]:
        """Nothing: the order hangs on the generator alone."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Nothing to restore."""

    def _read(self, places: list[int]) -> Batch:
        clips = [np.load(_file(self.folder, place))[: self.lengths[place]] for place in places]
        return torch.from_numpy(np.stack(clips)), torch.tensor([self.labels[place] for place in places])


def open_spectrograms(folder: Path, labels: Mapping[int, int], batch_size: int) -> Spectrograms:
    """The spectrograms that were written, for the places in `labels`."""
    frames = {place: len(np.load(_file(folder, place), mmap_mode="r")) for place in labels}
    return Spectrograms(folder, labels, {place: n // STEP * STEP for place, n in frames.items()}, batch_size)


def _file(folder: Path, place: int) -> Path:
    return folder / f"{place:06d}.npy"


def _write(path: Path, mel: Float[np.ndarray, "t 128"]) -> None:
    def save(temporary: Path) -> None:
        with temporary.open("wb") as stream:  # np.save would add a suffix to a path
            np.save(stream, mel)

    write_whole(path, save)
