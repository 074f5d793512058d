"""`avgzsl serve`: the API and the page over an index."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from avgzsl.cli.options import Index, MethodOfRun, Url, with_options
from avgzsl.types import EncoderChoice


@with_options()
def serve(
    index: Index,
    *,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on, 127.0.0.1 if not given; others need AVGZSL_SERVE_TOKEN.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 8000 if not given; 0 takes a free one.")] = None,
    name: Annotated[str | None, typer.Option(help="What the page calls the archive, while it is served so.")] = None,
    url: Url = None,
    encoders: EncoderChoice,
    method: MethodOfRun = None,
    media: Annotated[
        list[Path] | None,
        typer.Option(help="Folder whose files may be shown, of an index made elsewhere; may be repeated."),
    ] = None,
) -> None:
    """Search an index in the browser. Limits come from the environment (docs/serving.md).

    Options come before variables of the environment.
    """
    from avgzsl.archive.collection import open_index
    from avgzsl.cli.show import printable
    from avgzsl.server.serving import serve as run

    def ready(url: str) -> None:
        print(f"{index} is served at {url}  (Ctrl+C ends it)", flush=True)

    def ending() -> None:
        print(f"interrupted; {index} is served no longer", file=sys.stderr, flush=True)

    def warn(message: str) -> None:
        print(printable(message), flush=True)

    ended = run(
        index if method is None else open_index(index, url, method),
        host=host,
        port=port,
        media=media or (),
        name=name,
        url=url if method is None else None,
        encoders=encoders,
        ready=ready,
        ending=ending,
        warn=warn,
    )
    raise typer.Exit(128 + ended)
