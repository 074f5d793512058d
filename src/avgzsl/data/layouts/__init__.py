"""Data sets on disk: one layout a file, found by listing this folder and the entry points `avgzsl.layouts`.

`Layout` is the contract of a layout's module; `avgzsl.testing` has the suite of tests for it.
"""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from avgzsl.data.class_text import with_text
from avgzsl.data.clips import Dataset
from avgzsl.data.layouts._base import Layout
from avgzsl.data.merging import merged
from avgzsl.errors import ConfigError, DataError, UnknownNameError
from avgzsl.features.folder_kinds import what_it_is
from avgzsl.support import registry
from avgzsl.support.arguments import as_path, check_arguments
from avgzsl.support.generated import generated_mark
from avgzsl.support.registry import Plugins, keeps
from avgzsl.text.spellings import class_notes
from avgzsl.types import TEXT_ORDERS, DataChoice, TextOrder

__all__ = ["Layout", "as_dataset", "class_splits", "find_layout", "layouts", "open_dataset", "place_of"]

PLUGINS: Plugins[Layout] = Plugins(__name__, "layout", keeps(Layout), "avgzsl.layouts")


def layouts() -> dict[str, str]:
    """Names of the layouts that can be read, each with one line about it."""
    return registry.descriptions(PLUGINS)


def open_dataset(
    path: Path | str | Dataset,
    *,
    layout: str | None = None,
    class_split: str | None = None,
    drop_bad_rows: bool = False,
    text_order: TextOrder | str = "right",
    merge_spellings: bool = False,
    text: Sequence[str] | None = (),
    models: str | Path | None = None,
) -> Dataset:
    """Read the data set in the folder `path`; the layout is recognised unless it is given.

    A data set that is opened already is given back, where nothing else is asked for.

    With `drop_bad_rows`, clips with values that are not finite are left out and counted in `Dataset.notes`; without,
    they are an error. `text_order` "avca-published" gives the classes of layout avca the text vectors that the
    published loaders give them, many of them wrong. Classes that are one class written differently, or have one text
    vector, are told in the notes; with `merge_spellings` the former become one, which is seen if one of them is. `text`
    says what the text of the classes is made of (`text.part_spec`), by default what the data brings; its encoders look
    for weights in the folder `models`. Raises DataError, naming file, finding and remedy;
    UnknownNameError for a layout, class split or text order; ConfigError for a text order that the layout has not.
    """
    order = _text_order(text_order)
    return as_dataset(path, DataChoice(layout, class_split, drop_bad_rows, order, merge_spellings, text, models))


def as_dataset(data: str | Path | Dataset, choice: DataChoice | None = None) -> Dataset:
    """The data set in a folder, read by `choice`; one that is opened already is given back as it is.

    Raises what `open_dataset` raises; ConfigError for an opened data set and a choice, which would change nothing,
    unless it is that of who chose nothing.
    """
    check_arguments(choice=choice)
    if isinstance(data, Dataset):
        if choice not in (None, DataChoice()):
            raise ConfigError(f"{data.source}: is opened already, and {choice} would change nothing; give its folder")
        return data
    choice = choice or DataChoice()
    order = _text_order(choice.text_order)
    root, module = find_layout(data, choice.layout)
    if order not in module.TEXT_ORDERS:
        others = [name for name, other in PLUGINS.load_all()[0].items() if order in other.TEXT_ORDERS]
        raise ConfigError(
            f"{root}: text order {order} is of layout {' or '.join(others)}; this is {module.NAME}, leave it out"
        )
    dataset = module.read(root, choice)
    if choice.merge_spellings:
        dataset = merged(dataset)
    dataset = with_text(dataset, choice.parts, as_path(choice.models))
    classes = dataset.classes
    notes = class_notes(classes.names, classes.text.numpy(), classes.seen.numpy())
    as_read = replace(choice, layout=module.NAME, class_split=dataset.class_split)
    return replace(dataset, notes=(*dataset.notes, *notes), choice=as_read, generated=generated_mark(root))


def place_of(data: str | Path | Dataset, choice: DataChoice | None = None) -> tuple[Path, DataChoice]:
    """In which folder a data set lies and how it is read there: enough to open it again, here or in another process.

    Raises DataError for one that was made in memory; ConfigError as `as_dataset`.
    """
    if not isinstance(data, Dataset):
        return Path(data), choice or DataChoice()
    opened = as_dataset(data, choice)
    if opened.choice is None:
        raise DataError(f"{opened.source}: was made in memory and lies in no folder; give the folder of a data set")
    return Path(opened.source), opened.choice


def class_splits(path: Path | str, layout: str | None = None) -> list[str]:
    """Names of the class splits (which classes are seen) that the data set in `path` brings."""
    root, module = find_layout(path, layout)
    return module.class_splits(root)


def find_layout(path: Path | str, layout: str | None) -> tuple[Path, Layout]:
    """The folder and its layout. Raises DataError, UnknownNameError."""
    root = Path(path)
    if not root.is_dir():
        raise DataError(f"{root}: {'a file' if root.exists() else 'not there'}; expected a folder.{_near(root)}")
    if layout is not None:
        return root, PLUGINS.load(layout)
    matching = [module for module in PLUGINS.load_all()[0].values() if module.recognise(root)]
    if not matching:
        if given := what_it_is(root, "features"):
            raise DataError(f"{root}: is not a folder of features{given}")
        expected = "\n".join(f"  {name}: {description}" for name, description in layouts().items())
        raise DataError(f"{root}: no layout recognised.{_nested(root)} A data set looks like one of these:\n{expected}")
    if len(matching) > 1:
        names = " or ".join(module.NAME for module in matching)
        raise DataError(f"{root}: could be {names}; say which with layout=")
    return root, matching[0]


def _text_order(name: str) -> TextOrder:
    if name not in TEXT_ORDERS:
        raise UnknownNameError(registry.unknown("text order", name, TEXT_ORDERS))
    return name


def _near(path: Path) -> str:
    if not path.parent.is_dir():
        return f" {path.parent} is not there either."
    folders = [entry.name for entry in path.parent.iterdir() if entry.is_dir()]
    near = difflib.get_close_matches(path.name, folders, n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(str(path.parent / name) for name in near)}?" if near else ""


def _nested(root: Path) -> str:
    around = [root.resolve().parent, *sorted(entry for entry in root.iterdir() if entry.is_dir())]
    modules = PLUGINS.load_all()[0].values()
    near = [str(entry) for entry in around if any(module.recognise(entry) for module in modules)]
    return f" Did you mean {' or '.join(near[:3])}?" if near else ""
