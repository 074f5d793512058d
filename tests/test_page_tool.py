"""The search page as a tool for work: further hits, filters, selection, keys, a clip over the whole window."""

# ruff: noqa: F811 (fixtures that come from another file)
import csv
import io
import re
import zipfile
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from avgzsl.archive.indexing import index
from avgzsl.archive.where import parse
from tests.serve_world import SEEN, application, render, world
from tests.test_page import (  # noqa: F401
    box_of,
    browser,
    listening,
    page,
    told_by,
    until,
    url,
    wait_for_hits,
    width_of,
    window,
)

NARROW = {"width": 360, "height": 740}


def wait_for_address(page, **holds):
    """Until the address bar holds values under their names; None is for nothing."""

    def does(url):
        query = parse_qs(urlsplit(url).query)
        return all(query.get(name, [None]) == [value] for name, value in holds.items())

    page.wait_for_url(does)


def few_at_once(page, path, many, name):
    """The page gets so few clips at once that there are more behind them."""

    def answer(route):
        route.continue_(url=re.sub(rf"\b{name}=\d+", f"{name}={many}", route.request.url))

    page.route(path, answer)


def ids(page):
    return page.locator("#main .card .choose input").evaluate_all("all => all.map((one) => one.dataset.clip)")


def card(page, place):
    return page.locator("#main .card").nth(place)


def test_hits_go_on_behind_the_first_ones_in_the_same_order(page, url):
    few_at_once(page, "**/v1/search?**", 8, "k")
    page.goto(f"{url}?view=search&q={SEEN[0]}")
    expect(wait_for_hits(page)).to_have_count(8)
    expect(page.locator(".pager")).to_contain_text("8 clips shown")
    button = page.get_by_role("button", name="Show more")
    button.click()
    expect(page.locator(".results .card")).to_have_count(16)
    expect(card(page, 8)).to_be_focused()
    button.click()
    expect(page.locator(".results .card")).to_have_count(19)
    expect(button).to_be_hidden()
    told = told_by(url, "search", q=SEEN[0], group="file")["hits"]
    assert ids(page) == [hit["clip"]["id"] for hit in told]
    expect(card(page, 18)).to_have_attribute("aria-label", re.compile(r"^19\. "))
    furthest = max(hit["distance"] for hit in told)  # bars of all pages have one measure
    first = page.locator(".bar").first
    whole = sum(width_of(part) for part in first.locator("span").all())
    assert whole == pytest.approx(width_of(first) * told[0]["distance"] / furthest, abs=2)


def test_the_line_moves_down_when_likely_clips_follow(page, url):
    lines = iter([8, 10, 10])

    def answer(route):
        found = route.fetch(url=re.sub(r"\bk=\d+", "k=8", route.request.url)).json()
        found["line"] = next(lines)
        route.fulfill(json=found)

    page.route("**/v1/search?**", answer)
    page.goto(f"{url}?view=search&q={SEEN[0]}")
    wait_for_hits(page)
    expect(page.locator(".below")).to_have_count(0)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".results .card")).to_have_count(16)
    expect(page.locator(".grid > li:has(~ .below)")).to_have_count(10)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".results .card")).to_have_count(19)
    expect(page.locator(".below")).to_have_count(1)


def test_only_the_likely_ones_if_it_is_asked_for(page, url):
    def answer(route):
        found = route.fetch().json()
        found["line"] = 5
        for i, hit in enumerate(found["hits"]):
            hit["likely"] = i < 5
        route.fulfill(json=found)

    page.route("**/v1/search?**", answer)
    page.goto(f"{url}?view=search&q={SEEN[0]}")
    wait_for_hits(page)
    page.get_by_role("button", name="Likely only").click()
    expect(page.locator(".results .card:not(.skeleton)")).to_have_count(5)
    expect(page.get_by_role("button", name="Likely only")).to_be_focused()
    expect(page.get_by_role("button", name="Likely only")).to_have_attribute("aria-pressed", "true")
    wait_for_address(page, likely="yes")
    page.get_by_role("button", name="Likely only").click()
    expect(page.locator(".results .card:not(.skeleton)")).to_have_count(19)
    expect(page.locator("#filters")).to_be_focused()


