"""`avgzsl serve`: the API and the page over an index."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def serve(
    index: Annotated[Path, typer.Argument(help="Folder of the index.")],
    host: Annotated[
        str | None, typer.Option(help="Address to listen on, 127.0.0.1 if not given; others need AVGZSL_SERVE_TOKEN.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 8000 if not given; 0 takes a free one.")] = None,
    url: Annotated[
        str | None,
        typer.Option(help="Where the engine is, if not on disk; else AVGZSL_ENGINE_URL. The index is not asked."),
    ] = None,
    models: Annotated[Path | None, typer.Option(help="Folder where weights are looked for.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    audio: Annotated[str | None, typer.Option(help="Backbone of the sound, for a run that does not know it.")] = None,
    video: Annotated[str | None, typer.Option(help="Backbone of the picture, likewise.")] = None,
    text: Annotated[str | None, typer.Option(help="Encoder of phrases, likewise.")] = None,
    media: Annotated[
        list[Path] | None,
        typer.Option(help="Folder whose files may be shown, of an index made elsewhere; may be repeated."),
    ] = None,
) -> None:
    """Search an index in the browser. Limits come from the environment (docs/serving.md)."""
    from avgzsl.cli.show import printable
    from avgzsl.support.registry import require

    for library in ("fastapi", "uvicorn", "pydantic_settings", "prometheus_client"):
        require(library, "serve")
    from avgzsl.server.process import serve as run
    from avgzsl.server.settings import read_settings

    def told(url: str) -> None:
        print(f"{index} is served at {url}  (Ctrl+C ends it)", flush=True)

    def ending() -> None:
        print(f"interrupted; {index} is served no longer", file=sys.stderr, flush=True)

    def noted(what: str) -> None:
        print(printable(what), flush=True)

    settings = read_settings(host=host, port=port, media=media or None)
    encoders = {"url": url, "models": models, "device": device, "audio": audio, "video": video, "text": text}
    ended = run(index, settings, told, ending, noted, **encoders)
    raise typer.Exit(128 + ended)
