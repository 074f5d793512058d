"""Start `avgzsl open` or `avgzsl serve`, ask for its page once, and end it.

python tools/served_once.py serve INDEX
"""

import os
import re
import signal
import subprocess
import sys
from urllib.request import urlopen

_ENDED = 128 + signal.SIGTERM


def main(words: list[str]) -> int:
    """0 where the page answered and the command ended as it should."""
    # any free port, and no browser: others may run here
    environment = {"AVGZSL_SERVE_PORT": "0", "BROWSER": "true", **os.environ}
    process = subprocess.Popen(["avgzsl", *words], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        if found := re.search(r"http://\S+", line):
            break
    else:
        return process.wait() or 1
    with urlopen(found[0]) as answer:
        page = answer.read()
    process.terminate()  # Ctrl+C is not heard where a shell started this in the background
    ended = process.wait()
    return 0 if b"<html" in page and ended == _ENDED else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
