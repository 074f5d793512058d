"""An encoder made to travel: its weights and its card copied into folders, and the spec by which they are found there.

The arguments of a spec (a file, a folder or a name on the hub; overrides of text) are what an encoder is loaded from.
In the folder each has the name by which the encoders look for it among their models. A card has a folder of its own.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from avgzsl.data import Encoder
from avgzsl.encoders import CARD_SUFFIXES, packaged_card
from avgzsl.errors import WeightsError
from avgzsl.weights import FOLDER_VARIABLE, identify, models_folder

# of weights and vectors; names on the hub may have dots, too
_FILES = {".safetensors", ".pt", ".pth", ".pkl", ".tflite", ".onnx", ".npy", ".npz", ".csv", ".vec", ".bin"}
_INSTALLED = "minilm"  # its weights come with its package
_OVERRIDES = ",overrides="
_WANTED = ("*.json", "*.txt", "*.model", "*.safetensors")  # of a checkpoint's folder: no pickles


def with_bare_names(encoder: Encoder) -> Encoder:
    """The encoder without the paths of this machine: files and folders are looked for by name among the models.

    A card is left to `with_card`.
    """
    return replace(encoder, spec=_respelled(encoder.spec, lambda argument: _bare(argument)))


def with_weights(encoder: Encoder, folder: Path, models: Path | None) -> Encoder:
    """The encoder as it is found in `folder`, into which all that it is loaded from is copied, but for its card.

    Raises WeightsError when something is not there, or is not what the record says.
    """
    spec = _respelled(encoder.spec, lambda argument: _copy(argument, folder, models))
    there = {identify(path).sha256 for path in _files(folder)}
    by_card = encoder.spec.endswith(CARD_SUFFIXES)
    for file in encoder.weights:
        if file.sha256 in there or file.name.endswith(CARD_SUFFIXES):
            continue
        beside = [Path(encoder.spec).parent / file.name] if by_card else []
        places = [*beside, models_folder(models) / file.name]
        found = next((place for place in places if place.is_file() and identify(place).sha256 == file.sha256), None)
        if found is None and spec.partition(",")[0] == _INSTALLED:
            continue
        if found is None:
            looked = " or ".join(str(place.absolute()) for place in places)
            raise WeightsError(
                f"{encoder.spec}: the file {file.name} ({file.sha256[:12]}) that the run was trained with is not there "
                f"(looked for {looked}); name its folder with --models or in {FOLDER_VARIABLE}, or pack without weights"
            )
        _copy_file(found, folder / file.name)
    return replace(encoder, spec=spec)


def with_card(encoder: Encoder, folder: Path) -> Encoder:
    """The encoder by a copy of its card in `folder`; as it is where it has none, or other weights than its card names.

    A card that comes with avgzsl is copied, too: the next version may have another of that name. Raises WeightsError
    when the card is gone or has changed.
    """
    own = encoder.spec.endswith(CARD_SUFFIXES)
    card = Path(encoder.spec) if own else packaged_card(encoder.spec)
    if card is None or not (own or encoder.spec == card.stem):
        return encoder
    if own and not (card.is_file() and identify(card).sha256 in {file.sha256 for file in encoder.weights}):
        raise WeightsError(f"{card}: is not the card that the run was trained with; put that back")
    file = identify(card)
    _copy_file(card, folder / card.name)
    return Encoder(card.name, (file, *(other for other in encoder.weights if other != file)))


def _respelled(spec: str, rename: Callable[[str], str]) -> str:
    """The spec with other arguments."""
    if spec.endswith(CARD_SUFFIXES):
        return spec
    named, mark, overrides = spec.partition(_OVERRIDES)
    name, colon, argument = named.partition(":")
    return name + colon + (rename(argument) if argument else "") + mark + (rename(overrides) if mark else "")


def _bare(argument: str) -> str:
    """A path's last part; a name on the hub (`owner/model`), or what is no file, stays."""
    path = Path(argument)
    return path.name if path.exists() or path.is_absolute() or path.suffix in _FILES else argument


def _copy(argument: str, folder: Path, models: Path | None) -> str:
    """Copy what the argument names into `folder`; gives its name there, or the argument where it names nothing."""
    source = next((p for p in (Path(argument), models_folder(models) / argument) if p.exists()), None)
    name = argument if source is None or not Path(argument).exists() else Path(argument).name
    source = source or _from_hub(argument)
    if source is None:
        return argument
    if source.is_file():
        _copy_file(source, folder / name)
    for file in _files(source) if source.is_dir() else ():
        if any(file.match(pattern) for pattern in _WANTED):
            _copy_file(file, folder / name / file.relative_to(source))
    return name


def _from_hub(name: str) -> Path | None:
    """The copy of a hub's model that this machine has."""
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, local_files_only=True))
    except (ImportError, OSError, ValueError):  # not installed; not copied; not a name on the hub
        return None


def _copy_file(source: Path, target: Path) -> None:
    if target.exists() and identify(target) != identify(source):
        raise WeightsError(f"{source}: another file of that name is packed already; rename one of the two")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
