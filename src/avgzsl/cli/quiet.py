"""Libraries below a command say nothing of their own: no bars, advice or warnings of theirs between its results.

What the user has set in the environment, or asked of Python with -W, holds. TensorFlow Lite writes past all of this:
`backbones/_engines/tflite.py` sees to that.
"""

import logging
import os
import warnings

_ENVIRONMENT = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_VERBOSITY": "error",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "LANCE_LOG": "error",
}


def quiet_libraries() -> None:
    """For this process and those that it starts; before libraries are imported, which read this then."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # that fonts are listed for the first time
    warnings.simplefilter("ignore", append=True)  # behind all other filters
