"""The map in a real browser, and what a page shows of an archive without labels."""

# ruff: noqa: F811 (fixtures of another file)

import re
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import pytest
from playwright.sync_api import expect

from avgzsl.archive.indexing import index
from tests.page_states import MAP, place_on_map
from tests.serve_world import SEEN, UNSEEN, application, world
from tests.test_page import FRAMES, PATIENCE, box_of, browser, listening, page, told_by, until, url  # noqa: F401

MANY, MOST_DRAWN = 100_000, 15_000


def figures(page):
    """How many dots the last frame drew, and how many frames there were."""
    data = page.locator(MAP).evaluate("(map) => ({ ...map.dataset })")
    return int(data["drawn"]), int(data["frames"])


def settled(page):
    """The figures, once no frame is waited for."""
    page.evaluate(FRAMES)
    return figures(page)


def many():
    """The answer for 100,000 clips in twelve clusters, without labels."""
    draw = np.random.default_rng(0)
    cluster = draw.integers(0, 12, MANY)
    places = draw.random((12, 2))[cluster] * 0.8 + 0.1 + draw.normal(size=(MANY, 2)) * 0.03
    x, y = places.clip(0, 1).round(5).T.tolist()
    return {
        "modality": "both", "total": MANY, "sample": "all", "plane": "t-SNE", "laid_out": 2000, "note": None,
        "named_by": "phrases", "labels": [], "classes": [],
        "clips": {"id": [f"tape/{i}.mp4" for i in range(MANY)], "x": x, "y": y, "label": [-1] * MANY,
                  "cluster": cluster.tolist()},
        "clusters": [{"number": c, "name": f"geese {c}", "clips": int((cluster == c).sum())} for c in range(12)],
    }  # fmt: skip


@pytest.fixture
def many_clips(page, url):
    """The map of 100,000 clips."""
    page.route("**/v1/map?*", lambda route: route.fulfill(json=many()))
    page.goto(f"{url}?view=map")
    page.wait_for_selector(MAP)
    return page


def test_the_map_draws_every_clip_plays_the_one_under_the_pointer_and_lists_a_class(page, url):
    page.goto(f"{url}?view=map")
    page.wait_for_selector(MAP)
    expect(page.locator(MAP)).to_have_attribute("data-drawn", "19")
    found = told_by(url, "map")["clips"]
    page.mouse.move(*place_on_map(page, found["x"][0], found["y"][0]), steps=3)
    name = found["id"][0].rsplit("/", 1)[-1]
    expect(page.locator(".map-side")).to_contain_text(name)
    until(page, "document.querySelector('.map-side video, .map-side audio')?.currentTime > 0.05")
    button = page.get_by_role("button", name=re.compile(f"^{UNSEEN[0]} "))
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".map-clips .card")).to_have_count(3)
    expect(page.locator(".map-clips h3")).to_have_text([UNSEEN[0]] * 3)
    expect(page.locator(".map-clips .pager")).to_contain_text("3 of 3 clips")


def test_a_frame_of_a_hundred_thousand_clips_draws_a_bounded_number_and_moves_share_frames(many_clips):
    page = many_clips
    assert 1000 < settled(page)[0] <= MOST_DRAWN
    page.evaluate("""() => {
        const frame = () => (window.frames_counted++, requestAnimationFrame(frame));
        window.frames_counted = 0;
        frame();
    }""")
    before = settled(page)[1]
    x, y = place_on_map(page, 0.5, 0.5)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -600)
    page.mouse.down()
    for step in range(60):
        page.mouse.move(x - 3 * step, y - step)
    page.mouse.up()
    drawn, after = settled(page)
    assert 0 < after - before <= page.evaluate("window.frames_counted"), "more is drawn than is shown"
    assert 0 < drawn <= MOST_DRAWN
    page.keyboard.press("Control+-")  # the browser's own
    page.get_by_role("button", name="Whole map").click()
    for _ in range(12):
        page.get_by_role("button", name="Zoom in").click()
    assert settled(page)[0] < MANY / 12 / 4, "deep in the map most clips are outside"


def test_the_wheel_scrolls_the_page_where_the_whole_map_is_there(many_clips):
    page = many_clips
    page.mouse.move(*place_on_map(page, 0.5, 0.5))
    page.mouse.wheel(0, 200)
    until(page, "window.scrollY > 0 && scrollY >= Math.min(200, document.documentElement.scrollHeight - innerHeight)")
    before = page.evaluate("window.scrollY")
    for far in (-100, 50):  # and into the map, where it goes in
        first = settled(page)[1]
        page.mouse.wheel(0, far)
        until(page, f"Number(document.querySelector('.map').dataset.frames) > {first}")
    box_of(page.locator(MAP))
    assert page.evaluate("window.scrollY") == before