@pytest.mark.parametrize(("likely", "pages"), [(5, [5]), (8, [8, 8]), (11, [8, 11])])
def test_likely_clips_come_to_an_end(page, url, likely, pages):
    def answer(route):
        offset = int(re.search(r"offset=(\d+)", route.request.url)[1])
        found = route.fetch(url=re.sub(r"\bk=\d+", "k=8", route.request.url)).json()
        found["line"] = min(likely, offset + 8)
        for i, hit in enumerate(found["hits"], offset):
            hit["likely"] = i < likely
        route.fulfill(json=found)

    page.route("**/v1/search?**", answer)
    page.goto(f"{url}?view=search&q={SEEN[0]}&likely=yes")
    button = page.get_by_role("button", name="Show more")
    for before, many in zip([None, *pages], pages, strict=False):
        if before:
            button.click()
        expect(page.locator(".results .card:not(.skeleton)")).to_have_count(many)
        expect(page.locator(".pager p")).to_have_text(f"{many} clips shown")
        if before:  # the next clip, or where none came, what says how many there are
            expect(page.locator(".pager p") if before == many else card(page, before)).to_be_focused()
    expect(button).to_be_hidden()


def test_filters_are_chips_that_the_address_holds_and_a_press_removes(page, url):
    page.goto(url)
    wait_for_hits(page)
    page.get_by_text("Label", exact=True).click()
    page.get_by_role("button", name=re.compile(f"^{SEEN[1]}")).click()
    expect(page.get_by_role("button", name=f"Remove: label: {SEEN[1]}")).to_be_visible()
    expect(page.locator(".results .card:not(.skeleton)")).to_have_count(3)
    wait_for_address(page, where=f'label = "{SEEN[1]}"')
    page.get_by_text("Duration", exact=True).click()
    page.get_by_label("At most, seconds").fill("5")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove: at most 5 s")).to_be_visible()
    page.get_by_text("Sound or picture").click()
    page.get_by_role("button", name="Sound and picture").click()
    expect(page.get_by_role("button", name="Remove: with picture")).to_be_visible()
    wait_for_address(page, where=f'label = "{SEEN[1]}" and duration <= 5 and has_audio = yes and has_video = yes')
    page.reload()
    expect(page.locator(".results .card:not(.skeleton)")).to_have_count(3)
    page.get_by_role("button", name=f"Remove: label: {SEEN[1]}").click()
    expect(page.locator(".results .card:not(.skeleton)")).to_have_count(18)
    expect(page.locator("#filters")).to_be_focused()
    page.get_by_role("combobox").fill(SEEN[0])
    page.keyboard.press("Enter")  # a search keeps them
    wait_for_address(page, q=SEEN[0], where="duration <= 5 and has_audio = yes and has_video = yes")
    page.get_by_role("button", name="Remove all").click()
    expect(page.locator(".results .card:not(.skeleton)")).to_have_count(19)
    wait_for_address(page, where=None, q=SEEN[0])


def test_several_labels_at_once_are_any_of_them(page, url):
    page.goto(url)
    wait_for_hits(page)
    for label in (SEEN[1], SEEN[0]):
        page.locator("#filter-label").click()
        page.get_by_role("button", name=re.compile(f"^{label}")).click()
        expect(page.get_by_role("button", name=re.compile(f"^Remove: label: .*{label}$"))).to_be_visible()
    expect(page.get_by_role("heading", name=f"6 clips: label: {SEEN[1]} or {SEEN[0]}")).to_be_visible()
    expect(page.locator(".results .card:not(.skeleton)")).to_have_count(6)
    wait_for_address(page, where=f'label = "{SEEN[1]}" or "{SEEN[0]}"')
    page.locator("#filter-label").click()
    page.get_by_role("button", name=re.compile(f"^{SEEN[1]}"), pressed=True).click()
    expect(page.get_by_role("button", name=f"Remove: label: {SEEN[0]}")).to_be_visible()
    expect(page.locator(".results .card:not(.skeleton)")).to_have_count(3)


