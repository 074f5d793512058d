"""Class names to vectors: one encoder a file, found by listing this folder and the entry points `avgzsl.text_encoders`.

`TextEncoderPlugin` is the contract of a file, `TextEncoder` that of what it loads; `avgzsl.testing` has the suite of
tests for them. An encoder is named by a spec: `NAME`, or `NAME:ARGUMENT` with a file, a folder or a name on the hub. A
spec may end in `,overrides=FILE.csv`: the words to use for some of the names (see `overrides`).
"""

from pathlib import Path

from avgzsl.errors import ConfigError
from avgzsl.support import registry
from avgzsl.support.device import pick_device
from avgzsl.support.registry import Plugins, keeps
from avgzsl.support.weights import identify
from avgzsl.text.base import TextEncoder, TextEncoderPlugin
from avgzsl.text.checked import CheckedEncoder
from avgzsl.text.overrides import find_overrides, read_overrides

__all__ = ["TextEncoder", "TextEncoderPlugin", "brings_weights", "encoders", "load"]

PLUGINS: Plugins[TextEncoderPlugin] = Plugins(
    __name__, "text encoder", keeps(TextEncoderPlugin), "avgzsl.text_encoders"
)
_OVERRIDES = ",overrides="


def encoders() -> dict[str, str]:
    """Names of the text encoders, each with one line about it."""
    return registry.descriptions(PLUGINS)


def load(
    spec: str, *, overrides: Path | None = None, models: Path | None = None, device: str = "cpu"
) -> CheckedEncoder:
    """The text encoder that `spec` names, ready to encode; names and rows are checked, whichever encoder it is.

    `overrides` is a csv `original,manual` of the words to use for some of the names; it becomes part of the `spec` of
    what is given back, and its hash one of the `weights`, so that `load(encoder.spec)` loads the same again. Files and
    folders are looked for as they are, then in `models` (see `weights.models_folder`).

    Raises UnknownNameError with near matches, ConfigError for an argument that the encoder cannot take or an extra that
    is not installed, WeightsError for weights that are not there, DataError for a file that is not what it should be.
    """
    named, _, inside = spec.partition(_OVERRIDES)
    if overrides is not None and inside and Path(inside) != Path(overrides):
        raise ConfigError(f"{spec!r} names overrides already, and {overrides} was given beside it; give one of the two")
    name, _, argument = named.partition(":")
    encoder = PLUGINS.load(name).load(argument, models, pick_device(device))
    csv = str(overrides) if overrides is not None else inside
    if not csv:
        return CheckedEncoder(encoder, named, encoder.weights, {})
    path = find_overrides(csv, models)
    return CheckedEncoder(
        encoder, f"{named}{_OVERRIDES}{csv}", (*encoder.weights, identify(path)), read_overrides(path)
    )


def brings_weights(spec: str) -> bool:
    """Whether the weights of a spec come with the encoder's own package. Raises UnknownNameError, ConfigError."""
    name, _, argument = spec.partition(_OVERRIDES)[0].partition(":")
    return not argument and PLUGINS.load(name).BRINGS_WEIGHTS
