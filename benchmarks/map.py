"""The map of 100,000 clips: how long its plane takes, how large its answer is, and how long a browser's frames are.

    python -m benchmarks.map [--clips 100000]

Clips are points around sixty centres; each gets a place as in a server, and a page in Chromium draws the answer and is
zoomed and moved by the mouse. It needs playwright and Chromium.
"""

import argparse
import functools
import json
import math
import shutil
import statistics
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import torch
from playwright.sync_api import Page, Route, sync_playwright

from avgzsl.server import projection
from avgzsl.server.app import PAGE
from avgzsl.server.clouds import SAMPLE
from avgzsl.server.contract import Cloud
from benchmarks.tables import measured

CENTRES, WIDTH, WORDS = 60, 128, 600
STEPS = 120  # moves of the mouse
_INFO = {
    "name": "map", "clips": 0, "classes": [], "modalities": ["both"], "phrases": True, "uploads": False,
    "private": False, "limits": {"upload_bytes": 1, "clip_seconds": 1},
}  # fmt: skip
_COUNT = """() => {
    window.frames = [];
    let last = performance.now();
    const frame = (now) => (window.frames.push(now - last), (last = now), requestAnimationFrame(frame));
    requestAnimationFrame(frame);
}"""


def cloud(clips: int) -> Cloud:
    """Clips around centres, with words that fit them by chance."""
    draw = torch.Generator().manual_seed(0)
    centre = 0.4 * torch.randn(CENTRES, WIDTH, generator=draw)
    own = torch.randint(0, CENTRES, (clips,), generator=draw)
    points = centre[own] + torch.randn(clips, WIDTH, generator=draw)
    sample = torch.arange(0, clips, max(1, clips // SAMPLE))[:SAMPLE]
    return Cloud(
        modality="both", total=clips, ids=[f"tapes/{i}.mp4" for i in range(clips)], labels=[None] * clips,
        points=points, sample=sample, classes=[], seen=[], texts=torch.zeros(0, WIDTH),
        words=[f"word {i}" for i in range(WORDS)], named_by="phrases",
        fits=torch.randn(len(sample), WORDS, generator=draw),
    )  # fmt: skip


def frames(page: Page, url: str, answer: bytes) -> tuple[list[float], int]:
    """Milliseconds from frame to frame while the map is zoomed and moved, and the dots that the last one drew."""

    def api(route: Route) -> None:
        kind = route.request.url.split("/v1/")[1].split("?")[0]
        body = {"map": answer, "info": json.dumps(_INFO).encode()}.get(kind, b"[]")
        route.fulfill(body=body, content_type="application/json")

    page.route("**/v1/*", api)
    page.goto(f"{url}?view=map")
    page.wait_for_selector(".map[data-drawn]")
    box = page.locator(".map").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.evaluate(_COUNT)
    page.mouse.wheel(0, -400)
    page.mouse.down()
    for step in range(STEPS):
        page.mouse.move(x + 150 * math.sin(step / 8), y + 90 * math.sin(step / 11))
    page.mouse.up()
    return page.evaluate("window.frames.slice(1)"), int(page.locator(".map").get_attribute("data-drawn") or 0)


def measure(clips: int) -> list[tuple[str, str, str]]:
    """The rows of the table."""
    given = cloud(clips)
    begun = time.perf_counter()
    projection.plane(given.points[given.sample])
    laid_out = time.perf_counter()
    answer = projection.project(given).model_dump_json().encode()
    placed = time.perf_counter()
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(PAGE))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as driver:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1600, "height": 1000})
        taken, drawn = frames(page, f"http://127.0.0.1:{server.server_port}/", answer)
        chromium.close()
        server.shutdown()
    ordered = sorted(taken)
    return [
        (f"t-SNE of {len(given.sample):,} clips, s", f"{laid_out - begun:.1f}", ""),
        (f"clusters, and places of {clips:,} clips, s", f"{placed - laid_out:.1f}", ""),
        ("the answer, MB", f"{len(answer) / 1e6:.1f}", ""),
        (f"frames while it is moved, of {len(taken)} the median, ms", f"{statistics.median(taken):.1f}", "≤ 17"),
        ("… 95 % are shorter than, ms", f"{ordered[int(0.95 * len(ordered))]:.1f}", "≤ 34"),
        ("dots that the last frame drew", f"{drawn:,}", "≤ 15,000"),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=100_000)
    print(measured(measure(parser.parse_args().clips)))


if __name__ == "__main__":
    main()
