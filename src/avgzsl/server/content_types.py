"""The kinds of files that browsers are sent."""

import mimetypes

_SHOWN = ("audio", "image", "video")


def media_type(name: str) -> str | None:
    """The type of a sound, picture or video, by its name; everything else is sent as bytes that no browser shows."""
    known = mimetypes.guess_type(name)[0] or ""
    return known if known.partition("/")[0] in _SHOWN and "svg" not in known else None
