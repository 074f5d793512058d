"""Every state of the page, by name, and how it comes about; all are of the world's archive, `url`."""

from urllib.parse import quote

from tests.serve_world import UNSEEN, world

FOUND = f"?view=search&q={quote(UNSEEN[0])}"
FILTERED = f"{FOUND}&not=drum&where={quote('duration < 90 and has_audio = yes')}"
CARD = ".results:not([aria-busy]) .card:not(.skeleton)"
MAP = "canvas.map[data-drawn]"  # which has its size by then


def _answered(page, path, change):
    """The page gets the server's answer as `change` leaves it."""

    def answer(route):
        found = route.fetch().json()
        change(found)
        route.fulfill(json=found)

    page.route(path, answer)


def _failing(page, path, status, detail):
    problem = {"type": "about:blank", "title": "", "status": status, "detail": detail, "errors": []}
    page.route(path, lambda route: route.fulfill(status=status, json=problem))


def unfold(page):
    """On a narrow screen the choices stand behind one button."""
    if page.viewport_size["width"] <= 700:
        page.get_by_role("button", name="Filters and order").click()


def empty(page, url):
    page.goto(f"{url}?view=search")
    page.wait_for_selector(CARD)


def found(page, url):
    _answered(page, "**/v1/search?*", lambda told: told.update(line=3))
    page.goto(url + FOUND)
    page.wait_for_selector(CARD)


def filtered(page, url):
    page.goto(url + FILTERED)
    page.wait_for_selector(CARD)
    page.locator("#filter-label").wait_for(state="attached")


def no_hit(page, url):
    page.goto(f"{url}?view=search&q=bell&where={quote('label = nothing')}")
    page.wait_for_selector(".state")


def nothing_fits(page, url):
    _answered(page, "**/v1/search?*", lambda told: told.update(line=0))
    page.goto(f"{url}?view=search&q=xyzzy")
    page.wait_for_selector(CARD)


def partial(page, url):
    notes = ["partial: 1 part of the index does not answer, clips may be missing", "approximate: finds 98.0 %"]
    _answered(page, "**/v1/search?*", lambda told: told.update(partial=True, recall=0.98, notes=notes))
    page.goto(url + FOUND)
    page.wait_for_selector(CARD)


def menu(page, url):
    filtered(page, url)
    unfold(page)
    page.locator("#filter-label").click()
    page.locator(".choice").first.wait_for()


def advanced(page, url):
    filtered(page, url)
    unfold(page)
    page.locator("details.more summary").first.click()


def unfolded(page, url):
    filtered(page, url)
    unfold(page)
    page.locator("#filter-label").wait_for()


def refused(page, url):
    page.goto(f"{url}?view=search&q=x&where=nonsense")
    page.wait_for_selector(".state")


def selected(page, url):
    found(page, url)
    for place in (0, 1, 2):
        page.locator("#main .card").nth(place).get_by_role("checkbox").click()


def opened(page, url):
    page.goto(url + FOUND)
    page.wait_for_selector(CARD)
    page.locator(".opener").first.click()
    page.locator(".nearest table").first.wait_for()


def listened(page, url):
    page.goto(f"{url}?view=search&clip={quote('Glockenspiel, allein.wav')}")
    page.locator(".nearest table").first.wait_for()
    page.locator("dialog .play").click()
    page.locator("dialog [role=slider]").wait_for()
    page.evaluate("document.querySelector('dialog audio').pause()")


def unknown(page, url):
    page.goto(f"{url}?view=search&clip=nothing")
    page.locator("dialog.full [role=alert]").wait_for()


def keys(page, url):
    empty(page, url)
    page.keyboard.press("?")
    page.locator("#keys").wait_for()


def playing(page, url):
    empty(page, url)
    for _ in range(3):
        page.locator(".card .play").first.click()
    page.locator("[role=slider]").first.wait_for()
    page.evaluate("document.querySelectorAll('video, audio').forEach((one) => one.pause())")


def map_drawn(page, url):
    page.goto(f"{url}?view=map")
    page.locator(MAP).wait_for()


def place_on_map(page, x, y):
    """Where a point of the unit square is in the window while the map shows all of itself."""
    box = page.locator(MAP).bounding_box()
    return box["x"] + 40 + x * (box["width"] - 80), box["y"] + 40 + y * (box["height"] - 80)


def map_played(page, url):
    with page.expect_response("**/v1/map?*") as answer:
        map_drawn(page, url)
    clips = answer.value.json()["clips"]
    page.mouse.click(*place_on_map(page, clips["x"][0], clips["y"][0]))
    page.locator(".map-side").locator("video, audio").wait_for()
    page.evaluate("document.querySelector('.map-side').querySelector('video, audio').pause()")