def test_on_a_phone_the_choices_stand_behind_a_button_that_counts_them(page, url):
    page.set_viewport_size(NARROW)
    page.goto(f"{url}?view=search&q={SEEN[0]}&not=drum&where=duration < 90 and has_audio = yes&sort=name&by=audio")
    wait_for_hits(page)
    button = page.get_by_role("button", name="Filters and order")
    expect(button).to_have_accessible_name("Filters and order 5 active")
    expect(button).to_have_attribute("aria-expanded", "false")
    choices = [page.locator("#sort"), page.locator("#filter-label"), page.get_by_label("Away from")]
    for one in choices:
        expect(one).to_be_attached()
        expect(one).to_be_hidden()
    page.get_by_role("button", name="Remove: with sound").click()  # what is chosen stays in sight
    expect(button).to_have_accessible_name("Filters and order 4 active")
    page.get_by_role("button", name="Remove: below 90 s").click()
    expect(button).to_have_accessible_name("Filters and order 3 active")
    expect(page.locator("#filters")).to_be_focused()
    wait_for_hits(page)
    assert box_of(page.locator(".results"))["y"] < 250
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    for one in choices:
        expect(one).to_be_visible()
    page.locator("#sort").click()
    page.get_by_role("button", name="Nearest first").click()
    expect(button).to_have_accessible_name("Filters and order 2 active")
    expect(page.locator("#sort")).to_be_focused()  # it stays open while one chooses
    page.get_by_role("combobox").fill(SEEN[1])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Nearest to “{SEEN[1]}”")).to_be_visible()
    expect(page.locator("#sort")).to_be_hidden()
    page.set_viewport_size({"width": 768, "height": 740})
    expect(button).to_be_hidden()
    expect(page.locator("#sort")).to_be_visible()


def test_a_menu_is_closed_by_escape_and_by_a_press_elsewhere(page, url):
    page.goto(url)
    wait_for_hits(page)
    name = page.locator("#filter-folder")
    name.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=re.compile("^red-square-low-drum"))).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".menu[open]")).to_have_count(0)
    expect(name).to_be_focused()
    page.keyboard.press("Enter")
    page.locator("#archive-name").click()
    expect(page.locator(".menu[open]")).to_have_count(0)


def test_a_condition_can_be_written(page, url):
    page.goto(url)
    wait_for_hits(page)
    page.get_by_text("Advanced").click()
    page.get_by_label("Only clips with").fill("duration < 100 and label contains flute")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove: label contains flute")).to_be_visible()
    page.get_by_text("Advanced").click()
    page.get_by_label("Only clips with").fill("duration <")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="COLUMN")).to_be_visible()
    page.get_by_role("button", name="Remove: duration <").click()  # what cannot be read can be removed
    wait_for_hits(page)


CONDITIONS = (
    "duration < 10",
    'label = "church bell" and has_audio = no',
    "label = 'the \"big\" bell' AND duration>=2 and id contains a<b",
    'source = "" and folder = music/birds',
    "label = it's",
    '''label = "it's"''',
    "label = and and split = test",
    "label",
    "label = a or 'b or c' OR or and split = test",
    'label contains é or "it\'s"',
    "label != a or b",
    "label = a or",
    "label = a or label = b",
    "label ~ a",
)


@pytest.mark.parametrize("text", CONDITIONS)
def test_the_page_reads_conditions_as_the_server_does(page, url, text):
    page.goto(url)
    again = page.evaluate(
        """async (text) => {
            const { read, written } = await import("./conditions.js");
            const found = read(text);
            return found && written(found);
        }""",
        text,
    )
    try:
        meant = parse(text)
    except Exception:
        assert again is None
    else:
        assert parse(again) == meant


@pytest.mark.parametrize(("operator", "said"), [("!=", "not exactly"), ("=", "exactly"), ("<", "below")])
def test_a_condition_on_the_duration_is_said_in_words(page, url, operator, said):
    page.goto(f"{url}?view=search&where=duration {operator} 2")
    expect(page.get_by_role("button", name=f"Remove: {said} 2 s", exact=True)).to_be_visible()


def test_the_archive_has_orders(page, url):
    few_at_once(page, "**/v1/clips?**", 8, "limit")
    page.goto(url)
    wait_for_hits(page)
    page.locator("#sort").click()
    page.get_by_role("button", name="Longest first").click()
    expect(page.locator("#sort")).to_have_text("Longest first")
    expect(page.locator("#sort")).to_be_focused()
    wait_for_hits(page)
    for many in (16, 19):
        page.get_by_role("button", name="Show more").click()
        expect(page.locator(".results .card")).to_have_count(many)
    told = told_by(url, "clips", sort="duration", descending=True, limit=200)["clips"]
    assert ids(page) == [clip["id"] for clip in told]
    wait_for_address(page, sort="longest")


