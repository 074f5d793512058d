// A text field with class names to choose from, after the ARIA pattern of a combobox with a list.

import { h } from "./dom.js";

const MOST = 8;
let made = 0;

export function suggest(input, classes, chosen) {
  const id = `suggestions-${made++}`;
  const list = h("ul", { id, role: "listbox", class: "suggestions", hidden: true, "aria-label": "Classes" });
  let at = -1;
  const roles = { role: "combobox", autocomplete: "off", "aria-autocomplete": "list", "aria-expanded": "false" };
  for (const [name, value] of Object.entries({ ...roles, "aria-controls": id })) input.setAttribute(name, value);

  function open() {
    const words = input.value.trim().toLowerCase();
    const found = classes.filter((one) => one.label.toLowerCase().includes(words) && one.label !== input.value);
    at = -1;
    list.replaceChildren(...found.slice(0, MOST).map(option));
    list.hidden = !found.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    input.removeAttribute("aria-activedescendant");
  }

  function close() {
    list.hidden = true;
    at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function option(one, i) {
    const pick = (event) => (event.preventDefault(), take(one.label));
    return h(
      "li",
      { id: `${id}-${i}`, role: "option", "aria-selected": "false", onpointerdown: pick, data: { label: one.label } },
      h("span", {}, one.label),
      h("span", { class: `badge ${one.seen ? "seen" : "unseen"}` }, one.seen ? "seen" : "unseen"),
    );
  }

  function take(label) {
    input.value = label;
    close();
    chosen();
  }

  function move(step) {
    if (list.hidden) open();
    const options = [...list.children];
    if (!options.length) return;
    at = (at + step + options.length + (at < 0 && step < 0 ? 1 : 0)) % options.length;
    options.forEach((one, i) => one.setAttribute("aria-selected", String(i === at)));
    input.setAttribute("aria-activedescendant", options[at].id);
    options[at].scrollIntoView({ block: "nearest" });
  }

  input.addEventListener("input", () => (input.value ? open() : close()));
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter" && at >= 0) {
      event.preventDefault();
      take(list.children[at].dataset.label);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    }
  });
  return h("div", { class: "combobox" }, input, list);
}
