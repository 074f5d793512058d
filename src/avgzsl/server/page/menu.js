// A choice that is not always in sight: a name, and what opens below it.

import { h } from "./dom.js";

// What opens below its name; Escape, and a press elsewhere, close it. `load` asks for what `content` shows, if it is given.
export function menu(name, id, load, content) {
  const panel = h("div", { class: "panel" });
  const summary = h("summary", { class: "chip", id }, name);
  const place = h("details", { class: "menu", name: "menu", ontoggle: fill, onkeydown: escape, onfocusout: left }, summary, panel);
  async function fill() {
    if (!place.open) return;
    try {
      panel.replaceChildren(content(await load?.()));
    } catch (error) {
      panel.replaceChildren(h("p", { class: "wrong", role: "alert" }, error.message));
    }
  }
  function escape(event) {
    if (event.key !== "Escape" || !place.open) return;
    event.preventDefault();
    place.open = false;
    summary.focus();
  }
  function left({ relatedTarget }) {
    if (relatedTarget && !place.contains(relatedTarget)) place.open = false;
  }
  return place;
}

addEventListener("pointerdown", ({ target }) => {
  for (const one of document.querySelectorAll(".menu[open]")) if (!one.contains(target)) one.open = false;
});

// One of several: each with a word, maybe something more about it, whether it is chosen, and what a press does.
// The element of the id `back` has the focus after it.
export function choices(all, back) {
  const choice = ({ word, more, on, press }) =>
    h("li", {}, h("button", { class: "choice", "aria-pressed": String(on), data: { back }, onclick: press }, word, more && h("span", { class: "quiet" }, more)));
  return all.length ? h("ul", { role: "list" }, all.map(choice)) : h("p", { class: "quiet" }, "nothing to choose");
}
