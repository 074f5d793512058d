"""Shapes in signatures are enforced in the whole test run."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

from jaxtyping import install_import_hook

install_import_hook("avgzsl", "beartype.beartype")
