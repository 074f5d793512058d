"""What a plug-in has to keep to, as tests that anyone can run on a plug-in of his own: one suite a kind.

Needs pytest, and nothing else that the package does not need. In a file of tests:

    from avgzsl.testing import MethodSuite, TextEncoderSuite
    from mine import Mine

    class TestMine(MethodSuite):
        method = Mine

    class TestMyWords(TextEncoderSuite):
        name = "my-words"  # as the entry point is called
"""

import pkgutil

import pytest

# before they are imported: a failure then shows its values
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))

from avgzsl.testing.backbones import BackboneSuite  # noqa: E402
from avgzsl.testing.engines import EngineSuite  # noqa: E402
from avgzsl.testing.layouts import LayoutSuite  # noqa: E402
from avgzsl.testing.methods import MethodSuite  # noqa: E402
from avgzsl.testing.text_encoders import TextEncoderSuite  # noqa: E402

__all__ = ["BackboneSuite", "EngineSuite", "LayoutSuite", "MethodSuite", "TextEncoderSuite"]
