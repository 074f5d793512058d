// How many clips are selected, and what can be made of them; it stands at the foot of the page while there are any.

import { file } from "./api.js";
import { count, h, tell } from "./dom.js";
import { cards, hitOf } from "./hits.js";
import { choose, clear, onSelection, selected } from "./selection.js";

const FILES = [
  ["csv", "Table", "A table of the selected clips, as CSV"],
  ["m3u", "Playlist", "A playlist of the selected clips, as M3U"],
  ["cut", "Cut files", "The selected clips as files of their own, in a ZIP archive"],
];

export function selectionBar() {
  const many = h("strong", {});
  const wrong = h("p", { class: "wrong", role: "alert" });
  const buttons = FILES.map(([kind, word, title]) => h("button", { title, onclick: () => save(kind, word) }, word));
  const all = h("button", { class: "plain", title: "All clips that the page shows", onclick: () => choose(cards().map((card) => hitOf(card).clip), true) }, "Select all");
  const none = h("button", { class: "plain", onclick: leave }, "Clear");
  const bar = h("section", { class: "selection", "aria-label": "Selection", hidden: true },
    h("div", { class: "many" }, many, all, none),
    h("div", { class: "files", role: "group", "aria-label": "Save the selection as" }, buttons),
    wrong,
  );

  function leave() {
    clear();
    document.getElementById("main").focus({ preventScroll: true });
  }

  async function save(kind, word) {
    const clips = selected();
    wrong.textContent = "";
    buttons.forEach((one) => one.setAttribute("aria-disabled", "true"));
    many.textContent = kind === "cut" ? `Cutting ${count(clips.length, "clip")} …` : `Writing ${count(clips.length, "clip")} …`;
    tell(many.textContent);
    try {
      const body = JSON.stringify({ ids: clips.map((one) => one.id), kind });
      keep(await file("clips/export", { method: "POST", body, headers: { "content-type": "application/json" } }), kind);
      tell(`${word} of ${count(clips.length, "clip")} saved`);
    } catch (error) {
      wrong.textContent = error.message;
    }
    buttons.forEach((one) => one.removeAttribute("aria-disabled"));
    say();
  }

  function say() {
    const { length } = selected();
    many.textContent = `${count(length, "clip")} selected`;
    bar.hidden = !length;
    document.documentElement.classList.toggle("selecting", length > 0);
    if (!length) wrong.textContent = "";
  }

  onSelection(bar, say);
  return bar;
}

function keep({ blob, name }, kind) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name ?? `clips.${kind === "cut" ? "zip" : kind}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // some browsers read it after the click
}
