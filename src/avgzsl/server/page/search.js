// Words to clips; without words, the archive as it is.

import { like } from "./address.js";
import { call } from "./api.js";
import { inWords } from "./conditions.js";
import { count, h, s, tell } from "./dom.js";
import { filters } from "./filters.js";
import { add, grid, legend } from "./hits.js";
import { help } from "./keys.js";
import { pager } from "./more.js";
import { ORDERS, sorting } from "./sorting.js";
import { empty, show, skeletons } from "./states.js";
import { suggest } from "./suggestions.js";
import { modalities, pick } from "./switch.js";

const COLUMNS = "Conditions are joined by and; the columns are id, label, folder, split, start, end, duration, licence, source, has_audio and has_video.";
const CORRECTED = "In this order, the bias to classes seen in training is taken off; distances are shown without that.";
const BEGIN = 10; // suggestions
const PAGE = 24;
const FURTHER = 96; // who asks for more, asks again

export function search(info, query, go) {
  const asked = Object.fromEntries(["q", "not", "like", "of", "where", "likely", "sort"].map((name) => [name, query.get(name)]));
  const there = modalities(info);
  const by = there.includes(query.get("by")) ? query.get("by") : there.at(-1);
  const place = h("section", { class: "results", "aria-label": "Clips" });
  const link = (clip) => [h("a", { class: "quiet-button", href: like(clip, by) }, "More like this")];
  const to = (changes) => go({ ...Object.fromEntries(query), ...changes });
  const chosen = filters(asked, to);
  const tools = h(
    "div",
    { class: "tools" },
    chosen.place,
    asked.q || asked.like ? null : sorting(asked.sort, to),
    h("button", { class: "plain keys-button", onclick: help }, "Keys"),
  );

  async function load() {
    await (asked.q || asked.like ? find() : browse(place, info, asked, link));
    const refused = place.querySelector(".failed:not(:has(button))"); // to try it again would not help
    if (asked.where && refused && place.isConnected) document.getElementById("advanced").open = true; // where the condition is mended
  }

  function find() {
    const [path, question] = asked.q ? ["search", { q: asked.q, not: asked.not }] : ["clips/like", { id: asked.like, by: asked.of }];
    const page = (offset, k) => call(path, { ...question, modality: by, where: asked.where, group: "file", offset, k });
    return show(place, skeletons(), () => page(0, PAGE), (found) => {
      if (found.line !== null) chosen.tellsLikely();
      return results(found, asked, link, page);
    });
  }

  load();
  return [h("h1", { class: "unseen-text" }, "Search"), form(info, asked, by, there, go), tools, place];
}

function form(info, asked, by, there, go) {
  const words = h("input", {
    id: "q",
    type: "search",
    name: "q",
    value: asked.q ?? "",
    maxlength: 1000,
    placeholder: info.phrases ? "What do you hear or see?" : "The name of a class",
    enterkeyhint: "search",
  });
  const not = h("input", { id: "not", type: "text", value: asked.not ?? "", maxlength: 1000, placeholder: "e.g. clock" });
  const where = h("input", { id: "where", type: "text", value: asked.where ?? "", maxlength: 1000, placeholder: "e.g. duration < 10" });
  const submit = (modality = by) => {
    const { likely, sort } = asked;
    const next = { view: "search", q: words.value.trim(), not: not.value.trim(), where: where.value.trim(), by: modality, likely, sort };
    if (!next.q && asked.like) Object.assign(next, { like: asked.like, of: asked.of });
    go(next);
  };
  return h(
    "form",
    { role: "search", class: "search", onsubmit: (event) => (event.preventDefault(), submit()) },
    h("label", { for: "q", class: "unseen-text" }, "Search the archive by words"),
    h("div", { class: "box" }, suggest(words, info.classes, submit), h("button", { class: "primary" }, glass(), h("span", {}, "Search"))),
    h(
      "div",
      { class: "row" },
      pick("Compare by", there, by, submit),
      h(
        "details",
        { id: "advanced", class: "more", open: Boolean(asked.not) },
        h("summary", {}, "Advanced"),
        h(
          "div",
          { class: "fields" },
          h("div", {}, h("label", { for: "not" }, "Away from"), not),
          h("div", {}, h("label", { for: "where" }, "Only clips with"), where),
          h("p", { class: "quiet columns" }, COLUMNS),
        ),
      ),
    ),
  );
}

function glass() {
  return s("svg", { viewBox: "0 0 24 24", class: "glass", "aria-hidden": "true" }, s("path", { d: "M10.500 4a6.500 6.500 0 110 13 6.500 6.500 0 010-13zM15.500 15.500L20.500 20.500" }));
}

