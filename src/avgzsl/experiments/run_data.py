"""The data that a run was trained on, opened again."""

from pathlib import Path

from avgzsl.data.class_text import with_vectors
from avgzsl.data.clips import Dataset
from avgzsl.data.layouts import as_dataset
from avgzsl.errors import RunError
from avgzsl.experiments.run import Run, read_classes
from avgzsl.text.part_spec import parse_parts


def data_of(run: Run, data: str | Path | Dataset | None = None) -> Dataset:
    """The data set that a run was trained on, from where it lies now; one that is opened is checked alone.

    Where other text than the data's own was asked for, its classes have the vectors that the run keeps: no encoder is
    needed. Raises RunError for other data, DataError.
    """
    record = run.config.data
    dataset = data if isinstance(data, Dataset) else as_dataset(data or record.path, record.own_choice)
    if record.text_asked and dataset.fingerprint != record.fingerprint:
        classes = read_classes(run)
        if classes.names == dataset.classes.names:
            dataset = with_vectors(dataset, classes.text, classes.parts, parse_parts(record.text_asked))
    require_same_data(run, dataset)
    return dataset


def require_same_data(run: Run, dataset: Dataset) -> None:
    """Raises RunError when `dataset` is not the one that the run was trained on."""
    data = run.config.data
    if dataset.fingerprint != data.fingerprint:
        raise RunError(
            f"{dataset.source} ({dataset.class_split}): fingerprint {dataset.fingerprint[:12]}, but {run.folder} was "
            f"trained on {data.path} ({data.class_split}), {data.fingerprint[:12]}. Features, classes or word "
            "vectors differ: test on the data that the run was trained on, or train again on this"
        )