def test_hits_have_orders_into_which_further_ones_are_merged(page, url):
    few_at_once(page, "**/v1/search?**", 8, "k")
    page.goto(f"{url}?view=search&q={SEEN[0]}")
    wait_for_hits(page)
    expect(page.locator(".ordered")).to_have_count(0)
    page.locator("#sort").click()
    page.get_by_role("button", name="By label").click()
    expect(page.locator("#sort")).to_have_text("By label")
    expect(page.locator("#sort")).to_be_focused()
    expect(page.locator(".ordered")).to_contain_text("the nearest clips, in the order “By label”; “Show more” puts")
    told = told_by(url, "search", q=SEEN[0], group="file")["hits"]
    clips = [hit["clip"] for hit in told]
    for many in (8, 16, 19):
        expect(page.locator(".results .card:not(.skeleton)")).to_have_count(many)
        nearest = sorted(clips[:many], key=lambda clip: (clip["label"] is None, clip["label"] or ""))
        assert ids(page) == [clip["id"] for clip in nearest]  # of one label, the nearer one comes first
        expect(card(page, many - 1)).to_have_attribute("aria-label", re.compile(rf"^{many}\. "))
        if many < 19:
            page.get_by_role("button", name="Show more").click()
    expect(page.locator(".card:focus")).to_have_count(1)
    wait_for_address(page, sort="label")


ORDERS = {
    "name": lambda clip: (clip["name"].lower(),),
    "shortest": lambda clip: (clip["end"] is None, (clip["end"] or 0) - clip["start"]),
    "longest": lambda clip: (clip["end"] is None, clip["start"] - (clip["end"] or 0)),
    "folder": lambda clip: (clip["folder"],),
    "time": lambda clip: (clip["start"],),
    "newest": lambda clip: (),  # of the archive as it is: hits are nearest first
}


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_of_hits_stands_in_the_address(page, url, order):
    told = told_by(url, "search", q=SEEN[0], group="file")
    for i, hit in enumerate(told["hits"]):
        hit["clip"] |= {"start": 7.0 * i % 5, "end": None if i == 2 else 3.0 * i % 11 + 5}
    page.route("**/v1/search?*", lambda route: route.fulfill(json=told | {"line": 3}))
    page.goto(f"{url}?view=search&q={SEEN[0]}&sort={order}")
    wait_for_hits(page)
    assert ids(page) == [hit["clip"]["id"] for hit in sorted(told["hits"], key=lambda hit: ORDERS[order](hit["clip"]))]
    nearest = order == "newest"
    expect(page.locator(".below")).to_have_count(int(nearest))  # the line is one of nearness
    expect(page.locator(".ordered")).to_have_count(int(not nearest))
    page.get_by_role("radio", name="Sound").check(force=True)  # the same words in another way: the order stays
    wait_for_address(page, by="audio", sort=order)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("where=label = nothing", "No clip meets the condition."),
        ("where=has_video = no&by=video", f"No clip can be compared with “{SEEN[0]}” this way. Choose another"),
    ],
)
def test_where_nothing_is_found_it_says_why(page, url, query, why):
    page.goto(f"{url}?view=search&q={SEEN[0]}&{query}")
    expect(page.locator(".state")).to_contain_text(why)


def test_away_from_needs_words(page, url):
    for query in ("not=drum", f"like={SEEN[0].replace(' ', '-')}/test-0.mp4&not=drum"):
        page.goto(f"{url}?view=search&{query}")
        wait_for_hits(page)
        field = page.get_by_label("Away from", exact=True)
        expect(field).to_be_disabled()
        expect(field).to_have_accessible_description("“Away from” needs words to search for.")
    page.get_by_role("combobox").fill(SEEN[0])
    expect(field).to_be_enabled()
    expect(field).to_have_accessible_description("")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Nearest to “{SEEN[0]}” away from “drum”")).to_be_visible()
    page.get_by_role("combobox").fill("")
    page.keyboard.press("Enter")
    wait_for_address(page, q=None, **{"not": None})  # nothing stands in the address that does nothing


