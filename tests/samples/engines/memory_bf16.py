"""It rounds to 8 bits: of products up to 6 of vectors as long as 5, two hundredths a step."""

from avgzsl.testing import EngineSuite


class Suite(EngineSuite):
    above = 0.12
