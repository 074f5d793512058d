"""avgzsl: audio-visual generalized zero-shot learning that anyone can run.

The calls behind the commands stand here, loaded when first used; those that share their name with a part of the package
stand there: `avgzsl.methods.methods`, `avgzsl.datasets.layouts`, `avgzsl.demo.demo`.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "extract": "avgzsl.features.extract",
    "split": "avgzsl.datasets.splitting",
    "export": "avgzsl.datasets.export",
    "train": "avgzsl.experiment",
    "evaluate": "avgzsl.experiment",
    "predict": "avgzsl.recognise",
    "pack": "avgzsl.packing",
    "inspect": "avgzsl.datasets.inspection",
    "open_dataset": "avgzsl.datasets",
    "generate": "avgzsl.generators",
    "load_run": "avgzsl.runs",
}

__all__ = ["__version__", *sorted(_WHERE)]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'avgzsl' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
