"""The page in a real browser: words to hits, clips to classes, the map, the keyboard, and who cannot see it."""

import re
import shutil
import socket
import sqlite3
import threading
import time
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from playwright.sync_api import expect, sync_playwright

from avgzsl.archive.indexing import index
from tests.page_states import STATES
from tests.serve_world import SEEN, UNSEEN, application, listening_alone, render, world

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("there is no chromium on this machine", allow_module_level=True)

TOKEN = "0123456789abcdef-secret"
WIDTHS = {"narrow": (360, 740), "wide": (1600, 1000)}
PATIENCE = 60  # seconds that anything may take on a busy machine; what is there sooner is not waited for
expect.set_options(timeout=1000 * PATIENCE)


@contextmanager
def listening(app):
    """The URL of the application on a free port; afterwards nobody answers any more, and nothing is logged."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        # at its end it does not wait for the browser; until then it closes no connection of one that is slow
        how = {"access_log": False, "timeout_graceful_shutdown": 5, "timeout_keep_alive": 600}
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, **how))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/"
        while not server.started:
            time.sleep(0.02)
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def url():
    with application() as app, listening(app) as here:
        yield here


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=flags, timeout=2000 * PATIENCE)
        yield chromium
        chromium.close()


@contextmanager
def window(browser, width=1200, height=900, **how):
    """A page on which any error, and anything loaded from elsewhere, fails the test."""
    context = browser.new_context(viewport={"width": width, "height": height}, **how)
    context.set_default_timeout(1000 * PATIENCE)
    opened = context.new_page()
    wrong, strange = [], []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda told: wrong.append(told.text) if "Content Security Policy" in told.text else None)
    opened.on("request", lambda asked: strange.append(asked.url) if "//127.0.0.1:" not in asked.url else None)
    try:
        yield opened
    finally:
        opened.unroute_all(behavior="ignoreErrors")  # what a test answers itself may be asked for until the end
        context.close()
    assert not wrong and not [one for one in strange if not one.startswith("blob:")]


@pytest.fixture
def page(browser):
    with window(browser) as opened:
        yield opened


def until(page, true):
    """Waits for an expression; the page's own policy forbids it to evaluate text, so it is asked from outside."""
    comes_true(page, lambda: page.evaluate(true), true)


