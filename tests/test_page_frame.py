"""A clip's frame in a real browser: nothing of it is cut, whatever its shape; its sound is drawn, and led by it."""

import wave
from contextlib import contextmanager

import av
import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from avgzsl.archive.indexing import index
from avgzsl.generators._clip_sounding import sound_clip
from avgzsl.media.encode import encode
from tests.media_files import numbered, tone, write
from tests.page_states import place_on_map
from tests.serve_world import RATE, application, world
from tests.test_page import browser, listening, until  # noqa: F401

SHAPES = {"square": (96, 96), "tall": (90, 160), "wide": (160, 90), "cinema": (210, 90)}
SECONDS = 30.0  # so that none ends while it is tried, on a busy machine
WIDTHS = (360, 768, 1600)
NAMES = [*(f"{name}.mp4" for name in SHAPES), "silent.mp4", "bell.wav", "picture.png"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Films of every shape, a sound and a still picture."""
    clips = tmp_path_factory.mktemp("frames").resolve()
    sound = sound_clip("slow", "high", "bell", SECONDS, RATE, np.random.default_rng(0))
    for name, (width, height) in {**SHAPES, "silent": (96, 96)}.items():
        frames = np.full((round(8 * SECONDS), height, width, 3), 90, np.uint8)
        encode(clips / f"{name}.mp4", frames, 8.0, *(() if name == "silent" else (sound, RATE)))
    with wave.open(str(clips / "bell.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    Image.fromarray(np.full((160, 90, 3), 200, np.uint8)).save(clips / "picture.png")
    return clips


@pytest.fixture(scope="module")
def url(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive") / "index"
    index(world() / "run", clips, folder, engine="memory")
    with application(folder, media=(clips,)) as app, listening(app) as here:
        yield here


@contextmanager
def opened(browser, url, width=1200, **how):  # noqa: F811
    """The archive in a window; nothing may go wrong on it."""
    context = browser.new_context(viewport={"width": width, "height": 900}, **how)
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{url}?view=search")
    page.wait_for_selector(".card:not(.skeleton)")
    yield page
    context.close()
    assert not wrong


def card_of(page, name):
    return page.locator(".card").filter(has=page.get_by_role("heading", name=name, exact=True))


def inside(part, whole):
    return (
        part["x"] >= whole["x"] - 1
        and part["y"] >= whole["y"] - 1
        and part["x"] + part["width"] <= whole["x"] + whole["width"] + 1
        and part["y"] + part["height"] <= whole["y"] + whole["height"] + 1
    )


SHOWN = ".frame img, .frame video, .frame audio, .frame .wave:not([hidden]), .frame .play"
# what is seen at the lower edge of the player, where its controls are
UNDER = """media => {
    const { left, width, bottom } = media.getBoundingClientRect();
    return [0.1, 0.5, 0.9].every((x) => document.elementFromPoint(left + x * width, bottom - 4) === media);
}"""


def require_whole(card, name):
    """What the frame shows lies in it, is not stretched, and the controls are not covered."""
    frame = card.locator(".frame").bounding_box()
    for shown in card.locator(SHOWN).all():
        box = shown.bounding_box()
        assert inside(box, frame) and box["height"] > 20, (name, box, frame)
    for media in card.locator("video, img").all():
        assert media.evaluate("one => getComputedStyle(one).objectFit") == "contain", name
    for media in card.locator("video, audio").all():
        media.scroll_into_view_if_needed()
        assert media.evaluate(UNDER), name


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_of_a_clip_is_cut_in_the_grid(browser, url, width):  # noqa: F811
    with opened(browser, url, width) as page:
        for name in NAMES:
            card = card_of(page, name)
            card.scroll_into_view_if_needed()
            require_whole(card, name)
            card.locator(".play").click()
            expect(card.locator("video, audio, img")).to_have_count(1)
            if name not in ("silent.mp4", "picture.png"):
                expect(card.get_by_role("slider")).to_be_visible()
            require_whole(card, name)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_of_a_clip_is_cut_beside_the_map(browser, url, width):  # noqa: F811
    found = httpx.get(f"{url}v1/map", timeout=60).json()
    names = found["clips"]["id"]
    apart = [i / (len(names) - 1) for i in range(len(names))]  # they are so alike that they lie on one another
    found["clips"] |= {"x": apart, "y": apart}
    places = dict(zip(names, zip(apart, apart, strict=True), strict=True))
    with opened(browser, url, width) as page:
        page.route("**/v1/map?*", lambda route: route.fulfill(json=found))
        page.goto(f"{url}?view=map")
        page.locator("canvas.map").wait_for()
        for name in ("square.mp4", "tall.mp4", "bell.wav"):
            page.locator("canvas.map").scroll_into_view_if_needed()
            page.mouse.click(*place_on_map(page, *places[name]))
            side = page.locator(".map-side")
            expect(side.get_by_text(name, exact=True).first).to_be_visible()
            expect(side.get_by_role("slider")).to_be_visible()
            require_whole(side, name)


PLACED = """async ([place, large, id]) => {
    const { frame } = await import(new URL("player.js", location.href));
    const clips = (await (await fetch("v1/clips")).json()).clips;
    const shown = frame(clips.find((clip) => clip.id === id), { large, playing: large });
    const around = document.createElement("div");
    around.id = "placed";
    around.append(shown);
    around.className = place === "map-side" ? place : "";
    const whole = document.createElement("div");
    whole.className = { "map-side": "map-frame", answer: "answer" }[place] ?? "";
    whole.append(...(place === "map-side" ? [document.createElement("div")] : []), around);
    document.getElementById("main").replaceChildren(whole);
    shown.querySelector(".play")?.click();
}"""


@pytest.mark.parametrize(("place", "large"), [("map-side", False), ("answer", False), ("", True)])
def test_nothing_of_a_clip_is_cut_wherever_its_frame_stands(browser, url, place, large):  # noqa: F811
    with opened(browser, url) as page:
        for name in ("square.mp4", "tall.mp4", "bell.wav"):
            page.evaluate(PLACED, [place, large, name])
            expect(page.get_by_role("slider")).to_be_visible()
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                require_whole(page.locator("#placed"), name)
                box = page.locator("#placed .frame").bounding_box()
                assert box["x"] + box["width"] <= width and box["height"] <= 900


def played(page):
    return page.evaluate("document.querySelector('.card video, .card audio').currentTime")


def paused_by_key(page, slider):
    """Space pauses it, once it plays."""
    until(page, "document.querySelector('.card video, .card audio')?.currentTime > 0")
    slider.press("Space")
    assert is_paused(page)


def is_paused(page):
    return page.evaluate("document.querySelector('.card video, .card audio').paused")


@pytest.mark.parametrize("name", ["tall.mp4", "bell.wav"])
def test_by_key(browser, url, name):  # noqa: F811
    with opened(browser, url) as page:
        card = card_of(page, name)
        card.locator(".play").focus()
        page.keyboard.press("Enter")
        slider = card.get_by_role("slider", name=f"Place in {name}")
        expect(slider).to_be_visible()
        for _ in range(12):  # through the browser's own controls
            if slider.evaluate("one => one === document.activeElement"):
                break
            page.keyboard.press("Tab")
        expect(slider).to_be_focused()
        paused_by_key(page, slider)
        most = float(slider.get_attribute("aria-valuemax"))
        assert most == pytest.approx(SECONDS, abs=0.5)
        page.keyboard.press("Home")
        assert played(page) == 0
        expect(slider).to_have_attribute("aria-valuenow", "0.0")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowUp")
        assert played(page) == pytest.approx(most / 10, abs=0.1)
        page.keyboard.press("PageUp")
        page.keyboard.press("ArrowLeft")
        assert played(page) == pytest.approx(most / 4, abs=0.1)
        expect(slider).to_have_attribute("aria-valuetext", "0:07 of 0:30")
        page.keyboard.press("End")
        assert played(page) == pytest.approx(most, abs=0.5)
        page.keyboard.press("PageDown")
        page.keyboard.press("Space")
        assert not is_paused(page)


@pytest.mark.parametrize("name", ["square.mp4", "bell.wav"])
def test_by_mouse(browser, url, name):  # noqa: F811
    with opened(browser, url) as page:
        card = card_of(page, name)
        card.locator(".play").click()
        slider = card.get_by_role("slider")
        paused_by_key(page, slider)
        box = slider.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 20)
        page.mouse.down()
        assert played(page) == pytest.approx(SECONDS / 4, abs=0.5)
        page.mouse.move(box["x"] + box["width"] * 3 / 4, box["y"] + 300)  # it is held, wherever the mouse goes
        assert played(page) == pytest.approx(SECONDS * 3 / 4, abs=0.5)
        needle = slider.locator(".needle").bounding_box()
        assert needle["x"] - box["x"] == pytest.approx(box["width"] * 3 / 4, abs=3)
        page.mouse.up()
        page.mouse.move(box["x"], box["y"])
        assert played(page) == pytest.approx(SECONDS * 3 / 4, abs=0.5)


@pytest.mark.parametrize("name", ["wide.mp4", "bell.wav"])
def test_by_finger(browser, url, name):  # noqa: F811
    with opened(browser, url, 360, has_touch=True, is_mobile=True) as page:
        card = card_of(page, name)
        card.locator(".play").tap()
        slider = card.get_by_role("slider")
        paused_by_key(page, slider)
        box = slider.bounding_box()
        slider.tap(position={"x": box["width"] * 3 / 4, "y": 20})
        assert played(page) == pytest.approx(SECONDS * 3 / 4, abs=0.5)


def test_a_sound_plays_from_where_its_picture_is_clicked_and_alone(browser, url):  # noqa: F811
    with opened(browser, url) as page:
        card_of(page, "tall.mp4").locator(".play").click()
        until(page, "document.querySelector('.card video')?.currentTime > 0")
        page.evaluate("document.querySelector('.card video').loop = true")
        sound = card_of(page, "bell.wav").locator(".wave")
        sound.click(position={"x": sound.bounding_box()["width"] / 2, "y": 20})
        until(page, f"document.querySelector('.card audio')?.currentTime > {SECONDS / 2 - 1}")
        until(page, "document.querySelector('.card video').paused")


def test_the_sound_is_drawn_as_it_is(browser, url):  # noqa: F811
    told = httpx.get(f"{url}v1/clips/peaks", params={"id": "bell.wav"}, timeout=60).json()["peaks"]
    loudest = max(abs(value) for part in told for value in part)
    with opened(browser, url) as page:
        until(page, "document.querySelector('.wave path').getBBox().width > 300")
        drawn = parts_of(card_of(page, "bell.wav").locator(".wave path"))
        np.testing.assert_allclose(drawn, np.array(told) / loudest, atol=1e-6)


def parts_of(path):
    """The least and the greatest of each part of a drawing, which goes along the one and back along the other."""
    numbers = np.array(path.get_attribute("d").strip("Mz").split(), float).reshape(-1, 2)
    upper, lower = numbers[: len(numbers) // 2 : 2], numbers[: len(numbers) // 2 - 1 : -1][::2]
    np.testing.assert_array_equal(upper[:, 0], np.arange(len(upper)))
    return np.stack([-lower[:, 1], -upper[:, 1]], axis=1)


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_of_ones_own_is_whole_and_drawn_without_the_server(browser, url, clips, name):  # noqa: F811
    with opened(browser, url, 768) as page:
        page.goto(f"{url}?view=recognise")
        asked = []
        page.on("request", lambda one: asked.append(one.url) if "/clips/peaks" in one.url else None)
        page.route("**/v1/search?*", lambda route: route.abort())  # whose hits would be asked for theirs
        page.set_input_files("#clip", str(clips / name))
        own = page.locator(".own")
        expect(own.locator("video, audio, img")).to_be_visible()
        if name in ("silent.mp4", "picture.png"):
            expect(own.get_by_role("slider")).to_have_count(0)
        else:
            expect(own.get_by_role("slider", name=f"Place in {name}")).to_be_visible()
        require_whole(own, name)
        if name == "bell.wav":
            told = np.array(httpx.get(f"{url}v1/clips/peaks", params={"id": name}, timeout=60).json()["peaks"])
            drawn = parts_of(own.locator("path").first)
            np.testing.assert_allclose(drawn, told / abs(told).max(), atol=2e-3)
        if name == "picture.png":
            until(page, "document.querySelector('.own img').naturalWidth === 90")
        assert not asked


@pytest.mark.parametrize(("name", "kind"), [("film.avi", "video/x-msvideo"), ("film.mkv", "")])
def test_a_clip_of_ones_own_that_the_browser_cannot_play_says_so(browser, url, tmp_path, name, kind):  # noqa: F811
    with av.open(str(tmp_path / "film.avi"), "w") as film:
        stream = film.add_stream("mpeg4", rate=8)
        stream.width, stream.height = 64, 64
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), "rgb24")
        for packet in [*(one for _ in range(8) for one in stream.encode(frame)), *stream.encode()]:
            film.mux(packet)
    with opened(browser, url, 360) as page:
        page.goto(f"{url}?view=recognise")
        content = (tmp_path / "film.avi").read_bytes()
        page.set_input_files("#clip", {"name": name, "mimeType": kind, "buffer": content})
        said = page.locator(".own .blank, .answer .blank").first
        expect(said).to_contain_text("Your browser cannot play a file of this kind. It was recognised all the same.")
        assert said.evaluate("one => one.scrollHeight <= one.clientHeight && one.scrollWidth <= one.clientWidth")


def test_a_silent_film_is_not_asked_for_its_sound(browser, url):  # noqa: F811
    with opened(browser, url) as page:
        asked = []
        page.on("request", lambda one: asked.append(one.url) if "/clips/peaks" in one.url else None)
        for name in ("silent.mp4", "square.mp4"):
            card_of(page, name).locator(".play").click()
        expect(card_of(page, "square.mp4").get_by_role("slider")).to_be_visible()
        assert [one.rpartition("=")[2] for one in asked] == ["square.mp4"]


def test_a_sound_that_cannot_be_decoded_says_so_in_its_place(browser, url):  # noqa: F811
    context = browser.new_context()
    page = context.new_page()
    why = {"type": "about:blank", "title": "", "status": 422, "detail": "bell.wav: is damaged", "errors": []}
    page.route("**/v1/clips/peaks?*", lambda route: route.fulfill(status=422, json=why))
    page.goto(f"{url}?view=search")
    card = card_of(page, "bell.wav")
    card.scroll_into_view_if_needed()
    expect(card.locator(".blank")).to_have_text("Not shownbell.wav: is damaged")
    expect(card.locator(".play")).to_have_count(0)
    context.close()


@pytest.mark.parametrize("whole", [True, False])
def test_the_drawing_of_a_piece_leads_through_the_piece(browser, url, whole):  # noqa: F811
    """Of a file that the browser plays, and of a preview, which begins where the piece does."""
    context = browser.new_context()
    page = context.new_page()
    rows = httpx.get(f"{url}v1/clips", params={"group": "file"}, timeout=60).json()
    for row in rows["clips"]:
        row |= {"start": 1.0, "end": 3.0}
    page.route("**/v1/clips?*", lambda route: route.fulfill(json=rows))
    peaks = {"start": 1.0, "seconds": 2.0, "peaks": [[-0.5, 0.5]] * 40}
    page.route("**/v1/clips/peaks?*", lambda route: route.fulfill(json=peaks))
    if not whole:
        page.route("**/v1/clips/file?*", lambda route: route.abort())
    page.goto(f"{url}?view=search")
    card = card_of(page, "wide.mp4")
    card.locator(".play").click()
    slider = card.get_by_role("slider")
    until(page, "document.querySelector('.card video').readyState > 0")
    page.evaluate("document.querySelector('.card video').pause()")
    slider.press("Home")
    assert played(page) == (1 if whole else 0)
    slider.press("PageUp")
    assert played(page) == pytest.approx(1.4 if whole else 0.4, abs=0.05)
    expect(slider).to_have_attribute("aria-valuenow", "0.4")
    slider.press("End")
    assert played(page) == pytest.approx(3 if whole else 2, abs=0.05)
    context.close()


def test_a_film_of_which_the_browser_plays_only_the_sound_is_shown_as_a_preview(browser, url, tmp_path):  # noqa: F811
    frames = [numbered(7)] * 40
    film = write(tmp_path / "old.mp4", frames, tone(4.0), codec="mpeg4")
    with opened(browser, url) as page:
        page.route("**/v1/clips/file?*", lambda route: route.fulfill(path=film, content_type="video/mp4"))
        card = card_of(page, "wide.mp4")
        card.locator(".play").click()
        until(page, "document.querySelector('.card video')?.videoWidth > 0")
        assert "/clips/preview?" in card.locator("video").evaluate("video => video.currentSrc")


def test_who_wants_less_motion_sees_the_needle_jump(browser, url):  # noqa: F811
    for motion, moves in (("reduce", False), ("no-preference", True)):
        context = browser.new_context(reduced_motion=motion)
        page = context.new_page()
        page.add_init_script(
            "window.steps = 0; const real = requestAnimationFrame;"
            "window.requestAnimationFrame = (step) => { window.steps++; return real(step); };"
        )
        page.goto(f"{url}?view=search")
        card_of(page, "wide.mp4").locator(".play").click()
        expect(page.get_by_role("slider")).to_be_visible()
        until(page, "parseFloat(document.querySelector('[role=slider]').style.getPropertyValue('--played')) > 0.5")
        assert (page.evaluate("window.steps") > 0) == moves
        context.close()
