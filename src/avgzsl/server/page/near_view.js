// A list of thousands of cards stays quick: what is far from the view is not laid out (`content-visibility`, in the
// style), and has no frame. The browser says what comes near, by pieces of the list: to watch each card costs a pause
// in every frame.

import { h } from "./dom.js";

const MOST = 60; // cards of a piece: rows of two to six columns are full
const TELLS = "oncontentvisibilityautostatechange" in document.documentElement; // else every card has its frame at once

const makers = new WeakMap();

// Puts cards behind those that `list` has, in pieces.
export function append(list, cards) {
  for (const card of cards) {
    if (!list.lastChild || list.lastChild.querySelectorAll(".card").length === MOST) list.append(piece());
    list.lastChild.append(h("li", {}, card));
    if (!TELLS || near.has(list.lastChild)) fill(placeIn(card));
  }
}

const near = new WeakSet();

function piece() {
  function changed({ skipped }) {
    if (skipped) near.delete(items);
    else near.add(items);
    for (const place of items.querySelectorAll(".frame-place")) skipped ? empty(place) : fill(place);
  }
  const items = h("ul", { class: "grid", role: "list", oncontentvisibilityautostatechange: changed });
  return items;
}

const placeIn = (card) => card.querySelector(".frame-place");

// Where `make` makes a frame, once it is asked for.
export function framePlace(make) {
  const place = h("div", { class: "frame-place" }, h("div", { class: "frame" }));
  makers.set(place, make);
  return place;
}

// Fills a place at once, maybe with another frame: what is asked to play does not wait for the view.
export function fill(place, make = null) {
  if (place.dataset.filled && !make) return;
  if (make) makers.set(place, make);
  place.dataset.filled = "yes";
  place.replaceChildren(makers.get(place)());
}

function empty(place) {
  if (!place.dataset.filled || place.querySelector("audio, video")) return; // what plays goes on
  delete place.dataset.filled;
  place.replaceChildren(h("div", { class: "frame" }));
}
