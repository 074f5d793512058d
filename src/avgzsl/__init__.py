"""avgzsl: audio-visual generalized zero-shot learning that anyone can run."""

__version__ = "0.1.0"
