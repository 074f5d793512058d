"""A clip's frame in a real browser: nothing of it is cut, whatever its shape; its sound is drawn, and led by it."""

import wave
from contextlib import contextmanager

import av
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from avgzsl.archive.indexing import index
from avgzsl.generators._clip_sounding import sound_clip
from avgzsl.media.encode import encode
from tests.media_files import numbered, tone, write
from tests.page_states import MAP, place_on_map
from tests.serve_world import RATE, application, world
from tests.test_page import FRAMES, box_of, browser, comes_true, listening, told_by, until, width_of, window  # noqa: F401

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
    with window(browser, width, 900, **how) as page:
        page.goto(f"{url}?view=search")
        page.wait_for_selector(".card:not(.skeleton)")
        yield page


def card_of(page, name):
    return page.locator(".card").filter(has=page.get_by_role("heading", name=name, exact=True))


# What is wrong with the frame in a card, all of it seen at one moment: what it shows lies in it and is not stretched,
# and at the lower edge of the player, where its controls are, nothing covers them.
FAULTS = """card => {
    const inside = (part, whole) => part.left >= whole.left - 1 && part.top >= whole.top - 1
        && part.right <= whole.right + 1 && part.bottom <= whole.bottom + 1;
    const frame = card.querySelector(".frame");
    const shown = [...frame.querySelectorAll("img, video, audio, .wave:not([hidden]), .play")];
    const faults = shown.length ? [] : ["shows nothing"];
    for (const one of shown) {
        const [box, whole] = [one, frame].map((element) => element.getBoundingClientRect());
        if (!inside(box, whole) || box.height <= 20) faults.push(["is cut", one.outerHTML, box, whole]);
    }
    for (const media of frame.querySelectorAll("video, img")) {
        if (getComputedStyle(media).objectFit !== "contain") faults.push(["is stretched", media.outerHTML]);
    }
    for (const media of frame.querySelectorAll("video, audio")) {
        if (!media.readyState) faults.push(["is not loaded", media.outerHTML]);
        media.scrollIntoView({ block: "nearest" });
        const { left, width, bottom } = media.getBoundingClientRect();
        const seen = [0.1, 0.5, 0.9].map((x) => document.elementFromPoint(left + x * width, bottom - 4));
        if (seen.some((one) => one !== media)) faults.push(["is covered", media.outerHTML, seen.map(String)]);
    }
    return JSON.stringify(faults);
}"""


def require_whole(card, name):
    """Nothing is wrong with the frame in a card, once what it shows is there."""
    found = []

    def whole():
        found[:] = [name, card.evaluate(FAULTS)]
        return found[1] == "[]"

    comes_true(card.page, whole, found)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_of_a_clip_is_cut_in_the_grid(browser, url, width):  # noqa: F811
    with opened(browser, url, width) as page:
        for name in NAMES:
            card = card_of(page, name)
            card.scroll_into_view_if_needed()
            expect(card.locator(".play")).to_be_visible()
            require_whole(card, name)
            card.locator(".play").click()
            expect(card.locator("video, audio, img")).to_have_count(1)
            if name not in ("silent.mp4", "picture.png"):
                expect(card.get_by_role("slider")).to_be_visible()
            require_whole(card, name)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_of_a_clip_is_cut_beside_the_map(browser, url, width):  # noqa: F811
    found = told_by(url, "map")
    names = found["clips"]["id"]
    apart = [i / (len(names) - 1) for i in range(len(names))]  # they are so alike that they lie on one another
    found["clips"] |= {"x": apart, "y": apart}
    places = dict(zip(names, zip(apart, apart, strict=True), strict=True))
    with opened(browser, url, width) as page:
        page.route("**/v1/map?*", lambda route: route.fulfill(json=found))
        page.goto(f"{url}?view=map")
        for name in ("square.mp4", "tall.mp4", "bell.wav"):
            page.locator(MAP).scroll_into_view_if_needed()
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
                box = box_of(page.locator("#placed .frame"))
                assert box["x"] + box["width"] <= width and box["height"] <= 900


MEDIA = "document.querySelector('.card video, .card audio')"


def comes_to(page, second, within):
    """Waits until what plays, or is paused, is at a second of it."""
    until(page, f"Math.abs({MEDIA}?.currentTime - {second}) <= {within}")


