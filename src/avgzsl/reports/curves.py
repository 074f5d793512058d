"""Training curves for TensorBoard, beside the history that every run has."""

from pathlib import Path
from typing import Any

from avgzsl.errors import ConfigError
from avgzsl.learning.training import Progress


def with_tensorboard(folder: Path, progress: Progress | None = None) -> Progress:
    """Write every number of the history to `folder`, too. Raises ConfigError when TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as problem:
        raise ConfigError("TensorBoard is not installed; pip install 'avgzsl[tensorboard]'") from problem
    writer: SummaryWriter | None = None

    def note(stage: str, done: int, total: int, record: dict[str, Any], left: float) -> None:
        nonlocal writer
        if writer is None:  # not before training has begun: a run's folder must be empty until then
            writer = SummaryWriter(str(folder))
        for key, value in record.items():
            if isinstance(value, float):
                writer.add_scalar(f"{stage}/{key}", value, done)
        writer.flush()
        if progress is not None:
            progress(stage, done, total, record, left)

    return note
