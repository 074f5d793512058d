"""The encoders of a run's text, part by part: what new names go through to stand where its classes do.

A part whose encoder the run knows takes that one alone, by the hashes of its weights; one of which it knows nothing
takes the encoder that the user names, if that gives the run's classes the vectors that they have.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from jaxtyping import Float
from torch import Tensor

from avgzsl.data.clips import ClassTable, TextPart
from avgzsl.errors import ConfigError, DataError, RunError
from avgzsl.experiments.run import Run
from avgzsl.recognition.encoders import check_encoder, models_of, require_known, spec_of
from avgzsl.support.weights import nothing_fetched
from avgzsl.text import encoders as text
from avgzsl.text.checked import CheckedEncoder
from avgzsl.text.descriptions import read_descriptions
from avgzsl.text.part_record import columns_of, shown_part
from avgzsl.text.part_spec import THEIRS, PartSpec, parse_part
from avgzsl.text.parts import PartEncoder, PartEncoders
from avgzsl.text.prompt_sets import read_prompts
from avgzsl.text.same_space import require_same_space
from avgzsl.types import EncoderChoice


def load_text_encoder(run: Run, classes: ClassTable, encoders: EncoderChoice) -> PartEncoders:
    """The parts of a run's text; each is loaded, and checked, when a name first asks for it.

    `encoders.text` names another way to make a part: one for each part in their order (`own` for those that stay as
    they are), or `own=ENCODER` alone for the one part that came from elsewhere. Raises ConfigError for parts that do
    not fit those of the run, DataError for descriptions that cannot be read.
    """
    known = run.config.data.text
    asked = _by_part(run, known, [parse_part(spec) for spec in encoders.parts])
    columns = columns_of(known)
    return PartEncoders(
        tuple(
            _part(run, part, spec, replace(classes, text=classes.text[:, where], parts=(part,)), encoders)
            for part, spec, where in zip(known, asked, columns, strict=True)
        )
    )


def _by_part(run: Run, known: Sequence[TextPart], asked: Sequence[PartSpec]) -> list[PartSpec]:
    """For each part of the run how it was asked to be made. Raises ConfigError where that is not clear."""
    if not asked:
        return [THEIRS] * len(known)
    nameless = [place for place, part in enumerate(known) if part.encoder is None]
    if len(asked) == 1 and len(nameless) == 1 and asked[0].own and asked[0].encoder is not None:
        return [asked[0] if place == nameless[0] else THEIRS for place in range(len(known))]
    if len(asked) != len(known):
        raise ConfigError(
            f"{run.folder}: its text is made of {len(known)} parts ({', '.join(map(shown_part, known))}), and --text "
            f"is given for {len(asked)}; give it once a part, in this order, as own where it stays as it is"
        )
    for part, spec in zip(known, asked, strict=True):
        if spec.modality not in (None, part.modality):
            raise ConfigError(
                f"--text {spec}: that part of the text of {run.folder} is for {part.modality or 'both modalities'}; "
                "leave the modality out"
            )
    return list(asked)


def _part(run: Run, part: TextPart, spec: PartSpec, classes: ClassTable, encoders: EncoderChoice) -> PartEncoder:
    """A part as it is made for new names; `classes` are the run's, with the vectors of this part."""
    models = models_of(run, encoders.models)
    prompts = part.prompts if spec.prompts is None else read_prompts(spec.prompts)
    table = None if spec.descriptions is None else read_descriptions(spec.descriptions, spec.columns, models)
    if part.encoder is not None and part.descriptions is None:
        if table is not None:
            raise ConfigError(f"--text {spec}: that part of the text of {run.folder} is not made of sentences")
        if prompts != part.prompts and (prompts is None or prompts.templates != _templates(part)):
            raise ConfigError(f"--text {spec}: that part of the text of {run.folder} has other prompts; leave them out")
    named = _named(part, spec)
    made = PartEncoder(named, _unloaded, part.modality, prompts, part.descriptions, table)
    if made.descriptions is None and table is not None:
        made = replace(made, descriptions=table.record)
    return replace(made, load=partial(_load, run, part, spec, classes, made, encoders))


def _named(part: TextPart, spec: PartSpec) -> str:
    """What notes call the part."""
    if spec.encoder is not None:
        return spec.encoder
    return "own" if part.encoder is None else part.encoder.spec


def _templates(part: TextPart) -> tuple[str, ...]:
    return () if part.prompts is None else part.prompts.templates


def _unloaded() -> CheckedEncoder:
    raise AssertionError("a part is given its encoder before it is used")


def _load(
    run: Run, part: TextPart, spec: PartSpec, classes: ClassTable, made: PartEncoder, encoders: EncoderChoice
) -> CheckedEncoder:
    """Raises RunError, ConfigError, UnknownNameError, WeightsError."""
    chosen = spec.encoder
    if chosen is None:
        if part.encoder is None:
            raise RunError(
                f"{run.folder}: was trained on text vectors from elsewhere (layout {run.config.data.layout}), and does "
                "not know what made them; name the encoder that did with --text own=ENCODER (`avgzsl encoders` lists "
                "them)"
            )
        require_known(run, "text", part.encoder)
    with nothing_fetched(chosen is None):
        named = chosen or spec_of(run, part.encoder)  # type: ignore[arg-type]  # one of the two is there
        encoder = text.load(named, models=models_of(run, encoders.models), device=encoders.device)
    check_encoder(run, "text", encoder, part.width, part.encoder)
    if part.encoder is None:
        rows = _encoded(run, replace(made, load=lambda: encoder), classes)
        require_same_space(encoder.spec, str(run.folder), classes.names, rows, classes.text)
    return encoder


def _encoded(run: Run, part: PartEncoder, classes: ClassTable) -> Float[Tensor, "c w"]:
    try:
        rows, _ = part.encode(classes.names)
    except DataError as problem:
        raise ConfigError(
            f"{part.spec}: cannot be what {run.folder} was trained with, it does not know its classes ({problem})"
        ) from problem
    return rows
