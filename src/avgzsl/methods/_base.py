"""The contract of a method: two encoders and a similarity.

A method's dataclass fields are its hyper-parameters, its command-line options and its run record. Everything else in
the package (evaluation, index, page) knows methods through `embed_clips`, `embed_text` and `scores` alone.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Bool, Float
from pydantic.dataclasses import dataclass
from torch import Tensor

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.errors import ConfigError, ModalityError, NotFittedError
from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods._class_vectors import TextPrepare
from avgzsl.methods._embeddings import Embeddings, TextEmbeddings, concatenate, present, video_weight
from avgzsl.methods._inputs import check_training, columns_of, names_along
from avgzsl.methods._presets import read_preset
from avgzsl.methods._text import TextPreparation, TextScale, without_text
from avgzsl.scores.evidence import TAGGER_LINES, Z_LINES, Lines
from avgzsl.scores.scoring import fuse
from avgzsl.scores.similarity import SIMILARITIES, Name
from avgzsl.text.part_record import shown_part
from avgzsl.types import MODALITIES, Fusion, Modality, TestModality

Fitted = TypeVar("Fitted", bound="Method")
_CHUNK = 8192
_NAME = "[a-z0-9]+(-[a-z0-9]+)*"


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class Method(ABC):
    """Base of all methods; see the module's docstring and `docs/architecture.md`.

    A method writes `learn_from`, `embed_chunk`, `embed_prepared`, `learned` and `restore_learned`; what is the same for
    all, checks and the scaling of the text, stands in `fit`, `embed_text`, `state` and `restore`.
    """

    text_scale: TextScale = "unit"
    """Scaling of each part of the text of classes: raw, unit, or centred on the seen classes and then unit."""
    text_prepare: TextPrepare = "none"
    """Vectors in the place of the scaled text: none; ez, optimised of seen classes alone, and any other name placed
    afterwards; ez-all-names, the published form, the names of unseen classes optimised along."""

    name: ClassVar[str]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    ranges: ClassVar[Mapping[str, tuple[Any, ...]]] = {}  # hyper-parameter -> values that tuning tries
    # other settings under which it stands in a comparison: name of the line -> settings
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    default: ClassVar[bool] = False  # taken where none is named; of the package's own methods, one
    baseline: ClassVar[bool] = False  # what the default is compared with; of the package's own methods, one
    control: ClassVar[bool] = False  # a floor: it relates clips and text by nothing, so it is near chance
    follows_clips: ClassVar[bool] = False  # clips may lie on the device of its networks, and embeddings then do, too
    yardstick: ClassVar[bool] = False  # a plain solution that training has to beat; of the package's own, one
    untrained: ClassVar[bool] = False  # no weights: encoders as they are; of the package's own methods, one
    # each modality has a text of its own: the method overrides `embed_text`, and `learn_from` gets the text as it is
    text_by_modality: ClassVar[bool] = False
    # the embedding of a name hangs on the other names of its list: a list is embedded whole, never name by name
    names_together: ClassVar[bool] = False
    citation: ClassVar[str] = ""  # keys of `references.bib`, with commas between, or a BibTeX entry of its own
    chosen_on_test: ClassVar[str] = ""  # what its authors selected on test clips, in one line; nothing known: empty
    searchable: ClassVar[str] = ""  # why no index can serve it, in one line; empty: one can
    packable: ClassVar[str] = ""  # why it cannot be packed, in one line; empty: it can
    # reads the steps of clips where they are kept (`data.clips.as_sequences`); others take their mean
    sequences: ClassVar[bool] = False
    no_class_vectors: ClassVar[str] = ""  # where `text_prepare` cannot serve it, why, in one line

    def __init_subclass__(cls, name: str | None = None, **kwargs: Any) -> None:
        """A class without a name is a shared base of several methods. Raises ConfigError for a bad name."""
        super().__init_subclass__(**kwargs)
        if name is None:
            return
        if not re.fullmatch(_NAME, name):
            raise ConfigError(f"{name!r} of {cls.__qualname__} is no name; expected small letters, digits, single '-'")
        cls.name = name
        for mark, none in (
            ("default", False),
            ("baseline", False),
            ("yardstick", False),
            ("variants", {}),
        ):  # what a base says is of itself
            if mark not in vars(cls):
                setattr(cls, mark, none)

    @property
    def modalities(self) -> tuple[TestModality, ...]:
        """By what it can be tested: audio, video, both. A class may say so by an attribute."""
        return ()

    @property
    def fusions(self) -> tuple[Fusion, ...]:
        """How it weighs audio against video where both are tested."""
        return ("equal",)

    @property
    @abstractmethod
    def similarity(self) -> Name:
        """Which similarity compares clips with classes."""

    @property
    def absolute(self) -> bool:
        """Whether its scores are probabilities, which compare across phrases as they are."""
        return False

    @property
    def lines(self) -> Lines:
        """Above which evidence hits are likely, where no validation said so."""
        return TAGGER_LINES if self.absolute else Z_LINES

    def because(
        self, clips: Embeddings, text: TextEmbeddings, modality: TestModality
    ) -> Sequence[tuple[str, ...]] | None:
        """The labels that speak for each of the clips as a phrase (one row of text) has it; None without labels."""
        return None

    def remark(self, text: TextEmbeddings, modality: TestModality) -> str | None:
        """What a reader should know of how a phrase was understood."""
        return None

    @property
    def text_modality(self) -> Modality | None:
        """The modality whose text is read, of a method of one modality; None where it is compared with both."""
        return None

    @property
    def prepare_text(self) -> TextPreparation:
        """How the text of classes is scaled; learned by `fit`."""
        return getattr(self, "text_", None) or TextPreparation(self.text_scale)

    def fit(self: Fitted, train: ClipSet, classes: ClassTable, job: Job | None = None) -> Fitted:
        """Learn from seen clips and the text of seen classes; gives back self. `train` is left as it is.

        Raises DataError, ModalityError, and ConfigError for text that the method cannot use.
        """
        check_training(train, classes)
        job = job or Job()
        self.text_ = TextPreparation.of(classes.text, columns_of(classes), self.text_scale)
        if not self.text_by_modality:
            self._require_one_text(classes)
        if self.text_prepare != "none":
            if self.no_class_vectors:
                raise ConfigError(
                    f"{self.name} has no text_prepare={self.text_prepare}: {self.no_class_vectors}; set none"
                )
            others = names_along(self.text_prepare, job)
            self.text_ = self.text_.optimised(classes.text, self.text_modality, job.seed, others)
        if not self.text_by_modality:
            classes = replace(classes, text=self.text_(classes.text, self.text_modality), parts=())
        self.learn_from(train, classes, job)
        return self

    def _require_one_text(self, classes: ClassTable) -> None:
        """Raises ConfigError for a part of the text that serves one modality, of a method that reads it for both."""
        lone = [part for part in classes.parts if part.modality is not None]
        if lone and self.text_modality is None:
            raise ConfigError(
                f"{self.name} compares sound and picture with one text, and the part {shown_part(lone[0])} is for "
                f"{lone[0].modality} alone; leave `{lone[0].modality}=` out, for both, or choose a method "
                "with a text for each modality (docs/methods.md)"
            )

    def embed_text(self, text: Float[Tensor, "c t"]) -> TextEmbeddings:
        """Text vectors of any classes, seen or not, in the space of the clips. Raises ConfigError for another width."""
        return TextEmbeddings.shared(self.embed_prepared(self.prepare_text(text, self.text_modality)))

    def embed_classes(self, text: Float[Tensor, "c t"], seen: Bool[Tensor, " c"]) -> TextEmbeddings:
        """`embed_text` where the caller says which classes were seen: a method may know more of these than their text.

        It is asked where the scores of seen classes are stretched, and there alone.
        """
        return self.embed_text(text)

    def state(self) -> dict[str, Tensor]:
        """All that was learned, as tensors. Raises NotFittedError."""
        return {**self.learned(), **self.prepare_text.state()}

    def restore(self: Fitted, state: Mapping[str, Tensor], sizes: Mapping[str, int]) -> Fitted:
        """Take over what another instance learned; `sizes` are the dimensions of audio, video and text features."""
        self.text_ = TextPreparation.restored(state, self.text_scale, self.text_prepare)
        width = sizes["text"] if self.text_by_modality else self.text_.width(sizes["text"], self.text_modality)
        self.restore_learned(without_text(state), {**sizes, "text": width})
        return self

    @abstractmethod
    def learn_from(self, train: ClipSet, classes: ClassTable, job: Job) -> None:
        """Learn from clips that were checked; the text of `classes` is scaled as `text_scale` says."""

    @abstractmethod
    def embed_chunk(self, clips: ClipSet) -> Embeddings:
        """Embed a few thousand clips; features of absent modalities are to be ignored."""

    def embed_prepared(self, text: Float[Tensor, "c t"]) -> Float[Tensor, "c _d"]:
        """Scaled text in the space of the clips; by default as it is."""
        return text

    @abstractmethod
    def learned(self) -> dict[str, Tensor]:
        """What `learn_from` learned, as tensors. Raises NotFittedError."""

    @abstractmethod
    def restore_learned(self, state: Mapping[str, Tensor], sizes: Mapping[str, int]) -> None:
        """Take over what `learned` gave; `sizes` are the dimensions of audio, video and scaled text."""

    def embed_clips(self, clips: ClipSet) -> Embeddings:
        """Embed clips in chunks. Raises ModalityError when the features are not those of the training."""
        chunks = torch.arange(len(clips)).split(_CHUNK)  # of no clips, one that is empty
        return concatenate([self.embed_chunk(clips.take(rows)) for rows in chunks])

    def scores(
        self,
        clips: ClipSet,
        text: Float[Tensor, "c t"],
        modality: TestModality = "both",
        fusion: Fusion = "equal",
        weight: float | None = None,
    ) -> Float[Tensor, "n c"]:
        """How near each clip is to each class; higher is nearer, always.

        Raises ModalityError for a modality or fusion the method does not serve, or that a clip lacks altogether.
        """
        return self.compare(self.embed_clips(clips), self.embed_text(text), modality, fusion, weight)

    def compare(
        self,
        clips: Embeddings,
        text: TextEmbeddings,
        modality: TestModality = "both",
        fusion: Fusion = "equal",
        weight: float | None = None,
    ) -> Float[Tensor, "n c"]:
        """`scores` from embeddings that are there already; `weight` is that of video in the fusion `weighted`."""
        self.check_serves(modality, fusion)
        near = self.near
        if modality != "both":
            z, has = clips.of(modality), clips.has(modality)
            if z is None or not bool(has.all()):
                raise ModalityError(f"{int((~has).sum())} of {len(clips)} clips have no {modality} to score them by")
            return near(z, present(text.of(modality), modality))
        if clips.joint is not None:
            lacking = int((~clips.has("both")).sum())
            if lacking:
                raise ModalityError(
                    f"{lacking} of {len(clips)} clips lack audio or video; {self.name} needs both, leave them out"
                )
            return near(clips.joint, present(text.joint, "both"))
        audio, video = (None if (z := clips.of(m)) is None else near(z, present(text.of(m), m)) for m in MODALITIES)
        return fuse(audio, video, clips.has_audio, clips.has_video, video_weight(clips, text, fusion, weight))

    def near(self, clips: Float[Tensor, "n d"], text: Float[Tensor, "c d"]) -> Float[Tensor, "n c"]:
        """How near embeddings of clips are to those of text in one space, as `similarity` says.

        A method may override it by what is nowhere higher than that similarity: an index goes by this bound.
        """
        return SIMILARITIES[self.similarity](clips, text)

    def check_serves(self, modality: TestModality, fusion: Fusion) -> None:
        """Raises ModalityError, saying what the method can do."""
        if modality not in self.modalities:
            raise ModalityError(f"{self.name} cannot be tested on {modality}; it serves {', '.join(self.modalities)}")
        if modality == "both" and fusion not in self.fusions:
            raise ModalityError(
                f"{self.name} as it was trained has no {fusion} fusion; it has {', '.join(self.fusions)}"
            )

    @classmethod
    def settings(cls) -> list[tuple[str, Any, str]]:
        """Every hyper-parameter with its default and its meaning."""
        tables = [base.__dict__.get("__pydantic_fields__", {}) for base in cls.__mro__]

        def meaning(name: str) -> str:  # a shared base documents its own fields, which a subclass does not repeat
            return next((table[name].description for table in tables if name in table and table[name].description), "")

        return [(name, field.default, meaning(name)) for name, field in tables[0].items()]

    @classmethod
    def preset(cls, preset: str | Path | None) -> dict[str, Any]:
        """The settings of a named preset or of a YAML file. Raises UnknownNameError or ConfigError."""
        return read_preset(cls.name, cls.presets, preset)


def fitted(value: Any, method: Method) -> Any:
    """`value`, or NotFittedError when it is None: what was learned is not there yet."""
    if value is None:
        raise NotFittedError(f"{method.name} is not fitted yet; call fit, or load a run")
    return value
