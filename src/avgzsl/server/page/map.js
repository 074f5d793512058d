// The archive in the plane, as in Figure 6 of the paper: clips by the colour and the shape of their class, a star where
// its name stands. The list of classes beside it shows the same to those who use no pointer.

import { call } from "./api.js";
import { count, h, number, s, tell } from "./dom.js";
import { grid, mark } from "./hits.js";
import { player } from "./player.js";
import { show, waiting } from "./states.js";
import { modalities, pick } from "./switch.js";

const PAD = 46;
const SHAPES = [
  () => s("circle", { r: 6 }),
  () => s("rect", { x: -5.5, y: -5.5, width: 11, height: 11 }),
  () => s("path", { d: "M0-7l7 12h-14z" }),
  () => s("path", { d: "M0-7.500l7.500 7.500-7.500 7.500-7.500-7.500z" }),
];
const STAR = "M0-15l4.100 10 10.600.8-8.100 6.900 2.600 10.400L0 7.200-9.200 13.100l2.600-10.400-8.100-6.900 10.600-.8z";
const COLOURS = 12;

export function map(info, query, go) {
  const there = modalities(info);
  const by = there.includes(query.get("by")) ? query.get("by") : there.at(-1);
  const place = h("div", { class: "map-place" });
  show(place, waiting("Drawing the map; a large archive takes a while …"), () => call("map", { modality: by }), (found) => drawn(found, place));
  return [
    h("h1", { class: "unseen-text" }, "Map"),
    h("div", { class: "row" }, pick("Embeddings of", there, by, (value) => go({ view: "map", by: value }))),
    place,
  ];
}

// One unit is one pixel when the map is drawn, so that names are legible at every width.
function sheet(place) {
  const full = Math.max(place.clientWidth, 280);
  const width = full > 700 ? full - 340 : full;
  const narrow = width < 600;
  return { width, height: Math.max(Math.min(narrow ? 1.25 * width : width, 0.72 * innerHeight), 320), scale: narrow ? 0.65 : 1 };
}

function drawn(found, place) {
  const { width, height, scale } = sheet(place);
  const at = ({ x, y }) => [PAD + x * (width - 2 * PAD), PAD + y * (height - 2 * PAD)];
  const order = new Map(found.classes.map((one, i) => [one.label, i]));
  const side = h("aside", { class: "map-side", "aria-label": "Clip under the pointer" }, hint());
  const list = h("div", { class: "map-clips" });
  const dots = found.clips.map((point) => dot(point.clip, ...at(point), order, scale));
  const stars = found.classes.map((one, i) => star(one, i, ...at(one), scale));
  const names = placed(found.classes.map((one) => [one.label, ...at(one)]), width, height, scale);
  const drawing = s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, class: "map", role: "img", "aria-label": `Map of ${count(found.clips.length, "clip")} and ${count(found.classes.length, "class name")}; the list of classes below holds the same` },
    s("g", {}, dots),
    s("g", {}, names),
    s("g", {}, stars),
  );
  hover(drawing, dots, found.clips.map((point) => [point.clip, ...at(point)]), side);

  function choose(label) {
    const chosen = found.clips.filter(({ clip }) => clip.label === label);
    const faint = (marks, of) => marks.forEach((one, i) => one?.classList.toggle("faint", label !== null && of(i) !== label));
    faint(dots, (i) => found.clips[i].clip.label);
    faint(stars, (i) => found.classes[i].label);
    faint(names, (i) => names[i].textContent);
    list.replaceChildren(...(label === null ? [] : [h("h2", {}, `${label}: ${count(chosen.length, "clip")}`), grid(chosen, link)]));
    if (label !== null) tell(`${count(chosen.length, "clip")} of ${label}`);
  }

  const drawnOf = found.sample === "spread" ? ` of ${found.total.toLocaleString("en")}, spread evenly over the order in which they were indexed` : "";
  return [
    h("div", { class: "map-frame" }, drawing, side),
    h("p", { class: "quiet" }, `t-SNE of ${count(found.clips.length, "clip")}${drawnOf}: near means alike, distances across the map mean little. A star is where the name of a class stands; a hollow one is a class without clips in training.`),
    classes(found, order, choose),
    list,
  ];
}

const link = (clip) => [h("a", { class: "quiet-button", href: `?${new URLSearchParams({ view: "search", like: clip.id })}` }, "More like this")];
const hint = () => h("p", { class: "quiet" }, "Point at a clip to play it; click to keep it playing.");
const tint = (i) => `tint-${i % COLOURS}`;

