"""How a fit on a data set is run."""

from avgzsl.data.clips import Dataset
from avgzsl.learning.training import Job
from avgzsl.support.arguments import as_path


def job_of(dataset: Dataset, seed: int = 0, device: str = "auto") -> Job:
    """A job that knows what made the data, where the weights of that are looked for, and all names of the data."""
    models = None if dataset.choice is None else as_path(dataset.choice.models)
    return Job(seed=seed, device=device, encoders=dataset.encoders, models=models, all_text=dataset.classes.text)
