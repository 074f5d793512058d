// Where the screen is narrow (the style says where) all choices but the words stand behind one button, which tells how
// many are made. It is as it was left from one list to the next, until new words are sought.

import { h } from "./dom.js";

let open = false;

export const fold = () => (open = false);

// The button, for what `place` gives: what asks, of which the style hides a part while it is folded.
export function folding(active, place) {
  const many = active ? h("span", { class: "many-active" }, active.toLocaleString("en"), h("span", { class: "unseen-text" }, " active")) : null;
  const button = h("button", { type: "button", class: "unfold", onclick: () => set(!open) }, "Filters and order ", many);
  function set(now) {
    open = now;
    button.setAttribute("aria-expanded", String(open));
    place()?.classList.toggle("folded", !open);
  }
  button.setAttribute("aria-expanded", String(open));
  return { button, folded: !open, unfold: () => set(true) };
}
