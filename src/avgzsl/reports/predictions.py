"""A table of predictions, one row per clip: its label, the predicted class, and the nearest classes."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from avgzsl.errors import ConfigError
from avgzsl.support.files import write_whole
from avgzsl.support.registry import require
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
    an ending other than .csv and .parquet, and for Parquet without the extra `parquet`; AvgzslError when the disk
    refuses.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(
            f"{path}: predictions are written as {' or '.join(ENDINGS)}; give the file one of these endings"
        )
    as_csv = path.suffix.lower() == ".csv"
    shown = [escaped(name) for name in names] if as_csv else list(names)
    chosen = [[shown[number] for number in place] for place in classes.T.tolist()]
    columns: dict[str, Sequence[Any]] = {
        "id": [escaped(name) if as_csv else name for name in ids.astype(str).tolist()],
        "label": [shown[number] for number in labels.tolist()],
        "prediction": chosen[0],
    }
    for place, score in enumerate(scores.numpy(force=True).T):
        columns |= {f"top{place + 1}": chosen[place], f"top{place + 1}_score": score}
    write_whole(path, lambda temporary: (_as_csv if as_csv else _as_parquet)(temporary, columns))


def _as_csv(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Text is quoted, numbers are not: they have as many digits as their type holds."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _as_parquet(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    arrow, parquet = require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")
    kinds = {name: None if isinstance(column, np.ndarray) else arrow.string() for name, column in columns.items()}
    parquet.write_table(arrow.table({name: arrow.array(columns[name], kind) for name, kind in kinds.items()}), path)
