"""Other text for the classes of a data set than the one it brings: by encoders, prompts and written sentences."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from avgzsl.data.clips import Dataset, TextPart
from avgzsl.errors import ConfigError
from avgzsl.text.part_record import written
from avgzsl.text.part_spec import THEIRS, PartSpec, parse_parts
from avgzsl.text.parts import PartEncoder, PartEncoders, describe_classes, load_part, load_parts
from avgzsl.text.same_space import require_same_space


def with_text(dataset: Dataset, specs: Sequence[str] = (), models: Path | None = None, device: str = "cpu") -> Dataset:
    """The data set with its classes' text made of the parts that the specs name (`text.part_spec`), in their order.

    What it brings already (`own`) stays as it is, so that no spec, and `own` alone, give the very same data set. Any
    other text makes it another data set, with a fingerprint of its own. Raises ConfigError for parts that cannot be
    read or do not fit the data set's own text, DataError for classes that have no sentence or no vector, WeightsError.
    """
    parsed = parse_parts(specs)
    if parsed == (THEIRS,):
        return dataset
    names = dataset.classes.names
    made = {spec: _of(dataset, load_part(spec, models, device)) for spec in parsed if not spec.own}
    for part in made.values():  # before anything is encoded, which takes long
        if part.table is not None:
            part.table.of(names)
    pieces: list[tuple[Float[Tensor, "c _w"], tuple[TextPart, ...]]] = []
    for spec in parsed:
        if spec.own:
            pieces.append((dataset.classes.text.float(), _own(dataset, spec, models, device)))
        else:
            pieces.append(describe_classes(PartEncoders((made[spec],)), names))
    text = torch.cat([rows for rows, _ in pieces], dim=1)
    return with_vectors(dataset, text, tuple(part for _, parts in pieces for part in parts), parsed)


def with_vectors(
    dataset: Dataset, text: Float[Tensor, "c t"], parts: tuple[TextPart, ...], asked: Sequence[PartSpec]
) -> Dataset:
    """The data set with this text, a row a class, made of these parts; its fingerprint counts both.

    Where nothing that was `asked` for is its own, the notes on its own text go.
    """
    if not any(spec.own for spec in asked):
        notes = tuple(note for note in dataset.notes if note not in dataset.text_notes)
        dataset = replace(dataset, notes=notes, text_notes=())
    classes = replace(dataset.classes, text=text, parts=parts)
    digest = sha256(f"text {dataset.fingerprint} {written(parts)}".encode())
    digest.update(text.float().contiguous().numpy().data)
    encoders = {kind: encoder for kind, encoder in dataset.encoders.items() if kind != "text"}
    return replace(dataset, classes=classes, encoders=encoders, fingerprint=digest.hexdigest())


def _of(dataset: Dataset, part: PartEncoder) -> PartEncoder:
    """The part, whose table of sentences may have any name by which the data know a class."""
    return part if part.table is None else replace(part, table=part.table.known_as(dataset.also_called))


def _own(dataset: Dataset, spec: PartSpec, models: Path | None, device: str) -> tuple[TextPart, ...]:
    """The parts of the text that the data set brings, with what the spec says of them."""
    parts = dataset.text_parts
    if spec.modality is not None:
        if taken := [part.modality for part in parts if part.modality not in (None, spec.modality)]:
            raise ConfigError(
                f"--text {spec}: the text that {dataset.source} brings has a part for {taken[0]}; leave "
                f"{spec.modality}= out, or extract its text again"
            )
        parts = tuple(replace(part, modality=spec.modality) for part in parts)
    if spec.encoder is None:
        return parts
    if len(parts) > 1:
        raise ConfigError(
            f"--text {spec}: the text that {dataset.source} brings is of {len(parts)} parts, and one encoder does not "
            "make them all; give own alone"
        )
    encoder = load_parts([spec], models, device)
    rows, _ = encoder.encode(dataset.classes.names)
    require_same_space(str(spec), dataset.source, dataset.classes.names, rows, dataset.classes.text)
    return encoder.record
