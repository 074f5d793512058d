"""What a foreign index makes the server hand out: `attacks` tries each kind and counts what was kept."""

import os
import shutil
import socket
import sqlite3
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import httpx
import torch
from starlette.testclient import TestClient

from avgzsl.archive import clip_table, file_table
from avgzsl.archive.changing import append, apply, writing
from avgzsl.archive.clip_table import IndexedClip
from avgzsl.archive.creation import create
from avgzsl.archive.indexed_files import IndexedFile
from avgzsl.experiments.run import load_run
from avgzsl.experiments.train_evaluate import train
from avgzsl.generators import generate
from avgzsl.media.workers import Decoders
from avgzsl.methods import Embeddings
from avgzsl.server.app import make_app
from avgzsl.server.index_archive import open_archive
from avgzsl.server.service import started
from avgzsl.server.settings import Settings
from avgzsl.support.own_folders import VARIABLE, remember
from benchmarks.attack import Outcome

CANARY = b"canary-of-the-house-" * 40
KINDS = ("file", "preview", "thumbnail")
_SMALL = 1 << 30  # bytes
SECONDS = 60.0  # until an answer counts as none
REFUSALS = {400, 403, 404, 410, 422, 429, 503}
Place = tuple[str, Path | None]  # a path as the index has it, and the file whose facts its maker knows


def attacks(work: Path) -> Iterator[Outcome]:
    """Each kind, in the folder `work`. Held: nothing but a refusal came back, in time, and no byte of the canary."""
    own, secret = work / "own", work / "secret"
    for folder in (own, secret):
        folder.mkdir(parents=True)
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(work / "state")
    try:
        remember(own)
        made = _index(work / "made")
        for kind, places in (
            ("a path outside of the user's folders", _outside(own, secret)),
            ("links that lead out", _links(own, secret)),
            ("no file: pipes, sockets, devices, folders, links to nothing", _strange(own)),
            ("text and other data that is called a film", _disguised(own)),
            ("playlists and lists that name other files", _playlists(own, secret)),
            ("another file than was indexed, of other size or bytes", _changed(own)),
            ("huge files, of another time", _huge(own)),
            ("paths that are no paths", _nonsense()),
        ):
            tried = [_held(made, work / "foreign", place) for place in places]
            yield Outcome(f"serve, foreign index: {kind}", len(tried), sum(tried))
        swaps = list(_swapped(made, work / "foreign", own, secret))
        yield Outcome("serve, foreign index: links put there while it is read", len(swaps), sum(swaps))
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before


def sound(size: int) -> bytes:
    """A WAV file of so many bytes, which the server would hand out; its samples are the canary."""
    samples = (CANARY * (size // len(CANARY) + 1))[: size - 44]
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16)
    return b"RIFF" + struct.pack("<I", size - 8) + b"WAVE" + fmt + b"data" + struct.pack("<I", len(samples)) + samples


def _index(folder: Path) -> Path:
    """An index of one clip, without training to speak of."""
    generate("audioset-zsl", folder / "data", scale=0.02, seed=0)
    train(folder / "data", "avgzslnet", out=folder / "run", settings={"epochs": 1})
    collection = create(folder / "index", load_run(folder / "run"), "memory")
    there = torch.ones(1, dtype=torch.bool)
    size = collection.record.dimensions["audio"]
    with writing(collection) as db:
        clip = IndexedClip("clip", "hash", "/nowhere", 0.0, 1.0, has_audio=True, has_video=True)
        append(collection, db, [clip], Embeddings(torch.ones(1, size), torch.ones(1, size), None, there, there, None))
        apply(collection, db, enough=1)
    collection.close()
    return folder / "index"


def _foreign(made: Path, folder: Path, place: Place) -> Path:
    """The index, as somebody made it who knows what there is on this machine."""
    path, file = place
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)
    db = sqlite3.connect(folder / clip_table.FILE)
    with db:
        db.execute("update clips set path = cast(? as text)", (os.fsencode(path),))
        known = _facts(file) if file is not None else IndexedFile(0, 0, "0" * 64)
        file_table.note(db, [(path.encode(errors="replace").decode(), known)])
    db.close()
    return folder


def _facts(file: Path) -> IndexedFile:
    """Of a small file; of a large one, such that it has to be compared by its bytes."""
    status = file.stat()
    if status.st_size > _SMALL:
        return IndexedFile(status.st_size, status.st_mtime_ns - 1, "0" * 64)
    return IndexedFile(status.st_size, status.st_mtime_ns, sha256(file.read_bytes()).hexdigest())