def paused_by_key(page, slider):
    """Space pauses it, once it plays."""
    until(page, f"{MEDIA}?.currentTime > 0")
    slider.press("Space")
    until(page, f"{MEDIA}.paused")


@pytest.mark.parametrize("name", ["tall.mp4", "bell.wav"])
def test_by_key(browser, url, name):  # noqa: F811
    with opened(browser, url) as page:
        card = card_of(page, name)
        card.locator(".play").focus()
        page.keyboard.press("Enter")
        slider = card.get_by_role("slider", name=f"Place in {name}")
        expect(slider).to_be_visible()
        until(page, f"{MEDIA}?.currentTime > 0")  # its own controls are there by then
        for _ in range(12):  # through the browser's own controls
            if slider.evaluate("one => one === document.activeElement"):
                break
            page.keyboard.press("Tab")
        expect(slider).to_be_focused()
        paused_by_key(page, slider)
        most = float(slider.get_attribute("aria-valuemax"))
        assert most == pytest.approx(SECONDS, abs=0.5)
        page.keyboard.press("Home")
        comes_to(page, 0, 0)
        expect(slider).to_have_attribute("aria-valuenow", "0.0")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowUp")
        comes_to(page, most / 10, 0.1)
        page.keyboard.press("PageUp")
        page.keyboard.press("ArrowLeft")
        comes_to(page, most / 4, 0.1)
        expect(slider).to_have_attribute("aria-valuetext", "0:07 of 0:30")
        page.keyboard.press("End")
        comes_to(page, most, 0.5)
        page.keyboard.press("PageDown")
        page.keyboard.press("Space")
        until(page, f"!{MEDIA}.paused")


@pytest.mark.parametrize("name", ["square.mp4", "bell.wav"])
def test_by_mouse(browser, url, name):  # noqa: F811
    with opened(browser, url) as page:
        card = card_of(page, name)
        card.locator(".play").click()
        slider = card.get_by_role("slider")
        paused_by_key(page, slider)
        box = box_of(slider)
        page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 20)
        page.mouse.down()
        comes_to(page, SECONDS / 4, 0.5)
        page.mouse.move(box["x"] + box["width"] * 3 / 4, box["y"] + 300)  # it is held, wherever the mouse goes
        comes_to(page, SECONDS * 3 / 4, 0.5)
        needle = box_of(slider.locator(".needle"))
        assert needle["x"] - box["x"] == pytest.approx(box["width"] * 3 / 4, abs=3)
        page.mouse.up()
        page.mouse.move(box["x"], box["y"])
        page.evaluate(FRAMES)
        comes_to(page, SECONDS * 3 / 4, 0.5)


@pytest.mark.parametrize("name", ["wide.mp4", "bell.wav"])
def test_by_finger(browser, url, name):  # noqa: F811
    with opened(browser, url, 360, has_touch=True, is_mobile=True) as page:
        card = card_of(page, name)
        card.locator(".play").tap()
        slider = card.get_by_role("slider")
        paused_by_key(page, slider)
        box = box_of(slider)
        slider.tap(position={"x": box["width"] * 3 / 4, "y": 20})
        comes_to(page, SECONDS * 3 / 4, 0.5)


def test_a_sound_plays_from_where_its_picture_is_clicked_and_alone(browser, url):  # noqa: F811
    with opened(browser, url) as page:
        card_of(page, "tall.mp4").locator(".play").click()
        until(page, "document.querySelector('.card video')?.currentTime > 0")
        page.evaluate("document.querySelector('.card video').loop = true")
        sound = card_of(page, "bell.wav").locator(".wave")
        sound.click(position={"x": width_of(sound) / 2, "y": 20})
        until(page, f"document.querySelector('.card audio')?.currentTime > {SECONDS / 2 - 1}")
        until(page, "document.querySelector('.card video')?.paused")


DRAWN = "document.querySelector('.wave path')?.getBBox().width > 300"


