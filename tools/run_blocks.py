"""Run the blocks of Markdown files as they are printed, one after the other, in a folder.

    python tools/run_blocks.py FILE.md … FOLDER

Blocks of `sh` are one script of bash, which ends at the first command that fails; blocks of `python` run where they
stand among them. A notebook's cells (`{code-cell}`) run in IPython. `avgzsl open` and `avgzsl serve` are ended once
their page has answered, for else they go on until somebody ends them.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parent
_BLOCK = re.compile(r"^```(sh|python|\{code-cell\} ipython3)\n(.*?)^```$", re.M | re.S)
_PRELUDE = """set -euo pipefail
avgzsl() {{
  case "$1" in
    open|serve) "{python}" "{here}/served_once.py" "$@" ;;
    *) command avgzsl "$@" ;;
  esac
}}
"""
_CELLS = """from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for cell in {cells!r}:
    shell.run_cell(cell).raise_error()
    if shell.user_ns.get("_exit_code", 0):
        raise SystemExit(f"{{cell}} ended with {{shell.user_ns['_exit_code']}}")
"""


def blocks(text: str) -> list[tuple[str, str]]:
    """Kind (`sh`, `python`, `cell`) and content of each block that is to be run."""
    return [("cell" if kind.startswith("{") else kind, code) for kind, code in _BLOCK.findall(text)]


def script(found: list[tuple[str, str]], folder: Path) -> str:
    """All blocks as one script of bash; Python is written into files of `folder`."""
    parts = [_PRELUDE.format(python=sys.executable, here=HERE)]
    if cells := [code for kind, code in found if kind == "cell"]:
        found = [one for one in found if one[0] != "cell"] + [("python", _CELLS.format(cells=cells))]
    for number, (kind, code) in enumerate(found):
        if kind == "python":
            file = folder / f"block-{number}.py"
            file.write_text(code)
            code = f'"{sys.executable}" "{file}"\n'
        parts.append(code)
    return "\n".join(parts)


def run(file: Path, folder: Path) -> int:
    """Run the blocks of a file in `folder`; gives the exit code of what failed, 0 where nothing did."""
    commands = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    path = os.pathsep.join(["", os.environ["PYTHONPATH"]]) if "PYTHONPATH" in os.environ else ""
    environment = {**os.environ, "PATH": commands, "PYTHONPATH": f"{folder}{path}", "PYTHONSAFEPATH": ""}
    with TemporaryDirectory() as place:
        text = script(blocks(file.read_text()), Path(place))
        return subprocess.run(["bash", "-c", text], cwd=folder, env=environment).returncode


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: python tools/run_blocks.py FILE.md … FOLDER")
    *files, place = map(Path, sys.argv[1:])
    for file in files:
        if code := run(file, place.resolve()):
            sys.exit(f"{file}: a block ended with {code}")
