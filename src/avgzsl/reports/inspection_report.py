"""The result of `avgzsl inspect` as tables on a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from avgzsl.data.inspection.inspect import Inspection
from avgzsl.reports.sheet import MISSING
from avgzsl.reports.terminal_table import Column, as_typed, table, wrapped
from avgzsl.support.showing import printable


def inspection_text(inspection: Inspection, width: int) -> str:
    """Tables of modalities, class splits and clips, then remarks and problems; no name is cut."""
    blocks = [f"{printable(as_typed(inspection.path))}: layout {inspection.layout}\n"]
    blocks.append("Features\n" + table(_features(inspection), width))
    blocks += _class_splits(inspection.class_splits, width)
    blocks.append("Clips\n" + table(_clips(inspection.clips), width))
    for kind, lines in (("remarks", inspection.remarks), ("problems", inspection.problems)):
        said = [printable(line) for line in lines]
        blocks.append("\n".join([f"{kind}:" if said else f"{kind}: none", *(f"  {line}" for line in said), ""]))
    return "\n".join(blocks)


def _features(inspection: Inspection) -> list[Column]:
    spans = [
        [modality, str(span["dimension"]), *(_figure(span[key]) for key in ("min", "max", "mean_norm"))]
        for modality, span in inspection.modalities.items()
    ]
    spans += [[f"text ({text['file']})", str(text["dimension"]), "", "", ""] for text in inspection.text]
    return [
        Column("modality", [row[0] for row in spans]),
        Column("dimension", [row[1] for row in spans], number=True),
        Column("min", [row[2] for row in spans], rank=1, number=True),
        Column("max", [row[3] for row in spans], rank=1, number=True),
        Column("mean length", [row[4] for row in spans], rank=2, number=True),
    ]


def _class_splits(splits: Mapping[str, Mapping[str, Any]], width: int) -> Iterator[str]:
    """How many classes are seen and unseen, then the names of the unseen ones: they would be a column of one word."""
    counts = [[str(len(classes[kind])) for classes in splits.values()] for kind in ("seen", "unseen")]
    columns = [Column("class split", [*splits]), Column("seen", counts[0], number=True)]
    yield "Class splits\n" + table([*columns, Column("unseen", counts[1], number=True)], width)
    for name, classes in splits.items():
        if classes["unseen"]:
            said = f"unseen in {name}: {', '.join(classes['unseen'])}"
            yield "".join(f"{line}\n" for line in wrapped(printable(said), width, "  "))


def _clips(clips: Mapping[str, Mapping[str, int]]) -> list[Column]:
    """A row a class, then one of all."""
    names = dict.fromkeys(split for counts in clips.values() for split in counts)
    counts = {split: [of_class.get(split, 0) for of_class in clips.values()] for split in names}
    columns = [Column(split, [*map(str, of), str(sum(of))], number=True) for split, of in counts.items()]
    return [Column("class", [*clips, "all"]), *columns]


def _figure(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4g}"
