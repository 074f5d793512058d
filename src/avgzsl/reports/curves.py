"""Training curves for TensorBoard, beside the history that every run has."""

from pathlib import Path

from avgzsl.errors import ConfigError
from avgzsl.support.progress import Progress, Step


def with_tensorboard(folder: Path, progress: Progress | None = None) -> Progress:
    """A progress that writes the figures of every step to `folder`, then passes the step on to `progress`.

    Raises ConfigError when TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as problem:
        raise ConfigError("TensorBoard is not installed; pip install 'avgzsl[tensorboard]'") from problem
    writer: SummaryWriter | None = None

    def write_and_pass_on(step: Step) -> None:
        nonlocal writer
        if writer is None:  # not before training has begun: a run's folder must be empty until then
            writer = SummaryWriter(str(folder))
        for name, value in step.figures.items():
            writer.add_scalar(f"{step.task}/{name}", value, step.done)
        writer.flush()
        if progress is not None:
            progress(step)

    return write_and_pass_on
