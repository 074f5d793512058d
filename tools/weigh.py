"""What is installed by `pip install avgzsl`, and what each extra adds to that: `python -m tools.weigh`.

    python -m tools.weigh --document docs/libraries.md

A wheel is built and installed into an empty environment, by the versions of constraints.txt; then into a copy of that
with each extra in turn. What a distribution weighs is the sum of its files, with the bytecode that pip makes of them.
A megabyte is a million bytes. It takes minutes, and fetches every library that there is an extra for.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.tables import put

ROOT = Path(__file__).parents[1]
NOT_WEIGHED = ("dev", "docs")  # for those who work on the package
SHOWN = 6  # distributions that a row names
_SIZES = """
import json
from importlib.metadata import distributions
print(json.dumps({d.name: sum(f.locate().stat().st_size for f in d.files or () if f.locate().is_file())
                  for d in distributions() if d.name not in ("pip", "setuptools")}))
"""

Sizes = dict[str, int]


def reasons() -> dict[str, str]:
    """What each extra is for: the comment behind it, or where its list begins, in pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text()
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    found = {name: re.search(rf"^{re.escape(name)} = \[.*?  +# (.*)$", text, re.MULTILINE) for name in extras}
    return {name: match[1] for name, match in found.items() if match and name not in NOT_WEIGHED}


def sizes(environment: Path) -> Sizes:
    """Bytes of each distribution in an environment."""
    ran = subprocess.run([environment / "bin" / "python", "-c", _SIZES], capture_output=True, text=True, check=True)
    found: Sizes = json.loads(ran.stdout)
    return found


def weighed(work: Path, python: str) -> Iterator[tuple[str | None, Sizes]]:
    """The distributions of the core (None), then what each extra adds to them."""
    environment = {**os.environ, "PIP_CONSTRAINT": str(ROOT / "constraints.txt"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    def pip(where: Path, *words: str) -> None:
        command = [where / "bin" / "python", "-m", "pip", *words]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)

    core = work / "core"
    subprocess.run([python, "-m", "venv", core], check=True)
    pip(core, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(work), str(ROOT))
    (wheel,) = work.glob("avgzsl-*.whl")
    pip(core, "install", "--quiet", str(wheel))
    before = sizes(core)
    yield None, before
    for extra in reasons():
        copy = work / "extra"
        shutil.copytree(core, copy, symlinks=True, copy_function=os.link)  # pip puts new files in the place of old ones
        pip(copy, "install", "--quiet", f"{wheel}[{extra}]")
        after = sizes(copy)
        yield extra, {name: size - before.get(name, 0) for name, size in after.items() if size != before.get(name)}
        shutil.rmtree(copy)


def table(found: dict[str | None, Sizes]) -> str:
    """A row for the core, and one for each extra."""
    why = reasons()
    lines = ["| what is installed | what for | MB | of which |", "|---|---|---:|---|"]
    for extra, parts in found.items():
        name, reason = ("`avgzsl`", "the core") if extra is None else (f"`avgzsl[{extra}]`", f"{why[extra]}")
        sign = "" if extra is None else "+"
        lines.append(f"| {name} | {reason} | {sign}{megabytes(sum(parts.values()))} | {largest(parts)} |")
    return "\n".join(lines)


def megabytes(size: int) -> str:
    """In millions of bytes."""
    return f"{size / 1e6:,.0f}" if size >= 1e6 else f"{size / 1e6:.1f}"


def largest(parts: Sizes) -> str:
    """The heaviest distributions."""
    order = sorted(parts, key=lambda name: -parts[name])[:SHOWN]
    shown = ", ".join(f"{name} {megabytes(parts[name])}" for name in order if parts[name] >= 1e6)
    return shown or "little"


def main() -> None:
    """Print the table, or put it into a document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--document", type=Path, help="put the table between the marks `weights` of this document")
    parser.add_argument("--python", default=sys.executable, help="whose environments are made")
    options = parser.parse_args()
    found: dict[str | None, Sizes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for extra, parts in weighed(Path(folder), options.python):
            found[extra] = parts
            print(extra or "core", megabytes(sum(parts.values())), "MB", flush=True)
    if options.document:
        put(options.document, "weights", table(found))
    else:
        print(table(found))


if __name__ == "__main__":
    main()
