"""A run to share: as one folder (`packed_run`), and on a hub of models (`hub`)."""

from avgzsl.packing.packed_run import pack

__all__ = ["pack"]