def test_two_fingers_zoom_the_map_and_then_one_moves_it(many_clips):
    page = many_clips
    whole, _ = settled(page)
    x, y = place_on_map(page, 0.5, 0.5)
    touch = """(map, [kind, id, x, y]) => map.dispatchEvent(
        new PointerEvent(kind, { pointerId: id, pointerType: "touch", clientX: x, clientY: y, bubbles: true }))"""
    begun = [("pointerdown", 7, x, y), ("pointermove", 7, x, y + 30), ("pointerup", 7, x, y + 30)]
    spread = [("pointerdown", 7, x - 50, y), ("pointerdown", 8, x + 50, y), ("pointermove", 8, x + 3950, y)]
    for event in begun:
        page.locator(MAP).evaluate(touch, event)
    assert page.locator(MAP).evaluate("(map) => map.style.touchAction") == "pan-y", "one finger scrolls the page"
    for event in spread:
        page.locator(MAP).evaluate(touch, event)
    deep, frames = settled(page)
    assert deep < whole / 4 and page.locator(MAP).evaluate("(map) => map.style.touchAction") == "none"
    for event in (("pointerup", 8, x, y), ("pointermove", 7, x - 90, y)):
        page.locator(MAP).evaluate(touch, event)
    assert settled(page)[1] > frames


def test_the_map_without_a_pointer(page, url):
    page.goto(f"{url}?view=map")
    page.wait_for_selector(MAP)
    found = told_by(url, "map")["clips"]
    page.locator(MAP).focus()
    expect(page.get_by_role("application", name=re.compile("^Map of 19 clips"))).to_be_focused()
    for _ in range(4):
        page.keyboard.press("+")
    box = box_of(page.locator(MAP))
    x, y = ((at - middle) * 1.5**4 for at, middle in zip(
        place_on_map(page, found["x"][0], found["y"][0]),
        (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2), strict=True))  # fmt: skip
    for key, far in (("ArrowRight", x), ("ArrowLeft", -x), ("ArrowDown", y), ("ArrowUp", -y)):
        for _ in range(round(far / 60)):
            page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(page.locator(".map-side video, .map-side audio")).to_have_count(1)
    page.keyboard.press("0")
    expect(page.locator(MAP)).to_have_attribute("data-drawn", "19")


def test_colours_change_without_asking_again(page, url):
    asked = []
    page.on("request", lambda one: asked.append(one.url) if "/v1/map" in one.url else None)
    page.goto(f"{url}?view=map")
    page.wait_for_selector(MAP)
    page.get_by_role("radio", name="Cluster").check()
    expect(page.get_by_role("heading", name="Clusters")).to_be_visible()
    told = told_by(url, "map")["clusters"]
    chips = [f"{one['name']}{one['clips']}" for one in told]
    expect(page.locator(".map-below .chip")).to_have_text(chips)
    assert len(asked) == 1
    page.get_by_role("radio", name="Sound").check()
    expect(page.get_by_role("radio", name="Cluster")).to_be_checked()


