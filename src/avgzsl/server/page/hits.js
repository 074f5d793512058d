// The grid of clips: found ones with how near they are and by what, others as they are.

import { here } from "./address.js";
import { figure, h } from "./dom.js";
import { append, fill, framePlace } from "./near_view.js";
import { frame } from "./player.js";
import { box, showSelection } from "./selection.js";
import { part, timeline } from "./timeline.js";

const PARTS = [
  ["audio", "sound"],
  ["video", "picture"],
];

const UNLIKELY = "From here on clips are only the next nearest: the words fit them too little to be likely.";

// `line` hits are likely to be what was asked for; those behind them stand below a line. Without one, or with 0, there is
// none. `order` compares two hits; without one they stand as they come, and else in this order, without a line.
export function grid(hits, actions, line = null, order = null) {
  const list = h("div", { class: "list" });
  showSelection(list);
  add(list, hits, actions, line, order);
  return list;
}

// Further hits in the same list; gives their cards.
export function add(list, hits, actions, line = null, order = null) {
  const furthest = Math.max(...hits.map((hit) => hit.distance ?? 0), Number(list.style.getPropertyValue("--furthest")), 1e-9);
  list.style.setProperty("--furthest", furthest);
  const before = [...list.querySelectorAll(".card")];
  const further = hits.map((hit) => card(hit, actions));
  const all = [...before, ...further];
  if (order) {
    const compare = (one, other) => order(hitOf(one), hitOf(other));
    list.replaceChildren();
    append(list, all.sort(compare));
    further.sort(compare);
  } else {
    append(list, further);
  }
  all.forEach((one, place) => one.setAttribute("aria-label", `${place + 1}. ${nameOf(hitOf(one).clip)}`));
  list.querySelector(".below")?.remove();
  const below = line && !order ? all[line] : null;
  below?.parentElement.before(h("li", { class: "below" }, h("strong", {}, "Below this line: probably not here"), h("p", {}, UNLIKELY)));
  return further;
}

const nameOf = (clip) => clip.label ?? clip.name;

const shown = new WeakMap(); // hits by their cards

export const hitOf = (card) => shown.get(card);

// The cards that the page shows, in their order.
export const cards = () => [...document.querySelectorAll("#main .card:not(.skeleton)")];

const clips = () => cards().map((one) => hitOf(one).clip);

export function legend(hits) {
  if (!hits.length) return null;
  if (!hits.some((hit) => hit.distance !== null)) return h("p", { class: "legend quiet" }, "A higher score is nearer.");
  const keys = PARTS.filter(([part]) => hits.some((hit) => hit[part]?.weight)).map(([part, word]) =>
    h("span", { class: `key ${part}` }, word),
  );
  return h("p", { class: "legend quiet" }, "Distance: ", keys, " A shorter bar is nearer.");
}

function card(hit, actions) {
  const { clip } = hit;
  const span = part(clip) && h("span", { class: "span-of" }, part(clip));
  const about = [clip.label ? clip.name : clip.folder, span, credit(clip)].filter(Boolean).flatMap((one) => [" · ", one]).slice(1);
  const element = h(
    "article",
    { class: "card", tabindex: -1 },
    framePlace(() => frame(clip)),
    h(
      "div",
      { class: "about" },
      h("div", { class: "title" }, box(clip, clips), h("h3", { title: clip.label ? null : clip.id }, opener(clip)), mark(clip)),
      hit.score === undefined ? null : nearness(hit),
      hit.because?.length && hit.likely !== false ? h("p", { class: "because quiet" }, "because: ", hit.because.join(", ")) : null,
      about.length ? h("p", { class: "file quiet", title: clip.id }, about) : null,
      timeline(clip, hit.windows ?? [], (one) => playWindow(element, clip, one)),
      h("div", { class: "actions" }, actions(clip)),
    ),
  );
  element.classList.toggle("chosen", element.querySelector(".choose input").checked);
  shown.set(element, hit);
  return element;
}

const opener = (clip) => h("a", { class: "opener", href: here({ clip: clip.id }) }, nameOf(clip));

function playWindow(element, clip, { id, start, end }) {
  fill(element.querySelector(".frame-place"), () => frame({ ...clip, id, start, end }));
  element.querySelector(".play")?.click();
}

export function mark(clip) {
  if (clip.seen === null) return null;
  const title = clip.seen ? "the model was trained on this class" : "the model never saw a clip of this class";
  return h("span", { class: `badge ${clip.seen ? "seen" : "unseen"}`, title }, clip.seen ? "seen" : "unseen");
}

const credit = (clip) => [clip.licence, clip.source].filter(Boolean).join(" · ");

// How near a hit is, in a list that says how near the furthest one is.
export function nearness(hit) {
  if (hit.distance === null) return h("p", { class: "distance" }, "score ", h("b", {}, figure(hit.score)));
  const parts = PARTS.filter(([part]) => hit[part]?.weight).map(([part, word]) => [
    part,
    word,
    hit[part].weight * hit[part].distance,
  ]);
  const said = parts.map(([, word, value]) => `${word} ${figure(value)}`).join(", ");
  const wide = (value) => ({ width: `calc(100% * ${value} / var(--furthest))` });
  const whole = parts.length ? null : h("span", { class: "joint", style: wide(hit.distance) });
  return h(
    "div",
    { class: "nearness" },
    h("p", { class: "distance" }, "distance ", h("b", {}, figure(hit.distance))),
    h(
      "div",
      { class: "bar", role: "img", "aria-label": `distance ${figure(hit.distance)}${said ? `: ${said}` : ""}` },
      parts.map(([part, , value]) => h("span", { class: part, style: wide(value) })),
      whole,
    ),
    h("p", { class: "parts quiet" }, parts.map(([part, word, value]) => h("span", { class: `key ${part}` }, `${word} ${figure(value)}`))),
  );
}
