"""How a fit on a data set is run, and how it is looked at on validation clips."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from avgzsl.data.clips import ClassTable, ClipSet, Dataset
from avgzsl.experiments.numbers import validate
from avgzsl.learning.training import Job, Schedule
from avgzsl.methods import Method
from avgzsl.support.arguments import as_path
from avgzsl.support.device import pick_device


def job_of(dataset: Dataset, seed: int = 0, device: str = "auto") -> Job:
    """A job that knows what made the data, where the weights of that are looked for, and all names of the data."""
    models = None if dataset.choice is None else as_path(dataset.choice.models)
    return Job(seed=seed, device=device, encoders=dataset.encoders, models=models, all_text=dataset.classes.text)


def has_plateau(method: Method) -> bool:
    """Whether the method lowers its rate where validation HM no longer rises, as many published codes do each epoch."""
    return isinstance(method, Schedule) and method.plateau > 0


def looks_every(method: Method) -> int:
    """Epochs between looks at validation: one where the rate goes by them."""
    return 1 if has_plateau(method) else 10


def with_looks(job: Job, method: Method, val: ClipSet | None, classes: ClassTable) -> Job:
    """The job with a look after each epoch where the rate of the method goes by it, else as it is.

    Its history begins anew, for the rate goes by that, and one job may serve several fits.
    """
    if not has_plateau(method):
        return job
    return replace(job, monitor=validation_monitor(method, val, classes, job.device), monitor_every=1, history=[])


def validation_monitor(
    method: Method, val: ClipSet | None, classes: ClassTable, device: str = "cpu"
) -> Callable[[], Mapping[str, float]] | None:
    """Gives validation S, U and HM, by `validate`, of the method as it is; None without clips of unseen classes.

    Where the method can embed clips that lie on the device, they are brought there once, and scored there.
    """
    if val is None or not classes.both_groups(val.labels):
        return None
    at = pick_device(device)
    clips = val.to(at) if method.follows_clips and not val.sequences else val

    def look() -> Mapping[str, float]:
        figures = validate(method, clips, classes)
        return {"val_S": figures.S, "val_U": figures.U, "val_HM": figures.HM}

    return look
