// The clips that were chosen, over all searches until the tab is closed, and the boxes that choose them.

import { call } from "./api.js";
import { h, tell, count } from "./dom.js";

export const MOST = 1000; // as many as the server puts into one file

const chosen = new Map(); // id to clip, in the order in which they were chosen
const heard = new Set();
const AT_ONCE = 48; // clips that the server tells of at once
let anchor = null; // where a range begins
let kept = null; // under what name the browser keeps their ids, so that they are there after the page is loaded again

export const selected = () => [...chosen.values()];

// Calls `change` now and after each change, as long as `element` is on the page.
export function onSelection(element, change) {
  const one = { element, change };
  heard.add(one);
  change();
}

// Chooses again what was chosen in this archive before the page was loaded again; clips that have gone are left out.
export async function recall(archive) {
  kept = `selection of ${archive}`;
  try {
    const ids = JSON.parse(sessionStorage.getItem(kept) ?? "[]");
    for (let i = 0; i < ids.length; i += AT_ONCE) {
      for (const clip of await call("clips/some", { id: ids.slice(i, i + AT_ONCE) })) chosen.set(clip.id, clip);
    }
  } catch {
    tell("What was selected before could not be selected again"); // the server does not answer, or the browser keeps nothing
  }
  changed();
}

function keep() {
  try {
    sessionStorage.setItem(kept, JSON.stringify([...chosen.keys()]));
  } catch {
    kept = null; // a browser that keeps nothing: the selection lasts as long as the page
  }
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
  keep();
  changed();
}

export function clear() {
  chosen.clear();
  anchor = null;
  tell("No clip selected");
  keep();
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
