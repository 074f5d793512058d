"""Every state of the page in a real browser, at the width of a phone and more: for everybody, and nothing too wide."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.page_states import STATES
from tests.test_page import STILL, box_of, browser, until, url, window  # noqa: F401

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE, DESK = (320, 740), (1600, 1000)
TOO_WIDE = "document.documentElement.scrollWidth - innerWidth"
TOO_SMALL = """() => [...document.querySelectorAll("button, .choose, summary, .opener, a.button, [role=slider]")]
    .map((one) => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
    .filter(([, box]) => box.width > 1 && (box.width < 24 || box.height < 24)).map(([what]) => what)"""
# numbers of which a part stands on another line
BROKEN = """() => {
    const found = [];
    const places = ".chip, .badge, .at, .parts, .distance, td, dd, .brand, .pager, .choice";
    for (const place of document.querySelectorAll(places)) {
        const texts = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
            for (const number of texts.currentNode.data.matchAll(/\\d[\\d.,:]*/g)) {
                const range = document.createRange();
                range.setStart(texts.currentNode, number.index);
                range.setEnd(texts.currentNode, number.index + number[0].length);
                if (new Set([...range.getClientRects()].map((box) => box.top)).size > 1) found.push(place.textContent);
            }
        }
    }
    return found;
}"""


def require_usable(page, axe, themes):
    """Nothing that axe-core finds wrong in the first theme, nor a colour in the second."""
    for theme, rules in zip(themes, ({"type": "tag", "values": RULES}, ["color-contrast"]), strict=True):
        page.emulate_media(color_scheme=theme)
        page.evaluate(STILL)
        found = axe.Axe().run(page, options={"runOnly": rules}).response["violations"]
        told = [(one["id"], [(node["target"], node["failureSummary"]) for node in one["nodes"][:3]]) for one in found]
        assert not told, theme


@pytest.mark.parametrize("state", STATES)
def test_everybody_can_use_every_state(browser, url, state):  # noqa: F811
    """axe-core's rules in both themes; nothing too wide, too small for a finger, or torn, from 320 pixels on."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    for size, themes in ((PHONE, ("dark", "light")), (DESK, ("light", "dark"))):
        with window(browser, *size, color_scheme=themes[0]) as page:
            STATES[state](page, url)
            require_usable(page, axe, themes)
            assert page.evaluate(TOO_WIDE) <= 0 and not page.evaluate(TOO_SMALL) and not page.evaluate(BROKEN)


AT_THE_END = """(({ scrollLeft, clientWidth, scrollWidth }) => scrollLeft + clientWidth >= scrollWidth - 1)(
    document.querySelector(".scroll"))"""


def edges(table):
    """How much the left and the right edge of a table differ from the ground beside its text, in grey levels."""
    seen = np.asarray(Image.open(io.BytesIO(table.screenshot())).convert("L"), float)
    ground = np.median(seen)
    return [float(np.median(abs(seen[:, column] - ground))) for column in (1, -2)]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_table_shows_that_there_is_more_beside_it(browser, url, theme):  # noqa: F811
    with window(browser, 340, 740, color_scheme=theme) as page:
        page.goto(f"{url}?view=model")
        table = page.locator(".scroll").first
        table.scroll_into_view_if_needed()
        left, right = edges(table)
        assert left < 4 < 12 < right
        table.focus()  # a key alone reaches what is hidden
        page.keyboard.press("ArrowRight")
        until(page, "document.querySelector('.scroll').scrollLeft > 0")
        box_of(table.locator("table"))  # it has come to the end of its scrolling
        page.evaluate("document.querySelector('.scroll').scrollLeft = 9999")
        until(page, AT_THE_END)
        left, right = edges(table)
        assert right < 4 < 12 < left
