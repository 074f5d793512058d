// What stands where there is nothing to show, or not yet.

import { h, tell } from "./dom.js";

export function skeletons(n = 8) {
  const card = () => h("div", { class: "card skeleton" }, h("div", { class: "frame" }), h("div", { class: "lines" }));
  return h("div", { class: "grid", "aria-hidden": "true" }, Array.from({ length: n }, card));
}

export function waiting(text) {
  return h("div", { class: "state" }, h("div", { class: "spinner", "aria-hidden": "true" }), h("p", {}, text));
}

export function empty(title, text, ...more) {
  return h("div", { class: "state" }, h("h2", {}, title), h("p", { class: "quiet" }, text), ...more);
}

export function failed(error, again) {
  const hopeless = error.status >= 400 && error.status < 500 && error.status !== 429;
  const button = again && !hopeless && h("button", { onclick: again }, "Try again");
  return h("div", { class: "state failed", role: "alert" }, h("h2", {}, title(error)), h("p", {}, error.message), button);
}

function title(error) {
  if (error.status === 0) return "No answer";
  if (error.status === 429) return "The server is busy";
  if (error.status === 413) return "The clip is too large";
  return error.status >= 500 ? "The server cannot do this now" : "This cannot be answered";
}

// Shows what `load` gives in `place`, with something to look at meanwhile. Only the last call for a place counts, and
// none once the place has left the page: what is drawn by then is not to be told, paged or played over.
const latest = new WeakMap();
export async function show(place, meanwhile, load, render) {
  const mine = Symbol();
  const counts = () => latest.get(place) === mine && place.isConnected;
  latest.set(place, mine);
  place.setAttribute("aria-busy", "true");
  place.replaceChildren(meanwhile);
  let shown;
  try {
    const found = await load();
    if (!counts()) return;
    shown = render(found);
  } catch (error) {
    if (!counts()) return;
    tell(error.message);
    shown = failed(error, () => show(place, meanwhile, load, render));
  }
  place.replaceChildren(...[shown].flat());
  place.removeAttribute("aria-busy");
  document.dispatchEvent(new Event("shown"));
}

// Shows nothing in `place`, whatever it still waits for.
export function clear(place) {
  latest.delete(place);
  place.replaceChildren();
  place.removeAttribute("aria-busy");
}
