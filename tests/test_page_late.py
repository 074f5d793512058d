"""Answers that come late in a real browser: what was left meanwhile is neither shown, told, paged nor played."""

# ruff: noqa: F811 (fixtures of another file)
import re
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.page_states import MAP, place_on_map
from tests.serve_world import SEEN, UNSEEN
from tests.test_page import FRAMES, browser, comes_true, page, told_by, url, wait_for_hits  # noqa: F401


@contextmanager
def held(page, path, **answer):
    """What asks for the path waits for its answer, from when it has asked until the block ends, and the page has it."""
    waiting, over = [], []
    page.route(path, lambda route: route.fallback() if over else waiting.append(route))

    def asked():
        comes_true(page, lambda: waiting, f"nobody asks for {path}")

    yield asked
    asked()
    over.append(True)
    for route in waiting:
        with page.expect_event("requestfinished", lambda done, route=route: done.url == route.request.url):
            route.fulfill(**answer) if answer else route.continue_()
    page.evaluate(FRAMES)


def test_a_link_that_is_pressed_before_the_archive_is_open_is_followed_then(page, url):
    with held(page, "**/v1/info") as asked:
        page.goto(url)
        asked()
        page.get_by_role("link", name="Model").click()
    expect(page).to_have_title("Model – avgzsl: index")
    expect(page.get_by_role("heading", name="Model")).to_be_attached()


def test_an_answer_of_an_older_search_changes_nothing(page, url):
    told = told_by(url, "search", q=SEEN[0])
    first = told | {"hits": told["hits"][:8], "more": True}
    page.route("**/v1/search?*offset=0*", lambda route: route.fulfill(json=first))
    page.goto(url)
    wait_for_hits(page)
    words = page.get_by_role("combobox")
    with held(page, "**/v1/search?q=old&*", json=told | {"hits": told["hits"][:2]}) as asked:
        words.fill("old")
        page.keyboard.press("Enter")
        asked()
        words.fill("new")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_have_text("8 clips found, nearest first")
    page.wait_for_timeout(100)  # in which it would be told
    expect(page.get_by_role("status")).to_have_text("8 clips found, nearest first")
    page.locator("#main .card").nth(7).focus()
    page.keyboard.press("j")  # what is behind the list is that of the newer one
    expect(page.locator("#main .card").nth(8)).to_be_focused()


def test_a_refusal_of_a_search_that_was_left_says_nothing(page, url):
    with held(page, "**/v1/search?*") as asked:
        page.goto(f"{url}?view=search&q=x&where=nonsense")
        asked()
        page.get_by_role("link", name="Model").click()
        page.wait_for_selector(".figures-table")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_further_clips_of_a_list_that_was_left_move_nothing(page, url):
    page.route("**/v1/clips?*", lambda route: route.continue_(url=route.request.url.replace("limit=24", "limit=8")))
    page.goto(url)
    wait_for_hits(page)
    with held(page, "**/v1/clips?*after=*limit=96*") as asked:
        page.locator("#main .card").nth(7).focus()
        page.keyboard.press("j")
        asked()
        page.get_by_role("link", name="Model").click()
        page.wait_for_selector(".figures-table")
    expect(page.locator("#main")).to_be_focused()


def test_a_clip_that_was_closed_does_not_come_back(page, url):
    id = told_by(url, "clips")["clips"][0]["id"]
    page.goto(f"{url}?view=search&clip={id}")
    dialog = page.locator("dialog.full")
    dialog.locator(".play").click()
    expect(dialog.locator("video, audio")).to_have_count(1)
    with held(page, "**/v1/clips/one?*") as asked:
        page.get_by_role("button", name="Next clip").click()
        asked()
        page.get_by_role("button", name="Close").click()
        expect(dialog).to_be_hidden()
    expect(dialog.locator("video, audio")).to_have_count(0)  # it would play where nobody sees it


def test_a_clip_that_was_closed_while_further_ones_were_asked_for_stays_closed(page, url):
    page.route("**/v1/clips?*", lambda route: route.continue_(url=route.request.url.replace("limit=24", "limit=8")))
    page.goto(url)
    wait_for_hits(page)
    page.locator("#main .opener").nth(7).click()
    dialog = page.locator("dialog.full")
    expect(dialog.get_by_role("status")).to_have_text("8 of 8")
    with held(page, "**/v1/clips?*after=*limit=96*") as asked:
        page.get_by_role("button", name="Next clip").click()
        asked()
        page.get_by_role("button", name="Close").click()
        expect(dialog).to_be_hidden()
    expect(page.locator("#main .card")).to_have_count(19)
    page.evaluate(FRAMES)
    expect(dialog).to_be_hidden()


def test_a_class_on_the_map_that_was_let_go_is_not_listed(page, url):
    page.goto(f"{url}?view=map")
    page.wait_for_selector(MAP)
    button = page.get_by_role("button", name=re.compile(f"^{UNSEEN[0]} "))
    with held(page, "**/v1/clips/some?*") as asked:
        button.click()
        asked()
        button.click()
        expect(button).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".map-clips .card")).to_have_count(0)


@pytest.mark.parametrize("stays", [True, False])
def test_a_clip_on_the_map_begins_to_play_once_or_not_at_all(page, url, stays):
    page.goto(f"{url}?view=map")
    page.wait_for_selector(MAP)
    found = told_by(url, "map")["clips"]
    begun = []
    page.on("request", lambda one: begun.append(one.url) if "/clips/file?" in one.url else None)
    page.evaluate("""() => {
        window.made = 0;
        const make = document.createElement.bind(document);
        document.createElement = (tag) => (window.made += tag === "video" || tag === "audio", make(tag));
    }""")
    with held(page, "**/v1/clips/some?*") as asked:
        page.mouse.click(*place_on_map(page, found["x"][0], found["y"][0]))
        asked()
        if not stays:
            page.get_by_role("link", name="Model").click()
            page.wait_for_selector(".figures-table")
    if stays:
        expect(page.locator(".map-side").locator("video, audio")).to_have_count(1)
        page.wait_for_timeout(200)  # longer than pointing at it waits
    assert page.evaluate("window.made") == stays