function results(found, asked, link, page) {
  const what = asked.q ? `“${asked.q}”${asked.not ? ` away from “${asked.not}”` : ""}` : `the clip ${asked.like}`;
  const notes = found.notes.map((note) => h("p", { class: note.startsWith("partial:") ? "nothing" : "note quiet" }, sentence(note)));
  const partly = found.partial ? ", and a part of the archive does not answer" : "";
  if (!found.hits.length) {
    tell(`No clips found${partly}`);
    return empty("No clips", `No clip can be compared with ${what} this way. Choose another modality, or ask for less.`, ...notes);
  }
  const wanted = (hits) => (asked.likely ? hits.filter((hit) => hit.likely !== false) : hits);
  if (asked.likely && !wanted(found.hits).length) {
    tell(`No likely clip found${partly}`);
    return empty("No likely clip", `Nothing here fits ${what}. Without “Likely only”, the nearest clips are shown.`, ...notes);
  }
  const nothing = found.line === 0;
  const likely = found.line ? `, ${found.line.toLocaleString("en")} of them likely` : "";
  tell(nothing ? `Nothing here fits ${what}${partly}` : `${count(found.hits.length, "clip")} found, nearest first${likely}${partly}`);
  return [
    h("header", { class: "results-head" }, h("h2", {}, nothing ? `Nothing here fits ${what}` : `Nearest to ${what}`), legend(found.hits)),
    nothing ? h("p", { class: "nothing" }, "These are the nearest clips. They probably show something else.") : null,
    ...notes,
    ...(found.corrected ? [h("p", { class: "note quiet" }, CORRECTED)] : []),
    ...further(found, wanted, link, page),
  ].filter(Boolean);
}

// The list of hits, and what is behind them.
function further(found, wanted, link, page) {
  let offset = found.hits.length;
  let { line } = found;
  const first = wanted(found.hits);
  const list = grid(first, link, line);
  const load = async () => {
    const next = await page(offset, FURTHER);
    line = next.line ?? line;
    offset += next.hits.length;
    return { cards: add(list, wanted(next.hits), link, line), more: next.more };
  };
  return [list, pager(first.length, null, Boolean(found.more), load)];
}

function sentence(note) {
  return note.charAt(0).toUpperCase() + note.slice(1);
}

function browse(place, info, asked, link) {
  const { where } = asked;
  const [, order] = Object.hasOwn(ORDERS, asked.sort ?? "") ? ORDERS[asked.sort ?? ""] : ORDERS[""];
  let next = { after: -1, limit: PAGE };
  const load = async () => {
    const page = await call("clips", { ...next, ...order, where });
    next = { after: page.next, limit: FURTHER };
    return { ...page, hits: page.clips.map((clip) => ({ clip })), more: page.next !== null };
  };
  return show(place, skeletons(), load, (page) => {
    if (!page.total) {
      return where ? empty("No clips", `No clip meets the condition. ${COLUMNS}`) : empty("The archive is empty", "Add clips with: avgzsl index-add INDEX CLIPS");
    }
    const list = grid(page.hits, link);
    const behind = async () => {
      const { hits, more } = await load();
      return { cards: add(list, hits, link), more };
    };
    const head = h("header", { class: "results-head" }, h("h2", {}, where ? `${count(page.total, "clip")}: ${inWords(where)}` : "In the archive"));
    return [where ? null : ideas(info), head, list, pager(page.hits.length, page.total, page.more, behind)].filter(Boolean);
  });
}

// What to begin with: classes of which there are clips, or, without labels, what clips that lie together come nearest to.
function ideas(info) {
  const some = info.classes.filter((one) => one.clips).sort((a, b) => a.seen - b.seen || b.clips - a.clips).slice(0, BEGIN);
  const words = h("p", { class: "quiet" }, hint(info, some.length > 0));
  const chips = h("div", { class: "chips" }, some.map((one) => chip(one.label, !one.seen)));
  if (!some.length) {
    call("clusters").then(({ clusters, named_by }) => {
      if (!named_by) return;
      words.textContent = hint(info, true);
      chips.append(...clusters.slice(0, BEGIN).map((one) => chip(one.name, false)));
    }, () => null); // too few clips, or none that words can be compared with: there is nothing to suggest
  }
  return h("section", { class: "ideas", "aria-labelledby": "ideas" }, h("h2", { id: "ideas" }, "Find clips by words"), words, chips);
}

const chip = (label, unseen) =>
  h("a", { class: `chip ${unseen ? "unseen" : ""}`, href: `?${new URLSearchParams({ view: "search", q: label })}` }, unseen ? star() : null, label);

function hint(info, some) {
  const labelled = info.classes.some((one) => one.clips);
  const any = info.phrases ? "Type any phrase" : "Type the name of a class";
  if (!some) return `${any}: what is to be heard or seen.`;
  if (labelled) return `${info.phrases ? `${any}, or begin` : "Begin"} with a class. Those with a star had no clip in training.`;
  return `${any}, or begin with one of these: many clips come near to them. They are guesses, for no clip here has a label.`;
}

export function star() {
  return s("svg", { viewBox: "0 0 20 20", class: "star", role: "img", "aria-label": "unseen" }, s("path", { d: "M10 1.500l2.600 5.600 6.100.7-4.500 4.200 1.200 6L10 15l-5.400 3 1.200-6L1.300 7.800l6.100-.7z" }));
}
