"""`avgzsl train-audio-net`: the audio network of the paper, trained on the seen training clips of a manifest."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from avgzsl.cli.options import CheckpointSeconds, Device, Resume, Seed, Workers, with_options


@with_options(seed="Of weights and order.", resume="Go on with an unfinished training.")
def train_audio_net(
    clips: Annotated[Path, typer.Argument(help="Folder of clips.")],
    *,
    manifest: Annotated[Path, typer.Option(help="csv with the columns path, label, split, seen[, start, end].")],
    out: Annotated[Path, typer.Option(help="Folder for kumar.safetensors and its record.")],
    loss: Annotated[
        Literal["bce", "softmax"], typer.Option(help="Each class for itself, or one class of all.")
    ] = "bce",
    epochs: Annotated[int, typer.Option(help="Times that every clip is heard.", min=1)] = 20,
    batch_size: Annotated[int, typer.Option(help="Clips in a step, at most.", min=1)] = 72,
    lr: Annotated[float, typer.Option(help="Learning rate of Adam.")] = 1e-3,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Workers = None,
    resume: Resume = False,
    checkpoint_seconds: CheckpointSeconds = 10.0,
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
        faults = "; ".join(f"{fault['loc'][0]}={fault['input']!r}: {fault['msg']}" for fault in problem.errors())
        raise ConfigError(faults) from problem
    with show.progress() as progress:
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
            progress=progress,
        )
    for name, reason in record["failures"].items():
        print(f"left out: {name}: {reason}")
    print(f"{record['clips']} clips of {len(record['classes'])} seen classes, loss {record['history'][-1]['loss']:.4f}")
    show.files([out / WEIGHTS, out / RECORD])
