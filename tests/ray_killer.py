"""`avgzsl` with its arguments, on a cluster of which one node is killed in the middle: `python -m tests.ray_killer …`.

The node is stopped first, so that it is known that it had work of which nothing came back.
"""

import signal
import sys

from avgzsl.cli import main
from avgzsl.features.engines._crew import Crew
from avgzsl.features.engines._pieces import Pieces
from tests.ray_nodes import OTHER, kill_all

_plain = Crew.hear
_seen: dict[str, int] = {}


def hear(crew: Crew, pieces: Pieces) -> None:
    calls = [call for call, (member, piece) in crew._calls.items() if piece is not None and member.address == OTHER]
    if calls and "killed" not in _seen:
        if "stopped" not in _seen:
            kill_all(_namespace, signal.SIGSTOP)
        _seen["stopped"] = _seen.get("stopped", 0) + 1
        answered, _ = crew.ray.wait(calls, num_returns=1, timeout=0)
        if not answered and _seen["stopped"] > 3:  # others had the time to do some
            kill_all(_namespace, signal.SIGKILL)
            _seen["killed"] = 1
            print(f"killed with {len(calls)} batches", file=sys.stderr, flush=True)
    _plain(crew, pieces)


if __name__ == "__main__":
    _namespace = sys.argv.pop(1)
    Crew.hear = hear  # type: ignore[method-assign]
    main()
