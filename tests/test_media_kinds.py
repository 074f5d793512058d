"""Whole files of kinds that are not read: named as such, and never called damaged."""

import bz2
import gzip
import io
import lzma
import struct
import zipfile

import av
import numpy as np
import pytest
from PIL import Image

from avgzsl.errors import MediaError
from avgzsl.media.decode import decode, probe
from avgzsl.media.kinds import is_locked
from avgzsl.media.needs import FrameNeeds, SoundNeeds
from tests.media_files import RATE, numbered, tone, write
from tests.media_pictures import smooth

FRAMES, SOUND = FrameNeeds(48, count=1), SoundNeeds(RATE)


def refused(path, match: str) -> str:
    with pytest.raises(MediaError, match=match) as caught:
        decode(path, frames=FRAMES, sound=SOUND)
    told = str(caught.value)
    assert told.startswith(f"{path}: ") and "\n" not in told
    assert "damaged" not in told and "cut short" not in told
    return told


def zipped() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.txt", "words")
    return content.getvalue()


OTHERS = {
    "zip": (zipped(), "a zip archive"),
    "gzip": (gzip.compress(bytes(5000)), "gzip"),
    "bzip2": (bz2.compress(bytes(5000)), "bzip2"),
    "xz": (lzma.compress(bytes(5000)), "xz"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "a PDF document"),
    "office": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "Office"),
    "midi": (b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\4\0\xff\x2f\0", "MIDI"),
    "midi in riff": (b"RIFF\x20\0\0\0RMIDdata\x14\0\0\0MThd" + bytes(20), "MIDI"),
    "jpeg xl": (b"\xff\x0a\xfa\x1f\x41\x91" + bytes(100), "JPEG XL"),
    "jpeg xl in boxes": (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl " + bytes(100), "JPEG XL"),
    "photoshop": (b"8BPS\0\1" + bytes(100), "Photoshop"),
    "program": (b"\x7fELF\2\1\1" + bytes(600), "a program"),
    "database": (b"SQLite format 3\0" + bytes(600), "a database"),
    "array": (b"\x93NUMPY\1\0" + bytes(600), "NumPy"),
    "words": ("Just some words, and an é.\n" * 300).encode() and (b"Just some words.\n" * 300, "text"),
    "one word": (b"no", "text"),
    "accents": ("Größe und Länge\n".encode() * 99, "text"),
    "utf-16": ("words\n" * 50).encode("utf-16") and (("words\n" * 50).encode("utf-16"), "text"),
    "playlist": (b"#EXTM3U\n#EXTINF:4,\na.ts\n", "text"),
    "json": (b'{"a": 1}', "text"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', "text"),
}


@pytest.mark.parametrize("name", ["a.mp4", "a.wav", "a.jpg", "a"])
@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_film_sound_or_picture_is_named(tmp_path, kind, name):
    content, said = OTHERS[kind]
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, rf"not read.*{said}|{said}.*not read")


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_animated_webp_is_named_and_a_still_one_is_read(tmp_path, lossless, mode):
    pictures = [Image.fromarray(np.roll(smooth(48, 64), 5 * i, axis=1)).convert(mode) for i in range(4)]
    pictures[0].save(tmp_path / "a.webp", save_all=True, append_images=pictures[1:], duration=100, lossless=lossless)
    refused(tmp_path / "a.webp", "of a kind that is not read: an animated WebP")
    exif = Image.Exif()
    exif[0x0112] = 1
    pictures[0].save(tmp_path / "b.webp", lossless=lossless, exif=exif)  # the same header, without animation
    assert b"VP8X" in (tmp_path / "b.webp").read_bytes()[:20]
    assert decode(tmp_path / "b.webp", frames=FRAMES).frames.shape == (1, 48, 48, 3)


@pytest.mark.parametrize(("name", "options"), [("a.gif", {}), ("a.png", {}), ("a.avif", {})])
def test_other_animations_are_read_as_films(tmp_path, name, options):
    pictures = [Image.fromarray(numbered(16 * i + i)).convert("RGB") for i in range(5)]
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], duration=100, **options)
    got = decode(tmp_path / name, frames=FrameNeeds(48, count=5))
    assert len(np.unique(got.frames.mean(axis=(1, 2, 3)).round())) >= 4


