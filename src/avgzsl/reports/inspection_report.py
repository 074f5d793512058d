"""The result of `avgzsl inspect` as tables on a terminal."""

from avgzsl.data.inspection.inspect import Inspection


def print_inspection(inspection: Inspection) -> None:
    """Tables of modalities, class splits and clips, then remarks and problems."""
    from rich.console import Console
    from rich.table import Table

    def table(title: str, *columns: str) -> Table:  # nothing is cut: a name goes on in the next line
        made = Table(title=title)
        for column in columns:
            made.add_column(column, overflow="fold")
        return made

    console = Console()
    console.print(f"{inspection.path}: layout {inspection.layout}", markup=False)
    ranges = table("Features", "modality", "dimension", "min", "max", "mean length")
    for modality, span in inspection.modalities.items():
        numbers = ("–" if span[key] is None else f"{span[key]:.4g}" for key in ("min", "max", "mean_norm"))
        ranges.add_row(modality, str(span["dimension"]), *numbers)
    for text in inspection.text:
        ranges.add_row(f"text ({text['file']})", str(text["dimension"]), "", "", "")
    console.print(ranges)
    divisions = table("Class splits", "class split", "seen", "unseen", "unseen classes")
    for name, classes in inspection.class_splits.items():
        seen, unseen = classes["seen"], classes["unseen"]
        divisions.add_row(name, str(len(seen)), str(len(unseen)), ", ".join(unseen))
    console.print(divisions)
    splits = list(dict.fromkeys(split for counts in inspection.clips.values() for split in counts))
    clips = table("Clips", "class", *splits)
    for name, counts in inspection.clips.items():
        clips.add_row(name, *(str(counts.get(split, 0)) for split in splits))
    totals = (str(sum(counts.get(split, 0) for counts in inspection.clips.values())) for split in splits)
    clips.add_section()
    clips.add_row("all", *totals)
    console.print(clips)
    for kind, lines in (("remarks", inspection.remarks), ("problems", inspection.problems)):
        console.print(f"{kind}: {'' if lines else 'none'}")
        for line in lines:
            console.print(f"  {line}", markup=False)
