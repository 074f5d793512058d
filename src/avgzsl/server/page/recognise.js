// A clip of one's own: what it is, and what is like it.

import { like as addressOfLike } from "./address.js";
import { call } from "./api.js";
import { count, figure, h, number, s, tell } from "./dom.js";
import { grid, legend, mark } from "./hits.js";
import { ownClip } from "./own_clip.js";
import { clear, empty, failed, show, skeletons, waiting } from "./states.js";
import { modalities, pick } from "./switch.js";

export function recognise(info) {
  if (!info.uploads) {
    return [
      h("h1", { class: "unseen-text" }, "Recognise"),
      empty("Clips cannot be recognised here", info.why_not ?? "The encoders of this run are not there."),
    ];
  }
  const there = modalities(info);
  let file = null;
  let by = there.at(-1);
  const shown = h("section", { class: "own", "aria-label": "Your clip" });
  const like = h("section", { class: "results", "aria-label": "Its like in the archive" });
  const names = h("textarea", { id: "names", rows: 3, placeholder: "dog barking\nchurch bell" });
  const input = h("input", { id: "clip", type: "file", accept: "video/*,audio/*,image/*", onchange: () => take(input.files[0]) });
  const zone = h(
    "div",
    { class: "drop", ondragover: over, ondragleave: () => zone.classList.remove("over"), ondrop: dropped },
    s("svg", { viewBox: "0 0 48 48", "aria-hidden": "true" }, s("path", { d: "M24 31V9m-9 9l9-9 9 9M8 30v7a3 3 0 003 3h26a3 3 0 003-3v-7" })),
    h("p", {}, h("strong", {}, "Drop a clip here"), h("span", { class: "kinds" }, " – a video, a sound or a picture")),
    h("label", { for: "clip", class: "button" }, "Choose a file"),
    input,
    h("p", { class: "quiet" }, `up to ${size(info.limits.upload_bytes)} and ${duration(info.limits.clip_seconds)}; it is not kept`),
  );

  function over(event) {
    event.preventDefault();
    zone.classList.add("over");
  }

  function dropped(event) {
    event.preventDefault();
    zone.classList.remove("over");
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  }

  function take(chosen) {
    if (!chosen) return;
    file = chosen;
    zone.classList.add("small");
    ask();
  }

  async function ask() {
    if (!file) return;
    like.replaceChildren();
    if (file.size > info.limits.upload_bytes) {
      clear(shown);
      shown.append(failed({ status: 413, message: `${file.name} has ${size(file.size)}; at most ${size(info.limits.upload_bytes)} are taken.` }));
      return;
    }
    const name = names.value.split("\n").map((one) => one.trim()).filter(Boolean);
    const body = { method: "POST", body: file, headers: { "content-type": "application/octet-stream" } };
    tell(`Recognising ${file.name}`);
    let found = false;
    await show(shown, waiting(`Listening to and looking at ${file.name} …`), () => call("classify", { name, top: 6 }, body), (answer) => {
      found = true;
      return recognised(file, answer, name.length > 0);
    });
    if (found) alike();
  }

  function alike() {
    const body = { method: "POST", body: file, headers: { "content-type": "application/octet-stream" } };
    const again = pick("What of it", there, by, (value) => ((by = value), alike()));
    const place = h("div", {});
    like.replaceChildren(h("header", { class: "results-head" }, h("h2", {}, "Its like in the archive"), again), place);
    show(place, skeletons(4), () => call("search", { by, k: 12, group: "file" }, body), (found) => [
      h("div", { class: "results-head" }, legend(found.hits)),
      grid(found.hits, (clip) => [h("a", { class: "quiet-button", href: addressOfLike(clip, by) }, "More like this")]),
    ]);
  }

  return [
    h("h1", { class: "unseen-text" }, "Recognise a clip"),
    zone,
    h(
      "details",
      { class: "more names" },
      h("summary", {}, "Choose among names of your own"),
      h("label", { for: "names" }, "Names, one a line"),
      names,
      h("p", { class: "quiet" }, info.phrases ? `Any phrase will do. Left empty, ${info.classes.length ? "the classes of the model" : "everyday phrases"} are the choice.` : "This run knows the names of its own classes alone."),
      h("button", { onclick: ask }, "Ask again"),
    ),
    shown,
    like,
  ];
}