function dot(clip, x, y, order, scale) {
  const i = order.get(clip.label);
  const shape = SHAPES[i === undefined ? 0 : Math.floor(i / COLOURS) % SHAPES.length]();
  shape.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
  shape.setAttribute("class", `dot ${i === undefined ? "tint-none" : tint(i)}`);
  return shape;
}

function star(one, i, x, y, scale) {
  const kind = `class-star ${tint(i)} ${one.seen ? "" : "hollow"}`;
  return s("g", { class: kind, transform: `translate(${x} ${y}) scale(${scale})` }, s("title", {}, one.label), s("path", { d: STAR }));
}

// Names beside, above or below their stars, where they cover no other; what finds no place is told when it is hovered.
function placed(stars, width, height, scale) {
  const taken = stars.map(([, x, y]) => [x - 15 * scale, y - 15 * scale, x + 15 * scale, y + 15 * scale]);
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `600 13px ${getComputedStyle(document.body).fontFamily}`; // of .class-name
  const free = ([l, t, r, b]) => l > 2 && t > 2 && r < width - 2 && b < height - 2 && taken.every(([L, T, R, B]) => r < L || R < l || b < T || B < t);
  return stars
    .map(([label, x, y]) => {
      const w = pen.measureText(label).width + 6;
      const spots = [
        [x + 18, y - 9, "start", x + 20, y + 5],
        [x - 18 - w, y - 9, "end", x - 20, y + 5],
        [x - w / 2, y - 36, "middle", x, y - 22],
        [x - w / 2, y + 18, "middle", x, y + 32],
      ];
      const spot = spots.find(([l, t]) => free([l, t, l + w, t + 18]));
      if (!spot) return null;
      const [l, t, anchor, tx, ty] = spot;
      taken.push([l, t, l + w, t + 18]);
      return s("text", { x: tx, y: ty, "text-anchor": anchor, class: "class-name" }, label);
    })
    .filter(Boolean);
}

function classes(found, order, choose) {
  const counts = new Map();
  for (const { clip } of found.clips) counts.set(clip.label, (counts.get(clip.label) ?? 0) + 1);
  const buttons = found.classes.map((one) => {
    const kind = `swatch class-star ${tint(order.get(one.label))} ${one.seen ? "" : "hollow"}`;
    const swatch = s("svg", { viewBox: "-17 -17 34 34", class: kind, "aria-hidden": "true" }, s("path", { d: STAR }));
    const button = h("button", { class: "chip", "aria-pressed": "false", onclick: press }, swatch, one.label, h("span", { class: "quiet" }, number(counts.get(one.label) ?? 0)));
    function press() {
      const on = button.getAttribute("aria-pressed") === "false";
      buttons.forEach((other) => other.setAttribute("aria-pressed", String(on && other === button)));
      choose(on ? one.label : null);
    }
    return button;
  });
  return h("section", { "aria-labelledby": "classes" }, h("h2", { id: "classes" }, "Classes"), h("div", { class: "chips" }, buttons));
}

function hover(drawing, dots, points, side) {
  let kept = false;
  let later;
  let current = -1;
  const nearest = (event) => {
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse());
    const far = points.map(([, px, py]) => (px - x) ** 2 + (py - y) ** 2);
    const best = far.indexOf(Math.min(...far));
    return far[best] < 18 * 18 ? best : -1;
  };
  const open = (i, muted) => {
    dots[current]?.classList.remove("current");
    current = i;
    dots[i].classList.add("current");
    const [clip] = points[i];
    side.replaceChildren(
      h("div", { class: "frame" }, player(clip, { muted, controls: kept })),
      h("div", { class: "title" }, h("strong", {}, clip.label ?? "no label"), mark(clip)),
      h("p", { class: "file quiet" }, clip.name),
    );
  };
  drawing.addEventListener("pointermove", (event) => {
    const i = nearest(event);
    drawing.classList.toggle("over", i >= 0);
    clearTimeout(later);
    if (kept || i < 0 || i === current) return;
    // browsers let a page sound only once it was clicked
    later = setTimeout(() => open(i, !navigator.userActivation?.hasBeenActive), 120);
  });
  drawing.addEventListener("click", (event) => {
    const i = nearest(event);
    kept = i >= 0;
    if (kept) open(i, false);
  });
}
