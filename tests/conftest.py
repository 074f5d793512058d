"""Shapes in signatures are enforced in the whole test run."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small arrays, several test processes: threads only get in the way

from jaxtyping import install_import_hook

install_import_hook("avgzsl", "beartype.beartype")
