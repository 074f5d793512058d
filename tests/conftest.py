"""Shapes in signatures are enforced in the whole test run, and no test writes into a user's cache or state."""

import atexit
import os
import secrets
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small arrays, several test processes: threads only get in the way

os.environ["AVGZSL_STATE"] = tempfile.mkdtemp(prefix="avgzsl-test-state-")  # before test files copy the environment
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(16))  # else Ray writes one into the user's home
from jaxtyping import install_import_hook

install_import_hook("avgzsl", "beartype.beartype")
hypothesis.settings.register_profile("suite", deadline=None)  # no example races a clock; the time limit ends what hangs
hypothesis.settings.load_profile("suite")

atexit.register(shutil.rmtree, os.environ["AVGZSL_STATE"], ignore_errors=True)
# files of which every test carries a mark; others mark single tests
MARKED = {
    "races": (
        "children", "interruption", "media_workers", "page", "page_frame", "page_late", "page_map",
        "serve_connections", "serve_server",
    ),
    "smoke": (
        "avgzslnet", "children", "closed_forms", "datasets", "evaluation", "generators", "losses", "manifest",
        "media", "nets", "sampling", "scoring", "similarity", "split", "store", "training",
    ),
}  # fmt: skip


def pytest_collection_modifyitems(items):
    for item in items:
        for mark, names in MARKED.items():
            if item.path.stem.removeprefix("test_") in names:
                item.add_marker(mark)


SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("AVGZSL_CACHE", str(tmp_path_factory.mktemp("cache")))
    data = tmp_path_factory.mktemp("data")  # where `fetch` puts weights, and everybody looks for them
    patch.setattr("platformdirs.user_data_dir", lambda name: str(data / name))
    yield
    patch.undo()


@pytest.fixture(scope="session")
def realset() -> Path:
    """Real features, which lie beside the project where the maintainers work."""
    path = SHARED / "data" / "realset"
    if not path.is_dir():
        pytest.skip(f"{path} is not there: real features are not part of the project")
    return path


@pytest.fixture(scope="session")
def pgvector_server():
    """A real PostgreSQL with pgvector; the tests that need one share it."""
    from tests.postgres_server import running

    with running() as server:
        yield server


@pytest.fixture
def pgvector_url(pgvector_server, monkeypatch) -> str:
    """The address of a database of its own; user and password are in the environment."""
    for name, value in pgvector_server.environment.items():
        monkeypatch.setenv(name, value)
    return pgvector_server.new_database()


@pytest.fixture(scope="session")
def milvus_url():
    """The address of a real server of Milvus; the tests that need one share it."""
    from tests.milvus_server import running

    with running() as url:
        yield url
