"""What there is to choose from: methods, layouts, backbones, text encoders, engines, generators, by name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from avgzsl.archive.engines import engines
from avgzsl.backbones import backbones
from avgzsl.data.layouts import layouts
from avgzsl.generators import generators
from avgzsl.methods import PLUGINS
from avgzsl.support.showing import Shown
from avgzsl.text.encoders import encoders


@dataclass(frozen=True)
class Catalogue(Shown, Mapping[str, str]):
    """Names, each with one line about it; a mapping that shows itself as a table."""

    lines: Mapping[str, str]

    def rows(self) -> list[dict[str, Any]]:
        """One row a name."""
        return [{"name": name, "about": line} for name, line in self.lines.items()]

    def __getitem__(self, name: str) -> str:
        return self.lines[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)


def list_methods() -> Catalogue:
    """Methods, as `train` takes them."""
    methods, _ = PLUGINS.load_all()
    return Catalogue({name: (cls.__doc__ or "").partition("\n")[0] for name, cls in methods.items()})


def list_layouts() -> Catalogue:
    """Layouts of data on disk that can be read."""
    return Catalogue(layouts())


def list_backbones() -> Catalogue:
    """Encoders of sound and of picture, as `EncoderChoice` takes them."""
    return Catalogue(backbones())


def list_text_encoders() -> Catalogue:
    """Encoders of class names and phrases, as `EncoderChoice` takes them."""
    return Catalogue(encoders())


def list_engines() -> Catalogue:
    """Engines that hold an index, as `index` takes them."""
    return Catalogue(engines())


def list_generators() -> Catalogue:
    """Kinds of data that `generate` makes."""
    return Catalogue(generators())