def map_clusters(page, url):
    map_drawn(page, url)
    page.get_by_role("radio", name="Cluster").check(force=True)
    page.locator(".map-below .chip").first.click()
    page.locator(".map-below .card").first.wait_for()


def recognise(page, url):
    page.goto(f"{url}?view=recognise")
    page.wait_for_selector(".drop")


def recognised(page, url):
    recognise(page, url)
    page.set_input_files("#clip", str(world() / "clips" / "red-square-low-drum" / "test-0.mp4"))
    page.wait_for_selector(".chart")
    page.wait_for_selector(CARD)


def none_of_these(page, url):
    _answered(page, "**/v1/classify?*", lambda told: told.update(none_of_these=True))
    recognised(page, url)


def unreadable(page, url):
    recognise(page, url)
    page.set_input_files("#clip", {"name": "bad.mp4", "mimeType": "video/mp4", "buffer": b"this is text" * 100})
    page.locator("[role=alert]").first.wait_for()


def no_uploads(page, url):
    _answered(page, "**/v1/info", lambda told: told.update(uploads=False, why_not="The backbone is not here."))
    page.goto(f"{url}?view=recognise")
    page.wait_for_selector(".state")


def model(page, url):
    page.goto(f"{url}?view=model")
    page.wait_for_selector(".figures-table")


def not_evaluated(page, url):
    _answered(page, "**/v1/run", lambda told: told.update(results=[], history=[]))
    page.goto(f"{url}?view=model")
    page.wait_for_selector(".state")


def untrained(page, url):
    """The model of an archive without labels."""
    _answered(page, "**/v1/info", lambda told: told.update(classes=[]))
    page.goto(f"{url}?view=model")
    page.get_by_role("heading", name="Nothing was trained").wait_for()


def guessed(page, url):
    """A clip that is recognised where nothing has a label."""

    def unnamed(told):
        told["top"] = [one | {"seen": None} for one in told["top"]]
        told["none_of_these"] = None  # nothing says how far is too far
        told["notes"] = ["No class was learned here: chosen among 663 everyday phrases, as a guess"]

    _answered(page, "**/v1/info", lambda told: told.update(classes=[]))
    _answered(page, "**/v1/classify?*", unnamed)
    recognised(page, url)


def login(page, url):
    _failing(page, "**/v1/info", 401, "present the token")
    page.goto(url)
    page.locator("#login").wait_for()


def private(page, url):
    _answered(page, "**/v1/info", lambda told: told.update(private=True))
    empty(page, url)
    page.get_by_role("button", name="Log out").wait_for()


def broken(page, url):
    _failing(page, "**/v1/search?*", 503, "what the server has of the archive cannot be used; its log says why")
    page.goto(url + FOUND)
    page.wait_for_selector(".failed")


def unreachable(page, url):
    page.route("**/v1/info", lambda route: route.abort())
    page.goto(url)
    page.wait_for_selector(".failed")


def loading(page, url):
    page.route("**/v1/search?*", lambda route: None)
    page.goto(url + FOUND)
    page.wait_for_selector(".skeleton")


def without_labels(page, url):
    def unnamed(told):
        for hit in told["hits"]:
            hit["clip"] |= {"label": None, "seen": None}

    _answered(page, "**/v1/search?*", unnamed)
    _answered(page, "**/v1/info", lambda told: told.update(classes=[]))
    page.goto(f"{url}{FOUND}")
    page.wait_for_selector(CARD)


def grouped(page, url):
    """A long file of which many windows were found."""

    def windowed(told):
        first = told["hits"][0]
        windows = [
            {"id": f"tape@{i}", "start": 300.0 * i, "end": 300.0 * i + 10, "score": first["score"], "likely": i < 3}
            for i in range(12)
        ]
        first["clip"] |= {"start": 300.0, "end": 310.0, "file_seconds": 3700.0, "name": "tape 7 of the long one.mp4"}
        first["windows"] = windows

    _answered(page, "**/v1/search?*", windowed)
    page.goto(url + FOUND)
    page.locator(".timeline").first.wait_for()


def lost(page, url):
    """Clips that are not shown, each with its reason."""

    def hidden(told):
        for hit, why in zip(told["hits"], ("none", "gone", "changed", "elsewhere"), strict=False):
            hit["clip"] |= {"file": why, "has_file": False}

    _answered(page, "**/v1/search?*", hidden)
    page.goto(url + FOUND)
    page.wait_for_selector(CARD)


STATES = {
    make.__name__: make
    for make in (
        empty, found, filtered, no_hit, nothing_fits, partial, menu, advanced, unfolded, refused, selected, opened,
        listened, unknown, keys, playing, map_drawn, map_played, map_clusters, recognise, recognised, none_of_these,
        unreadable, no_uploads, model, not_evaluated, untrained, guessed, login, private, broken, unreachable,
        loading, without_labels, grouped, lost,
    )
}  # fmt: skip
