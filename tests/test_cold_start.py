"""What `search` and `predict` may import: with encoders that need no more, a start is little more than torch's own."""

import subprocess
import sys

import pytest

from avgzsl.archive.indexing import index
from tests import clip_runs

# libraries that other commands, other encoders and other engines need
SLOW = {
    "faiss", "fastapi", "gensim", "h5py", "huggingface_hub", "IPython", "lancedb", "matplotlib", "onnxruntime",
    "pandas", "psycopg", "pyarrow", "pymilvus", "qdrant_client", "ray", "safetensors.numpy", "scipy",
    "sentence_transformers", "sklearn", "starlette", "sympy", "tensorboard", "torchvision", "torch._dynamo",
    "torch._inductor", "transformers", "uvicorn",
}  # fmt: skip
MEDIA = {"av", "soxr"}  # the decoder, which words have no use for
_RUN = "import sys; from avgzsl.cli import main\ntry: main()\nexcept SystemExit: pass\nprint('MODULES', *sys.modules)"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run with the encoders descriptors and hashed-words, an index that nothing has to be installed for, a clip."""
    folder = tmp_path_factory.mktemp("cold")
    clips = clip_runs.clips(folder)
    run = clip_runs.train(clip_runs.dataset(clips), folder / "run").folder
    clip = next(iter(clips.values()))
    index(run, clip.parent, folder / "index", engine="memory")
    return folder, clip


def imported(*words) -> set[str]:
    """What a command has imported when it ends."""
    done = subprocess.run([sys.executable, "-c", _RUN, *map(str, words)], capture_output=True, text=True, check=True)
    modules = done.stdout.rpartition("MODULES")[2].split()
    assert "torch" in modules and not done.stderr, done.stderr
    return set(modules)


def test_a_search_by_words_imports_nothing_slow_beside_torch(made):
    folder, _ = made
    assert sorted(imported("search", folder / "index", "red low") & (SLOW | MEDIA)) == []


def test_a_clip_is_recognised_without_anything_slow_beside_torch_and_the_decoder(made):
    folder, clip = made
    assert sorted(imported("predict", folder / "run", clip) & SLOW) == []