def wav(valid: int, size: int, channels: int = 1, kind: bytes = b"RIFF", subtype: int = 1) -> bytes:
    """A WAV file of WAVE_FORMAT_EXTENSIBLE: `valid` bits in `size`, a tone."""
    step = size // 8
    values = (np.repeat(tone(0.5), channels).astype(np.float64) * (2 ** (size - 1) - 1)).astype(np.int64)
    values = values >> (size - valid) << (size - valid)
    data = values.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :step].tobytes()
    form = struct.pack("<HHIIHH", 0xFFFE, channels, RATE, RATE * channels * step, channels * step, size)
    form += (
        struct.pack("<HHI", 22, valid, 0) + struct.pack("<H", subtype) + bytes.fromhex("000000001000800000aa00389b71")
    )
    return (
        kind
        + struct.pack("<I", 28 + len(form) + len(data))
        + b"WAVEfmt "
        + struct.pack("<I", len(form))
        + form
        + (b"data" + struct.pack("<I", len(data)) + data)
    )


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("valid", "size"), [(24, 32), (16, 32), (16, 24), (20, 32), (8, 16)])
def test_samples_that_do_not_fill_their_bytes_are_named(tmp_path, valid, size, channels):
    (tmp_path / "a.wav").write_bytes(wav(valid, size, channels))
    refused(tmp_path / "a.wav", f"samples of {valid} bits in {size}; write it again")


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("valid", "size"), [(16, 16), (24, 24), (32, 32), (20, 24), (12, 16)])
def test_samples_that_fill_their_bytes_are_read(tmp_path, valid, size, channels):
    (tmp_path / "a.wav").write_bytes(wav(valid, size, channels))
    np.testing.assert_allclose(decode(tmp_path / "a.wav", sound=SOUND).waveform, tone(0.5), atol=2e-3)


@pytest.mark.parametrize("scheme", [b"encv", b"drmi", b"enca", b"drms"])
def test_encrypted_films_are_named(tmp_path, scheme):
    """As players of films and music shops write it: another name for the samples, which are noise without a key."""
    kind = b"avc1" if scheme in (b"encv", b"drmi") else b"mp4a"
    file = write(tmp_path / "a.mp4", [numbered(i) for i in range(20)], tone(2.0))
    content = bytearray(file.read_bytes())
    at = content.index(b"stsd", content.index(b"vmhd" if kind == b"avc1" else b"smhd"))
    assert content[at + 16 : at + 20] == kind
    content[at + 16 : at + 20] = scheme
    file.write_bytes(content)
    refused(file, "is encrypted, which is not read")
    with pytest.raises(MediaError, match="is encrypted"):
        probe(file)


def test_scrambled_broadcasts_are_named(tmp_path):
    file = write(tmp_path / "a.ts", [numbered(i) for i in range(40)], tone(4.0))
    content = bytearray(file.read_bytes())
    random = np.random.default_rng(0)
    for at in range(0, len(content), 188):
        if int.from_bytes(content[at + 1 : at + 3], "big") & 0x1FFF in (0x100, 0x101):
            content[at + 3] |= 0x80
            begin = at + 4 + (1 + content[at + 4] if content[at + 3] & 0x20 else 0)  # the rest is in the clear
            content[begin : at + 188] = random.integers(0, 256, at + 188 - begin, np.uint8).tobytes()
    file.write_bytes(content)
    with pytest.raises(MediaError, match="is encrypted"):
        decode(file, frames=FRAMES, sound=SOUND)


def test_a_codec_that_is_unknown_is_said_not_to_be_read(tmp_path):
    file = write(tmp_path / "a.mkv", [numbered(i) for i in range(20)], codec="ffv1", pixels="yuv420p")
    content = file.read_bytes()
    assert b"V_FFV1" in content
    file.write_bytes(content.replace(b"V_FFV1", b"V_XYZ9"))
    refused(file, "of a codec that is not read, or unknown")


@pytest.mark.parametrize("name", ["a.voc", "a.sox"])
def test_other_containers_are_named(tmp_path, name):
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream("pcm_u8" if name == "a.voc" else "pcm_s32le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1000), np.uint8), format="u8", layout="mono")
        frame.sample_rate = RATE
        container.mux([*stream.encode(frame), *stream.encode(None)])
    refused(tmp_path / name, rf"of a kind that is not read .{name[2:]}")


def test_what_only_looks_like_another_kind_is_read(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P3\n2 2\n255\n" + b"255 0 0 " * 4)
    try:
        told = str(decode(tmp_path / "a.ppm", frames=FRAMES).frames.shape)
    except MediaError as problem:
        told = str(problem)
    assert "is text" not in told


@pytest.mark.parametrize("name", ["a.mkv", "a.wmv"])
def test_protected_matroska_and_windows_media(tmp_path, name):
    """The element ContentEncryption of a track; the object of a licence in a header."""
    file = write(tmp_path / name, [numbered(i) for i in range(20)], codec="mpeg4" if name == "a.mkv" else "wmv2")
    assert not is_locked(file)
    content = bytearray(file.read_bytes())
    if name == "a.mkv":
        at = content.index(b"\xae", content.index(b"\x16\x54\xae\x6b") + 4) + 2  # within the first track
        content[at:at] = bytes.fromhex("6d808b 624088 503385 503582 47e101".replace(" ", ""))
    else:
        content[30:30] = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e") + (24).to_bytes(8, "little")
    file.write_bytes(content)
    assert is_locked(file)
