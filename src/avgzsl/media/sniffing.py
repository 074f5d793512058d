"""Is a file a sound, a picture or a film by its own bytes? To be called in `workers`."""

from pathlib import Path

from avgzsl.errors import MediaError
from avgzsl.media.container import media_errors, opened

_KINDS = ("audio", "video")


def require_media(path: Path) -> None:
    """Raises MediaError for a file that the decoder does not read, or finds neither sound nor picture in."""
    with media_errors(path), opened(path) as container:
        if not any(stream.type in _KINDS for stream in container.streams):
            raise MediaError("holds neither sound nor picture")
