"""Checkpoints of the transformers library: a folder, local or copied from the hub, and what is loaded from it.

Weights are safetensors alone, and no code that comes with them is run. A weight that the file lacks is an error: the
library would fill it with random numbers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from avgzsl.errors import WeightsError
from avgzsl.support.registry import require
from avgzsl.support.weights import WeightFile, find_folder, identify, reason

_EXTRA = "transformers"
_PATTERNS = (
    *("config.json", "preprocessor_config.json", "processor_config.json", "model.safetensors.index.json"),
    "video_preprocessor_config.json",
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "vocab.txt", "merges.txt"),
    "model*.safetensors",
)


@dataclass(frozen=True)
class ModelFolder:
    """A folder with the weights and settings of one model, which its `config` describes.

    `name` is its path or its name on the hub, as given.
    """

    name: str
    folder: Path
    config: Any = None

    @property
    def type(self) -> str:
        """The library's name of its kind of model."""
        return str(self.config.model_type)

    @property
    def files(self) -> tuple[WeightFile, ...]:
        """The files a model is loaded from, settings included: a feature depends on them as much as on the weights."""
        return tuple(identify(path) for pattern in _PATTERNS for path in sorted(self.folder.glob(pattern)))

    def model(self, architecture: str, device: torch.device, part: str | None = None) -> Any:
        """The model, set to evaluation and without gradients; `part` of the config describes it, if not the whole.

        Raises WeightsError when a weight is missing, damaged or of another shape.
        """
        library = require("transformers", _EXTRA)
        of_part = {} if part is None else {"config": getattr(self.config, part)}
        with quiet(library), self._named(architecture):
            model, report = getattr(library, architecture).from_pretrained(
                self.folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
                **of_part,
            )
        if missing := sorted(report["missing_keys"]):
            raise WeightsError(
                f"{self.folder}: its weights lack {len(missing)} of {architecture}'s, such as {missing[0]}; fetch the "
                "checkpoint again, or choose one of the whole model"
            )
        return model.requires_grad_(False).eval().to(device)

    def part(self, kind: str, **options: Any) -> Any:
        """A processor or tokenizer, by the library's name of its kind. Raises WeightsError."""
        library = require("transformers", _EXTRA)
        with quiet(library), self._named(kind):
            return getattr(library, kind).from_pretrained(self.folder, local_files_only=True, **options)

    @contextmanager
    def _named(self, part: str) -> Iterator[None]:
        try:
            yield
        except Exception as problem:  # a damaged folder can fail in many ways
            raise WeightsError(
                f"{self.folder}: {part} cannot be loaded from it ({reason(problem)}); expected a checkpoint with "
                "safetensors, as transformers saves it"
            ) from problem


def find_checkpoint(kinds: str | tuple[str, ...], name: str, models: Path | None) -> ModelFolder:
    """The checkpoint, of one of the model types `kinds`: the folder `name`, one of the models folder, or of the hub.

    Raises WeightsError that says where it was looked for, or that a folder holds another type of model; ConfigError
    where the library is not installed.
    """
    library = require("transformers", _EXTRA)
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    kind = " or ".join(kinds)
    checkpoint = ModelFolder(name, find_folder(f"{kind} checkpoint", name, models, _PATTERNS, _EXTRA))
    if not any(checkpoint.folder.glob("model*.safetensors")):
        raise WeightsError(
            f"{checkpoint.folder}: no model.safetensors; pickled weights are not read, convert them to safetensors, or "
            "fetch others (`avgzsl fetch --list`)"
        )
    with quiet(library), checkpoint._named("its config"):
        config = library.AutoConfig.from_pretrained(checkpoint.folder, local_files_only=True)
    if config.model_type not in kinds:
        raise WeightsError(f"{checkpoint.folder}: holds a model of type {config.model_type}, expected {kind}")
    return replace(checkpoint, config=config)


@contextmanager
def quiet(library: Any) -> Iterator[None]:
    """Without the library's progress bars and its report of weights that are left over, such as a classifier's."""
    log = library.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
