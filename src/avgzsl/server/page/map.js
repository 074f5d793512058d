// The archive in the plane, as in Figure 6 of the paper: clips by the colour and the shape of their class, or of the
// cluster that they lie in. The list of classes or clusters below it shows the same to those who use no pointer.

import { like } from "./address.js";
import { call } from "./api.js";
import { count, h, s, tell } from "./dom.js";
import { add, grid, mark } from "./hits.js";
import { chart } from "./map_canvas.js";
import { COLOURS, SHAPES } from "./map_dots.js";
import { moves } from "./map_moves.js";
import { middles } from "./map_points.js";
import { pager } from "./more.js";
import { player } from "./player.js";
import { clear, show, skeletons, waiting } from "./states.js";
import { modalities, pick } from "./switch.js";

const MOST = 100_000;
const PAGE = 12; // clips of a list at a time
const NAMED = 60; // names on the map at most

let kept = null; // by what the map was coloured last

export function map(info, query, go) {
  const there = modalities(info);
  const by = there.includes(query.get("by")) ? query.get("by") : there.at(-1);
  const place = h("div", { class: "map-place" });
  const row = h("div", { class: "row map-row" }, pick("Embeddings of", there, by, (value) => go({ view: "map", by: value })));
  show(place, waiting("Drawing the map; a large archive takes a while …"), () => call("map", { modality: by, most: MOST }), (found) => drawn(found, row));
  return [h("h1", { class: "unseen-text" }, "Map"), row, place];
}

function drawn(found, row) {
  const clips = { x: Float64Array.from(found.clips.x), y: Float64Array.from(found.clips.y), id: found.clips.id };
  const side = h("aside", { class: "map-side", "aria-label": "Clip on the map" }, h("p", { class: "quiet" }, "Point at a clip to play it; click to keep it playing."));
  const about = `Map of ${count(clips.id.length, "clip")}. Arrows move it, plus and minus zoom, 0 shows all, Enter plays the clip in the middle. The list below holds the same.`;
  const canvas = h("canvas", { class: "map", tabindex: "0", role: "application", "aria-label": about });
  const board = chart(canvas, clips);
  const below = h("div", { class: "map-below" });
  const link = linked(found.modality);
  const words = h("p", { class: "quiet" });
  const colours = found.labels.length ? ["label", "cluster"] : ["cluster"];

  function colour(kind) {
    if (colours.length > 1) kept = kind;
    const view = kind === "label" ? byLabel(found, clips) : byCluster(found, clips);
    board.choose(null);
    board.show(view);
    words.textContent = `${sentence(found)} ${view.sentence}`;
    below.replaceChildren(...groups(view, clips, board, link));
  }

  const box = h("div", { class: "map-box" }, canvas);
  fit(canvas, box, board);
  moves(canvas, board, pointing(canvas, board, clips.id, side, link));
  colour(colours.includes(kept) ? kept : colours[0]);
  row.append(...(colours.length > 1 ? [pick("Colours by", colours, colours.includes(kept) ? kept : colours[0], colour)] : []), tools(board));
  return [
    found.note ? h("p", { class: "note quiet" }, found.note) : null,
    h("div", { class: "map-frame" }, box, side),
    words,
    below,
  ].filter(Boolean);
}

function sentence(found) {
  const here = found.clips.id.length;
  const spread = found.sample === "spread" ? ` of ${found.total.toLocaleString("en")}, spread evenly over the order in which they were indexed` : "";
  const rest = here - found.laid_out;
  const others = rest ? ` The plane is that of ${count(found.laid_out, "clip")}; the other ${rest.toLocaleString("en")} stand by those that they are most like.` : "";
  return `${found.plane} of ${count(here, "clip")}${spread}: near means alike, distances across the map mean little.${others}`;
}

function byLabel(found, clips) {
  const group = found.clips.label;
  const place = new Map(found.labels.map((label, i) => [label, i]));
  const starred = new Set(found.classes.map((one) => one.label));
  const at = middles(clips.x, clips.y, group, found.labels.length);
  const stars = found.classes.map((one) => {
    const own = place.get(one.label) ?? null;
    return { x: one.x, y: one.y, label: one.label, group: own, hollow: !one.seen, tint: own === null ? COLOURS : own % COLOURS };
  });
  const others = found.labels.map((label, i) => ({ text: label, group: i, ...at[i] })).filter((one) => !starred.has(one.text));
  const names = [...stars.map((one) => ({ text: one.label, starred: true, group: one.group, x: one.x, y: one.y })), ...others];
  const about = stars.length ? "A star is where the name of a class stands; a hollow one is a class without clips in training." : "Names stand in the middle of their clips.";
  return { title: "Classes", group, names: names.slice(0, NAMED), stars, sentence: about, list: found.labels.map((name, i) => ({ name, group: i })) };
}

const NAMED_BY = {
  classes: "they have the names of the classes that fit them best. These are guesses.",
  phrases: "they have the names of everyday phrases that fit them best. These are guesses.",
};

function byCluster(found, clips) {
  const group = found.clips.cluster;
  const at = middles(clips.x, clips.y, group, found.clusters.length);
  const list = found.clusters.map((one) => ({ name: one.name, group: one.number }));
  const names = list.map((one) => ({ text: one.name, group: one.group, ...at[one.group] })).filter((one) => one.x !== undefined);
  const about = `Colours are clusters, clips that lie together; ${NAMED_BY[found.named_by] ?? "they have no names, for words cannot be compared with clips here."}`;
  return { title: "Clusters", group, names: names.slice(0, NAMED), stars: [], sentence: about, list };
}

