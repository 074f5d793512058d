"""An encoder made to travel: its weights and its card copied into folders, and the spec by which they are found there.

The arguments of a spec (a file, a folder or a name on the hub; overrides of text) are what an encoder is loaded from.
In the folder each has the name by which the encoders look for it among their models. A card has a folder of its own.

A run that somebody else made may name any file of this machine. So a file is copied only from the folder of models, or
if the user names it, too; and only if it is one of those that the record knows by their hashes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from avgzsl import backbones
from avgzsl.data.clips import Encoder
from avgzsl.errors import WeightsError
from avgzsl.recognition.encoders import CARD_SUFFIXES, OVERRIDES, packaged_card
from avgzsl.support.trust import copy_regular, is_plain_way, plain_name
from avgzsl.support.weights import FOLDER_VARIABLE, identify, models_folders
from avgzsl.text import encoders as text
from avgzsl.text.part_spec import parse_part

EncoderKind = Literal["audio", "video", "text"]
# of weights and vectors; names on the hub may have dots, too
_FILES = {".safetensors", ".pt", ".pth", ".pkl", ".tflite", ".onnx", ".npy", ".npz", ".csv", ".vec", ".bin"}
_WANTED = ("*.json", "*.txt", "*.model", "*.safetensors")  # of a checkpoint's folder: no pickles


def with_bare_names(encoder: Encoder) -> Encoder:
    """The encoder without the paths of this machine: files and folders are looked for by name among the models.

    A card is left to `with_card`.
    """
    return replace(encoder, spec=_respelled(encoder.spec, lambda argument: _bare(argument)))


def bare_part(asked: str) -> str:
    """A part of the text as it was asked for, without the paths of this machine."""
    part = parse_part(asked)
    encoder = None if part.encoder is None else with_bare_names(Encoder(part.encoder)).spec
    prompts = None if part.prompts is None else Path(part.prompts).name
    descriptions = None if part.descriptions is None else Path(part.descriptions).name
    return str(replace(part, encoder=encoder, prompts=prompts, descriptions=descriptions))


def with_weights(
    encoder: Encoder, kind: EncoderKind, folder: Path, models: Path | None, named: Sequence[Path] = ()
) -> Encoder:
    """The encoder as it is found in `folder`, into which all that it is loaded from is copied, but for its card.

    Weights that come with the package of the encoder stay there. `named` are files and folders that the user names
    besides the folder of models. Raises WeightsError when something is neither there nor named, or is not what the
    record says.
    """
    for file in encoder.weights:
        if not is_plain_way(file.name):
            raise WeightsError(f"{encoder.spec}: names the file {file.name!r}; expected a name inside its own folder")
    known = {file.sha256 for file in encoder.weights}
    spec = _respelled(encoder.spec, lambda argument: _copy(argument, known, folder, models, named))
    packed = {identify(path).sha256 for path in _files(folder)}
    by_card = encoder.spec.endswith(CARD_SUFFIXES)
    for file in encoder.weights:
        if file.sha256 in packed or file.name.endswith(CARD_SUFFIXES):
            continue
        beside = [card.parent / file.name for card in named if by_card and _same(card, Path(encoder.spec))]
        in_models = [library / file.name for library in models_folders(models)]
        places = [*(path for path in named if path.name == file.name), *beside, *in_models]
        found = next((place for place in places if place.is_file() and identify(place).sha256 == file.sha256), None)
        if found is None and _brings_weights(kind, spec):
            continue
        if found is None:
            looked = " or ".join(str(place.absolute()) for place in places)
            raise WeightsError(
                f"{encoder.spec}: the file {file.name} ({file.sha256[:12]}) that the run was trained with is not there "
                f"(looked for {looked}); {_NAME_IT}; or pack without weights"
            )
        _copy_file(found, folder / plain_name(file.name, encoder.spec, WeightsError))
    return replace(encoder, spec=spec)


def with_card(
    encoder: Encoder, folder: Path, own: Path, models: Path | None = None, named: Sequence[Path] = ()
) -> Encoder:
    """The encoder by a copy of its card in `folder`; as it is where it has none, or other weights than its card names.

    A card lies in `own`, the run's folder of cards, or in that of models, or is one of those that the user `named`. One
    that comes with avgzsl is copied, too: the next version may have another of that name. Raises WeightsError when the
    card is gone, has changed, or lies elsewhere and is not named.
    """
    by_card = encoder.spec.endswith(CARD_SUFFIXES)
    card = Path(encoder.spec) if by_card else packaged_card(encoder.spec)
    if card is None or not (by_card or encoder.spec == card.stem):
        return encoder
    allowed = any(_inside(card, one) for one in (own, *models_folders(models))) or any(
        _same(card, one) for one in named
    )
    if by_card and not allowed:
        raise WeightsError(f"{card}: is a card of this machine, outside the run; {_NAME_IT}")
    if by_card and not (card.is_file() and identify(card).sha256 in {file.sha256 for file in encoder.weights}):
        raise WeightsError(f"{card}: is not the card that the run was trained with; put that back")
    file = identify(card)
    _copy_file(card, folder / card.name)
    return replace(encoder, spec=card.name, weights=(file, *(other for other in encoder.weights if other != file)))


def _brings_weights(kind: EncoderKind, spec: str) -> bool:
    return text.brings_weights(spec) if kind == "text" else backbones.brings_weights(spec)


_NAME_IT = (
    "files are packed from the folder of models alone (--models, or " + FOLDER_VARIABLE + "), for a run may name any "
    "file of this machine: if it is meant to be shared, name it with --with FILE"
)


def _respelled(spec: str, rename: Callable[[str], str]) -> str:
    """The spec with other arguments."""
    if spec.endswith(CARD_SUFFIXES):
        return spec
    named, mark, overrides = spec.partition(OVERRIDES)
    name, colon, argument = named.partition(":")
    return name + colon + (rename(argument) if argument else "") + mark + (rename(overrides) if mark else "")


def _bare(argument: str) -> str:
    """A path's last part; a name on the hub (`owner/model`), or what is no file, stays."""
    path = Path(argument)
    return path.name if path.exists() or path.is_absolute() or path.suffix in _FILES else argument


def _copy(argument: str, known: set[str], folder: Path, models: Path | None, named: Sequence[Path]) -> str:
    """Copy what the argument names into `folder`; gives its name there, or the argument where it names nothing.

    Of a folder those files are copied that are `known` by their hash, and so are what the encoder is loaded from.
    """
    path, libraries = Path(argument), models_folders(models)
    places = [one for one in named if _same(one, path) or one.name == argument]
    if any(_inside(path, library) for library in libraries):
        places.append(path)
    if is_plain_way(argument):
        places += [library / argument for library in libraries]
    source = next((place for place in places if place.exists()), None)
    name = argument if is_plain_way(argument) else path.name
    source = source or (_from_hub(argument) if is_plain_way(argument) else None)
    if source is None or not is_plain_way(name):
        return name if path.is_absolute() else argument
    files = [source] if source.is_file() else [f for f in _files(source) if any(f.match(one) for one in _WANTED)]
    for file in files:
        if identify(file).sha256 in known:
            _copy_file(file, folder / name / file.relative_to(source))
    return name


def _inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve()) and path.resolve() != folder.resolve()


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


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
    copy_regular(source, target, WeightsError)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