def test_what_is_found_for_the_first_time_stands_nearest_first(page, url):
    page.goto(f"{url}?view=search&sort=label")
    wait_for_hits(page)
    page.get_by_role("combobox").fill(SEEN[0])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Nearest to “{SEEN[0]}”")).to_be_visible()
    wait_for_address(page, sort=None)
    expect(page.locator("#sort")).to_have_text("Order")


def test_clips_are_chosen_by_mouse_range_and_key_and_stay_chosen(page, url):
    page.goto(f"{url}?view=search&q={SEEN[0]}")
    wait_for_hits(page)
    bar = page.get_by_role("region", name="Selection")
    expect(bar).to_be_hidden()
    card(page, 1).get_by_role("checkbox").click()
    expect(bar).to_contain_text("1 clip selected")
    card(page, 4).get_by_role("checkbox").click(modifiers=["Shift"])
    expect(bar).to_contain_text("4 clips selected")
    expect(page.get_by_role("status").first).to_have_text("4 clips selected")
    chosen = ids(page)[1:5]
    card(page, 2).get_by_role("checkbox").click()
    expect(bar).to_contain_text("3 clips selected")
    card(page, 5).focus()
    page.keyboard.press("x")
    page.keyboard.press("Shift+ArrowRight")
    expect(card(page, 6)).to_be_focused()
    expect(bar).to_contain_text("5 clips selected")
    expect(page.locator(".card.chosen")).to_have_count(5)
    page.get_by_role("combobox").fill(SEEN[1])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Nearest to “{SEEN[1]}”")).to_be_visible()
    expect(bar).to_contain_text("5 clips selected")
    for id in (chosen[0], chosen[2]):
        expect(page.locator(f'.choose input[data-clip="{id}"]')).to_be_checked()
    bar.get_by_role("button", name="Select all").click()
    expect(bar).to_contain_text("19 clips selected")
    bar.get_by_role("button", name="Clear").click()
    expect(bar).to_be_hidden()
    expect(page.locator(".choose input:checked")).to_have_count(0)
    expect(page.locator("#main")).to_be_focused()


def test_what_is_chosen_is_there_after_a_reload(page, url):
    page.goto(url)
    wait_for_hits(page)
    bar = page.get_by_role("region", name="Selection")
    every = ids(page)
    for place in (0, 3, 1):
        card(page, place).get_by_role("checkbox").click()
    expect(bar).to_contain_text("3 clips selected")
    page.goto(f"{url}?view=search&q={SEEN[0]}")
    expect(bar).to_contain_text("3 clips selected")
    expect(page.locator(".card.chosen")).to_have_count(3)
    _, text = save(page, "Table")
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    assert [row["id"] for row in rows] == [every[0], every[3], every[1]]
    bar.get_by_role("button", name="Clear").click()
    page.reload()
    wait_for_hits(page)
    expect(bar).to_be_hidden()
    assert page.evaluate("Object.values(sessionStorage)") == ["[]"]


def test_clips_are_chosen_and_opened_by_finger(browser, url):
    with window(browser, 360, 740, has_touch=True, is_mobile=True) as page:
        page.goto(f"{url}?view=search&q={SEEN[0]}")
        wait_for_hits(page)
        for place in (0, 1):
            card(page, place).get_by_role("checkbox").tap()
        expect(page.get_by_role("region", name="Selection")).to_contain_text("2 clips selected")
        card(page, 1).locator(".opener").tap()
        dialog = page.locator("dialog.full")
        expect(dialog.get_by_role("checkbox")).to_be_checked()
        dialog.get_by_role("button", name="Previous clip").tap()
        expect(dialog.get_by_role("status")).to_have_text("1 of 19")
        dialog.get_by_role("button", name="Close").tap()
        expect(dialog).to_be_hidden()


