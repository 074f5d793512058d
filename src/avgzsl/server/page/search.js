// Words to clips; without words, the archive as it is.

import { like } from "./address.js";
import { call } from "./api.js";
import { inWords, read } from "./conditions.js";
import { count, h, s, tell } from "./dom.js";
import { filters } from "./filters.js";
import { fold, folding } from "./folding.js";
import { add, cards, grid, legend } from "./hits.js";
import { help } from "./keys.js";
import { further, pager } from "./more.js";
import { goTo } from "./place.js";
import { HIT_ORDERS, ORDERS, orderOf, sorting } from "./sorting.js";
import { empty, show, skeletons } from "./states.js";
import { suggest } from "./suggestions.js";
import { modalities, pick } from "./switch.js";

const COLUMNS = "Conditions are joined by and, values by or, as in label = dog or cat; the columns are id, label, folder, split, start, end, duration, licence, source, has_audio and has_video.";
const CORRECTED = "In the order “Nearest first”, the bias to classes seen in training is taken off; distances are shown without that.";
const BEGIN = 10; // suggestions
const PAGE = 24;
const FURTHER = 96; // who asks for more, asks again
const MOST = 200; // clips that the server gives at once

export function search(info, query, go, kept) {
  const asked = Object.fromEntries(["q", "not", "like", "of", "where", "likely", "sort"].map((name) => [name, query.get(name)]));
  const there = modalities(info);
  const by = there.includes(query.get("by")) ? query.get("by") : there.at(-1);
  const place = h("section", { class: "results", "aria-label": "Clips" });
  const link = (clip) => [h("a", { class: "quiet-button", href: like(clip, by) }, "More like this")];
  const to = (changes) => go({ ...Object.fromEntries(query), ...changes });
  const chosen = filters(asked, to);
  const finds = Boolean(asked.q || asked.like);
  const orders = finds ? HIT_ORDERS : ORDERS;
  const made = [asked.q && asked.not, asked.likely, by !== there.at(-1), orderOf(orders, asked.sort) !== orders[""]].filter(Boolean).length;
  const choices = folding(made + (read(asked.where)?.length ?? 1), () => asking);
  const tools = h(
    "div",
    { class: "tools" },
    chosen.place,
    sorting(orders, asked.sort, to),
    h("button", { class: "plain keys-button", onclick: help }, "Keys"),
  );

  async function load() {
    const before = Math.max(PAGE, kept?.shown ?? 0);
    const first = before - FURTHER * Math.max(0, Math.ceil((before - MOST) / FURTHER)); // the rest by further ones
    await (finds ? find(first) : browse(place, info, asked, link, first));
    if (kept) await putBack(kept);
    const refused = place.querySelector(".failed:not(:has(button))"); // to try it again would not help
    if (!asked.where || !refused || !place.isConnected) return;
    choices.unfold();
    document.getElementById("advanced").open = true; // where the condition is mended
  }

  async function putBack(before) {
    while (place.isConnected && cards().length < before.shown && (await further()));
    if (place.isConnected) goTo(before);
  }

  function find(first) {
    const [path, question] = asked.q ? ["search", { q: asked.q, not: asked.not }] : ["clips/like", { id: asked.like, by: asked.of }];
    const page = (offset, k) => call(path, { ...question, modality: by, where: asked.where, group: "file", offset, k });
    const load = async () => {
      const found = await page(0, first);
      return { ...found, met: found.hits.length || !asked.where ? null : (await call("clips", { where: asked.where, limit: 1 })).total };
    };
    return show(place, skeletons(), load, (found) => {
      if (found.line !== null) chosen.tellsLikely();
      return results(found, asked, link, page);
    });
  }

  const asking = h("div", { class: `asking ${choices.folded ? "folded" : ""}` }, form(info, asked, by, there, go, choices.button), tools);
  load();
  return [h("h1", { class: "unseen-text" }, "Search"), asking, place];
}

