"""A small folder of sounds without a list or a label, and encoders for it: a tiny tagger, and words by hashing."""

from pathlib import Path

from avgzsl.types import EncoderChoice
from tests.small_clips import write_wav
from tests.test_taggers import tagger_card

NAMES = ("a.wav", "deep/b.wav", "deep/c.wav")


def write_folder(folder: Path) -> Path:
    """Three short sounds, and a list that says something else: nobody asked for that."""
    for number, name in enumerate(NAMES):
        write_wav(folder / name, 300.0 + 200 * number)
    (folder / "manifest.csv").write_text("path,label\nnot-there.wav,bell\n")
    return folder


def encoders(folder: Path) -> EncoderChoice:
    """A tagger of four labels, and words for them."""
    folder.mkdir(parents=True, exist_ok=True)
    return EncoderChoice(audio=tagger_card(folder), text="hashed-words:64", device="cpu")


def everything(folder: Path) -> dict[str, tuple[bytes | None, int]]:
    """All that is in a folder, and when it was written."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes() if path.is_file() else None, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }
