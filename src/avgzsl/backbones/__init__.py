"""Networks that turn frames or a waveform into a vector: one a file, found by listing this folder, and one a card.

A backbone module has DESCRIPTION, MODALITIES (those it serves) and load(modality, weights, device, models), which gives
a `Backbone`; `weights` is None where the spec names none, `device` a torch.device. A card is a YAML file in `cards/` or
anywhere: an exported model and how to feed it. A backbone is named by a spec: `NAME`, or `NAME:WEIGHTS` with a file, a
folder or a name on the hub; or a card's path.
"""

import sys
from pathlib import Path
from types import ModuleType

from avgzsl.backbones._base import Backbone, check_clips
from avgzsl.backbones._cards import read_card
from avgzsl.backbones._exported import load_exported
from avgzsl.errors import ModalityError, UnknownNameError
from avgzsl.support import registry
from avgzsl.support.device import pick_device
from avgzsl.support.weights import identify, models_folder
from avgzsl.types import Modality

__all__ = ["Backbone", "backbones", "check_clips", "load"]

_CARDS = Path(__file__).parent / "cards"


def backbones() -> dict[str, str]:
    """Names of the backbones, modules and cards alike, each with one line about it."""
    modules = {name: str(_module(name).DESCRIPTION) for name in _modules()}
    cards = {name: read_card(path).description for name, path in _card_files().items()}
    return dict(sorted((modules | cards).items()))


def load(spec: str, modality: Modality, *, device: str = "auto", models: Path | None = None) -> Backbone:
    """The backbone of a spec, ready for clips of one modality; `models` is the folder where weights are looked for.

    Raises UnknownNameError with near matches, ModalityError for a modality that it does not serve, ConfigError for a
    bad card or device, WeightsError for weights that are not there or not those of the network.
    """
    if spec.endswith((".yaml", ".yml")):
        path = _find_card(spec, models)
        return load_exported(spec, path, modality, None, device, models, (identify(path),))
    name, _, weights = spec.partition(":")
    cards = _card_files()
    if name in cards:
        return load_exported(spec, cards[name], modality, weights or None, device, models)
    if name not in _modules():
        raise UnknownNameError(registry.unknown("backbone", name, {*_modules(), *cards}))
    module = _module(name)
    if modality not in module.MODALITIES:
        raise ModalityError(f"backbone {name} embeds {' and '.join(module.MODALITIES)}, not {modality}")
    loaded: Backbone = module.load(modality, weights or None, pick_device(device), models)
    return loaded


def _modules() -> list[str]:
    return registry.available(sys.modules[__name__])


def _module(name: str) -> ModuleType:
    return registry.load(sys.modules[__name__], "backbone", name)


def _find_card(spec: str, models: Path | None) -> Path:
    packed = models_folder(models) / Path(spec).name
    return packed if packed.is_file() and not Path(spec).is_file() else Path(spec)


def _card_files() -> dict[str, Path]:
    return {path.stem: path for path in sorted(_CARDS.glob("*.yaml"))}
