"""What an index of a run without training takes off its scores: mean and deviation of its own clips, by modality.

In a space that clips and words share, scores of sound and of pictures differ in size (method `frozen`). Where no
training clips told how much, the clips of the index do, held against the bank of everyday phrases. That lies in a file
of the index, not in its run, which stays what it is; phrases alone change by it, no stored embedding.
"""

from collections.abc import Iterator

from avgzsl.archive import clip_selection
from avgzsl.archive.clip_database import Connection
from avgzsl.archive.collection import Collection, view_of
from avgzsl.archive.standard_record import read_standard, write_standard
from avgzsl.experiments.run import read_classes
from avgzsl.methods import Embeddings, UntrainedMethod
from avgzsl.recognition.text_encoders import load_text_encoder
from avgzsl.text.bank import everyday_phrases
from avgzsl.types import EncoderChoice

_CHUNK = 8192


def is_own(collection: Collection) -> bool:
    """Whether scores are standardised by the clips of the index."""
    method = collection.run.method
    return isinstance(method, UntrainedMethod) and (
        method.awaits_standard or read_standard(collection.folder) is not None
    )


def keep(collection: Collection, db: Connection, encoders: EncoderChoice) -> None:
    """Standardise an index that has its own standard: where there is none yet, or of half the clips at most."""
    if not is_own(collection):
        return
    known, clips = read_standard(collection.folder), clip_selection.count(db, ())
    if clips and (known is None or clips >= 2 * known.clips):
        renew(collection, db, encoders)


def renew(collection: Collection, db: Connection, encoders: EncoderChoice) -> None:
    """Take the standard anew from the clips as they are. Raises RunError, WeightsError for the text encoder."""
    clips = clip_selection.count(db, ())
    if not is_own(collection) or not clips:
        return
    run = collection.run
    assert isinstance(run.method, UntrainedMethod)
    text, _ = load_text_encoder(run, read_classes(run), encoders).encode(everyday_phrases())
    run.method.standardise(_embedded(collection, db), text)
    write_standard(collection.folder, clips, run.method)


def _embedded(collection: Collection, db: Connection) -> Iterator[Embeddings]:
    seen = view_of(collection, db)
    here = seen.positions()
    for start in range(0, len(here), _CHUNK):
        yield seen.embeddings(here[start : start + _CHUNK])
