"""What methods share that embed a clip as a whole, sound and picture together: AVCA and its successors.

A clip that lacks one of the modalities that are read is neither learned from nor scored.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.learning.sampling import BalancedSampler, PairSampler
from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods._base import fitted
from avgzsl.methods._embeddings import Embeddings
from avgzsl.methods._inputs import clip_features, usable
from avgzsl.methods._networks import Nets, NetworkMethod
from avgzsl.scores.similarity import Name
from avgzsl.types import MODALITIES, Modality, TestModality


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class JointMethod(NetworkMethod[Nets]):
    """A method says how features become one embedding (`embed_joint`) and text its own (`embed_names`)."""

    batches: ClassVar[type[PairSampler]] = BalancedSampler
    """BalancedSampler for batches of clips, PairSampler for tuples of a clip and one of another class."""

    @property
    def reads(self) -> tuple[Modality, ...]:
        """The modalities that a clip must have; with one alone, the embedding is that modality's."""
        return MODALITIES

    @property
    def modalities(self) -> tuple[TestModality, ...]:
        """Both together, or the one that is read."""
        return ("both",) if len(self.reads) == 2 else self.reads

    @property
    def text_modality(self) -> Modality | None:
        """The one that is read; None where both are."""
        return None if len(self.reads) == 2 else self.reads[0]

    @property
    def similarity(self) -> Name:
        """Euclidean distance, negated."""
        return "euclidean"

    @abstractmethod
    def embed_joint(
        self, networks: Nets, features: Mapping[Modality, Float[Tensor, "n _d"]], generator: Generator | None = None
    ) -> Float[Tensor, "n e"]:
        """Clips in the common space; with a generator in training."""

    @abstractmethod
    def embed_names(
        self, networks: Nets, text: Float[Tensor, "c t"], generator: Generator | None = None
    ) -> Float[Tensor, "c e"]:
        """Scaled text of classes in the common space; with a generator in training."""

    def sampler(self, labels: Int[Tensor, " n"], classes: int) -> PairSampler:
        """As `batches` says."""
        return self.batches(labels, classes, self.batch_size, self.class_prior, self.steps, self.replacement)

    def learn_from(self, train: ClipSet, classes: ClassTable, job: Job) -> None:
        """Train on seen clips that have what is read. Raises DataError, ModalityError, ConfigError."""
        self.fit_networks(self.prepare(*usable(self.name, train, classes, self.reads), job))

    def embed_whole(self, networks: Nets, clips: ClipSet) -> Float[Tensor, "n e"]:
        """Clips that have what is read in the common space, on the device; there may be none."""
        device = next(networks.parameters()).device
        features = clip_features(clips, networks.sizes, self.normalise, device)
        for modality in self.reads:  # of no clips, the modality need not be given
            features.setdefault(modality, torch.zeros(len(clips), networks.sizes[modality], device=device))
        return self.embed_joint(networks, features)

    @torch.no_grad()
    def embed_chunk(self, clips: ClipSet) -> Embeddings:
        """One embedding a clip: `joint`, or under the name of the one modality that is read."""
        networks: Nets = fitted(self.networks_, self)
        has = torch.stack([clips.has(modality) for modality in self.reads]).all(0)
        found = self.embed_whole(networks, clips.where(has)).float().cpu()
        z = found.new_zeros(len(clips), found.shape[1])
        z[has] = found
        absent = torch.zeros(len(clips), dtype=torch.bool)
        one = self.reads[0] if len(self.reads) == 1 else None
        return Embeddings(
            audio=z if one == "audio" else None,
            video=z if one == "video" else None,
            joint=z if one is None else None,
            has_audio=has if "audio" in self.reads else absent,
            has_video=has if "video" in self.reads else absent,
        )

    @torch.no_grad()
    def embed_prepared(self, text: Float[Tensor, "c t"]) -> Float[Tensor, "c e"]:
        """Scaled text of any classes in the common space."""
        networks: Nets = fitted(self.networks_, self)
        device = next(networks.parameters()).device
        return self.embed_names(networks, text.to(device, torch.float32)).float().cpu()
