// The page by keys alone: from card to card, and what a key does with the one that has the focus.

import { h } from "./dom.js";
import { cards, hitOf } from "./hits.js";
import { further } from "./more.js";
import { fill } from "./near_view.js";
import { choose, toggle } from "./selection.js";

const HELP = [
  [["/"], "search"],
  [["j", "k"], "next, previous clip"],
  [["←", "→", "↑", "↓"], "beside, above, below; with Shift, select on the way"],
  [["Home", "End"], "first, last clip"],
  [["Enter"], "open the clip"],
  [["Space"], "play it"],
  [["x"], "select it; with Shift, all from the one before"],
  [["Esc"], "close"],
  [["?"], "this list"],
];
const OFF = "avgzsl-no-letters";

const lettersOff = () => localStorage.getItem(OFF) !== null;
const typing = (target) => target.closest("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio], [type=button])");
const plays = (target) => target.closest("audio, video, input[type=range], input[type=radio], [role=slider]");

// `view` is the open clip, if there is one: it takes the keys then.
export function listenToKeys(view) {
  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(target)) return;
    const dialog = document.querySelector("dialog[open]");
    if (key.length === 1 && key !== " " && lettersOff()) return;
    if (key.startsWith("Arrow") && plays(target)) return;
    if (key === "?" && !document.querySelector("#keys[open], #login[open]")) help();
    else if (dialog ? !(view.isOpen() && view.key(event)) : !onPage(event)) return;
    event.preventDefault();
  });
}

// True for a key that was meant for the page.
function onPage(event) {
  const { key, target, shiftKey } = event;
  const card = target.closest(".card:not(.skeleton)");
  const words = document.getElementById("q");
  if (key === "/") return words && (words.focus(), true);
  if (key === "j") return move(card, 1);
  if (key === "k") return move(card, -1);
  if (!card) return false;
  if (key in STEPS) return move(card, STEPS[key](), shiftKey);
  if (key === "Home" || key === "End") return go(cards().at(key === "Home" ? 0 : -1));
  if (key.toLowerCase() === "x") return toggle(hitOf(card).clip, undefined, shiftKey ? cards().map((one) => hitOf(one).clip) : null), true;
  if (target !== card) return false; // Enter and Space are for what has the focus
  if (key === "Enter") return card.querySelector(".opener").click(), true;
  return key === " " && play(card);
}

const STEPS = { ArrowRight: () => 1, ArrowLeft: () => -1, ArrowDown: columns, ArrowUp: () => -columns() };

// Where a card is, by its item: to ask a card that is far from the view would lay it out.
const placeOf = (card) => card.parentElement.getBoundingClientRect();

// How many cards stand side by side.
function columns() {
  const all = cards();
  const first = placeOf(all[0]).top;
  const next = all.findIndex((card) => placeOf(card).top > first + 1);
  return next < 0 ? all.length : next;
}

function move(card, step, selecting = false) {
  const all = cards();
  const at = card ? all.indexOf(card) + step : all.findIndex((one) => placeOf(one).bottom > 0);
  if (selecting && all[at]) choose([card, all[at]].map((one) => hitOf(one).clip), true);
  if (all[at]) return go(all[at]);
  if (card && step > 0) further().then((came) => came && go(cards()[Math.min(cards().indexOf(card) + step, cards().length - 1)]));
  return Boolean(card);
}

function go(card) {
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
  return true;
}

// Plays what `card` has, or lets it pause.
export function play(card) {
  const place = card.querySelector(".frame-place");
  const media = card.querySelector("audio, video");
  if (media) media.paused ? media.play() : media.pause();
  else if (place) fill(place);
  card.querySelector(".play")?.click();
  return true;
}

// What the keys do.
export function help() {
  const letters = h("input", { type: "checkbox", id: "letters", onchange: () => (letters.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "yes")) });
  letters.checked = !lettersOff();
  const rows = HELP.map(([keys, what]) => h("div", {}, h("dt", {}, keys.map((key) => h("kbd", {}, key))), h("dd", {}, what)));
  const dialog = h(
    "dialog",
    { id: "keys", "aria-labelledby": "keys-title", onclose: () => dialog.remove() },
    h("h2", { id: "keys-title" }, "Keys"),
    h("dl", { class: "keys" }, rows),
    h("label", { for: "letters", class: "check" }, letters, "Letters and signs act as keys"),
    h("button", { class: "primary", autofocus: true, onclick: () => dialog.close() }, "Close"),
  );
  document.body.append(dialog);
  dialog.showModal();
}
