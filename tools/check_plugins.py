"""Whether each plug-in that is found keeps to its contract, as mypy sees it: `python tools/check_plugins.py`.

Layouts, backbones, text encoders and engines are modules, which nothing imports; so mypy compares none with its
Protocol by itself. Written here is a file that gives each module to a name of its Protocol.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

from mypy import api

from avgzsl.archive.engines import PLUGINS as ENGINES
from avgzsl.archive.engines import EnginePlugin
from avgzsl.backbones import PLUGINS as BACKBONES
from avgzsl.backbones import BackbonePlugin
from avgzsl.data.layouts import PLUGINS as LAYOUTS
from avgzsl.data.layouts import Layout
from avgzsl.support.registry import Plugins
from avgzsl.text.encoders import PLUGINS as TEXT_ENCODERS
from avgzsl.text.encoders import TextEncoderPlugin

KINDS: list[tuple[Plugins[Any], type]] = [
    (LAYOUTS, Layout),
    (BACKBONES, BackbonePlugin),
    (TEXT_ENCODERS, TextEncoderPlugin),
    (ENGINES, EnginePlugin),
]


def source() -> str:
    """The file: each plug-in that is found, as a value of its contract."""
    lines = []
    for plugins, contract in KINDS:
        for name in plugins.names():
            module, number = plugins.load(name).__name__, len(lines) // 3
            lines += [f"import {module}", f"import {contract.__module__}"]
            lines += [f"plugin_{number}: {contract.__module__}.{contract.__name__} = {module}"]
    return "\n".join([*lines, ""])


def main() -> int:
    """Print what mypy says of the file; its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plugins.py"
        file.write_text(source())
        said, complaints, code = api.run(["--config-file", "pyproject.toml", "--no-warn-unused-configs", str(file)])
    sys.stdout.write(said)
    sys.stderr.write(complaints)
    return code


if __name__ == "__main__":
    sys.exit(main())
