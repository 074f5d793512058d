"""`avgzsl open`: a folder of clips in the browser."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from avgzsl.cli.options import with_options
from avgzsl.types import EncoderChoice


@with_options(
    audio="Encoder of the sound; by default the best that is on this machine.",
    video="Encoder of the picture, likewise.",
    text="What words go through, once a part; chosen to fit if not given.",
    models="Folder where the weights of encoders are looked for, besides that of `avgzsl fetch`.",
)
def open(
    folder: Annotated[
        Path, typer.Argument(help="Folder of clips, of films, of sounds, of pictures; it stays as it is.")
    ],
    *,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the index, outside of FOLDER; in your cache if not given.")
    ] = None,
    encoders: EncoderChoice,
    watch: Annotated[
        bool, typer.Option("--watch", help="While the page is open, take in what comes and goes.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="What the page calls the archive; kept in the index.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only say the address.")] = False,
    port: Annotated[int | None, typer.Option(help="Port of the page; a free one if not given.")] = None,
) -> None:
    """Search a folder of clips by any words, in the browser: no training, no list, no label.

    Opened again, it adds what is new and drops what went.
    """
    from avgzsl.cli import show
    from avgzsl.server.opening import open_folder

    def ready(url: str) -> None:
        progress.close()
        print(f"{show.printable(str(folder))} is open at {url}", flush=True)

    def ending() -> None:
        print("closed; the same command goes on from here", file=sys.stderr, flush=True)

    with show.progress() as progress:
        ended = open_folder(
            folder,
            out=out,
            encoders=encoders,
            port=port,
            browser=not no_browser,
            watch=watch,
            name=name,
            progress=progress,
            ready=ready,
            ending=ending,
            note=show.note,
        )
    raise typer.Exit(128 + ended if ended else 0)
