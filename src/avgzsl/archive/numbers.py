"""What an index takes from the calibration of its run when it is made: the weight of video, and the energy term."""

from avgzsl.experiments.calibration import read_recognition
from avgzsl.experiments.protocol import NOTHING, Mode, Numbers
from avgzsl.experiments.run import Run


def mode_weight(run: Run, mode: Mode) -> float:
    """How much video counts in the fusion `weighted`; half where validation did not say."""
    weight = _numbers(run, mode).weight
    return 0.5 if weight is None else weight


def mode_energy(run: Run, mode: Mode) -> tuple[float, float]:
    """The share and the temperature of the energy term; no share where validation did not say."""
    numbers = _numbers(run, mode)
    return numbers.energy_share, numbers.energy_temperature


def _numbers(run: Run, mode: Mode) -> Numbers:
    """Raises RunError for a damaged record."""
    recognition = read_recognition(run.folder)
    return NOTHING if recognition is None else recognition.numbers().get(mode, NOTHING)
