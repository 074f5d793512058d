// A list of thousands of cards stays quick: only what is near the view has its frame. (Style leaves out the layout of
// the rest.)

import { h } from "./dom.js";

const MARGIN = "1000px 0px"; // so that nobody sees a frame come

const makers = new WeakMap();

const watcher = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!target.isConnected) watcher.unobserve(target);
      else if (isIntersecting) fill(target);
      else if (!target.querySelector("audio, video")) empty(target); // what plays goes on
    }
  },
  { rootMargin: MARGIN },
);

// A place that `make` fills with a frame when it comes near the view, and that is empty again when it is far.
export function nearView(make) {
  const place = h("div", { class: "frame-place" }, h("div", { class: "frame" }));
  makers.set(place, make);
  watcher.observe(place);
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
  if (!place.dataset.filled) return;
  delete place.dataset.filled;
  place.replaceChildren(h("div", { class: "frame" }));
}
