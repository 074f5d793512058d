"""The call behind `avgzsl serve`; the libraries of a server are loaded when it is called, not before."""

from collections.abc import Callable, Sequence
from pathlib import Path

from avgzsl.archive.collection import Collection
from avgzsl.archive.search import Searcher
from avgzsl.support.arguments import check_arguments, check_list
from avgzsl.support.registry import require
from avgzsl.types import EncoderChoice

_LIBRARIES = ("fastapi", "uvicorn", "httptools", "pydantic_settings", "prometheus_client")


def require_libraries() -> None:
    """Raises ConfigError without the extra `serve`."""
    for library in _LIBRARIES:
        require(library, "serve")


def serve(
    index: str | Path | Collection | Searcher,
    *,
    host: str | None = None,
    port: int | None = None,
    media: Sequence[str | Path] = (),
    name: str | None = None,
    url: str | None = None,
    encoders: EncoderChoice | None = None,
    ready: Callable[[str], None] = print,
    ending: Callable[[], None] = lambda: None,
    warn: Callable[[str], None] | None = None,
) -> int:
    """Search an index in the browser, until SIGINT or SIGTERM; gives the signal.

    `host`, `port`, the folders of `media` that may be shown and the `name` that the page calls the archive, while
    it is served so, come before those of the environment, which has every limit, too (docs/serving.md). There are
    more parameters than eight, each given by its name: the others are those of `process.serve`, and so are its
    errors. Raises ConfigError without the extra `serve`.
    """
    check_arguments(encoders=encoders)
    check_list("media", media)
    require_libraries()
    from avgzsl.server import process
    from avgzsl.server.problems import LOG
    from avgzsl.server.settings import read_settings

    settings = read_settings(host=host, port=port, media=tuple(media) or None, archive_name=name)
    return process.serve(
        index, settings, url=url, encoders=encoders, ready=ready, ending=ending, warn=warn or LOG.warning
    )
