"""How the processes of the decoder are started: without the caller's threads, and without running its script again."""

import sys
from multiprocessing import spawn
from multiprocessing.process import BaseProcess
from threading import Lock
from typing import Any

if sys.platform == "linux":  # elsewhere a server that forks is not safe, or not there
    from multiprocessing.context import ForkServerContext as Start
    from multiprocessing.context import ForkServerProcess as Started
else:
    from multiprocessing.context import SpawnContext as Start
    from multiprocessing.context import SpawnProcess as Started

_PRELOADED = ["avgzsl.media.workers", "av", "soxr"]
_launching = Lock()


class _Process(Started):
    @staticmethod
    def _Popen(process: BaseProcess) -> Any:
        """Start `process` without the caller's main module: a script without a main guard would start itself again."""
        prepared = spawn.get_preparation_data

        def without_main(name: str) -> dict[str, Any]:
            return {key: value for key, value in prepared(name).items() if not key.startswith("init_main")}

        with _launching:
            spawn.get_preparation_data = without_main
            try:
                return Started._Popen(process)
            finally:
                spawn.get_preparation_data = prepared


class _Context(Start):
    Process = _Process


def context() -> Any:
    """The multiprocessing context: processes forked from a server that has loaded the decoder; elsewhere fresh ones."""
    chosen = _Context()
    chosen.set_forkserver_preload(_PRELOADED)
    return chosen
