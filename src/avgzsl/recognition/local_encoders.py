"""Encoders of clips where nobody names any: the best of those that are on this machine. Nothing is fetched.

In this order: sound and picture each in a space with words; two taggers; of each modality the better one that is there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from avgzsl import backbones
from avgzsl.errors import ConfigError, WeightsError
from avgzsl.support.weights import fetched_folder, models_folders, nothing_fetched
from avgzsl.text import encoders as text_encoders
from avgzsl.types import MODALITIES, Modality

_SHARED: dict[Modality, str] = {"audio": "clap", "video": "clip"}
_TAGGERS: dict[Modality, str] = {"audio": "yamnet-labels", "video": "mobilenet-v2-labels"}
_WORDS = "minilm"  # compares words with the labels of taggers
_PROMPTS: dict[Modality, str] = {"audio": "sound", "video": "photo"}
_FETCH_BEST, _FETCH_SMALL = "avgzsl fetch clip clap", "avgzsl fetch yamnet mobilenet-v2 minilm"


@dataclass(frozen=True)
class LocalEncoders:
    """The specs by modality, and what better ones would need; None where these are the best."""

    specs: Mapping[Modality, str]
    better: str | None = None


def local_encoders(models: Path | None, modalities: tuple[Modality, ...] = MODALITIES) -> LocalEncoders:
    """The best encoders of these modalities that are here. Raises WeightsError, with what to fetch, where none is."""
    why: list[str] = []
    shared = {m: _SHARED[m] for m in modalities if _is_there(why, partial(_load, _SHARED[m], m, models))}
    if len(shared) == len(modalities):
        return LocalEncoders(shared)
    better = f"clip and clap find more than the labels of taggers say, and need: {_FETCH_BEST}"
    tagged: dict[Modality, str] = {}
    if _is_there(why, lambda: text_encoders.load(_WORDS, models=models)):
        tagged = {m: _TAGGERS[m] for m in modalities if _is_there(why, partial(_load_tagger, _TAGGERS[m], m, models))}
    if len(tagged) == len(modalities):
        return LocalEncoders(tagged, better)
    specs = {**tagged, **shared}
    if not specs:
        places = " and ".join(str(folder.absolute()) for folder in models_folders(models))
        reasons = "\n  ".join(why)
        raise WeightsError(
            f"no encoder is on this machine (looked for in {places}); `{_FETCH_SMALL}` gets small ones, "
            f"`{_FETCH_BEST}` the best, both into {fetched_folder()}; files from elsewhere go into a folder that is "
            f"named with --models.\n  {reasons}"
        )
    lacking = " and ".join("sound" if m == "audio" else "pictures" for m in modalities if m not in specs)
    small = f"{lacking} cannot be searched without encoders of their own: {_FETCH_SMALL}; " if lacking else ""
    return LocalEncoders({m: specs[m] for m in modalities if m in specs}, small + better)


def usual_text(specs: Mapping[Modality, str]) -> tuple[str, ...]:
    """The parts of the text that meet features of these backbones without training (`text.part_spec`).

    Of a backbone in a space with words that is the other side of its space, with prompts; any other is taken to be a
    tagger, whose labels a sentence encoder compares with words.
    """
    words = {m: backbones.text_encoder_of(spec, m) for m, spec in specs.items()}
    if not any(words.values()):
        return (_WORDS,)
    return tuple(f"{m}={_WORDS if own is None else f'{own}+prompts={_PROMPTS[m]}'}" for m, own in words.items())


def _load(spec: str, modality: Modality, models: Path | None) -> object:
    return backbones.load(spec, modality, models=models)


def _load_tagger(spec: str, modality: Modality, models: Path | None) -> object:
    """With its labels, without which it says nothing."""
    return backbones.load(spec, modality, models=models), backbones.load_tagger(spec, modality, models=models)


def _is_there(why: list[str], load: Callable[[], object]) -> bool:
    """Whether it loads; the reason, where not, is added to `why`."""
    try:
        with nothing_fetched():
            load()
    except (WeightsError, ConfigError) as problem:
        why.append(str(problem))
        return False
    return True
