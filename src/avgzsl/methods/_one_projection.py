"""What audio-only, video-only and concat share: one projection F, one text-anchored triplet (paper, section 4.2.2).

They learn from the clips that have every modality they read, so no term is ever undefined.
"""

from jaxtyping import Int
from pydantic.dataclasses import dataclass
from torch import Generator, Tensor

from avgzsl.data.clips import ClassTable, ClipSet
from avgzsl.learning.losses import DISTANCES, hinge
from avgzsl.learning.nets import take_rows
from avgzsl.learning.train_set import TrainSet
from avgzsl.learning.training import SETTINGS, Job
from avgzsl.methods._base import fitted
from avgzsl.methods._inputs import usable
from avgzsl.methods._projections import Encoders, ProjectionMethod
from avgzsl.types import Modality


@dataclass(config=SETTINGS, kw_only=True, eq=False)
class OneProjection(ProjectionMethod):
    """A baseline with one embedding z = F(x) a clip, drawn to the text of its class."""

    def learn_from(self, train: ClipSet, classes: ClassTable, job: Job) -> None:
        """Train on seen clips that have what is needed, and seen text. Raises DataError, ModalityError, ConfigError."""
        setup = self.prepare(*usable(self.name, train, classes, self.learns_from), job)
        self.fit_networks(setup, setup.networks)

    @property
    def text_modality(self) -> Modality | None:
        """The one that is read, of audio-only and video-only."""
        return self.learns_from[0] if len(self.learns_from) == 1 else None

    def loss(self, data: TrainSet, pairs: Int[Tensor, "2 b"], generator: Generator | None) -> dict[str, Tensor]:
        """Eq. 7 or 9 for the one embedding: the mean of [d(z_p, t_p) - d(z_q, t_p) + margin]_+."""
        networks: Encoders = fitted(self.networks_, self)
        t_p = take_rows(networks.embed_text(data.text).float(), data.labels[pairs[0]])
        ((p, q),) = self.embed_pairs(data, pairs, generator).values()
        d = DISTANCES[self.distance]
        return {"triplet": hinge(d(p, t_p), d(q, t_p), self.margin).mean()}
