"""Is it there at all? Names that are in an index against names that are not, by the evidence of their first hits.

    python -m benchmarks.evidence INDEX [--absent FILE] [--document docs/real-clips.md]

The names that are there are the labels of the index; those that are not, the lines of the file, 23 near and far ones by
default (`benchmarks/absent.txt`, for the 23 classes of the real clips). For every mode the area under ROC, at the line
the shares of names kept and of absent ones refused, and the precision and recall of the likely hits of the names.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from avgzsl.archive import clip_selection
from avgzsl.archive.collection import view
from avgzsl.archive.hits import Hits
from avgzsl.archive.search import Searcher, open_searcher, search
from avgzsl.experiments.protocol import Mode
from benchmarks.tables import put

ABSENT = Path(__file__).with_name("absent.txt")
_ALL = 10_000


def names_in(file: Path) -> list[str]:
    """The lines of a file, without those that begin with #."""
    lines = (line.strip() for line in file.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def first_evidence(hits: Sequence[Hits]) -> Tensor:
    """The evidence of each list's first hit. Raises SystemExit where the run gives none."""
    if any(not found or found[0].evidence is None for found in hits):
        raise SystemExit(f"no evidence: {'; '.join(hits[0].notes) or 'no hits'}")
    return torch.tensor([found[0].evidence for found in hits])


def row(searcher: Searcher, mode: Mode, present: Sequence[str], absent: Sequence[str]) -> str:
    """A mode's figures."""
    fusion = mode.fusion if mode.modality == "both" else None
    here, gone = (
        [search(searcher, name, top=_ALL, modality=mode.modality, fusion=fusion) for name in names]
        for names in (present, absent)
    )
    scores = torch.cat([first_evidence(here), first_evidence(gone)])
    area = roc_auc_score([1] * len(here) + [0] * len(gone), scores)
    kept = sum(found.line != 0 for found in here) / len(here)
    refused = sum(found.line == 0 for found in gone) / len(gone)
    chosen = [hit.label == name for name, found in zip(present, here, strict=True) for hit in found if hit.likely]
    there = sum(hit.label == name for name, found in zip(present, here, strict=True) for hit in found)
    precision, recall = sum(chosen) / max(len(chosen), 1), sum(chosen) / there
    figures = (100 * kept, 100 * refused, 100 * precision, 100 * recall)
    return f"| {mode} | {area:.3f} | " + " | ".join(f"{figure:.0f} %" for figure in figures) + " |"


def table(index: Path, absent: Sequence[str]) -> str:
    """All modes of an index, in Markdown."""
    searcher = open_searcher(index)
    with view(searcher.collection) as seen:
        present = sorted(clip_selection.clips_by_label(seen.db).keys() - {None})
    about = f"{searcher.collection.run.config.method}: {len(present)} names that are there, {len(absent)} that are not."
    head = (
        "| mode | area under ROC | kept | refused | precision of likely hits | recall |\n|---|---:|---:|---:|---:|---:|"
    )
    rows = [row(searcher, mode, present, absent) for mode in searcher.collection.modes]
    return "\n".join([about, "", head, *rows])


def main() -> None:
    """Print the table, and put it into --document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("--absent", type=Path, default=ABSENT)
    parser.add_argument("--document", type=Path)
    options = parser.parse_args()
    made = table(options.index, names_in(options.absent))
    print(made)
    if options.document is not None:
        put(options.document, "evidence", made)


if __name__ == "__main__":
    main()
