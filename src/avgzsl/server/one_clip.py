"""A clip of an index with all that the archive says of it: the names nearest to it, and the clips of the same file."""

from collections.abc import Callable, Sequence

from avgzsl.archive import clip_files
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.collection import View
from avgzsl.archive.search import Searcher, mode_of
from avgzsl.data.clips import ClassTable
from avgzsl.errors import ModalityError
from avgzsl.methods import Embeddings, TextEmbeddings
from avgzsl.recognition.answers import answer
from avgzsl.server.schema import ClipRow, Nearest, OneClip
from avgzsl.server.searching import position_of
from avgzsl.types import TestModality

_NAMES, _WINDOWS = 8, 500


def one_clip(
    seen: View,
    id: str,
    searcher: Searcher,
    modality: TestModality | None,
    rows: Callable[[Sequence[IndexedClip]], list[ClipRow]],
) -> OneClip:
    """The clip of this id, by a modality, or by each that it has.

    Raises NoSuchClip, and ModalityError for one that the clip lacks or the run does not serve.
    """
    position = position_of(seen, id)
    (clip,), embedded = seen.clips(position), seen.embeddings(position)
    windows = []
    if clip.path is not None:
        windows = seen.clips(clip_files.windows_near(seen.db, clip.path, clip.start or 0.0, _WINDOWS))
    row, *others = rows([clip, *windows])
    return OneClip(clip=row, nearest=_by_modality(searcher, embedded, modality), windows=others)


def everyday_phrases(searcher: Searcher) -> tuple[ClassTable, TextEmbeddings] | None:
    """What clips are named by where the run knows no class, with its embedding; None where words cannot be encoded."""
    bank = searcher.phrases
    return None if bank.phrases is None or bank.text is None else (bank.phrases, bank.text)


def _by_modality(
    searcher: Searcher, clip: Embeddings, modality: TestModality | None
) -> dict[TestModality, list[Nearest]]:
    """The names nearest to a clip, by the modality asked for, or by all that the clip has."""
    served = dict.fromkeys(mode.modality for mode in searcher.collection.modes)
    if modality is not None:
        mode_of(searcher.collection, modality, None)  # raises for what the run does not serve
        return {modality: _nearest(searcher, clip, modality)}
    found = {}
    for each in served:
        try:
            found[each] = _nearest(searcher, clip, each)
        except ModalityError:  # the clip lacks it
            continue
    return found


def _nearest(searcher: Searcher, clip: Embeddings, modality: TestModality) -> list[Nearest]:
    """The nearest classes of the run; where it has none, the nearest everyday phrases. Raises ModalityError."""
    method, classes = searcher.collection.run.method, searcher.words.classes
    has_classes = len(classes) > 0
    if has_classes:
        names, text = classes, method.embed_text(classes.text)
    elif (everyday := everyday_phrases(searcher)) is not None:
        names, text = everyday
    else:
        return []
    numbers = searcher.recognition.numbers() if has_classes else {}
    mode = mode_of(searcher.collection, modality, None)
    found = answer(method, clip, names, text, mode, numbers, {}, _NAMES)
    return [
        Nearest(label=one.label, score=one.score, distance=one.distance, seen=one.seen if has_classes else None)
        for one in found.top
    ]
