"""Every state of the page in a real browser, at the width of a phone and more: for everybody, and nothing too wide."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.test_page import browser, until, url  # noqa: F401


def edges(table):
    """How much the left and the right edge of a table differ from the ground beside its text, in grey levels."""
    seen = np.asarray(Image.open(io.BytesIO(table.screenshot())).convert("L"), float)
    ground = np.median(seen)
    return [float(np.median(abs(seen[:, column] - ground))) for column in (1, -2)]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_table_shows_that_there_is_more_beside_it(browser, url, theme):  # noqa: F811
    page = browser.new_page(viewport={"width": 340, "height": 740}, color_scheme=theme)
    page.goto(f"{url}?view=model")
    table = page.locator(".scroll").first
    table.scroll_into_view_if_needed()
    left, right = edges(table)
    assert left < 4 < 12 < right
    table.focus()  # a key alone reaches what is hidden
    page.keyboard.press("ArrowRight")
    until(page, "document.querySelector('.scroll').scrollLeft > 0")
    page.evaluate("document.querySelector('.scroll').scrollLeft = 9999")
    left, right = edges(table)
    assert right < 4 < 12 < left
    page.close()
