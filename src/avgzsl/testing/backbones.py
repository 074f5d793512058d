"""What every backbone keeps to."""

import pickle
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from avgzsl.backbones import (
    PLUGINS,
    Backbone,
    BackbonePlugin,
    PreparingBackbone,
    SteppingBackbone,
    load,
    text_encoder_of,
    trained_on,
)
from avgzsl.errors import ConfigError, DataError, ModalityError, WeightsError
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.support.weights import nothing_fetched
from avgzsl.testing.plugin_check import check_plugin, not_here
from avgzsl.text.encoders import load as load_text
from avgzsl.types import MODALITIES, Modality

_loaded = cache(load)  # once for all tests of a backbone


def sample_clips(needs: FrameNeeds | SoundNeeds, seed: int = 0) -> list[np.ndarray]:
    """Clips of different lengths, one of them of a single frame or sample, as the backbone needs them."""
    draw = np.random.default_rng(seed)
    if isinstance(needs, FrameNeeds):
        counts = [needs.count or 5, 1, 3]
        return [draw.integers(0, 256, (n, needs.size, needs.size, 3)).astype(np.uint8) for n in counts]
    return [draw.uniform(-0.5, 0.5, n).astype(np.float32) for n in (2 * needs.rate, 1, needs.rate // 3)]


class BackboneSuite:
    """Give `name`, the backbone's, and `modality`; `spec` where it needs more than its name, `models` for weights."""

    name: str
    modality: Modality
    models: Path | None = None
    """The folder in which weights are looked for."""

    def spec(self, folder: Path) -> str:
        """What it is loaded by; files that it needs may be written into `folder`."""
        return self.name

    @pytest.fixture(autouse=True)
    def _says_what_is_tested(self) -> None:
        if not hasattr(self, "name") or not hasattr(self, "modality"):
            pytest.fail(f'{type(self).__name__}: say what is tested, as in `name = "mine"`, `modality = "audio"`')

    @pytest.fixture
    def backbone(self, tmp_path: Path) -> Backbone:
        """Loaded without a network, or the test is skipped: without its weights, or a library that it needs."""
        try:
            with nothing_fetched():
                return _loaded(self.spec(tmp_path), self.modality, device="cpu", models=self.models)
        except (WeightsError, ConfigError) as problem:
            pytest.skip(not_here(problem))

    def test_it_keeps_the_contract_of_a_backbone(self, tmp_path: Path) -> None:
        if self.name in PLUGINS.names():  # a card has no module
            assert self.modality in check_plugin(PLUGINS, self.name, BackbonePlugin).MODALITIES
        line = trained_on(self.spec(tmp_path), self.models)
        assert line is None or (line and "\n" not in line)

    def test_the_text_encoder_that_it_names_shares_its_space(self, backbone: Backbone) -> None:
        spec = text_encoder_of(backbone.spec, self.modality)
        if spec is None:
            return
        with nothing_fetched():
            text = load_text(spec, models=self.models)
        words = text.encode(["a dog", "a cow"])
        rows = backbone.embed(sample_clips(backbone.needs))
        assert text.dimension == backbone.dimension == words.shape[1]
        for unit in (rows, words):
            assert torch.allclose(unit.norm(dim=1), torch.ones(len(unit)), atol=1e-5)

    def test_what_the_decoding_process_prepares_gives_the_same_rows(self, backbone: Backbone) -> None:
        if not isinstance(backbone, PreparingBackbone):
            return
        clips = sample_clips(backbone.needs)
        prepare = pickle.loads(pickle.dumps(backbone.prepare))  # noqa: S301 -- our own
        assert torch.equal(backbone.embed_prepared([prepare(clip) for clip in clips]), backbone.embed(clips))

    def test_the_steps_of_a_clip_have_its_row_as_their_mean(self, backbone: Backbone) -> None:
        if not isinstance(backbone, SteppingBackbone):
            return
        clips = sample_clips(backbone.needs)
        prepare = backbone.prepare if isinstance(backbone, PreparingBackbone) else None
        inputs = clips if prepare is None else [prepare(clip) for clip in clips]
        made = backbone.embed_steps(inputs, [len(clip) for clip in clips])
        for row, steps, clip in zip(backbone.embed(clips), made, clips, strict=True):
            assert torch.equal(steps.row, row)
            assert steps.vectors.dtype == torch.float32 and not steps.vectors.requires_grad
            assert steps.vectors.shape == (len(steps.places), backbone.dimension) and len(steps.places) >= 1
            largest = float(steps.vectors.abs().max())
            assert torch.allclose(steps.vectors.double().mean(0).float(), row, rtol=1e-4, atol=1e-5 * largest)
            first, last = steps.places.T
            assert ((first >= 0) & (first < last) & (last <= len(clip))).all() and (np.diff(first) >= 0).all()

    def test_it_says_what_it_is(self, backbone: Backbone, tmp_path: Path) -> None:
        assert isinstance(backbone, Backbone)
        assert (backbone.spec, backbone.modality) == (self.spec(tmp_path), self.modality)
        assert isinstance(backbone.needs, SoundNeeds if self.modality == "audio" else FrameNeeds)
        assert all(len(file.sha256) == 64 for file in backbone.weights)

    def test_a_modality_that_it_does_not_embed_is_refused(self, tmp_path: Path) -> None:
        served = PLUGINS.load(self.name).MODALITIES if self.name in PLUGINS.names() else (self.modality,)
        for modality in set(MODALITIES) - set(served):
            with pytest.raises(ModalityError, match=modality):
                load(self.spec(tmp_path), modality, device="cpu", models=self.models)

    def test_a_device_that_is_none_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises((ConfigError, WeightsError)), nothing_fetched():
            load(self.spec(tmp_path), self.modality, device="abacus", models=self.models)

    def test_rows_are_finite_float32_of_the_dimension(self, backbone: Backbone) -> None:
        before = torch.random.get_rng_state()
        rows = backbone.embed(sample_clips(backbone.needs))
        assert rows.shape == (3, backbone.dimension)
        assert rows.dtype == torch.float32 and rows.device.type == "cpu" and not rows.requires_grad
        assert rows.isfinite().all()
        assert len({row.numpy().tobytes() for row in rows}) == 3
        assert torch.equal(before, torch.random.get_rng_state())

    def test_a_row_does_not_hang_on_other_clips_nor_on_those_before(self, backbone: Backbone) -> None:
        clips = sample_clips(backbone.needs)
        together = backbone.embed(clips)
        for position, clip in reversed(list(enumerate(clips))):
            assert torch.equal(backbone.embed([clip])[0], together[position])

    def test_clips_are_left_alone_and_none_give_no_rows(self, backbone: Backbone) -> None:
        clips = sample_clips(backbone.needs)
        copies = [clip.copy() for clip in clips]
        for clip in clips:
            clip.flags.writeable = False
        backbone.embed(clips)
        assert all(np.array_equal(*pair) for pair in zip(clips, copies, strict=True))
        assert backbone.embed([]).shape == (0, backbone.dimension)

    def test_silence_and_a_blank_picture_have_finite_rows(self, backbone: Backbone) -> None:
        blank = [np.zeros_like(clip) for clip in sample_clips(backbone.needs)]
        assert backbone.embed(blank).isfinite().all()

    def test_what_nobody_asked_for_is_refused(self, backbone: Backbone) -> None:
        good = sample_clips(backbone.needs)[0]
        for bad in (good[:0], good[None], good.astype(np.float64)):
            with pytest.raises(DataError, match=r"clip 1 of 2: .* expected one"):
                backbone.embed([good, bad])
