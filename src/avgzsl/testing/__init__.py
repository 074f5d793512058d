"""What a plug-in has to keep to, as tests that anyone can run on a plug-in of his own.

Needs pytest, and nothing else that the package does not need. In a file of tests:

    from avgzsl.testing import MethodSuite
    from mine import Mine

    class TestMine(MethodSuite):
        method = Mine
"""

import pytest

pytest.register_assert_rewrite("avgzsl.testing.methods")  # before they are imported: a failure then shows its values

from avgzsl.testing.methods import MethodSuite  # noqa: E402

__all__ = ["MethodSuite"]
