"""Small data sets in memory, those that the suites of `avgzsl.testing` use, too."""

from avgzsl.testing.worlds import same_clips, world

__all__ = ["same_clips", "world"]
