"""The whole way on generated data: generate, train, evaluate."""

from pathlib import Path

from avgzsl.errors import DataError
from avgzsl.experiment import Evaluation, evaluate, save_results, train
from avgzsl.generators import generate
from avgzsl.reports.files import write_evaluation
from avgzsl.training import Progress


def demo(
    out: str | Path = "demo", *, scale: float = 0.05, seed: int = 0, progress: Progress | None = None
) -> tuple[Evaluation, list[Path]]:
    """Data, run and reports under `out`; gives the evaluation and the files. Raises DataError if `out` is in use."""
    out = Path(out)
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out}: is not empty; remove it or choose another folder with --out")
    generate("audioset-zsl", out / "data", scale=scale, seed=seed)
    run = train(out / "data", out=out / "run", seed=seed, progress=progress)
    evaluation = evaluate(run)
    save_results(run.folder, evaluation)
    reports = write_evaluation(evaluation, run.folder / "test-val")
    return evaluation, [out / "data", *sorted(path for path in run.folder.iterdir() if path.is_file()), *reports]
