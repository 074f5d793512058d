"""Three folders of this machine."""

import pytest

from avgzsl.testing import EngineSuite


class Suite(EngineSuite):
    @pytest.fixture
    def url(self, tmp_path):
        one, two, three = (tmp_path / name for name in ("one", "two", "three"))
        return f"memory={one},{two},memory-bf16={three}"
