// What the archive says of a clip: what it is, how near it is to what was asked, and to which classes; and its like.

import { like } from "./address.js";
import { figure, h } from "./dom.js";
import { nearness } from "./hits.js";
import { part } from "./timeline.js";

const WORDS = { both: "Both", audio: "Sound", video: "Picture" };

export function facts(clip, hit) {
  return h("div", { class: "facts-clip" }, hit?.distance === undefined ? null : asked(hit), alike(clip), about(clip));
}

function asked(hit) {
  return h("section", { "aria-labelledby": "clip-asked", style: { "--furthest": hit.distance || 1 } }, h("h3", { id: "clip-asked" }, "From what was asked"), nearness(hit));
}

function alike(clip) {
  const there = ["audio", "video"].filter((one) => clip[`has_${one}`]);
  const ways = there.length === 2 ? [...there, "both"] : there;
  const link = (by) => h("a", { class: "button", href: like(clip, by) }, WORDS[by]);
  return h("section", { "aria-labelledby": "clip-like" }, h("h3", { id: "clip-like" }, "More like this, by"), h("div", { class: "chips" }, ways.map(link)));
}

// By each modality, and by both.
export function classes(nearest) {
  const ways = ["both", "audio", "video"].filter((by) => nearest[by]?.length);
  if (!ways.length) return null;
  const tables = (ways.length === 2 ? ways.slice(1) : ways).map((by) => table(by, nearest[by])); // both of one are the one
  return h("section", { "aria-labelledby": "clip-near" }, h("h3", { id: "clip-near" }, "Nearest words"), h("div", { class: "nearest" }, tables));
}

function table(by, rows) {
  const row = ({ label, score, distance }) =>
    h("tr", {}, h("th", { scope: "row" }, label), h("td", { class: "figure" }, figure(distance ?? score)));
  const measure = (rows[0].distance ?? null) === null ? "score" : "distance";
  return h(
    "table",
    {},
    h("caption", {}, h("span", { class: by === "both" ? "" : `key ${by}` }, WORDS[by])),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "name"), h("th", { scope: "col", class: "figure" }, measure))),
    h("tbody", {}, rows.map(row)),
  );
}

function about(clip) {
  const end = clip.end ?? clip.file_seconds; // a part may go on to the end of its file
  const said = {
    File: clip.name,
    Folder: clip.folder,
    Part: part(clip),
    Duration: typeof end === "number" ? `${Number((end - clip.start).toFixed(1))} s` : null,
    Split: clip.split,
    Licence: clip.licence,
    Source: clip.source,
  };
  const rows = Object.entries(said).filter(([, value]) => value);
  return h("section", { "aria-labelledby": "clip-about" }, h("h3", { id: "clip-about" }, "The file"), h("dl", { class: "facts" }, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))));
}
