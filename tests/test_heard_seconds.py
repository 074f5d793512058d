"""Of a sound of which a backbone takes the beginning, no more is decoded; what it takes is the same."""

from wave import open as open_wave

import numpy as np
import pytest

from avgzsl.backbones._cards import SoundInput
from avgzsl.media import decode as module
from avgzsl.media.decode import decode
from avgzsl.media.needs import SoundNeeds, Span


@pytest.fixture
def noise(tmp_path):
    path = tmp_path / "noise.wav"
    draw = np.random.default_rng(0)
    with open_wave(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(draw.integers(-9000, 9000, 44_100 * 12).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("rate", [44_100, 16_000])
@pytest.mark.parametrize("span", [Span(), Span(3.0, 11.0), Span(9.0)])
@pytest.mark.parametrize("seconds", [0.5, 4.0, 30.0])
def test_the_beginning_is_that_of_the_whole(noise, rate, span, seconds):
    whole = decode(noise, span, sound=SoundNeeds(rate)).waveform
    part = decode(noise, span, sound=SoundNeeds(rate, seconds)).waveform
    counted = round(seconds * rate)
    np.testing.assert_allclose(part[:counted], whole[:counted], atol=1e-6)
    assert len(part) == min(len(whole), round((seconds + 1.0) * rate))


def test_what_lies_behind_is_not_asked_for(noise, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "waveform", lambda path, track, start, end, *_: asked.append((start, end)))
    needs = SoundInput(rate=16_000, window=100, hop=100, seconds=2.0).needs
    decode(noise, Span(1.0, 9.0), sound=needs)
    decode(noise, Span(1.0, 9.0), sound=SoundInput(rate=16_000, window=100, hop=100).needs)
    assert asked == [(1.0, 4.0), (1.0, 9.0)]
