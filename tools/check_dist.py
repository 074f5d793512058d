"""What is in a wheel and a source distribution, and what must not be: `python -m tools.check_dist FOLDER`.

The wheel has the package alone, with its types and every file that the package reads of itself; the source
distribution has tests, documents and tools as well, and neither has data, runs or what a build left. Sizes are bounded:
whoever adds a large file is to mean it.
"""

import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"
MOST = {"wheel": 3_000_000, "sdist": 8_000_000}  # bytes
SDIST_NEEDS = (
    *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "Makefile"),
    *("constraints.txt", "Dockerfile", "docs/architecture.md", "tests/conftest.py", "tests/before/kept.tar.xz"),
    *("tools/check-wheel.sh", "benchmarks/house.py", "src/avgzsl/py.typed"),
)
NEVER = ("__pycache__", ".egg-info/PKG-INFO.tmp", "/out/", ".venv", ".hypothesis", ".mypy_cache", "/shared/", "_build/")
DATA = (".h5", ".hdf5", ".npy", ".npz", ".mp4", ".wav", ".safetensors", ".tflite", ".onnx", ".pt", ".vec", ".sqlite")


def read_by_the_package() -> set[str]:
    """Every file of the package in the checkout, but what Python left."""
    files = (path for path in (SRC / "avgzsl").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(SRC).as_posix() for path in files}


def faults(kind: str, names: Iterable[str], size: int) -> list[str]:
    """What is wrong with a wheel's or a source distribution's files, without the folder that they lie in."""
    names = set(names)
    needed = read_by_the_package() if kind == "wheel" else set(SDIST_NEEDS)
    found = [f"{kind}: {name} is lacking" for name in sorted(needed - names)]
    found += [f"{kind}: {name} is no part of it" for name in sorted(names) if any(part in f"/{name}" for part in NEVER)]
    found += [f"{kind}: {name} is data" for name in sorted(names) if name.endswith(DATA)]
    if kind == "wheel":
        strange = {name for name in names if not name.startswith("avgzsl/") and ".dist-info/" not in name}
        found += [f"{kind}: {name} is none of the package" for name in sorted(strange)]
    if size > MOST[kind]:
        found.append(f"{kind}: {size:,} bytes; expected at most {MOST[kind]:,}")
    return found


def main(folder: Path) -> int:
    """Print what is wrong, or how large both are; the exit code."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as opened:
        of_wheel = [name for name in opened.namelist() if not name.endswith("/")]
    with tarfile.open(sdist) as opened_sdist:
        of_sdist = [member.name.partition("/")[2] for member in opened_sdist if member.isfile()]
    wrong = faults("wheel", of_wheel, wheel.stat().st_size) + faults("sdist", of_sdist, sdist.stat().st_size)
    for line in wrong:
        print(line)
    for path, names in ((wheel, of_wheel), (sdist, of_sdist)):
        print(f"{path.name}: {len(names)} files, {path.stat().st_size:,} bytes")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
