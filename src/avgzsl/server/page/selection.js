// The clips that were chosen, over all searches until the page is left, and the boxes that choose them.

import { h, tell, count } from "./dom.js";

export const MOST = 1000; // as many as the server puts into one file

const chosen = new Map(); // id to clip, in the order in which they were chosen
const heard = new Set();
let anchor = null; // where a range begins

export const selected = () => [...chosen.values()];

// Calls `change` now and after each change, as long as `element` is on the page.
export function onSelection(element, change) {
  const one = { element, change };
  heard.add(one);
  change();
}

function changed() {
  for (const one of heard) {
    if (one.element.isConnected) one.change();
    else heard.delete(one);
  }
}

export function choose(clips, on) {
  let full = false;
  for (const clip of clips) {
    if (!on) chosen.delete(clip.id);
    else if (chosen.size < MOST || chosen.has(clip.id)) chosen.set(clip.id, clip);
    else full = true;
  }
  tell(`${count(chosen.size, "clip")} selected${full ? `; more than ${MOST.toLocaleString("en")} cannot be` : ""}`);
  changed();
}

export function clear() {
  chosen.clear();
  anchor = null;
  tell("No clip selected");
  changed();
}

// The box of a card; with Shift, everything from the box before it is chosen, too. `all` gives the clips in their order.
export function box(clip, all) {
  const input = h("input", { type: "checkbox", "aria-label": `Select ${clip.label ?? clip.name}`, data: { clip: clip.id } });
  input.checked = chosen.has(clip.id);
  input.addEventListener("click", (event) => toggle(clip, input.checked, event.shiftKey ? all() : null));
  return h("label", { class: "choose" }, input);
}

// Chooses a clip, or lets it go; with a list, everything between it and the clip before.
export function toggle(clip, on = !chosen.has(clip.id), list = null) {
  const [from, to] = list ? [anchor, clip.id].map((id) => list.findIndex((one) => one.id === id)).sort((a, b) => a - b) : [-1];
  choose(from < 0 ? [clip] : list.slice(from, to + 1), on);
  anchor = clip.id;
}

// What stands in `list` shows what is chosen.
export function showSelection(list) {
  onSelection(list, () => {
    for (const input of list.querySelectorAll(".choose input")) {
      input.checked = chosen.has(input.dataset.clip);
      input.closest(".card").classList.toggle("chosen", input.checked);
    }
  });
}
