"""What an index takes from the calibration of its run when it is made: the weight of video, and the energy term."""

from avgzsl.experiments.calibration import ModeRecord, read_recognition
from avgzsl.experiments.protocol import Mode
from avgzsl.experiments.run import Run


def mode_weight(run: Run, mode: Mode) -> float:
    """How much video counts in the fusion `weighted`; half where validation did not say."""
    weight = getattr(_record(run, mode), "weight", None)
    return 0.5 if weight is None else float(weight)


def mode_energy(run: Run, mode: Mode) -> tuple[float, float]:
    """The share and the temperature of the energy term; no share where validation did not say."""
    record = _record(run, mode)
    return float(getattr(record, "energy_share", None) or 0.0), float(
        getattr(record, "energy_temperature", None) or 1.0
    )


def _record(run: Run, mode: Mode) -> ModeRecord | None:
    """Raises RunError for a damaged record."""
    recognition = read_recognition(run.folder)
    return None if recognition is None else recognition.modes.get(str(mode))  # type: ignore[call-overload]