def test_the_sound_is_drawn_as_it_is(browser, url):  # noqa: F811
    told = told_by(url, "clips/peaks", id="bell.wav")["peaks"]
    loudest = max(abs(value) for part in told for value in part)
    with opened(browser, url) as page:
        until(page, DRAWN)
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
            told = np.array(told_by(url, "clips/peaks", id=name)["peaks"])
            drawn = parts_of(own.locator("path").first)
            np.testing.assert_allclose(drawn, told / abs(told).max(), atol=2e-3)
        if name == "picture.png":
            until(page, "document.querySelector('.own img')?.naturalWidth === 90")
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
        until(page, DRAWN)  # the sound without a picture was asked for
        asked = []
        page.on("request", lambda one: asked.append(one.url) if "/clips/peaks" in one.url else None)
        for name in ("silent.mp4", "square.mp4"):
            card_of(page, name).locator(".play").click()
        expect(card_of(page, "square.mp4").get_by_role("slider")).to_be_visible()
        assert [one.rpartition("=")[2] for one in asked] == ["square.mp4"]


def test_a_sound_that_cannot_be_decoded_says_so_in_its_place(browser, url):  # noqa: F811
    why = {"type": "about:blank", "title": "", "status": 422, "detail": "bell.wav: is damaged", "errors": []}
    with window(browser) as page:
        page.route("**/v1/clips/peaks?*", lambda route: route.fulfill(status=422, json=why))
        page.goto(f"{url}?view=search")
        card = card_of(page, "bell.wav")
        card.scroll_into_view_if_needed()
        expect(card.locator(".blank")).to_have_text("Not shownbell.wav: is damaged")
        expect(card.locator(".play")).to_have_count(0)


@pytest.mark.parametrize("whole", [True, False])
def test_the_drawing_of_a_piece_leads_through_the_piece(browser, url, whole):  # noqa: F811
    """Of a file that the browser plays, and of a preview, which begins where the piece does."""
    rows = told_by(url, "clips", group="file")
    for row in rows["clips"]:
        row |= {"start": 1.0, "end": 3.0}
    peaks = {"start": 1.0, "seconds": 2.0, "peaks": [[-0.5, 0.5]] * 40}
    with window(browser) as page:
        page.route("**/v1/clips?*", lambda route: route.fulfill(json=rows))
        page.route("**/v1/clips/peaks?*", lambda route: route.fulfill(json=peaks))
        if not whole:
            page.route("**/v1/clips/file?*", lambda route: route.abort())
        page.goto(f"{url}?view=search")
        card = card_of(page, "wide.mp4")
        card.locator(".play").click()
        slider = card.get_by_role("slider")
        until(page, f"{MEDIA}?.readyState > 0")
        page.evaluate(f"{MEDIA}.pause()")
        slider.press("Home")
        comes_to(page, 1 if whole else 0, 0)
        slider.press("PageUp")
        comes_to(page, 1.4 if whole else 0.4, 0.05)
        expect(slider).to_have_attribute("aria-valuenow", "0.4")
        slider.press("End")
        comes_to(page, 3 if whole else 2, 0.05)


def test_a_film_of_which_the_browser_plays_only_the_sound_is_shown_as_a_preview(browser, url, tmp_path):  # noqa: F811
    frames = [numbered(7)] * 40
    film = write(tmp_path / "old.mp4", frames, tone(4.0), codec="mpeg4")
    with opened(browser, url) as page:
        page.route("**/v1/clips/file?*", lambda route: route.fulfill(path=film, content_type="video/mp4"))
        card = card_of(page, "wide.mp4")
        card.locator(".play").click()
        until(page, "document.querySelector('.card video')?.videoWidth > 0")
        until(page, "document.querySelector('.card video')?.currentSrc.includes('/clips/preview?')")


def test_who_wants_less_motion_sees_the_needle_jump(browser, url):  # noqa: F811
    for motion, moves in (("reduce", False), ("no-preference", True)):
        with window(browser, reduced_motion=motion) as page:
            page.add_init_script(
                "window.steps = 0; const real = requestAnimationFrame;"
                "window.requestAnimationFrame = (step) => { window.steps++; return real(step); };"
            )
            page.goto(f"{url}?view=search")
            card_of(page, "wide.mp4").locator(".play").click()
            expect(page.get_by_role("slider")).to_be_visible()
            until(page, "parseFloat(document.querySelector('[role=slider]')?.style.getPropertyValue('--played')) > 0.5")
            assert (page.evaluate("window.steps") > 0) == moves
