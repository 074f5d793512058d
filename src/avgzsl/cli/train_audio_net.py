"""`avgzsl train-audio-net`: the audio network of the paper, trained on the seen training clips of a manifest."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def train_audio_net(
    clips: Annotated[Path, typer.Argument(help="Folder of clips.")],
    manifest: Annotated[Path, typer.Option(help="csv with the columns path, label, split, seen[, start, end].")],
    out: Annotated[Path, typer.Option(help="Folder for kumar.safetensors and its record.")],
    loss: Annotated[
        Literal["bce", "softmax"], typer.Option(help="Each class for itself, or one class of all.")
    ] = "bce",
    epochs: Annotated[int, typer.Option(help="Times that every clip is heard.", min=1)] = 20,
    batch_size: Annotated[int, typer.Option(help="Clips in a step, at most.", min=1)] = 72,
    lr: Annotated[float, typer.Option(help="Learning rate of Adam.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="Of weights and order.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
    workers: Annotated[int | None, typer.Option(help="Files decoded at once; default: one a core.", min=1)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished training.")] = False,
    checkpoint_seconds: Annotated[float, typer.Option(help="Least time between checkpoints.", min=0)] = 10.0,
) -> None:
    """Train the backbone `kumar`; then use it as --audio kumar:OUT/kumar.safetensors."""
    from pydantic import ValidationError

    from avgzsl.cli import show
    from avgzsl.errors import ConfigError
    from avgzsl.learning.audio_net import RECORD, WEIGHTS, AudioNetSettings
    from avgzsl.learning.audio_net import train_audio_net as run

    try:
        settings = AudioNetSettings(loss=loss, epochs=epochs, batch_size=batch_size, lr=lr)
    except ValidationError as problem:
        wrong = "; ".join(f"{one['loc'][0]}={one['input']!r}: {one['msg']}" for one in problem.errors())
        raise ConfigError(wrong) from problem
    with show.counting_progress("decode") as told, show.training_progress() as progress:
        record = run(
            clips,
            manifest,
            out,
            settings,
            seed=seed,
            device=device,
            workers=workers,
            resume=resume,
            checkpoint_seconds=checkpoint_seconds,
            told=told,
            progress=progress,
        )
    for name, reason in record["failures"].items():
        print(f"left out: {name}: {reason}")
    print(f"{record['clips']} clips of {len(record['classes'])} seen classes, loss {record['history'][-1]['loss']:.4f}")
    show.files([out / WEIGHTS, out / RECORD])