function size(bytes) {
  return bytes >= 1 << 20 ? `${number(bytes / (1 << 20), 3)} MB` : `${number(bytes / 1024, 3)} kB`;
}

function duration(seconds) {
  return seconds < 120 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`;
}

// Among everyday phrases, which nobody chose, the nearest is a guess.
function recognised(file, answer, chosen) {
  const best = answer.top[0];
  const said = best.seen === null && !chosen ? `Perhaps ${best.label}` : best.label;
  tell(answer.none_of_these ? `Probably none of these; the nearest is ${best.label}` : `Recognised as ${said}`);
  return h(
    "div",
    { class: "answer" },
    ownClip(file),
    h(
      "div",
      { class: "verdict" },
      h("p", { class: "quiet" }, file.name),
      answer.none_of_these
        ? h("div", { class: "none" }, h("h2", {}, "None of these, probably"), h("p", {}, "It is further from every class than 95 in 100 recognised clips were from theirs. The nearest:"))
        : h("h2", {}, said, " ", mark(best)),
      shares(answer),
      chart(answer),
      calibration(answer),
      ...answer.notes.map((note) => h("p", { class: "quiet" }, note)),
    ),
  );
}

const WEIGHED = { equal: "weighed equally", attention: "weighed by attention", weighted: "weighed the same for every clip" };

function shares(answer) {
  const { audio, video } = answer.weights;
  if (audio === null || video === null) return h("p", { class: "quiet" }, "Sound and picture were joined before they were compared.");
  const percent = (value) => `${Math.round(100 * value)} %`;
  const how = answer.fusion ? WEIGHED[answer.fusion] : "by the one modality there is";
  return h(
    "div",
    { class: "shares" },
    h("p", {}, h("span", { class: "key audio" }, `sound ${percent(audio)}`), " ", h("span", { class: "key video" }, `picture ${percent(video)}`), h("span", { class: "quiet" }, ` ${how}`)),
    h("div", { class: "bar", "aria-hidden": "true" }, h("span", { class: "audio", style: { width: `${100 * audio}%` } }), h("span", { class: "video", style: { width: `${100 * video}%` } })),
  );
}

function calibration({ gamma, top }) {
  if (!gamma || new Set(top.map((one) => one.seen)).size < 2) return null;
  const way = gamma > 0 ? "set back" : "moved up";
  return h("p", { class: "quiet note" }, `In this order, seen classes are ${way} by ${number(Math.abs(gamma))}, as the calibration of the run says; distances are shown without that.`);
}

// How much nearer than the mean of all classes each is, by each modality; what speaks against it hangs to the left.
function chart(answer) {
  const rows = answer.top.map((one) => ({ one, parts: ["audio", "video"].map((m) => [m, one.support[m] ?? 0]) }));
  const reach = (sign) => Math.max(...rows.map(({ parts }) => parts.reduce((sum, [, v]) => sum + Math.max(sign * v, 0), 0)), 0);
  const right = reach(1);
  const left = reach(-1);
  const whole = right + left || 1;
  const line = ({ one, parts }) => {
    let before = 0;
    let after = 0;
    const pieces = parts.map(([modality, value]) => {
      const start = value < 0 ? left - (before -= value) : left + after;
      if (value > 0) after += value;
      return h("span", { class: modality, style: { left: `${(100 * start) / whole}%`, width: `${(100 * Math.abs(value)) / whole}%` } });
    });
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, one.label, " ", mark(one)),
      h("td", { class: "support" }, h("div", { class: "axis", "aria-hidden": "true" }, h("i", { style: { left: `${(100 * left) / whole}%` } }), pieces)),
      h("td", { class: "figure" }, figure(one.distance ?? one.score)),
    );
  };
  const measure = answer.top[0].distance === null ? "score" : "distance";
  const classed = answer.top[0].seen !== null; // a run that learned from no clip has no classes
  return h(
    "table",
    { class: "chart" },
    h("caption", {}, `The nearest ${classed ? count(answer.top.length, "class", "classes") : count(answer.top.length, "name")}; the bars show what each modality says for ${classed ? "a class" : "a name"}, against the mean of all`),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, classed ? "class" : "name"), h("th", { scope: "col" }, "for it"), h("th", { scope: "col" }, measure))),
    h("tbody", {}, rows.map(line)),
  );
}