function form(info, asked, by, there, go, unfold) {
  const back = matchMedia("(pointer: coarse)").matches ? "main" : "q"; // in a field, a keyboard on the screen would cover what is found
  const words = h("input", {
    id: "q",
    type: "search",
    name: "q",
    value: asked.q ?? "",
    maxlength: 1000,
    placeholder: info.phrases ? "What do you hear or see?" : "The name of a class",
    enterkeyhint: "search",
    data: { back },
  });
  const not = h("input", { id: "not", "aria-describedby": "not-needs", type: "text", value: asked.not ?? "", maxlength: 1000, placeholder: "e.g. clock", data: { back } });
  const needs = h("p", { id: "not-needs", class: "quiet needs" });
  const allow = () => {
    not.disabled = !words.value.trim();
    needs.textContent = not.disabled ? "“Away from” needs words to search for." : "";
  };
  const where = h("input", { id: "where", type: "text", value: asked.where ?? "", maxlength: 1000, placeholder: "e.g. duration < 10", data: { back } });
  const submit = (modality = by) => {
    const { likely } = asked;
    const next = { view: "search", q: words.value.trim(), not: words.value.trim() && not.value.trim(), where: where.value.trim(), by: modality, likely };
    if (!next.q && asked.like) Object.assign(next, { like: asked.like, of: asked.of });
    const finds = (one) => Boolean(one.q || one.like);
    if (finds(next) === finds(asked)) next.sort = asked.sort; // what is found for the first time stands nearest first
    go(next);
  };
  words.addEventListener("input", allow);
  allow();
  return h(
    "form",
    { role: "search", class: "search", onsubmit: (event) => (event.preventDefault(), fold(), submit()) },
    h("label", { for: "q", class: "unseen-text" }, "Search the archive by words"),
    h("div", { class: "box" }, suggest(words, info.classes, submit), h("button", { class: "primary", data: { back } }, glass(), h("span", {}, "Search"))),
    unfold,
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
          h("div", {}, h("label", { for: "not" }, "Away from"), not, needs),
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
    if (found.met === 0) return empty("No clips", "No clip meets the condition. Change it, or remove a part of it.", ...notes);
    return empty("No clips", `No clip can be compared with ${what} this way. Choose another modality, or ask for less.`, ...notes);
  }
  const wanted = (hits) => (asked.likely ? hits.filter((hit) => hit.likely !== false) : hits);
  const goesOn = ({ hits, more }) => more && wanted(hits).length === hits.length; // behind an unlikely clip no likely one is
  if (asked.likely && !wanted(found.hits).length) {
    tell(`No likely clip found${partly}`);
    const why = found.part_of_name ? "No clip is above the line for" : "Nothing here fits";
    return empty("No likely clip", `${why} ${what}. Without “Likely only”, the nearest clips are shown.`, ...notes);
  }
  const nothing = found.line === 0 && !found.part_of_name;
  const [order, compare] = orderOf(HIT_ORDERS, asked.sort);
  const likely = found.line ? `, ${found.line.toLocaleString("en")} of them likely` : "";
  tell(nothing ? `Nothing here fits ${what}${partly}` : `${count(found.hits.length, "clip")} found, ${order.toLowerCase()}${likely}${partly}`);
  return [
    h("header", { class: "results-head" }, h("h2", {}, nothing ? `Nothing here fits ${what}` : `Nearest to ${what}`), legend(found.hits)),
    nothing ? h("p", { class: "nothing" }, "These are the nearest clips. They probably show something else.") : null,
    ...notes,
    ...(found.corrected ? [h("p", { class: "note quiet" }, CORRECTED)] : []),
    compare ? h("p", { class: "note quiet ordered" }, ordered(order, { ...found, more: goesOn(found) })) : null,
    ...listed(found, wanted, goesOn, link, page, compare),
  ].filter(Boolean);
}

// That hits in another order are the nearest ones all the same.
function ordered(order, { more, line }) {
  const behind = more ? "; “Show more” puts further ones in their places among them" : "";
  const below = line ? " The line below the likely clips is drawn in the order “Nearest first” alone." : "";
  return `These are the nearest clips, in the order “${order}”${behind}.${below}`;
}

// The list of hits, and what is behind them.
function listed(found, wanted, goesOn, link, page, order) {
  let offset = found.hits.length;
  let { line } = found;
  const first = wanted(found.hits);
  const list = grid(first, link, line, order);
  const load = async () => {
    const next = await page(offset, FURTHER);
    line = next.line ?? line;
    offset += next.hits.length;
    return { cards: add(list, wanted(next.hits), link, line, order), more: goesOn(next) };
  };
  return [list, pager(first.length, null, goesOn(found), load)];
}

function sentence(note) {
  return note.charAt(0).toUpperCase() + note.slice(1);
}

function browse(place, info, asked, link, first) {
  const { where } = asked;
  const [, order] = orderOf(ORDERS, asked.sort);
  let next = { after: -1, limit: first };
  const load = async () => {
    const page = await call("clips", { ...next, ...order, where, group: "file" });
    next = { after: page.next, limit: FURTHER };
    const hits = page.clips.map((clip, i) => ({ clip, windows: page.files[i].windows }));
    return { ...page, hits, clips: page.files.reduce((sum, file) => sum + file.clips, 0), more: page.next !== null };
  };
  return show(place, skeletons(), load, (page) => {
    if (!page.total) {
      return where ? empty("No clips", `No clip meets the condition. ${COLUMNS}`) : empty("The archive is empty", "Add clips with: avgzsl index-add INDEX CLIPS");
    }
    const list = grid(page.hits, link);
    const behind = async () => {
      const { hits, clips, more } = await load();
      return { cards: add(list, hits, link), clips, more };
    };
    const head = h("header", { class: "results-head" }, h("h2", {}, where ? `${count(page.total, "clip")}: ${inWords(where)}` : "In the archive"));
    return [where ? null : ideas(info), head, list, pager(page.clips, page.total, page.more, behind)].filter(Boolean);
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
