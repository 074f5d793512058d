"""How an index makes phrases into vectors, where its run does not know it: noted once, when clips are indexed."""

from dataclasses import replace

from avgzsl.archive.collection import RUN, Collection, open_index
from avgzsl.data.clips import Encoder
from avgzsl.experiments.run import read_classes
from avgzsl.experiments.run_record import CONFIG
from avgzsl.recognition.text_encoders import load_text_encoder
from avgzsl.support.files import write_json
from avgzsl.types import EncoderChoice


def note_text(collection: Collection, encoders: EncoderChoice) -> Collection:
    """The index, whose own copy of the run's record knows the encoders of text that `encoders` names.

    They are loaded, and have to give the run's classes the vectors that they have. Raises as `load_text_encoder` and
    its parts do.
    """
    run = collection.run
    asked = load_text_encoder(run, read_classes(run), encoders)
    parts = tuple(
        replace(part, encoder=Encoder(made.encoder.spec, made.encoder.weights)) if part.encoder is None else part
        for part, made in zip(run.config.data.text, asked.parts, strict=True)
    )
    for made in asked.parts:
        made.encoder  # noqa: B018  # loaded, and so checked
    data = run.config.data.model_copy(update={"text": parts})
    config = run.config.model_copy(update={"data": data})
    write_json(collection.folder / RUN / CONFIG, config.model_dump(mode="json"))
    return open_index(collection.folder, collection.url, type(run.method))