@contextmanager
def _client(index: Path) -> Iterator[httpx.Client]:
    settings = Settings(decoders=1, decode_seconds=2.0)
    with Decoders(1) as decoders:
        archive = open_archive(index, decoders, True)
        with started(archive, settings, decoders) as service:
            yield TestClient(make_app(service), base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


def _held(made: Path, folder: Path, place: Place) -> bool:
    begun = time.monotonic()
    with _client(_foreign(made, folder, place)) as client:
        answers = [client.get(f"/v1/clips/{kind}", params={"id": "clip"}) for kind in KINDS]
        parts = ({"range": asked} for asked in ("bytes=0-99", "bytes=-99", "bytes=0-1,5-9"))
        answers += [client.get("/v1/clips/file", params={"id": "clip"}, headers=part) for part in parts]
        answers.append(client.get("/v1/clips"))
    kept = all(answer.status_code in REFUSALS for answer in answers[:-1])
    return kept and not any(CANARY[:20] in one.content for one in answers) and time.monotonic() - begun < SECONDS


def _outside(own: Path, secret: Path) -> Iterator[Place]:
    film = secret / "film.wav"
    film.write_bytes(sound(4000))
    (own.parent / f"{own.name}2").mkdir()
    twin = own.parent / f"{own.name}2" / "film.wav"
    twin.write_bytes(sound(4000))
    for path in (film, own / ".." / "secret" / "film.wav", own / "x" / ".." / ".." / "secret" / "film.wav", twin):
        yield str(path), film
    for path in (f"//{film}", f"/.{film}", f"/proc/self/root{film}", f"/proc/self/cwd/{film}", os.path.relpath(film)):
        yield path, film
    for path in ("/etc/passwd", "/proc/self/environ", "/proc/self/mem", "/proc/self/maps", str(secret), str(own), "/"):
        yield path, None


def _links(own: Path, secret: Path) -> Iterator[Place]:
    film = secret / "linked.wav"
    film.write_bytes(sound(4000))
    (own / "to-file.wav").symlink_to(film)
    (own / "to-folder").symlink_to(secret)
    (own / "deep").mkdir()
    (own / "deep" / "up").symlink_to("../..")
    (own / "chain.wav").symlink_to("to-file.wav")
    (own / "proc.wav").symlink_to("/proc/self/environ")
    (own / "itself.wav").symlink_to("itself.wav")
    for name in (
        "to-file.wav",
        "to-folder/linked.wav",
        "deep/up/secret/linked.wav",
        "chain.wav",
        "proc.wav",
        "itself.wav",
    ):
        yield str(own / name), film


def _strange(own: Path) -> Iterator[Place]:
    os.mkfifo(own / "pipe.mp4")
    (own / "folder.mp4").mkdir()
    (own / "dangling.mp4").symlink_to("nothing")
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as listening:  # a path may be too long
        listening.bind(str(Path(short) / "s"))
        (Path(short) / "s").rename(own / "socket.mp4")
    for name in ("pipe.mp4", "folder.mp4", "dangling.mp4", "socket.mp4", "nothing.mp4"):
        yield str(own / name), None
    for path in ("/dev/zero", "/dev/stdin", "/dev/tty", "/dev/fd/0", "/proc/kmsg", "/proc/self/fd/1"):
        yield path, None


def _disguised(own: Path) -> Iterator[Place]:
    for i, content in enumerate(
        (
            CANARY,
            b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + CANARY,
            b"SQLite format 3\0" + CANARY,
            b"\x7fELF\x02\x01\x01" + CANARY,
            b"PK\x03\x04" + CANARY,
            b"%PDF-1.7\n" + CANARY,
            b"<svg xmlns='http://www.w3.org/2000/svg'><text>" + CANARY + b"</text></svg>",
            b"1\n00:00:01,000 --> 00:00:02,000\n" + CANARY,
            b"{" + CANARY + b"}",
            CANARY * 5000,
            b"",
        )
    ):
        path = own / f"disguised-{i}.mp4"
        path.write_bytes(content)
        yield str(path), path


def _playlists(own: Path, secret: Path) -> Iterator[Place]:
    film = secret / "film.wav"
    for i, text in enumerate(
        (
            f"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:3,\n{film}\n#EXT-X-ENDLIST\n",
            f"#EXTM3U\n#EXTINF:3,\nfile://{film}\n",
            f"ffconcat version 1.0\nfile '{film}'\n",
            f"[playlist]\nFile1={film}\n",
            f"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\na={film}\n",
            f"<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>file://{film}</BaseURL></MPD>",
            f"<?xml version='1.0'?><playlist><location>{film}</location></playlist>",
        )
    ):
        path = own / f"list-{i}.mp4"
        path.write_text(text)
        yield str(path), path


def _changed(own: Path) -> Iterator[Place]:
    """The maker knows another file than the one that is there."""
    known = own.parent / "known.wav"
    for i, size in enumerate((4000, 4002, 3998)):
        path = own / f"changed-{i}.wav"
        known.write_bytes(bytes(4000))
        path.write_bytes(sound(size))
        os.utime(path, (i, i))
        yield str(path), known


def _huge(own: Path) -> Iterator[Place]:
    for i, size in enumerate((1 << 33, 1 << 36)):
        path = own / f"huge-{i}.mp4"
        with path.open("wb") as file:
            file.truncate(size)
        yield str(path), path


def _nonsense() -> Iterator[Place]:
    for path in (
        "",
        ".",
        "\0",
        "a" * 10_000,
        "/" * 5000,
        "file:///etc/passwd",
        "concat:/etc/passwd",
        "pipe:0",
        "\udcff",
    ):
        yield path, None
    for path in (
        "http://127.0.0.1:1/x",
        "subfile,,start,0,end,9,,:/etc/passwd",
        "C:\\Windows\\win.ini",
        "\\\\host\\share",
    ):
        yield path, None


def _swapped(made: Path, folder: Path, own: Path, secret: Path) -> Iterator[bool]:
    """What was a film when it was indexed becomes a link between two requests, or between looking and opening."""
    for name in ("film.wav", "inner/film.wav"):
        place, other = own / "swapped" / name, secret / "swapped" / name
        for path in (place, other):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sound(4000))
            os.utime(path, (1, 1))
        target, link = (other, place) if "/" not in name else (other.parent, place.parent)
        with _client(_foreign(made, folder, (str(place), place))) as client:
            shown = client.get("/v1/clips/file", params={"id": "clip"}).status_code == 200  # the test can see a film
            shutil.move(link, own.parent / f"was-{link.name}")
            link.symlink_to(target)
            answers = [client.get(f"/v1/clips/{kind}", params={"id": "clip"}) for kind in KINDS]
        yield shown and all(one.status_code in REFUSALS and CANARY[:20] not in one.content for one in answers)
