"""The official training loop, rendered plainly: what a step of this package is measured against.

Written anew from what is known of it: pratikm141/AVGZSLNet with its flags `-normalize y`. A list of class pairs is read
in order; a sample's positive clip is the next one of its class, the negative one a random clip of the other class, each
found by a search through all labels; a DataLoader collates samples one by one, without workers or with some; features
and text are scaled at each step, the text of every tuple is encoded, dropout is autograd's own.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.utils.data import DataLoader, Dataset

from avgzsl.data.clips import ClassTable, ClipSet

Sample = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]  # audio, video and text of the clip p, then of q


class Tuples(Dataset[Sample]):
    """One sample a class pair: features of a clip of the first class, and of one of the second."""

    def __init__(self, train: ClipSet, classes: ClassTable, pairs: Int[np.ndarray, "n 2"], seed: int = 0) -> None:
        assert train.audio is not None and train.video is not None
        self.audio, self.video, self.text = train.audio, train.video, classes.text
        self.labels, self.pairs = train.labels, pairs
        self.next_of_class = np.zeros(len(classes), dtype=np.int64)
        self.random = np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, number: int) -> Sample:
        positive, negative = self.pairs[number].tolist()
        of_positive = (self.labels == positive).nonzero()[:, 0]
        of_negative = (self.labels == negative).nonzero()[:, 0]
        p = of_positive[self.next_of_class[positive] % len(of_positive)]
        self.next_of_class[positive] += 1
        q = of_negative[self.random.integers(len(of_negative))]
        return (
            self.audio[p], self.video[p], self.text[positive],
            self.audio[q], self.video[q], self.text[negative],
        )  # fmt: skip


def class_pairs(count: int, classes: int, seed: int = 0) -> Int[np.ndarray, "n 2"]:
    """Positive classes drawn evenly, negative ones evenly from the others: in place of the published list."""
    random = np.random.default_rng(seed)
    positive = random.integers(classes, size=count)
    return np.stack([positive, (positive + random.integers(1, classes, size=count)) % classes], axis=1)


class OfficialNetworks(nn.Module):
    """F_A, F_V, F_T and the decoder D, in the sizes of the official code."""

    def __init__(self, audio: int = 1024, video: int = 1024, text: int = 300, dropout: float = 0.5) -> None:
        super().__init__()
        self.audio, self.video = (
            nn.Sequential(nn.Linear(n, 256), nn.Dropout(dropout), nn.ReLU(), nn.Linear(256, 64)) for n in (audio, video)
        )
        self.text = nn.Linear(text, 64)
        self.decoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, text))


def official_loss(networks: OfficialNetworks, sample: Sample) -> Float[Tensor, ""]:
    """The plain sum of the reconstruction, the decoded triplets, and the triplets both ways (eqs. 3-12)."""
    audio_p, video_p, text_p, audio_q, video_q, text_q = (normalize(part) for part in sample)
    a_p, a_q = networks.audio(audio_p), networks.audio(audio_q)
    v_p, v_q = networks.video(video_p), networks.video(video_q)
    t_p, t_q = networks.text(text_p), networks.text(text_q)
    decoded_t, decoded_a, decoded_v = networks.decoder(t_p), networks.decoder(a_p), networks.decoder(v_p)
    decoded_a_q, decoded_v_q = networks.decoder(a_q), networks.decoder(v_q)
    triplet, mse = nn.TripletMarginLoss(margin=1.0), nn.MSELoss()
    loss = mse(decoded_t, text_p) + mse(decoded_a, text_p) + mse(decoded_v, text_p)
    loss = loss + triplet(decoded_t, decoded_a, decoded_a_q) + triplet(decoded_t, decoded_v, decoded_v_q)
    for z_p, z_q in ((a_p, a_q), (v_p, v_q)):
        loss = loss + triplet(t_p, z_p, z_q) + triplet(z_p, t_p, t_q)
        loss = loss + triplet(t_q, z_q, z_p) + triplet(z_q, t_q, t_p)
    return loss


class OfficialLoop:
    """The loop at one step after another: `fetch` and `learn` are its two halves."""

    def __init__(self, train: ClipSet, classes: ClassTable, batch: int, workers: int = 0, steps: int = 1000) -> None:
        tuples = Tuples(train, classes, class_pairs(batch * steps, len(classes)))
        assert train.audio is not None and train.video is not None
        torch.manual_seed(0)  # the official loop has no generator of its own
        self.networks = OfficialNetworks(train.audio.shape[1], train.video.shape[1], classes.text.shape[1])
        self.optimiser = torch.optim.SGD(self.networks.parameters(), lr=0.3, momentum=0.9)
        self.batches: Iterator[list[Tensor]] = iter(DataLoader(tuples, batch_size=batch, num_workers=workers))

    def fetch(self) -> Sample:
        """The next batch."""
        audio_p, video_p, text_p, audio_q, video_q, text_q = next(self.batches)
        return audio_p, video_p, text_p, audio_q, video_q, text_q

    def learn(self, sample: Sample) -> None:
        """Forward, backward, a step of the optimiser."""
        self.optimiser.zero_grad()
        loss = official_loss(self.networks, sample)
        loss.backward()
        self.optimiser.step()