def comes_true(page, true, said):
    """Waits until a call gives something true; `said` is what the test says where it never does."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, said
        page.wait_for_timeout(50)  # in which its requests are answered


FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))"


def box_of(locator):
    """Where something stands in the window, once it is laid out and has stayed there from one frame to the next."""
    boxes = [None, None]

    def rests():
        boxes.append(locator.bounding_box())
        locator.page.evaluate(FRAMES)
        return boxes[-1] and boxes[-1] == boxes[-2]

    comes_true(locator.page, rests, f"{locator} does not come to rest")
    return boxes[-1]


def width_of(locator):
    """How wide something is, laid out yet or not."""
    return locator.evaluate("(one) => one.getBoundingClientRect().width")


def told_by(url, path, **params):
    """What the server answers to the same question."""
    return httpx.get(f"{url}v1/{path}", params=params, timeout=PATIENCE).json()


def wait_for_hits(page):
    page.wait_for_selector(".results:not([aria-busy]) .card:not(.skeleton)")
    return page.locator(".results .card")


def test_words_find_clips_that_play_and_the_address_holds_the_query(page, url):
    page.goto(url)
    page.get_by_role("combobox", name="Search the archive by words").fill(UNSEEN[1])
    page.get_by_role("button", name="Search").click()
    cards = wait_for_hits(page)
    expect(page.get_by_role("heading", name=f"Nearest to “{UNSEEN[1]}”")).to_be_visible()
    told = told_by(url, "search", q=UNSEEN[1])["hits"]
    assert len(told) == 19
    expect(cards).to_have_count(19)
    for i, hit in enumerate(told[:5]):
        card = cards.nth(i)
        expect(card.locator("h3")).to_have_text(hit["clip"]["label"] or hit["clip"]["name"])
        expect(card.locator(".distance b")).to_have_text(f"{hit['distance']:#.3g}")
    # the two parts of the bar are as long as what each modality adds to the distance
    furthest = max(hit["distance"] for hit in told)
    hit = next(hit for hit in told if hit["audio"] and hit["video"])
    bar = cards.nth(told.index(hit)).locator(".bar")
    whole = box_of(bar)["width"]
    for modality in ("audio", "video"):
        share = hit[modality]["weight"] * hit[modality]["distance"] / furthest
        assert box_of(bar.locator(f".{modality}"))["width"] == pytest.approx(share * whole, abs=1.5)
    expect(page.locator(".badge.unseen")).to_have_count(6)
    cards.first.get_by_role("button", name=re.compile("^Play ")).click()
    until(page, "document.querySelector('.card video, .card audio')?.currentTime > 0.1")
    page.wait_for_url(re.compile("q="))
    shared = page.url
    page.goto(url)
    page.goto(shared)
    for i, (card, hit) in enumerate(zip(wait_for_hits(page).all(), told, strict=True)):
        expect(card).to_have_attribute("aria-label", f"{i + 1}. {hit['clip']['label'] or hit['clip']['name']}")


def test_a_piece_of_a_long_file_says_where_it_begins_and_plays_from_there(page, url):
    told = told_by(url, "search", q=SEEN[0], k=3)
    whole, piece, first = (hit["clip"] for hit in told["hits"])
    piece |= {"start": 75.0, "end": 3700.0, "label": None}
    first |= {"id": f"{first['id']}@0-10", "start": 0.0, "end": 10.0}
    page.route("**/v1/search?**", lambda route: route.fulfill(json=told))
    page.goto(f"{url}?view=search&q={SEEN[0]}")
    cards = wait_for_hits(page)
    expect(cards.nth(0).locator(".file")).to_have_text(f"{whole['name']} · CC0")
    expect(cards.nth(1).locator("h3")).to_have_text(piece["name"])
    expect(cards.nth(1).locator(".file")).to_have_text(f"{piece['folder']} · 1:15–1:01:40 · CC0")
    expect(cards.nth(2).locator(".file")).to_have_text(f"{first['name']} · 0:00–0:10 · CC0")
    cards.nth(1).get_by_role("button", name=re.compile("^Play ")).click()
    expect(cards.nth(1).locator("source").first).to_have_attribute("src", re.compile("#t=75,3700$"))


def test_the_title_says_what_is_shown_and_of_what(page, url):
    page.goto(f"{url}?view=search&q={SEEN[0]}")
    expect(page).to_have_title(f"{SEEN[0]} – avgzsl: index")
    expect(page.locator("#archive-name")).to_have_text("avgzsl: index")
    page.get_by_role("link", name="Model").click()
    expect(page).to_have_title("Model – avgzsl: index")


def test_a_run_that_hears_alone_finds_the_like_of_a_clip(page, tmp_path):
    with application(listening_alone()) as app, listening(app) as url:
        page.goto(f"{url}?view=recognise")
        page.set_input_files("#clip", str(render(tmp_path / "own.mp4", UNSEEN[0], seed=5)))
        expect(wait_for_hits(page)).to_have_count(12)
        expect(page.get_by_role("radio")).to_have_count(1)


def test_the_switch_changes_what_is_compared_and_back_goes_back(page, url):
    page.goto(f"{url}?view=search&q={SEEN[0]}")
    wait_for_hits(page)
    page.get_by_role("radio", name="Sound").check()
    page.wait_for_url(re.compile("by=audio"))
    wait_for_hits(page)
    expect(page.get_by_role("radio", name="Sound")).to_be_checked()
    told = told_by(url, "search", q=SEEN[0], modality="audio")["hits"]
    expect(page.locator(".card .distance b").first).to_have_text(f"{told[0]['distance']:#.3g}")
    expect(page.locator(".card .bar .video")).to_have_count(0)
    page.go_back()
    expect(page.get_by_role("radio", name="Both")).to_be_checked()
    wait_for_hits(page)


def test_without_a_pointer(page, url):
    page.goto(url)
    wait_for_hits(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("/")
    box = page.get_by_role("combobox")
    expect(box).to_be_focused()
    page.keyboard.type("blue")
    expect(page.get_by_role("option")).to_have_count(2)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    chosen = page.locator("[role=option][aria-selected=true]")
    expect(box).to_have_attribute("aria-activedescendant", chosen.get_attribute("id"))
    label = chosen.get_attribute("data-label")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Nearest to “{label}”")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("19 clips found, nearest first")
    wait_for_hits(page)
    page.get_by_role("button", name=re.compile("^Play ")).first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".card video, .card audio").first).to_be_focused()
    page.get_by_role("radio", name="Both").focus()
    for way, by in (("Left", "Picture"), ("Left", "Sound"), ("Right", "Picture")):
        page.keyboard.press(f"Arrow{way}")
        expect(page.get_by_role("radio", name=by)).to_be_focused()
        expect(page.get_by_role("radio", name=by)).to_be_checked()
    box = page.get_by_role("combobox")
    box.fill("red square")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Nearest to “red square”")).to_be_visible()
    expect(box).to_be_focused()
    box.fill("red")
    expect(page.get_by_role("listbox")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(box).to_have_value("red")


def test_a_good_clip_is_recognised_and_its_like_found(page, url, tmp_path):
    page.goto(f"{url}?view=recognise")
    page.set_input_files("#clip", str(render(tmp_path / "own.mp4", UNSEEN[0], seed=5)))
    page.wait_for_selector(".chart")
    own = (tmp_path / "own.mp4").read_bytes()
    told = httpx.post(f"{url}v1/classify?top=6", content=own, timeout=PATIENCE).json()
    labels = [f"{one['label']} {'seen' if one['seen'] else 'unseen'}" for one in told["top"]]
    expect(page.locator(".chart tbody th")).to_have_text(labels)
    expect(page.get_by_text("None of these, probably")).to_have_count(int(told["none_of_these"]))
    expect(page.locator(".shares .key.audio")).to_have_text(f"sound {round(100 * told['weights']['audio'])} %")
    expect(wait_for_hits(page)).to_have_count(12)
    page.get_by_text("Choose among names of your own").click()
    page.get_by_label("Names, one a line").fill("a purple cow\nblue square low drum")
    page.get_by_role("button", name="Ask again").click()
    expect(page.locator(".chart tbody tr")).to_have_count(2)


def test_a_bad_clip_is_said_to_be_bad(page, url, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"this is text" * 100)
    page.goto(f"{url}?view=recognise")
    page.set_input_files("#clip", str(tmp_path / "bad.mp4"))
    alert = page.get_by_role("alert").filter(has_text="This cannot be answered")
    expect(alert).to_contain_text("the clip")
    expect(alert).not_to_contain_text("/tmp")
    expect(page.locator(".chart")).to_have_count(0)


def test_what_is_near_to_a_clip_without_labels_is_a_guess(page, url):
    STATES["guessed"](page, url)
    best = page.locator(".chart tbody th").first.text_content().strip()
    expect(page.locator(".verdict h2")).to_have_text(f"Perhaps {best}")
    expect(page.locator(".chart caption")).to_contain_text("nearest 6 names")
    expect(page.locator(".chart .badge")).to_have_count(0)
    page.get_by_text("Choose among names of your own").click()
    page.get_by_label("Names, one a line").fill(best)
    page.get_by_role("button", name="Ask again").click()
    expect(page.locator(".verdict h2")).to_have_text(best)


def test_a_model_that_learned_nothing_is_not_told_to_be_evaluated(page, url):
    STATES["untrained"](page, url)
    expect(page.locator("main")).not_to_contain_text("avgzsl evaluate")
    expect(page.get_by_role("heading", name="Training")).to_have_count(0)


def test_the_model_tab_has_the_tables_and_the_curves(page, url):
    page.goto(f"{url}?view=model")
    page.wait_for_selector(".figures-table")
    run = told_by(url, "run")
    row = next(row for row in run["results"] if row["task"] == "classification" and row["fusion"] == "attention")
    shown = page.locator(".figures-table").first.get_by_role("row", name=re.compile("attention"))
    require_figures(shown, row)
    moved = next(row for row in run["results"] if row["retrieval"] == "corrected" and row["fusion"] == "attention")
    found = page.locator(".figures-table").nth(1).get_by_role("row", name="both, attention, corrected")
    require_figures(found, moved)
    lines = page.locator("svg.lines .line")
    expect(lines.nth(3)).to_be_visible()
    assert all(box_of(line)["width"] > 200 for line in lines.all())
    expect(page.locator("svg.lines text").nth(19)).to_be_attached()
    assert "[object" not in page.content()


def require_figures(shown, row):
    """The first figures of a row of a table are those that the server has."""
    for i, name in enumerate(("S", "U", "HM")):
        expect(shown.locator("td").nth(i)).to_have_text(f"{100 * row[name]:.2f}")


def test_loading_empty_and_wrong_are_shown_as_such(page, url):
    held, seen = [], []
    page.route("**/v1/search?**", lambda route: route.continue_() if seen else held.append(route))
    page.goto(f"{url}?view=search&q=bell")
    expect(page.locator(".skeleton").first).to_be_visible()
    seen.append(True)
    for route in held:
        route.continue_()
    wait_for_hits(page)
    page.goto(f"{url}?view=search&q=bell&where=label%20%3D%20nothing")
    expect(page.get_by_role("heading", name="No clips")).to_be_visible()
    page.goto(f"{url}?view=search&q=bell&where=nonsense")
    expect(page.get_by_role("alert").filter(has_text="COLUMN")).to_be_visible()
    expect(page.get_by_label("Only clips with")).to_be_visible()  # where it is mended
    page.unroute("**/v1/search?**")
    page.route("**/v1/search?**", lambda route: route.abort())
    page.goto(f"{url}?view=search&q=bell")
    expect(page.get_by_role("heading", name="No answer")).to_be_visible()
    page.unroute("**/v1/search?**")
    page.get_by_role("button", name="Try again").click()
    wait_for_hits(page)


def test_what_may_lack_clips_says_so(page, url):
    notes = {"partial": "partial: 1 part of the index does not answer, clips may be missing",
             "approximate": "approximate: finds 98.0 % of the ten nearest"}  # fmt: skip
    more: dict = {"partial": True, "recall": 0.98, "notes": list(notes.values())}

    def answer(route):
        route.fulfill(json=route.fetch().json() | more)

    page.route("**/v1/search?*", answer)
    page.goto(url + "?q=red+square")
    expect(page.locator("p.nothing", has_text="Partial: 1 part")).to_be_visible()
    expect(page.locator("p.note", has_text="Approximate: finds 98.0 %")).to_be_visible()
    more["hits"] = []
    page.reload()
    expect(page.locator(".state", has_text="No clips")).to_contain_text("Partial: 1 part of the index does not answer")


def test_labels_are_text_and_never_markup(page, url):
    evil = '<img src=x onerror="window.broken = 1">'
    page.goto(f"{url}?view=search&q={evil}&not={evil}&where={evil}")
    page.wait_for_selector(".state")
    page.goto(f"{url}?view=search&q={evil}")
    wait_for_hits(page)
    expect(page.locator("img[src=x]")).to_have_count(0)
    assert page.evaluate("window.broken") is None
    expect(page.get_by_role("heading", name="Nearest to")).to_contain_text(evil)


@contextmanager
def private():
    """The URL of the archive where a token is asked for; who has none may be slow."""
    with application(token=TOKEN, open_seconds=2 * PATIENCE) as app, listening(app) as url:
        yield url


def test_the_token_is_asked_for_once_and_lets_pictures_in(page):
    with private() as url:
        page.goto(f"{url}?view=search&q={SEEN[0]}")
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Enter").click()
        expect(page.locator("#login-error")).to_contain_text("not the token")
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        wait_for_hits(page)
        until(page, "[...document.images].some((img) => img.naturalWidth > 0)")
        assert TOKEN not in page.content() + str(page.evaluate("[document.cookie, localStorage.length]"))
        page.reload()
        wait_for_hits(page)


def test_escape_does_not_lock_out_who_has_the_token(page):
    with application(token=TOKEN) as app, listening(app) as url:
        page.goto(url)
        expect(page.get_by_label("Token")).to_be_focused()
        for _ in range(4):
            page.keyboard.press("Escape")
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        wait_for_hits(page)
        expect(page.locator("#login")).to_be_hidden()


def test_who_logs_out_is_asked_for_the_token_again(page):
    with private() as url:
        page.goto(url)
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert httpx.get(f"{url}v1/info", cookies=names(page), timeout=PATIENCE).status_code == 401
        page.reload()
        expect(page.get_by_role("dialog")).to_be_visible()


def names(page):
    return {one["name"]: one["value"] for one in page.context.cookies()}


def test_where_there_is_no_token_nobody_logs_out(page, url):
    page.goto(url)
    page.wait_for_selector(".card:not(.skeleton)")
    expect(page.get_by_role("button", name="Log out")).to_have_count(0)


@pytest.mark.parametrize("name", ["__proto__", "constructor", "toString", "hasOwnProperty", "nothing", ""])
def test_a_view_that_is_not_there_is_the_search(page, url, name):
    page.goto(f"{url}?view={name}")
    page.wait_for_selector(".card:not(.skeleton)")
    expect(page.locator("#main")).to_have_attribute("data-view", "search")


# once all that moves has come to its end, but what moves for ever
STILL = """Promise.all(document.getAnimations()
    .filter((one) => one.effect.getComputedTiming().endTime !== Infinity)
    .map((one) => one.finished.catch(() => null))).then(() => null)"""


@pytest.fixture
def spoiled(tmp_path):
    """An index of which one file changed, one is gone, one lies elsewhere, and one is text that was called a film."""
    clips = tmp_path / "clips"
    for i, name in enumerate(("changed", "gone", "text", "good")):
        render(clips / f"{name}.mp4", SEEN[i], seed=i)
    render(tmp_path / "others" / "elsewhere.mp4", SEEN[0], seed=5)
    for folder in (clips, tmp_path / "others"):
        index(world() / "run", folder, tmp_path / "index", engine="memory")
    (clips / "changed.mp4").write_bytes(b"another")
    (clips / "gone.mp4").unlink()
    (clips / "text.mp4").write_bytes(b"dear diary\n" * 90)
    with sqlite3.connect(tmp_path / "index" / "clips.sqlite") as db:
        db.execute("update clips set path = '/of/somebody/else.mp4' where id = 'elsewhere.mp4'")
        db.execute("delete from files where path like '%text.mp4'")  # as in an older index
    with application(tmp_path / "index", media=(clips,)) as app, listening(app) as url:
        yield url
    db.close()


def changed_answer(page, change, words="*"):
    """The page gets the server's hits for words as `change` leaves them."""

    def answer(route):
        found = route.fetch().json()
        change(found)
        route.fulfill(json=found)

    page.route(f"**/v1/search?q={words}&*", answer)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_line_stands_below_the_last_likely_clip(browser, url, width):
    with window(browser, *WIDTHS[width]) as page:
        changed_answer(page, lambda found: found.update(line=3), "likely")
        changed_answer(page, lambda found: found.update(line=0), "xyzzy")
        page.goto(f"{url}?view=search&q=likely")
        line = page.locator(".grid > .below")
        expect(line.locator("strong")).to_have_text("Below this line: probably not here")
        expect(line.locator("p")).to_contain_text("too little to be likely")
        expect(page.locator(".grid > li:has(~ .below)")).to_have_count(3)
        assert box_of(line)["width"] == pytest.approx(box_of(page.locator(".grid"))["width"], abs=1)
        page.goto(f"{url}?view=search&q=xyzzy")
        expect(page.get_by_role("heading", name="Nothing here fits “xyzzy”")).to_be_visible()
        expect(page.locator(".nothing")).to_contain_text("probably show something else")
        expect(page.locator(".below")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        page.get_by_role("link", name="More like this").first.click()
        expect(page.get_by_role("heading", name="Nearest to the clip")).to_be_visible()
        expect(page.locator(".below, .nothing")).to_have_count(0)


def test_words_of_a_name_are_not_told_as_if_nothing_fitted(page, url):
    note = "what fits was learned from whole names"
    changed_answer(page, lambda found: found.update(line=0, part_of_name=True, notes=[note]))
    page.goto(f"{url}?view=search&q=xyzzy")
    expect(page.get_by_role("heading", name="Nearest to “xyzzy”")).to_be_visible()
    expect(page.locator(".note").first).to_contain_text("What fits was learned")
    expect(page.get_by_text("Nothing here fits")).to_have_count(0)


def test_labels_that_speak_for_a_clip_are_shown(page, url):
    changed_answer(page, lambda found: found["hits"][0].update(because=["Dog", "<b>Bark</b>"]))
    page.goto(f"{url}?view=search&q={SEEN[0]}")
    expect(page.locator(".because")).to_have_text("because: Dog, <b>Bark</b>")
    changed_answer(page, lambda found: found["hits"][0].update(because=["Dog"], likely=False))
    page.reload()
    wait_for_hits(page)
    expect(page.locator(".because")).to_have_count(0)


@pytest.mark.parametrize(("width", "theme"), [("narrow", "dark"), ("wide", "light")])
def test_what_is_not_shown_says_why_in_the_place_of_its_picture(browser, spoiled, width, theme):
    with window(browser, *WIDTHS[width], color_scheme=theme) as page:
        page.goto(f"{spoiled}?view=search")
        for name, why in {
            "changed": "Changed since",
            "gone": "The file is gone",
            "elsewhere": "outside of the folders that this server may show",
            "text": "of a kind that is not read: text",
        }.items():
            card = page.locator(".card").filter(has=page.get_by_title(f"{name}.mp4"))
            card.scroll_into_view_if_needed()
            expect(card.locator(".blank")).to_contain_text(why)
            expect(card.locator("img, video, .play")).to_have_count(0)
            inner, outer = box_of(card.locator(".blank p")), box_of(card.locator(".frame"))
            assert inner["height"] <= outer["height"], name  # nothing of it is cut off
        good = page.locator(".card").filter(has=page.get_by_title("good.mp4"))
        good.scroll_into_view_if_needed()
        expect(good.locator(".play")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
