// The grid of clips: found ones with how near they are and by what, others as they are.

import { clock, figure, h } from "./dom.js";
import { frame } from "./player.js";

const PARTS = [
  ["audio", "sound"],
  ["video", "picture"],
];

// `line` hits are likely to be what was asked for; those behind them stand below a line. Without one, or with 0, there is none.
export function grid(hits, actions, line = null) {
  const furthest = Math.max(...hits.map((hit) => hit.distance ?? 0), 1e-9);
  const items = hits.map((hit, i) => h("li", {}, card(hit, i, furthest, actions)));
  if (line && line < hits.length) items.splice(line, 0, h("li", { class: "below" }, "Below this line: probably not here"));
  return h("ul", { class: "grid", role: "list" }, items);
}

export function legend(hits) {
  if (!hits.some((hit) => hit.distance !== null && hit.distance !== undefined)) return null;
  const keys = PARTS.filter(([part]) => hits.some((hit) => hit[part]?.weight)).map(([part, word]) =>
    h("span", { class: `key ${part}` }, word),
  );
  return h("p", { class: "legend quiet" }, "Distance: ", keys, " A shorter bar is nearer.");
}

function card(hit, place, furthest, actions) {
  const { clip } = hit;
  const name = clip.label ?? clip.name;
  const about = [clip.label ? clip.name : null, part(clip), credit(clip)].filter(Boolean).join(" · ") || null;
  return h(
    "article",
    { class: "card", "aria-label": `${place + 1}. ${name}` },
    frame(clip),
    h(
      "div",
      { class: "about" },
      h("div", { class: "title" }, h("h3", { class: clip.label ? "" : "quiet", title: clip.label ? null : clip.id }, name), mark(clip)),
      hit.score === undefined ? null : nearness(hit, furthest),
      hit.because?.length ? h("p", { class: "because quiet" }, "because: ", hit.because.join(", ")) : null,
      about && h("p", { class: "file quiet", title: clip.id }, about),
      h("div", { class: "actions" }, actions(clip)),
    ),
  );
}

export function mark(clip) {
  if (clip.seen === null) return null;
  const title = clip.seen ? "the model was trained on this class" : "the model never saw a clip of this class";
  return h("span", { class: `badge ${clip.seen ? "seen" : "unseen"}`, title }, clip.seen ? "seen" : "unseen");
}

const credit = (clip) => [clip.licence, clip.source].filter(Boolean).join(" · ");

// Where in its file a clip is, if it is a piece of one.
function part(clip) {
  if (!clip.start && !clip.id.includes("@")) return null;
  return `${clock(clip.start)}–${clip.end === null ? "end" : clock(clip.end)}`;
}

function nearness(hit, furthest) {
  if (hit.distance === null) return h("p", { class: "distance" }, "score ", h("b", {}, figure(hit.score)));
  const parts = PARTS.filter(([part]) => hit[part]?.weight).map(([part, word]) => [
    part,
    word,
    hit[part].weight * hit[part].distance,
  ]);
  const said = parts.map(([, word, value]) => `${word} ${figure(value)}`).join(", ");
  const whole = parts.length ? null : h("span", { class: "joint", style: { width: `${(100 * hit.distance) / furthest}%` } });
  return h(
    "div",
    { class: "nearness" },
    h("p", { class: "distance" }, "distance ", h("b", {}, figure(hit.distance))),
    h(
      "div",
      { class: "bar", role: "img", "aria-label": `distance ${figure(hit.distance)}${said ? `: ${said}` : ""}` },
      parts.map(([part, , value]) => h("span", { class: part, style: { width: `${(100 * value) / furthest}%` } })),
      whole,
    ),
    h("p", { class: "parts quiet" }, parts.map(([part, word, value]) => h("span", { class: `key ${part}` }, `${word} ${figure(value)}`))),
  );
}
