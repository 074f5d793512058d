"""Files that are whole, but of a kind that is not read: recognised by their bytes, so that none is called damaged."""

import mmap
import re
from pathlib import Path

from avgzsl.errors import MediaError
from avgzsl.media.boxes import boxes

_BEGIN = 4096  # bytes that are looked at

_SIGNS = {
    b"PK\x03\x04": "a zip archive (or a document that is one); unpack it",
    b"PK\x05\x06": "an empty zip archive",
    b"\x1f\x8b\x08": "compressed (gzip); unpack it",
    b"BZh": "compressed (bzip2); unpack it",
    b"\xfd7zXZ\0": "compressed (xz); unpack it",
    b"\x28\xb5\x2f\xfd": "compressed (zstd); unpack it",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it",
    b"Rar!\x1a\x07": "a RAR archive; unpack it",
    b"%PDF-": "a PDF document",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an older Office document",
    b"{\\rtf": "an RTF document",
    b"MThd": "MIDI, notes without sound; render it to a WAV file",
    b"RIFF....RMID": "MIDI, notes without sound; render it to a WAV file",
    b"\xff\x0a": "a JPEG XL picture; convert it to PNG",
    b"\0\0\0\x0cJXL \r\n\x87\n": "a JPEG XL picture; convert it to PNG",
    b"8BPS\0": "a Photoshop picture; convert it to PNG",
    b"SIMPLE  =": "a FITS picture; convert it to PNG",
    b"\x76\x2f\x31\x01": "an OpenEXR picture; convert it to PNG",
    b"FUJIFILMCCD-RAW": "a camera's raw picture; develop it to JPEG",
    b"II\x2a\0\x10\0\0\0CR": "a camera's raw picture; develop it to JPEG",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"SQLite format 3\0": "a database (SQLite)",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"PAR1": "a Parquet file",
    b"\x93NUMPY": "an array of NumPy",
    b"#!AMR-WB+": "sound in AMR-WB+; convert it to WAV",
    b"wOF": "a font",
    b"\0\1\0\0\0": "a font",
    b"RIFF....WEBPVP8X....[\x02\x03\x06\x07\x12\x13\x16\x17\x1a\x1b\x1e\x1f\x22\x23\x26\x27\x2a\x2b\x2e\x2f\x32\x33\x36"
    b"\x37\x3a\x3b\x3e\x3f]": "an animated WebP; convert it to a GIF or a film",
}
"""How files begin (a dot is any byte), and what they are."""

_PICTURE = re.compile(rb"P[1-7][\s#]|GIF8")  # PBM to PAM are text, in part; a short piece of a GIF may look like it
_NON_TEXT = re.compile(rb"[^\t\n\f\r\x1b -\x7e\x80-\xff]")

_ENTRIES = (b"encv", b"enca", b"drms", b"drmi", b"aavd")
"""What an MP4 file calls samples that are encrypted: by its standard (ISO/IEC 23001-7), by Apple, by Audible."""

_WMA_KEYS = (bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"), bytes.fromhex("14e68a292226174cb935dae07ee9289c"))
_MATROSKA, _ENCRYPTION = b"\x1a\x45\xdf\xa3", b"\x50\x35"
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_MOST_HEADER = 1 << 26


def require_known(path: Path) -> None:
    """Raise MediaError, without the path, for a file that begins as one of a kind that is not read."""
    with path.open("rb") as stream:
        head = stream.read(_BEGIN)
    for beginning, kind in _SIGNS.items():
        pattern = beginning if b"...." in beginning else re.escape(beginning)
        if re.match(pattern, head, re.DOTALL) and not _is_a_program_in_name_only(head):
            raise MediaError(f"is of a kind that is not read: {kind}")
    if _is_text(head):
        raise MediaError("is of a kind that is not read: text (words, a playlist, a list of files, …)")
    _require_full_samples(head)


LOCKED = "is encrypted, which is not read; use a copy without protection"


def is_locked(path: Path) -> bool:
    """Whether the media in a file is encrypted: MP4, Matroska, ASF or MPEG-TS; False for other kinds."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[4:8] in (b"ftyp", b"moov", b"styp", b"mdat", b"wide", b"free"):
            start, end = next(((i, j) for name, i, j in boxes(content, 0, len(content)) if name == b"moov"), (0, 0))
            index = content[start : min(end, start + _MOST_HEADER)]
            return any(match[1] in _ENTRIES for match in re.finditer(rb"stsd.{12}(....)", index, re.DOTALL))
        if content[:4] == _MATROSKA:
            at = content.find(b"\x62\x40", 0, _MOST_HEADER)  # how the content is coded
            return at >= 0 and content.find(_ENCRYPTION, at, at + 64) >= 0
        if content[:16] == _ASF:
            header = content[: min(int.from_bytes(content[16:24], "little"), _MOST_HEADER)]
            return any(key in header for key in _WMA_KEYS)
        packets = [content[at : at + 4] for at in range(0, min(len(content) - 3, 188 * 500), 188)]
        stream_of_packets = len(packets) > 3 and all(packet[0] == 0x47 for packet in packets)
        return stream_of_packets and any(packet[3] & 0x80 for packet in packets)


def _is_a_program_in_name_only(begin: bytes) -> bool:
    return begin[:2] == b"MZ" and b"PE\0\0" not in begin


def _is_text(begin: bytes) -> bool:
    if _PICTURE.match(begin):
        return False
    if begin[:2] in (b"\xff\xfe", b"\xfe\xff") and begin[2:]:  # UTF-16
        half = begin[3::2] if begin[:1] == b"\xff" else begin[2::2]
        return half.count(0) > len(half) / 2
    if _NON_TEXT.search(begin):
        return False
    try:
        begin[:-4].decode()  # a letter may be cut at the end
    except UnicodeDecodeError:
        return False
    return True


def _require_full_samples(begin: bytes) -> None:
    """Raise MediaError for samples of fewer bits than their bytes have, as 24 bits in 32, which are misread."""
    at = begin.find(b"fmt ")
    if begin[:4] not in (b"RIFF", b"RF64", b"BW64", b"riff") or at < 0:
        return
    form = begin[at + (24 if begin[:4] == b"riff" else 8) :]  # W64 has longer names and sizes
    if len(form) < 26 or form[:2] != b"\xfe\xff" or form[24:26] != b"\1\0":
        return
    channels, block, valid = (int.from_bytes(form[i : i + 2], "little") for i in (2, 12, 18))
    if channels and valid and block // channels != -(-valid // 8):
        raise MediaError(
            f"is of a kind that is not read: samples of {valid} bits in {8 * block // channels}; write it again with "
            "samples that fill their bytes (16, 24 or 32 bits)"
        )