def test_a_long_file_is_one_card_whose_windows_play_from_their_second(browser, tmp_path):
    render(tmp_path / "clips" / "long.mp4", SEEN[0], seed=3, seconds=8.0)
    render(tmp_path / "clips" / "short.mp4", SEEN[1], seed=4)
    index(world() / "run", tmp_path / "clips", tmp_path / "index", engine="memory", window=1.0)
    with application(tmp_path / "index") as app, listening(app) as here, window(browser) as page:
        page.goto(f"{here}?view=search&q={SEEN[0]}")
        cards = wait_for_hits(page)
        expect(cards).to_have_count(2)
        long = cards.filter(has=page.locator(".timeline"))
        expect(long).to_have_count(1)
        expect(long.locator(".moment")).to_have_count(8)
        expect(long.get_by_role("button", name=re.compile("^Play from"))).to_have_count(4)
        long.get_by_role("button", name="4 more").click()
        expect(long.get_by_role("button", name=re.compile("^Play from"))).to_have_count(8)
        long.get_by_role("button", name="Play from 0:05").click()
        expect(long.locator("source").first).to_have_attribute("src", re.compile("#t=5,6$"))
        expect(long.locator("[aria-current=true]")).to_have_text("0:05")
        until(page, "document.querySelector('.card video')?.currentTime >= 5")
        expect(long.get_by_role("slider")).to_be_visible()  # which moves what stands below it
        line = long.locator(".timeline")
        line.click(position={"x": width_of(line) * 2.5 / 8, "y": 6})
        expect(long.locator("source").first).to_have_attribute("src", re.compile("#t=2,3$"))
        page.goto(here)  # and so it is without words
        cards = wait_for_hits(page)
        expect(cards).to_have_count(2)
        expect(page.locator(".moment")).to_have_count(8)
        expect(page.locator(".pager")).to_contain_text("9 of 9 clips")
        page.get_by_role("button", name="Play from 0:02").click()
        expect(page.locator(".results [aria-current=true]")).to_have_text("0:02")


def left_of(locator):
    return locator.evaluate("(one) => one.getBoundingClientRect().left")


