"""avgzsl: audio-visual generalized zero-shot learning that anyone can run.

Each command of the command line is a call of the same name here; they are loaded when first used.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "train": "avgzsl.experiment",
    "evaluate": "avgzsl.experiment",
    "inspect": "avgzsl.datasets.inspection",
    "open_dataset": "avgzsl.datasets",
    "layouts": "avgzsl.datasets",
    "generate": "avgzsl.generators",
    "methods": "avgzsl.methods",
    "load_run": "avgzsl.runs",
    "demo": "avgzsl.demo",
}

__all__ = ["__version__", *sorted(_WHERE)]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'avgzsl' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
