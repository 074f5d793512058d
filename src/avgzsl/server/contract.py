"""What the API needs of an index: its contract, which `index_archive` fulfils."""

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float, Int64
from torch import Tensor

from avgzsl.archive.clip_order import Sort
from avgzsl.archive.indexed_files import IndexedFile
from avgzsl.errors import AvgzslError
from avgzsl.media.needs import Span
from avgzsl.server.map_schema import NamedBy
from avgzsl.server.schema import ClipRow, Clips, Description, Facets, Hits, OneClip, Recognised, RunTables
from avgzsl.types import RetrievalKind, TestModality


class Unanswerable(AvgzslError):
    """A question that this archive cannot answer: words without a vector, a clip that it does not have."""


class NoSuchClip(Unanswerable):
    """An id that stands for no clip, or for one without a file."""


class Media(NamedTuple):
    """The file of an indexed clip, its span, and what the file was when it was indexed, if that is known."""

    path: Path
    span: Span
    has_video: bool
    file: IndexedFile | None = None


class HitChoice(NamedTuple):
    """How many hits, compared by which modality (None: all that the run serves), of clips that meet which condition
    (`archive.where`), by plain or by corrected scores (None: corrected, where the index has them).

    So many as `offset` says are passed over. With `group` the clips of one file are one hit."""

    top: int
    modality: TestModality | None
    where: str | None
    retrieval: RetrievalKind | None = None
    offset: int = 0
    group: Literal["file"] | None = None


class Search(NamedTuple):
    """By `words`, less what those of `without` say; or by the clip `like` of the archive, of which `by` counts."""

    choice: HitChoice
    words: str = ""
    without: str | None = None
    like: str | None = None
    by: TestModality = "both"


class ListPlace(NamedTuple):
    """Where in the list of clips a page is: behind the place `after`, and `offset` clips on from there.

    A place is the clip's position; in another order than `indexed` the number of clips before it. With `group` the
    clips of one file stand together, where the first of them does, and a place means nothing but to the next page."""

    after: int
    offset: int
    limit: int
    sort: Sort = "indexed"
    descending: bool = False
    group: Literal["file"] | None = None


class Cloud(NamedTuple):
    """Clips and class names as points of one space, that of a modality, or of its first principal components.

    `sample` are the places of a few clips that stand for all; `fits` says how near each of `words`, which are those of
    `named_by`, is to each clip of the sample.
    """

    modality: TestModality
    total: int
    ids: list[str]
    labels: list[str | None]
    points: Float[Tensor, "_n d"]
    sample: Int64[Tensor, " _s"]
    classes: list[str]
    seen: list[bool]
    texts: Float[Tensor, "_c d"]
    words: list[str]
    named_by: NamedBy | None
    fits: Float[Tensor, "_s _w"]


@runtime_checkable
class Archive(Protocol):
    """Called from several threads. Raises Unanswerable, and what the index and the recognition raise."""

    @property
    def identity(self) -> str:
        """What tells this archive from any other, and nothing of what is in it."""
        ...

    def kept_open(self) -> AbstractContextManager[None]:
        """Inside, files of the archive stay open between two calls."""
        ...

    def describe(self) -> Description: ...

    def search(self, asked: Search) -> Hits:
        """By a phrase, less what another phrase says, or by the embedding of an indexed clip, which is no hit then."""
        ...

    def search_many(self, asked: Sequence[Search]) -> list[Hits | Exception]:
        """What `search` gives for each, in their order; of one that fails, its error."""
        ...

    def search_clip(self, path: Path, by: TestModality, choice: HitChoice) -> Hits:
        """By a file; only its modality `by` counts."""
        ...

    def classify(self, path: Path, names: list[str] | None, top: int) -> Recognised:
        """A file among these names, or the classes of the run."""
        ...

    def heard(self) -> float:
        """Seconds from the beginning of a file's sound that count; infinite where all do."""
        ...

    def clips(self, place: ListPlace, where: str | None) -> Clips:
        """How many meet the condition, and some of them."""
        ...

    def rows(self, ids: Sequence[str]) -> list[ClipRow]:
        """The clips of these ids, in their order. Raises NoSuchClip."""
        ...

    def facets(self, where: str | None) -> Facets:
        """What values the clips have that meet a condition."""
        ...

    def one(self, id: str, modality: TestModality | None) -> OneClip:
        """A clip with its nearest names, by a modality or by each, and the clips of its file. Raises NoSuchClip."""
        ...

    def media(self, id: str) -> Media:
        """Where the file of a clip lies. Raises NoSuchClip."""
        ...

    def rows_there(self, ids: Sequence[str]) -> list[ClipRow]:
        """The clips of these ids that are there, in their order."""
        ...

    def cloud(self, modality: TestModality | None, most: int) -> Cloud:
        """At most so many clips, spread evenly over the order in which they were indexed, and how many there are.

        By a modality, or all that the run serves. No more clips are looked at than a few times as many.
        """
        ...

    def kept(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """What `make` gives, made once for as long as nobody changes the archive."""
        ...

    def tables(self) -> RunTables: ...
