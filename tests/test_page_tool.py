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
from tests.test_page import browser, listening, page, told_by, until, url, wait_for_hits, width_of, window  # noqa: F401


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


FEW_FILLED = f"(({{ length }}) => 0 < length && length <= {FEW})(document.querySelectorAll('[data-filled]'))"


def test_thousands_of_cards_have_frames_only_near_the_view(page, url):
    clip = told_by(url, "clips", limit=1)["clips"][0]
    many = [clip | {"id": f"{i:04}.mp4", "name": f"{i:04}.mp4", "label": None} for i in range(5000)]
    answer = {"total": 5000, "offset": 0, "next": None, "clips": many}
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
