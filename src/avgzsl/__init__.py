"""avgzsl: audio-visual generalized zero-shot learning that anyone can run.

The calls behind the commands stand here, loaded when first used; those that share their name with a part of the package
stand there: `avgzsl.methods.methods`, `avgzsl.data.layouts.layouts`, `avgzsl.showcase.demo`.
"""

import importlib
from typing import Any

from avgzsl.support import moved

__version__ = "0.1.0"

moved.answer_old_paths()

_WHERE = {
    "extract": "avgzsl.features.extract",
    "split": "avgzsl.data.splitting",
    "export": "avgzsl.data.export",
    "train": "avgzsl.experiments.train_evaluate",
    "evaluate": "avgzsl.experiments.train_evaluate",
    "predict": "avgzsl.recognition.recognise",
    "pack": "avgzsl.packing",
    "inspect": "avgzsl.data.inspection.inspect",
    "open_dataset": "avgzsl.data.layouts",
    "generate": "avgzsl.generators",
    "load_run": "avgzsl.experiments.run",
}

__all__ = ["__version__", *sorted(_WHERE)]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'avgzsl' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
