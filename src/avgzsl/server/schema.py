"""What the API answers."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from avgzsl.types import Fusion, Modality, TestModality

FileStatus = Literal["none", "shown", "gone", "changed", "elsewhere"]
"""Of a clip: only its features were indexed; it can be played; its file is gone; the file under its name is another
than the one that was indexed; its file lies where this server hands nothing out."""


class ClipRow(BaseModel):
    """A clip of the archive. Times in seconds; an `end` of null is that of the file."""

    id: str
    name: str = Field(description="The file's name, or the id of a clip without a file.")
    label: str | None
    seen: bool | None = Field(description="Whether the run saw clips of this class in training; null without a label.")
    start: float
    end: float | None
    split: str | None
    licence: str | None
    source: str | None
    has_audio: bool
    has_video: bool
    has_file: bool = Field(description="Whether it can be played: `file` is `shown`.")
    file: FileStatus = Field(
        description="`none`: an index of bare features has no files; `gone`; `changed` since it was indexed, so that "
        "what was found is not shown; `elsewhere`: outside of the folders that this server may show."
    )
    media_type: str | None = Field(description="Of the file, by its name.")
    folder: str = Field(description="What stands in the id before its last `/`; empty at the top.")
    file_seconds: float | None = Field(
        description="Where the last window of the file ends; null where the index does not cut files into windows."
    )


class Part(BaseModel):
    """What a modality says: `weight * distance` is its part of the fused distance."""

    distance: float = Field(description="Lower is nearer.")
    weight: float


class Window(BaseModel):
    """A found part of a file; `score` and `likely` are as those of a hit. Times in seconds."""

    id: str
    start: float
    end: float | None
    score: float
    likely: bool | None


class Hit(BaseModel):
    """A clip that was found. `score` is higher, `distance` lower the nearer; a dot product has no distance."""

    clip: ClipRow
    score: float
    distance: float | None
    audio: Part | None
    video: Part | None
    evidence: float | None = Field(
        description="How much more than just anything the words fit: larger is likelier, and it compares across words; "
        "null where nothing tells, as of hits of a clip."
    )
    likely: bool | None = Field(description="Whether that is enough; null where nothing tells.")
    because: list[str] | None = Field(description="A tagger's labels that speak for it; null without labels.")
    windows: list[Window] = Field(
        default=[],
        description="Where hits are grouped by file: all clips of the file that were found, in order of time, of which "
        "`clip` is the best one.",
    )


class Hits(BaseModel):
    """Nearest first."""

    modality: TestModality
    hits: list[Hit]
    corrected: bool = Field(default=False, description="Whether the bias to seen classes is taken off the scores.")
    more: bool = Field(default=False, description="Whether there are further hits behind these.")
    line: int | None = Field(
        description="So many hits, counted from the very first one whatever the `offset`, stand above the line, which "
        "is below the last likely one: 0 says that nothing here fits; null where nothing tells."
    )
    notes: list[str] = Field(default=[], description="How words were encoded that say too little; what cannot be told.")
    recall: float | None = Field(
        default=None,
        description="Of an approximate engine: the share of the ten nearest that it finds, as it was measured; null "
        "where these are the nearest for certain.",
    )
    partial: bool = Field(
        default=False, description="Whether a part of the archive did not answer: clips that it holds may be missing."
    )


class ClassRow(BaseModel):
    """A class of the run, and how many clips of the archive are labelled so."""

    label: str
    seen: bool
    clips: int


class Limits(BaseModel):
    """What an uploaded clip may be."""

    upload_bytes: int
    clip_seconds: float


class Description(BaseModel):
    """An archive and the run that made it."""

    name: str
    clips: int
    engine: str
    run: str = Field(description="SHA-256 of what the run learned.")
    method: str
    fusion: Fusion | None = Field(description="How the modalities are fused in modality `both`.")
    modalities: list[TestModality] = Field(description="By which clips can be searched.")
    classes: list[ClassRow]
    phrases: bool = Field(description="Whether any phrase can be searched, not only the names of the classes.")
    uploads: bool = Field(description="Whether clips can be uploaded: the run's backbones are there.")
    why_not: str | None = Field(description="What is missing, where phrases or uploads are not possible.")
    version: str


class Info(Description):
    """With the limits of this server."""

    limits: Limits
    private: bool = Field(description="Whether a token is asked for, so that a session can be ended.")


class Health(BaseModel):
    """The server answers; `archive` tells its archive from any other."""

    status: Literal["ok"] = "ok"
    archive: str


class FilePart(BaseModel):
    """A clip of a file. Times in seconds."""

    id: str
    start: float
    end: float | None


class FileOfList(BaseModel):
    """The clips of one file that are in a list: how many, and up to 100 of them, spread evenly, in order of time."""

    clips: int
    windows: list[FilePart]


class Clips(BaseModel):
    """A page of the list of clips; `total` counts clips, whether they are grouped or not."""

    total: int
    offset: int
    next: int | None = Field(description="What to ask for as `after` to have the next page; null on the last one.")
    clips: list[ClipRow]
    files: list[FileOfList] = Field(
        default=[],
        description="Where the list is grouped by file: the file of each of `clips`, which is its first clip.",
    )


class Peaks(BaseModel):
    """The waveform of a clip: `seconds` of its file from `start` on, in equal parts."""

    start: float
    seconds: float
    peaks: list[tuple[float, float]] = Field(
        description="The least and the greatest sample of each part, between -1 and 1, of the mean of the channels."
    )


class Facet(BaseModel):
    """A value, and how many clips have it."""

    value: str
    clips: int


class Seconds(BaseModel):
    """The shortest and the longest clip; null where no clip has a known length."""

    least: float | None
    most: float | None


class Facets(BaseModel):
    """What clips there are to choose from: the 50 most frequent values of each kind, most clips first."""

    total: int
    labels: list[Facet]
    folders: list[Facet] = Field(description="A folder counts all clips under it, as the condition `folder` does.")
    splits: list[Facet]
    seconds: Seconds
    has_audio: int = Field(description="How many have sound.")
    has_video: int = Field(description="How many have a picture.")


class Nearest(BaseModel):
    """A name, and how near a clip is to it: `score` is higher, `distance` lower the nearer."""

    label: str
    score: float
    distance: float | None
    seen: bool | None = Field(description="Whether the run saw clips of this class; null for an everyday phrase.")


class OneClip(BaseModel):
    """A clip with all that the archive says of it."""

    clip: ClipRow
    nearest: dict[TestModality, list[Nearest]] = Field(
        description="The nearest classes of the run by each modality that the clip has, best first; of an index "
        "without a run the nearest everyday phrases. Empty where nothing can name clips."
    )
    windows: list[ClipRow] = Field(
        description="The clips of the same file in order of time, this one among them: at most 500, those nearest to "
        "this one. Empty for a clip without a file."
    )


class Candidate(BaseModel):
    """A class as an uploaded clip sees it; `support` is what a modality adds to the score above its mean. `seen` is
    null where the run knows no class."""

    label: str
    seen: bool | None
    score: float
    distance: float | None
    distances: dict[Modality, float | None]
    support: dict[Modality, float | None]


class Recognised(BaseModel):
    """The nearest classes, best first. `weights` is what each modality counted; `none_of_these` is null where
    validation set no threshold, `gamma` where the run is not calibrated."""

    modality: TestModality
    fusion: Fusion | None
    weights: dict[Modality, float | None]
    gamma: float | None
    none_of_these: bool | None
    top: list[Candidate]
    notes: list[str] = Field(default=[], description="How names were encoded that say too little.")


class RunTables(BaseModel):
    """What the run says of itself: settings, evaluation (fractions), and the history of its training."""

    method: str
    seed: int
    settings: dict[str, Any]
    results: list[dict[str, Any]]
    history: list[dict[str, Any]]