NAMES = {
    "geese": ["geese"],
    "white square bouncing with a fast low bell": ["white square bouncing", "with a fast low bell"],
    "white square bouncing with a fast low bass drum": ["white square bouncing", "with a fast low bass drum"],
    "a" * 50: ["a" * 25] * 2,
    "the sound of one hand clapping slowly and then of the other one in the great hall of a railway station": [
        "the sound of one hand clapping slow…", "the great hall of a railway station"
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_on_the_map_keeps_its_last_word(page, url, name):
    page.goto(f"{url}?view=model")
    read = """async (name) => (await import("./map_names.js")).lines(name)"""
    assert page.evaluate(read, name) == NAMES[name]


PLACED = """async (spread) => {
    const { placed } = await import("./map_names.js");
    const { samples } = await import("./map_points.js");
    const { viewOf } = await import("./map_view.js");
    const view = viewOf(() => null);
    view.resize(600, 500);
    const x = Array.from({ length: 200 }, (_, i) => 0.5 + spread * ((i % 20) / 19 - 0.5));
    const y = Array.from({ length: 200 }, (_, i) => 0.5 + spread * (Math.floor(i / 20) / 9 - 0.5));
    const own = samples(x, y, x.map(() => 3));
    const pen = { measureText: (text) => ({ width: 7 * text.length }) };
    const names = [{ text: "geese over a lake", group: 3, x: 0.5, y: 0.5 }];
    const [{ box }] = placed(pen, view, { names, stars: [], own }, "x");
    const under = x.filter((_, i) => {
        const [px, py] = [view.across(x[i]), view.down(y[i])];
        return px > box[0] && px < box[2] && py > box[1] && py < box[3];
    });
    return [own.get(3).length, under.length, Math.hypot((box[0] + box[2]) / 2 - 300, (box[1] + box[3]) / 2 - 250)];
}"""


@pytest.mark.parametrize("spread", [0.0, 0.03, 0.1, 0.5])
def test_a_name_on_the_map_leaves_most_of_its_clips_in_sight(page, url, spread):
    page.goto(f"{url}?view=model")
    some, under, away = page.evaluate(PLACED, spread)
    assert 40 <= some <= 60
    assert under <= 100 and away < 60
    assert (away == 0) == (spread == 0.5)  # in the middle, where it covers few


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory):
    """The clips of the world without their labels."""
    folder = tmp_path_factory.mktemp("unlabelled") / "Tapes of 1970"
    index(world() / "run", world() / "clips", folder, engine="memory")
    with application(folder, media=(world() / "clips",)) as app, listening(app) as here:
        yield here


def test_without_labels_the_map_is_coloured_by_clusters_with_names_of_classes(page, unlabelled):
    page.goto(f"{unlabelled}?view=map")
    page.wait_for_selector(MAP)
    expect(page.get_by_role("heading", name="Clusters")).to_be_visible()
    expect(page.get_by_role("radio", name="Class")).to_have_count(0)
    chips = page.locator(".map-below .chip")
    chips.first.click()
    expect(page.locator(".map-clips .card").first).to_be_visible()
    expect(page.get_by_text("names of the classes that fit them best")).to_be_visible()


def test_without_labels_cards_are_headed_by_files_and_suggestions_are_clusters(page, unlabelled):
    page.goto(unlabelled)
    told = [one["name"] for one in told_by(unlabelled, "clusters")["clusters"]]
    expect(page.locator(".ideas .chip")).to_have_text(told)
    expect(page.locator(".ideas")).to_contain_text("They are guesses")
    rows = told_by(unlabelled, "clips")["clips"]
    expect(page.locator("#main .card h3")).to_have_text([row["name"] for row in rows])
    expect(page.locator("#main .card .file")).to_have_text([row["folder"] for row in rows if row["folder"]])
    page.locator(".ideas .chip").first.click()
    expect(page.get_by_role("heading", name=f"Nearest to “{told[0]}”")).to_be_visible()


def test_with_labels_suggestions_are_classes_that_have_clips(page, url):
    def without(route):
        info = route.fetch().json()
        info["classes"][0]["clips"] = 0
        route.fulfill(json=info)

    page.route("**/v1/info", without)
    page.goto(url)
    chips = page.locator(".ideas .chip")
    left_out = told_by(url, "info")["classes"][0]["label"]
    expect(chips).to_have_count(len(SEEN) + len(UNSEEN) - 1)
    assert {chip.strip() for chip in chips.all_text_contents()} == {*SEEN, *UNSEEN} - {left_out}


def test_the_line_below_likely_clips_stays_in_its_place_as_more_are_shown(page, url):
    told = told_by(url, "search", q=SEEN[0])
    pages = {"0": (0, 3, 3), "3": (3, 6, 5), "6": (6, 9, 5)}  # by offset: from, to, and the line as it is known then

    def answer(route):
        begin, end, line = pages[parse_qs(urlsplit(route.request.url).query)["offset"][0]]
        route.fulfill(json=told | {"hits": told["hits"][begin:end], "line": line, "more": end < 9})

    page.route("**/v1/search?*", answer)
    page.goto(f"{url}?view=search&q={SEEN[0]}")
    for cards, lines, above in ((3, 0, 0), (6, 1, 5), (9, 1, 5)):
        expect(page.locator("#main .card:not(.skeleton)")).to_have_count(cards)
        expect(page.locator(".below")).to_have_count(lines)
        expect(page.locator(".grid > li:has(~ .below)")).to_have_count(above)
        if cards < 9:
            page.get_by_role("button", name="Show more").click()


def test_the_archive_has_its_name_and_its_icon_in_the_tab(page, unlabelled, url):
    icons = {}
    for here, name in ((unlabelled, "Tapes of 1970"), (url, "index")):
        page.goto(here)
        expect(page.locator("#archive-name")).to_have_text(f"avgzsl: {name}")
        expect(page).to_have_title(re.compile(f"avgzsl: {name}$"))
        expect(page.locator("#mark")).to_have_js_property("complete", True)
        until(page, "document.getElementById('mark').naturalWidth > 0")
        icons[name] = httpx.get(here + page.locator("#icon").get_attribute("href"), timeout=PATIENCE).text
    assert len(set(icons.values())) == 2


def test_the_page_says_that_nothing_is_sent_anywhere(page, url):
    page.goto(url)
    expect(page.get_by_role("contentinfo")).to_contain_text("go to this server alone")
