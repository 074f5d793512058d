"""Keep every core busy while a command runs: `python -m benchmarks.busy COMMAND...`, as `make races` does."""

import os
import subprocess
import sys

from avgzsl.support.children import Children


def burn() -> None:
    """Compute without end."""
    while True:
        pass


def main() -> int:
    cores = os.cpu_count() or 1
    with Children(cores) as children:  # which end with this process, however it ends
        for _ in range(cores):
            children.submit(burn)
        return subprocess.run(sys.argv[1:], check=False).returncode


if __name__ == "__main__":
    from benchmarks.busy import main as named  # children are sent functions of named modules alone

    sys.exit(named())
