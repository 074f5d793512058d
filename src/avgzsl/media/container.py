"""Opening a media file: a local, regular file of a known kind, with nothing followed that it names."""

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from errno import EINVAL
from pathlib import Path
from typing import Any, NoReturn

from avgzsl.errors import MediaError
from avgzsl.media.channels import unlist
from avgzsl.media.kinds import LOCKED, is_locked, require_known

MOST_PIXELS = 1 << 26
"""Larger pictures are refused: a small file can hold one that fills the memory."""

MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
"""FFmpeg's name of MP4, QuickTime and their kin."""

STILLS = ("bmp_pipe", "jpeg_pipe", "jpegxl_pipe", "png_pipe", "ppm_pipe", "tiff_pipe", "webp_pipe")

# What recordings and archives come in. None of these opens another file or address: playlists (hls, dash, concat, sdp)
# and patterns of file names (image2) are not among them.
FORMATS = (
    *("mov", "matroska", "avi", "asf", "flv", "mpeg", "mpegts", "mxf", "nut", "ogg", "rm", "dv", "ivf", "gif", "apng"),
    *("wav", "w64", "flac", "mp3", "aac", "ac3", "eac3", "aiff", "amr", "ape", "au", "caf", "dts", "tta", "wv"),
    *("h264", "hevc", "m4v", "mjpeg", "mpegvideo", "obu"),
    *STILLS,
)

_OPTIONS = {
    "format_whitelist": ",".join(FORMATS),
    "protocol_whitelist": "file",
    "max_pixels": str(MOST_PIXELS),
    "threads": "1",
}


@contextmanager
def media_errors(path: Path) -> Iterator[None]:
    """Inside, every error of the decoder or the system becomes a MediaError that begins with `path`."""
    import av

    try:
        yield
    except MediaError as problem:
        if any(word in str(problem) for word in ("damaged", "unknown", "neither", "nothing")) and is_locked(path):
            raise MediaError(f"{path}: {LOCKED}") from problem
        raise MediaError(f"{path}: {problem}") from problem
    except MemoryError as problem:
        raise MediaError(f"{path}: decoding it takes more memory than there is, or than is allowed") from problem
    except (av.error.FFmpegError, OSError) as problem:
        raise MediaError(f"{path}: cannot be decoded ({problem.strerror or problem})") from problem
    except (ArithmeticError, ValueError, TypeError, LookupError) as problem:  # of PyAV, on damaged headers
        raise MediaError(f"{path}: cannot be decoded ({problem}); it is damaged") from problem


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """An av container that reads `path`, decoding in one thread.

    The decoder sees the content alone, never the name. Raises MediaError, without the path, when it is no regular file,
    empty, or of a kind that is not read; errors of av, with the decoder's last message, are left to `media_errors`.
    """
    import av

    check_file(path)
    require_known(path)
    with ExitStack() as stack, decoder_messages():
        stream = stack.enter_context(os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), "rb"))
        container = av.open(stream, options=_OPTIONS, metadata_errors="replace", io_open=_refuse)
        yield stack.enter_context(container)


def prepare(stream: Any) -> None:
    """Let `stream` decode in one thread, within the limit on pictures."""
    if stream.type == "audio":
        unlist(stream)
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
    stream.codec_context.thread_count = 1


def check_file(path: Path) -> os.stat_result:
    """The `os.stat` of a file. Raises MediaError, without the path, when it is no regular file, or empty."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise MediaError("there is no such file") from None
    except ValueError as problem:  # a name with a NUL
        raise MediaError(f"is no name of a file ({problem})") from problem
    if stat.S_ISDIR(status.st_mode):
        raise MediaError("is a folder; a media file was expected")
    if not stat.S_ISREG(status.st_mode):
        raise MediaError("is no regular file (a device, pipe or socket)")
    if status.st_size == 0:
        raise MediaError("is empty (0 bytes)")
    return status


@contextmanager
def decoder_messages() -> Iterator[None]:
    """Inside, an error of av carries the decoder's last message; none of its messages reaches the terminal."""
    import av

    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as messages:
            try:
                yield
            except av.error.FFmpegError as problem:
                raise MediaError(_reason(problem, messages)) from problem
    finally:
        av.logging.set_level(level)


def _reason(problem: Any, messages: list[tuple[int, str, str]]) -> str:
    """What went wrong, from an error of av and the decoder's messages (level, part of FFmpeg, text)."""
    texts = [f"{name}: {text.strip().splitlines()[0]}" for _, name, text in messages if text.strip()]
    if kind := next((name for _, name, text in messages if "whitelist" in text), None):
        return f"is of a kind that is not read ({kind}); convert it, or give a video, sound or picture of a usual kind"
    if any("image size" in text or "Picture size" in text for text in texts) or (problem.errno == EINVAL and not texts):
        return f"cannot be decoded; its picture has no size, or more than {MOST_PIXELS >> 20} megapixels"
    because = f"; {texts[-1]}" if texts else ""
    if isinstance(problem, MemoryError):
        return f"decoding it takes more memory than there is, or than is allowed{because}"
    why = "it is damaged, cut short, no media file, or of a kind that is not read"
    return f"cannot be decoded ({problem.strerror}{because}): {why}"


def _refuse(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise MediaError(f"names another file or address ({url!r}), which is never followed")