def test_from_card_to_card_by_keys(page, url):
    few_at_once(page, "**/v1/clips?**", 12, "limit")
    page.goto(url)
    wait_for_hits(page)
    page.keyboard.press("j")
    expect(card(page, 0)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("ArrowRight")
    expect(card(page, 2)).to_be_focused()
    page.keyboard.press("ArrowDown")
    below = page.locator(".card:focus")
    expect(below).not_to_have_attribute("aria-label", re.compile(r"^3\. "))
    assert left_of(below) == pytest.approx(left_of(card(page, 2)), abs=1)
    page.keyboard.press("ArrowUp")
    expect(card(page, 2)).to_be_focused()
    page.keyboard.press("k")
    expect(card(page, 1)).to_be_focused()
    page.keyboard.press("Space")
    expect(card(page, 1).locator("video, audio")).to_have_count(1)
    until(page, "document.querySelector('.card video, .card audio')?.currentTime > 0.05")
    page.keyboard.press("j")
    expect(card(page, 2)).to_be_focused()
    page.keyboard.press("End")
    expect(card(page, 11)).to_be_focused()
    page.keyboard.press("j")  # the next one is not there yet
    expect(card(page, 12)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")  # from what is inside of a card, too
    expect(card(page, 1)).to_be_focused()


def test_a_list_says_the_keys_and_letters_can_be_turned_off(page, url):
    page.goto(url)
    wait_for_hits(page)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    page.get_by_label("Letters and signs act as keys").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.keyboard.press("j")
    page.keyboard.press("/")
    expect(page.locator(".card:focus, #q:focus")).to_have_count(0)
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Letters and signs act as keys").check()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name="Keys")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("?j/")
    expect(page.locator("#q")).to_have_value("?j/")


def test_a_clip_opens_over_the_window_with_all_that_is_known_of_it(page, url):
    page.goto(f"{url}?view=search&q={SEEN[0]}")
    wait_for_hits(page)
    every = ids(page)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    dialog = page.locator("dialog.full")
    expect(dialog).to_be_visible()
    wait_for_address(page, clip=every[0])
    told = told_by(url, "clips/one", id=every[0])
    for by, name in (("both", "Both"), ("audio", "Sound"), ("video", "Picture")):
        rows = dialog.get_by_role("table", name=name).locator("tbody tr")
        expect(rows).to_have_count(len(told["nearest"][by]))
        expect(rows.first.locator("td")).to_have_text(f"{told['nearest'][by][0]['distance']:#.3g}")
    expect(dialog.locator(".nearness .parts")).to_contain_text("sound")
    expect(dialog.get_by_role("status")).to_have_text("1 of 19")
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_role("status")).to_have_text("2 of 19")
    page.keyboard.press("x")
    expect(dialog.get_by_role("checkbox")).to_be_checked()
    dialog.get_by_role("button", name="Next clip").click()
    expect(dialog.get_by_role("status")).to_have_text("3 of 19")
    wait_for_address(page, clip=every[2])
    expect(dialog.locator(".frame")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(card(page, 2).locator(".opener")).to_be_focused()
    page.wait_for_url(re.compile("q=[^&]*$"))
    expect(page.locator(".card.chosen")).to_have_count(1)
    page.go_back()  # the opened clip is no second step
    expect(page).to_have_url("about:blank")


@pytest.mark.parametrize(
    ("end", "whole", "lasts"), [(None, 100.0, "40 s"), (70.5, 100.0, "10.5 s"), (70, None, "10 s"), (None, None, None)]
)
def test_a_clip_lasts_from_where_it_begins(page, url, end, whole, lasts):
    def answer(route):
        told = route.fetch().json()
        told["clip"] |= {"start": 60.0, "end": end, "file_seconds": whole}
        route.fulfill(json=told)

    page.route("**/v1/clips/one?**", answer)
    page.goto(f"{url}?view=search")
    wait_for_hits(page)
    page.locator(".opener").first.click()
    expect(page.locator(".facts")).to_contain_text("File")
    row = page.locator(".facts > div").filter(has=page.get_by_text("Duration", exact=True))
    expect(row).to_have_count(0) if lasts is None else expect(row.locator("dd")).to_have_text(lasts)


def test_an_address_opens_a_clip_and_its_like_is_found_by_sound_or_picture(page, url):
    id = told_by(url, "clips")["clips"][0]["id"]
    page.goto(f"{url}?view=search&clip={id}")
    dialog = page.locator("dialog.full")
    dialog.get_by_role("link", name="Sound").wait_for()
    page.keyboard.press("Space")
    until(page, "document.querySelector('dialog.full video, dialog.full audio')?.currentTime > 0.05")
    dialog.get_by_role("button", name="Close").click()
    page.wait_for_url(re.compile("search$"))
    expect(dialog).to_be_hidden()
    page.goto(f"{url}?view=search&clip={id}")
    with page.expect_request(re.compile("clips/like")) as sent:
        dialog.get_by_role("link", name="Sound").click()
    expect(dialog).to_be_hidden()
    assert "modality=audio" in sent.value.url and "&by=audio" in sent.value.url
    wait_for_hits(page)
    expect(page.get_by_role("radio", name="Sound")).to_be_checked()
    page.go_back()
    expect(dialog).to_be_visible()
    page.goto(f"{url}?view=search&clip=nothing")
    expect(dialog.get_by_role("alert")).to_contain_text("no clip of this archive has this id")


FEW = 240  # four pieces of the list of sixty cards
FEW_LAID_OUT = f"""(() => {{
    const all = [...document.querySelectorAll(".card h3")];
    const laidOut = all.filter((one) => one.checkVisibility({{ contentVisibilityAuto: true }})).length;
    return 0 < laidOut && laidOut <= {FEW};
}})()"""


def many_hits(page, url, many):
    """The page finds so many clips, whatever it asks for."""
    told = told_by(url, "search", q=SEEN[0], k=1, group="file")
    hit = told["hits"][0]
    hits = [hit | {"clip": hit["clip"] | {"id": f"{i:03}.mp4", "name": f"{i:03}.mp4"}} for i in range(many)]

    def answer(route):
        query = parse_qs(urlsplit(route.request.url).query)
        begin, end = int(query["offset"][0]), int(query["offset"][0]) + int(query["k"][0])
        route.fulfill(json=told | {"hits": hits[begin:end], "more": end < many, "line": None})

    page.route("**/v1/search?**", answer)
    page.route("**/v1/clips/like?**", answer)
    page.route("**/v1/clips/thumbnail?**", lambda route: route.fulfill(status=404, json={"detail": "none"}))


def test_who_goes_back_finds_the_list_as_it_was(page, url):
    many_hits(page, url, 400)
    page.set_viewport_size({"width": 1200, "height": 700})
    page.goto(f"{url}?view=search&q={SEEN[0]}")
    expect(page.locator(".results .card:not(.skeleton)")).to_have_count(24)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".results .card")).to_have_count(120)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".results .card")).to_have_count(216)  # more than are asked for at once
    here, top = card(page, 80), "document.querySelectorAll('#main .card')[80].getBoundingClientRect().top"
    page.evaluate(f"addEventListener('click', () => (window.stood ??= {top}), true)")
    here.get_by_role("link", name="More like this").click()
    expect(page.get_by_role("heading", name="Nearest to the clip")).to_be_visible()
    expect(card(page, 0)).to_be_in_viewport()
    page.go_back()
    expect(page.locator(".results .card:not(.skeleton)")).to_have_count(216)
    expect(here).to_be_in_viewport()
    until(page, f"Math.abs({top} - window.stood) < 3")
    page.reload()
    expect(page.locator(".results .card:not(.skeleton)")).to_have_count(216)
    expect(here).to_be_in_viewport()


