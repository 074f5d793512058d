"""`avgzsl` with its arguments, on a cluster of which a node is killed once it has work: `python -m tests.ray_killer`.

The first arguments are the namespace of that node and the folder in which its workers leave their mark (`Held`).
"""

import signal
import sys
from pathlib import Path

from avgzsl.cli import main
from avgzsl.features.engines import _crew
from avgzsl.features.engines._pieces import Pieces
from tests.ray_nodes import OTHER, kill_all
from tests.ray_workers import HELD, KILLED, Held

_plain = _crew.Crew.hear


def hear(crew: _crew.Crew, pieces: Pieces) -> None:
    if (_folder / HELD).exists() and not (_folder / KILLED).exists():
        lost = [piece for member, piece in crew._calls.values() if piece is not None and member.address == OTHER]
        kill_all(_namespace, signal.SIGKILL)
        (_folder / KILLED).touch()
        print(f"killed with {len(lost)} batches", file=sys.stderr, flush=True)
    _plain(crew, pieces)


if __name__ == "__main__":
    _namespace, _folder = sys.argv.pop(1), Path(sys.argv.pop(1))
    _crew.Crew.hear = hear  # type: ignore[method-assign]
    _crew.Worker = Held  # type: ignore[misc]
    main()
