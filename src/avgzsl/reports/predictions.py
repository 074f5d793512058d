"""A table of predictions, one row per clip: its label, the predicted class, and the nearest classes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from avgzsl.errors import ConfigError
from avgzsl.support.files import write_whole
from avgzsl.support.spreadsheet import escaped

ENDINGS = (".csv", ".parquet")


def write_predictions(
    path: Path,
    ids: Shaped[np.ndarray, " n"],
    names: Sequence[str],
    labels: Int[Tensor, " n"],
    classes: Int[Tensor, "n k"],
    scores: Float[Tensor, "n k"],
) -> None:
    """Write id, label, prediction, top1, top1_score, …, topk, topk_score of n clips, as the ending of `path` says.

    `labels` and `classes` count in `names`; `classes` and `scores` come from `scoring.top`, so the prediction is top1
    and the scores are calibrated. Text in .csv is escaped for spreadsheets (see `spreadsheet`). Raises ConfigError for
    an ending other than .csv and .parquet, AvgzslError when the disk refuses.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(
            f"{path}: predictions are written as {' or '.join(ENDINGS)}; give the file one of these endings"
        )
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    as_csv = path.suffix.lower() == ".csv"
    cell = escaped if as_csv else str
    all_names = pa.array(map(cell, names), pa.string())
    columns = {
        "id": pa.array(map(cell, ids.astype(str).tolist()), pa.string()),
        "label": all_names.take(pa.array(labels.numpy(force=True))),
        "prediction": all_names.take(pa.array(classes[:, 0].numpy(force=True))),
    }
    for place in range(classes.shape[1]):
        columns[f"top{place + 1}"] = all_names.take(pa.array(classes[:, place].numpy(force=True)))
        columns[f"top{place + 1}_score"] = pa.array(scores[:, place].numpy(force=True))
    table = pa.table(columns)
    write = pyarrow.csv.write_csv if as_csv else pyarrow.parquet.write_table
    write_whole(path, lambda temporary: write(table, temporary))
