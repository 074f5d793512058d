"""Suites of tests that plug-ins keep to, one a kind: those of the package run through them, and so can anybody's own.

A suite is a class for pytest. Its subclass names a plug-in and gives what its tests need:

    from avgzsl.testing import TextEncoderSuite

    class TestMine(TextEncoderSuite):
        name = "mine"
"""

import pkgutil

from avgzsl.support.registry import require

# so that a failure shows the values
require("pytest", "testing").register_assert_rewrite(*(f"{__name__}.{m.name}" for m in pkgutil.iter_modules(__path__)))

from avgzsl.testing.backbones import BackboneSuite  # noqa: E402
from avgzsl.testing.engines import EngineSuite  # noqa: E402
from avgzsl.testing.layouts import LayoutSuite  # noqa: E402
from avgzsl.testing.text_encoders import TextEncoderSuite  # noqa: E402

__all__ = ["BackboneSuite", "EngineSuite", "LayoutSuite", "TextEncoderSuite"]
