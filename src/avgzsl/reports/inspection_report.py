"""What `avgzsl inspect` found, for people."""

from collections.abc import Mapping
from typing import Any


def print_inspection(found: Mapping[str, Any]) -> None:
    """Tables of modalities, class splits and clips, then remarks and problems."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"{found['path']}: layout {found['layout']}", markup=False)
    ranges = Table("modality", "dimension", "min", "max", "mean length", title="Features")
    for modality, about in found["modalities"].items():
        numbers = ("–" if about[key] is None else f"{about[key]:.4g}" for key in ("min", "max", "mean_norm"))
        ranges.add_row(modality, str(about["dimension"]), *numbers)
    for table in found["text"]:
        ranges.add_row(f"text ({table['file']})", str(table["dimension"]), "", "", "")
    console.print(ranges)
    divisions = Table("class split", "seen", "unseen", "unseen classes", title="Class splits")
    for name, classes in found["class_splits"].items():
        seen, unseen = classes["seen"], classes["unseen"]
        divisions.add_row(name, str(len(seen)), str(len(unseen)), ", ".join(unseen))
    console.print(divisions)
    splits = list(dict.fromkeys(split for counts in found["clips"].values() for split in counts))
    clips = Table("class", *splits, title="Clips")
    for name, counts in found["clips"].items():
        clips.add_row(name, *(str(counts.get(split, 0)) for split in splits))
    totals = (str(sum(counts.get(split, 0) for counts in found["clips"].values())) for split in splits)
    clips.add_section()
    clips.add_row("all", *totals)
    console.print(clips)
    for kind in ("remarks", "problems"):
        console.print(f"{kind}: {'none' if not found[kind] else ''}")
        for line in found[kind]:
            console.print(f"  {line}", markup=False)
