"""Nothing is sent anywhere, unless the user names who is to be asked: docs/security.md says who opens connections."""

import ast
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from avgzsl.backbones._engines import onnx
from avgzsl.errors import WeightsError
from avgzsl.features.engines import ray

PACKAGE = Path(onnx.__file__).parents[2]
NETWORK = {
    *(
        "aiohttp",
        "ftplib",
        "grpc",
        "http.client",
        "httpx",
        "huggingface_hub",
        "psycopg",
        "pymilvus",
        "qdrant_client",
        "ray",
    ),
    *("requests", "smtplib", "socket", "urllib3", "urllib.request", "webbrowser", "xmlrpc"),
}
ASKED_BY_NAME = {
    "support/https.py",  # `fetch`
    "support/download.py",  # … whose answers it keeps
    "support/weights.py",  # the name of a model on the hub
    "packing/hub.py",  # `push_to_hub`, `from_pretrained`
    "support/chat.py",  # `describe`, where the environment names a model
    "archive/engines/milvus.py",  # engines with an address
    "archive/engines/_postgres.py",
    "archive/engines/qdrant.py",
    "features/engines/ray.py",  # a cluster
    "features/engines/_nodes.py",
    "features/engines/_worker.py",
}
HERE = {
    "server/running.py",  # whether a server of this machine still runs: it asks 127.0.0.1
    "server/opening.py",  # the browser of this machine
    "recognition/portable.py",  # files of the hub that are here (`local_files_only`)
    "cli/interruption.py",  # a pair of sockets inside the process
}


def libraries(path: Path) -> set[str]:
    """What a file imports, or asks for by `require`, of what can open a connection."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and node.args and getattr(node.func, "id", "") == "require":
            found |= {node.args[0].value} if isinstance(node.args[0], ast.Constant) else set()
    return {name for name in found if any(name == one or name.startswith(f"{one}.") for one in NETWORK)}


def test_who_may_open_a_connection():
    files = {str(path.relative_to(PACKAGE)): libraries(path) for path in PACKAGE.rglob("*.py")}
    calling = {name for name, found in files.items() if found}
    serving = {name for name in calling if name.startswith("server/")} - HERE  # they answer, and call nobody
    assert not {name: files[name] for name in serving if files[name] - {"socket"}}
    assert calling - serving == ASKED_BY_NAME | HERE, "name it in docs/security.md, and here"


def test_hub_files_that_a_run_names_are_only_those_that_are_here():
    called = re.findall(r"snapshot_download\((.*)\)", (PACKAGE / "recognition" / "portable.py").read_text())
    assert called and all("local_files_only=True" in words for words in called)


def test_ray_tells_nobody_of_its_use(monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "")
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED")
    told = []
    begun = SimpleNamespace(
        is_initialized=lambda: False, init=lambda **_: told.append(os.environ.get("RAY_USAGE_STATS_ENABLED"))
    )
    monkeypatch.setattr(ray, "check_reachable", lambda: None)
    assert ray._connect(begun) and told == ["0"]


def test_onnx_runtime_tells_nobody_of_its_use(tmp_path, monkeypatch):
    runtime = pytest.importorskip("onnxruntime")
    told = []
    monkeypatch.setattr(runtime, "disable_telemetry_events", lambda: told.append("off"))
    (tmp_path / "no.onnx").write_bytes(b"no model")
    with pytest.raises(WeightsError):
        onnx.open_model(tmp_path / "no.onnx", (1,), "float32", None, "cpu")
    assert told == ["off"]


def test_the_page_asks_nobody_but_its_server():
    files = [
        path for path in (PACKAGE / "server" / "page").rglob("*") if path.suffix in (".html", ".js", ".css", ".svg")
    ]
    named = {url for path in files for url in re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'`)]*", path.read_text())}
    assert len(files) > 3 and {url for url in named if not url.startswith("http://www.w3.org/")} == set()
