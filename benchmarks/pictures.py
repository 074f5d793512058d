"""The two pictures of the README, from what `make demo` made.

    python -m benchmarks.pictures out/demo [--out docs/pictures] [--only found|page]

`found.png`: phrases that no training clip has, and their first hits as film strips over their sounds. `page.png`: the
page of `avgzsl serve`, asked for words, in a headless Chromium (playwright, and a program `chromium` on the path).
"""

import argparse
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from avgzsl.archive.hits import Hit
from avgzsl.archive.search import open_searcher, search
from avgzsl.features.feature_store import open_store
from avgzsl.media.decode import decode
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from avgzsl.reports.retrieval_figure import RIGHT, WRONG
from avgzsl.showcase import TESTED
from avgzsl.support.files import write_bytes

PHRASES, HITS, MOMENTS = 3, 2, 4
SIDE, RATE, PARTS = 96, 8000, 220
WIDTH, HEIGHT = 1280, 860
QUERY = "blue bell"
LARGEST = 250_000  # bytes of a picture
INK = "#1a1a1a"
PATIENCE = 120.0  # s
SHOWN = """() => {
  const inSight = (one) => one.getBoundingClientRect().top < innerHeight;
  const near = [...document.querySelectorAll(".card img")].filter(inSight);
  return !document.querySelector(".skeleton") && near.length > 0 && near.every((one) => one.naturalWidth > 0);
}"""
AVGZSL = [sys.executable, "-c", "from avgzsl.cli import main; main()"]


def found_picture(demo: Path, out: Path) -> None:
    """Phrases never trained, and what each finds first."""
    from matplotlib.figure import Figure

    searcher, store = open_searcher(demo / "index"), open_store(demo / "store")
    rows = dict(sorted(zip(store.clips["label"], store.clips["seen"], strict=True)))
    phrases = spread([name for name, seen in rows.items() if not seen])
    place = dict(zip(store.clips["id"], range(len(store.clips["id"])), strict=True))
    figure = Figure(figsize=(10, 2.35 * len(phrases)), layout="constrained", facecolor="white")
    for part, phrase in zip(figure.subfigures(len(phrases), 1, squeeze=False)[:, 0], phrases, strict=True):
        part.suptitle(f"“{phrase}”", fontsize=14, x=0.01, ha="left", color=INK, parse_math=False)
        hits = search(searcher, phrase, top=HITS, where=TESTED)
        for at, (side, hit) in enumerate(zip(part.subfigures(1, HITS, squeeze=False)[0], hits, strict=False)):
            draw_hit(side, at + 1, hit, phrase, store.file(place[hit.id]))
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=120, metadata={"Software": None})
    write_small(out, drawn.getvalue())


def spread(names: list[str]) -> list[str]:
    """PHRASES of the names whose words differ most: each next shares fewest words with those before."""
    chosen = names[:1]
    while len(chosen) < min(PHRASES, len(names)):
        taken = {word for name in chosen for word in name.split()}
        rest = [name for name in names if name not in chosen]
        chosen.append(min(rest, key=lambda name: sum(word in taken for word in name.split())))
    return chosen


def draw_hit(part: Any, place: int, hit: Hit, phrase: str, path: Path) -> None:
    """Four moments of a clip in a row, over the loudness of its sound, and whether it is the phrase."""
    clip = decode(path, frames=FrameNeeds(SIDE, count=MOMENTS), sound=SoundNeeds(RATE))
    film, sound = part.subplots(2, 1, gridspec_kw={"height_ratios": (3.4, 1)})
    if clip.frames is not None:
        film.imshow(strip(clip.frames), interpolation="none", aspect="equal")
    if clip.waveform is not None:
        reach = peaks(clip.waveform)
        sound.fill_between(np.arange(len(reach)), -reach, reach, color=RIGHT[1], linewidth=0)
        sound.set_xlim(0, len(reach) - 1)
        sound.set_ylim(-1.05, 1.05)
    for axes in (film, sound):
        axes.set_axis_off()
    right = hit.label == phrase
    told = f"✓ hit {place}, a clip of this phrase" if right else f"✗ hit {place}: {hit.label}"
    film.set_title(told, fontsize=11, loc="left", color=RIGHT[1] if right else WRONG[1], pad=3)


def strip(frames: UInt8[np.ndarray, "t s s 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The frames side by side, with white between."""
    gap = np.full((frames.shape[1], 4, 3), 255, np.uint8)
    return np.concatenate([piece for frame in frames for piece in (frame, gap)][:-1], axis=1)


def peaks(waveform: Float[np.ndarray, " n"]) -> Float[np.ndarray, " p"]:
    """The greatest of each of PARTS parts of a sound, over the greatest of all."""
    parts = np.array_split(np.abs(waveform), min(PARTS, len(waveform)))
    reach = np.array([part.max() for part in parts], float)
    shares: Float[np.ndarray, " p"] = reach / max(float(reach.max()), 1e-9)
    return shares


@contextmanager
def served(index: Path) -> Iterator[str]:
    """The address of the page of an index, on a free port, until it is left."""
    command = [*AVGZSL, "serve", str(index), "--port", "0"]
    open_to_all = {name: value for name, value in os.environ.items() if not name.startswith("AVGZSL_SERVE")}
    with subprocess.Popen(command, stdout=-1, stderr=subprocess.STDOUT, text=True, env=open_to_all) as process:
        try:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if "http://" in line:
                    yield "http://" + line.split("http://")[1].split()[0].rstrip(".,;/") + "/"
                    return
            raise SystemExit(f"{index}: its page did not open: {''.join(said)}")
        finally:
            process.send_signal(signal.SIGINT)


def page_picture(index: Path, out: Path) -> None:
    """The page after a search by words, in the light theme. Raises SystemExit without Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("there is no chromium on the path: install it, or give --only found")
    with served(index) as url, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        view = {"width": WIDTH, "height": HEIGHT}
        page = browser.new_page(viewport=view, color_scheme="light", reduced_motion="reduce")  # type: ignore[arg-type]
        page.goto(f"{url}?q={QUERY.replace(' ', '+')}")
        page.wait_for_selector(".card:not(.skeleton)", timeout=1000 * PATIENCE)
        end = time.monotonic() + PATIENCE
        # asked again and again: the page's own policy forbids Playwright to wait inside of it
        while not page.evaluate(SHOWN) and time.monotonic() < end:
            page.wait_for_timeout(200)
        taken = page.screenshot()
        browser.close()
    write_small(out, taken)


def write_small(out: Path, png: bytes) -> None:
    """The picture with as many colours as the size allows. Raises SystemExit where 32 colours are too large."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (256, 128, 64, 32):
        packed = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(packed, "png", optimize=True)
        if packed.tell() <= LARGEST:
            write_bytes(out, packed.getvalue())
            print(f"{out}: {packed.tell() // 1000} kB, {colours} colours")
            return
    raise SystemExit(f"{out}: is larger than {LARGEST // 1000} kB with 32 colours; show less in it")


def main() -> None:
    """Draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--only", choices=("found", "page"))
    options = parser.parse_args()
    if options.only != "page":
        found_picture(options.demo, options.out / "found.png")
    if options.only != "found":
        page_picture(options.demo / "index", options.out / "page.png")


if __name__ == "__main__":
    main()
