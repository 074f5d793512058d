"""A package of somebody else's, as an installer leaves it in a folder: modules, and a record with entry points."""

from collections.abc import Mapping
from pathlib import Path


def install(
    folder: Path, name: str, modules: Mapping[str, str], entry_points: Mapping[str, Mapping[str, str]] | str
) -> Path:
    """Write the package `name` 1.0 into `folder`, which is to be on the path; `entry_points` are values by group."""
    for module, source in modules.items():
        path = folder / f"{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    record = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    if not isinstance(entry_points, str):
        lines = (
            line
            for group, entries in entry_points.items()
            for line in (f"[{group}]", *(f"{key} = {value}" for key, value in entries.items()))
        )
        entry_points = "\n".join(lines)
    (record / "entry_points.txt").write_text(entry_points)
    return folder
