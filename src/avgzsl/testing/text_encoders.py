"""What every text encoder keeps to."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
import torch

from avgzsl.errors import ConfigError, DataError, WeightsError
from avgzsl.support.weights import identify, nothing_fetched
from avgzsl.testing.plugin_check import check_plugin, not_here
from avgzsl.text.encoders import PLUGINS, TextEncoder, TextEncoderPlugin, load

NAMES = ("dog barking", "church bell", "playing violin, fiddle", "cow lowing", "Sea Waves")
OTHERS = ("a phrase, far longer than the others are, about a cat that sits on a mat in the morning sun", "cow")
ODD = {
    "empty": "",
    "blank": " \t\u3000",
    "10,000 characters": "a" * 10_000,
    "emoji": "🐕",
    "family": "👨‍👩‍👧 running",
    "right to left": "كلب ينبح",
    "bidi marks": "\u202edog\u202c",
    "marks": "हिन्दी",
    "nul": "dog\x00barking",
    "escape": "\x1b[31mdog",
    "surrogate": "dog \ud800",
    "no word": "!?",
    "zero width": "\u200b",
    "words of nothing": "-_- ,",
}
_NEVER = ("empty", "blank", "10,000 characters", "nul", "escape", "surrogate")  # names that are always refused

_loaded = cache(load)  # once for all tests of an encoder


class TextEncoderSuite:
    """Give `name`, the encoder's; `spec` where it needs more than its name; `names` and `others` for a closed list."""

    name: str
    names: Sequence[str] = NAMES
    """Names of classes that it knows, five or more."""
    others: Sequence[str] = OTHERS
    """Two more: a long one, and a short one."""

    def spec(self, folder: Path) -> str:
        """What it is loaded by; files that it needs may be written into `folder`."""
        return self.name

    @pytest.fixture
    def encoder(self, tmp_path: Path) -> TextEncoder:
        """Loaded without a network, or the test is skipped: without its weights, or a library that it needs."""
        try:
            with nothing_fetched():
                return _loaded(self.spec(tmp_path))
        except (WeightsError, ConfigError) as problem:
            pytest.skip(not_here(problem))

    def test_it_keeps_the_contract_of_a_text_encoder(self) -> None:
        plugin = check_plugin(PLUGINS, self.name, TextEncoderPlugin)
        assert plugin.DESCRIPTION.startswith(self.name)

    def test_a_finite_row_a_name_and_nothing_else_changes(self, encoder: TextEncoder) -> None:
        assert isinstance(encoder, TextEncoder)
        before = torch.random.get_rng_state()
        rows = encoder.encode(self.names)
        assert rows.shape == (len(self.names), encoder.dimension)
        assert rows.dtype == torch.float32 and rows.device.type == "cpu" and not rows.requires_grad
        assert torch.isfinite(rows).all()
        assert torch.allclose(rows.norm(dim=1), torch.ones(len(self.names)), atol=1e-6)
        assert len({tuple(row) for row in rows.tolist()}) == len(self.names)
        assert torch.equal(before, torch.random.get_rng_state())
        assert encoder.encode([]).shape == (0, encoder.dimension)
        assert all(len(file.sha256) == 64 for file in encoder.weights)

    def test_a_row_hangs_on_its_name_alone(self, encoder: TextEncoder) -> None:
        names, rows = list(self.names), encoder.encode(self.names)
        assert torch.equal(encoder.encode(names), rows)
        order = torch.randperm(len(names), generator=torch.Generator().manual_seed(0))
        assert torch.equal(encoder.encode([names[i] for i in order]), rows[order])
        mixed = [*self.others, names[1], self.others[0], names[1]]
        assert torch.equal(encoder.encode(mixed)[[2, 4]], rows[[1, 1]])
        assert torch.equal(encoder.encode(tuple(names[:1])), rows[:1])

    def test_its_spec_loads_the_same_again(self, encoder: TextEncoder, tmp_path: Path) -> None:
        file = tmp_path / "more, with a comma.csv"
        file.write_text(f"original,manual\nXyzzyQuux,{self.others[1]}\n")
        named = load(encoder.spec, overrides=file)
        assert named.weights == (*encoder.weights, identify(file))
        again = load(named.spec)
        assert (again.spec, again.weights, again.dimension) == (named.spec, named.weights, encoder.dimension)
        rows = again.encode(["XyzzyQuux", self.names[0]])
        assert torch.equal(rows, encoder.encode([self.others[1], self.names[0]]))

    @pytest.mark.parametrize("kind", ODD)
    def test_an_odd_name_has_a_row_or_is_named(self, encoder: TextEncoder, kind: str) -> None:
        """Never a zero, never another exception."""
        try:
            rows = encoder.encode([self.names[0], ODD[kind]])
        except DataError as problem:
            message = str(problem)
        else:
            assert torch.isfinite(rows).all() and (rows != 0).any(1).all()
            assert kind not in _NEVER
            return
        message.encode()  # can be printed
        assert len(message) < 2000
        assert "\x1b" not in message and "\x00" not in message