function tools(board) {
  const tool = (name, path, onclick) => h("button", { "aria-label": name, title: name, onclick }, s("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: path })));
  return h(
    "div",
    { class: "map-tools", role: "group", "aria-label": "Size of the map" },
    tool("Zoom in", "M12 5v14M5 12h14", () => board.zoom(1.6)),
    tool("Zoom out", "M5 12h14", () => board.zoom(1 / 1.6)),
    tool("Whole map", "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5", () => board.whole()),
  );
}

// The map is as wide as its place, and as high as it is wide, or as the window lets it be.
function fit(canvas, box, board) {
  const watch = new ResizeObserver(() => {
    const width = box.clientWidth;
    if (!width) return;
    const height = Math.max(Math.min(width < 600 ? 1.2 * width : width, 0.72 * innerHeight), 320);
    canvas.style.height = `${height}px`;
    board.resize(width, height);
  });
  watch.observe(box);
  const theme = matchMedia("(prefers-color-scheme: dark)");
  const repaint = () => (canvas.isConnected ? board.repaint() : theme.removeEventListener("change", repaint));
  theme.addEventListener("change", repaint);
}

const known = new Map(); // clips by id
async function clipsOf(ids) {
  const missing = ids.filter((id) => !known.has(id));
  if (missing.length) for (const clip of await call("clips/some", { id: missing })) known.set(clip.id, clip);
  return ids.map((id) => known.get(id)).filter(Boolean);
}

// The clip that is pointed at plays beside the map; that in the middle, where keys move the map.
function pointing(canvas, board, ids, side, link) {
  let playing = false; // until another is chosen
  let later;
  let current = -1;
  async function open(i, muted) {
    clearTimeout(later); // one that was only pointed at does not take its place
    current = i;
    try {
      const [clip] = await clipsOf([ids[i]]);
      if (current !== i || !side.isConnected) return;
      side.replaceChildren(...(clip ? beside(clip, { muted, controls: playing, link }) : [h("p", { class: "quiet" }, "This clip is no longer in the archive.")]));
    } catch (error) {
      if (current === i) side.replaceChildren(h("p", { class: "wrong" }, error.message));
    }
  }
  return {
    over(x, y) {
      const i = board.at(x, y);
      canvas.classList.toggle("over", i >= 0);
      clearTimeout(later);
      if (playing || i < 0 || i === current) return;
      board.mark(i);
      // browsers let a page sound only once it was clicked
      later = setTimeout(() => open(i, !navigator.userActivation?.hasBeenActive), 120);
    },
    chosen(x, y) {
      const i = board.at(x, y);
      playing = i >= 0;
      if (!playing) return;
      board.mark(i);
      open(i, false);
    },
    middle(play) {
      const i = board.at(...board.middle(), 80);
      board.mark(i, true);
      if (i < 0) return tell("No clip in the middle");
      tell(ids[i]);
      if (play) (playing = true), open(i, false);
    },
  };
}

function beside(clip, { muted, controls, link }) {
  return [
    h("div", { class: "frame" }, player(clip, { muted, controls })),
    h("div", { class: "title" }, h("strong", {}, clip.label ?? clip.name), mark(clip)),
    clip.label ? h("p", { class: "file quiet" }, clip.name) : null,
    h("div", { class: "actions" }, link(clip)),
  ].filter(Boolean);
}

const linked = (by) => (clip) => [h("a", { class: "quiet-button", href: like(clip, by) }, "More like this")];

function groups({ title, group, list }, clips, board, link) {
  const members = list.map(() => []);
  group.forEach((one, i) => members[one]?.push(clips.id[i]));
  const place = h("div", { class: "map-clips" });
  const buttons = list.map((one) => {
    const chip = h("button", { class: "chip", "aria-pressed": "false", onclick: press }, swatch(one.group), one.name, h("span", { class: "quiet" }, members[one.group].length.toLocaleString("en")));
    function press() {
      const on = chip.getAttribute("aria-pressed") === "false";
      buttons.forEach((other) => other.setAttribute("aria-pressed", String(on && other === chip)));
      board.choose(on ? one.group : null);
      if (!on) return clear(place);
      tell(`${count(members[one.group].length, "clip")} of ${one.name}`);
      show(place, skeletons(4), () => clipsOf(members[one.group].slice(0, PAGE)), (found) => listed(one.name, members[one.group], found, link));
    }
    return chip;
  });
  return [h("section", { "aria-labelledby": "classes" }, h("h2", { id: "classes" }, title), h("div", { class: "chips" }, buttons)), place];
}

// The `first` of a group, and what is behind them.
function listed(name, ids, first, link) {
  let asked = PAGE;
  const hits = (clips) => clips.map((clip) => ({ clip }));
  const list = grid(hits(first), link);
  const behind = async () => {
    const found = await clipsOf(ids.slice(asked, asked + PAGE));
    asked += PAGE;
    return { cards: add(list, hits(found), link), more: asked < ids.length };
  };
  return [h("h2", {}, `${name}: ${count(ids.length, "clip")}`), list, pager(first.length, ids.length, asked < ids.length, behind)];
}

function swatch(group) {
  const shape = SHAPES[Math.floor(group / COLOURS) % SHAPES.length];
  return s("svg", { viewBox: "-9 -9 18 18", class: `swatch tint-${group % COLOURS}`, "aria-hidden": "true" }, s("path", { d: shape }));
}