@pytest.mark.parametrize("by", ["both", "video"])
def test_more_like_a_sound_is_asked_with_its_sound(page, url, by):
    page.goto(f"{url}?view=search&by={by}&where=has_video = no")
    wait_for_hits(page)
    with page.expect_response("**/v1/clips/like?*") as answer:
        page.get_by_role("link", name="More like this").click()
    assert answer.value.status == 200
    expect(page.get_by_role("heading", name="Nearest to the clip")).to_be_visible()


FEW_FILLED = f"(({{ length }}) => 0 < length && length <= {FEW})(document.querySelectorAll('[data-filled]'))"


def test_thousands_of_cards_have_frames_only_near_the_view(page, url):
    clip = told_by(url, "clips", limit=1)["clips"][0]
    many = [clip | {"id": f"{i:04}.mp4", "name": f"{i:04}.mp4", "label": None} for i in range(5000)]
    files = [{"clips": 1, "windows": []}] * len(many)
    answer = {"total": 5000, "offset": 0, "next": None, "clips": many, "files": files}
    page.route("**/v1/clips?**", lambda route: route.fulfill(json=answer))
    page.route("**/v1/clips/thumbnail?**", lambda route: route.fulfill(status=404, json={"detail": "none"}))
    page.goto(url)
    expect(page.locator(".card")).to_have_count(5000)
    expect(card(page, 0).locator(".play, .blank")).not_to_have_count(0)
    until(page, FEW_FILLED)
    until(page, FEW_LAID_OUT)
    page.keyboard.press("j")
    page.keyboard.press("End")
    expect(card(page, 4999)).to_be_focused()
    expect(card(page, 4999).locator(".frame-place[data-filled]")).to_have_count(1)
    expect(card(page, 0).locator(".frame-place[data-filled]")).to_have_count(0)
    until(page, FEW_FILLED)
    until(page, FEW_LAID_OUT)


def save(page, name):
    with page.expect_download() as kept:
        page.get_by_role("region", name="Selection").get_by_role("button", name=name).click()
    return kept.value.suggested_filename, kept.value.path().read_bytes()


def test_a_selection_is_saved_as_table_playlist_and_cut_files(page, url):
    page.goto(f"{url}?view=search&q={SEEN[0]}")
    wait_for_hits(page)
    for place in (2, 0):
        card(page, place).get_by_role("checkbox").click()
    wanted = [ids(page)[2], ids(page)[0]]
    name, table = save(page, "Table")
    assert name.endswith(".csv")
    assert [row["id"] for row in csv.DictReader(io.StringIO(table.decode("utf-8-sig")))] == wanted
    name, playlist = save(page, "Playlist")
    assert name.endswith((".m3u", ".m3u8")) and playlist.decode().startswith("#EXTM3U")
    name, cut = save(page, "Cut files")
    assert name.endswith(".zip") and len(zipfile.ZipFile(io.BytesIO(cut)).namelist()) == 3
    page.route("**/v1/clips/export", lambda route: route.fulfill(status=422, json={"detail": "That is too much."}))
    page.get_by_role("button", name="Cut files").click()
    expect(page.get_by_role("region", name="Selection").get_by_role("alert")).to_have_text("That is too much.")
