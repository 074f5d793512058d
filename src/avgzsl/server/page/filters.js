// Which clips are shown: a chip for each comparison of the condition, and menus of what else there is to choose.

import { call } from "./api.js";
import { canBeWritten, changed, read, said, written } from "./conditions.js";
import { h, number } from "./dom.js";
import { choices, menu } from "./menu.js";

let whole = null; // of all clips: which menus make sense

// `asked` is what the address bar holds, `to` goes to it with some of it changed.
export function filters(asked, to) {
  const conditions = read(asked.where);
  const menus = h("div", { class: "menus" });
  const place = h("div", { id: "filters", class: "filters", tabindex: -1, role: "group", "aria-label": "Filters" }, menus, chips(asked, conditions, to));
  if (conditions) offer();

  async function offer() {
    try {
      whole ??= await call("facets");
    } catch {
      return; // the conditions can still be written
    }
    menus.prepend(...built(whole, conditions, (columns, now) => to({ where: written(changed(conditions, columns, now)) })));
  }
  const tellsLikely = () => menus.querySelector("#likely") ?? menus.append(likely(asked, to));
  if (asked.likely) tellsLikely();
  return { place, tellsLikely };
}

function chips(asked, conditions, to) {
  if (!asked.where) return null;
  const rest = (one) => written((conditions ?? []).filter((other) => other !== one));
  const chip = (text, where) => h("li", {}, h("button", { class: "chip", "aria-label": `Remove: ${text}`, data: { back: "filters" }, onclick: () => to({ where }) }, text, h("span", { "aria-hidden": "true" }, "×")));
  const items = conditions ? conditions.map((one) => chip(said(one), rest(one))) : [chip(asked.where, null)];
  if (items.length > 1) items.push(h("li", {}, h("button", { class: "plain", data: { back: "filters" }, onclick: () => to({ where: null }) }, "Remove all")));
  return h("ul", { class: "chips", role: "list", "aria-label": "Conditions" }, items);
}

function likely(asked, to) {
  const on = Boolean(asked.likely);
  return h("button", { id: "likely", class: "chip", "aria-pressed": String(on), data: { back: on ? "filters" : "likely" }, onclick: () => to({ likely: on ? null : "yes" }) }, "Likely only");
}

function built(all, conditions, put) {
  const live = (columns) => () => call("facets", { where: written(changed(conditions, columns, [])) });
  const values = (name, column, rows) => menu(name, `filter-${column}`, live([column]), (facets) => list(facets[rows], column, conditions, put));
  const some = ({ length }) => length > 1;
  return [
    all.seconds.most !== null && menu("Duration", "filter-duration", live(["duration"]), (facets) => duration(facets.seconds, conditions, put)),
    some(all.folders) && values("Folder", "folder", "folders"),
    some(all.labels) && values("Label", "label", "labels"),
    some(all.splits) && values("Split", "split", "splits"),
    all.has_audio && all.has_video && menu("Sound or picture", "filter-parts", null, () => parts(conditions, put)),
  ].filter(Boolean);
}

function list(rows, column, conditions, put) {
  const there = conditions.find((one) => one.column === column && one.operator === "=")?.values ?? [];
  return choices(
    rows.filter(({ value }) => value && canBeWritten(value)).map(({ value, clips }) => {
      const on = there.includes(value);
      const values = on ? there.filter((one) => one !== value) : [...there, value]; // any of them
      const press = () => put([column], values.length ? [{ column, operator: "=", values }] : []);
      return { word: value, more: clips.toLocaleString("en"), on, press };
    }),
    "filters",
  );
}

function duration(seconds, conditions, put) {
  const now = (operator) => conditions.find((one) => one.column === "duration" && one.operator === operator)?.values[0] ?? "";
  const field = (id, operator, word, example) => [
    h("label", { for: id }, word),
    h("input", { id, type: "number", min: 0, step: "any", inputmode: "decimal", value: now(operator), placeholder: example === null ? null : number(example), data: { operator } }),
  ];
  const form = h(
    "form",
    { class: "span", onsubmit: apply },
    field("least", ">=", "At least, seconds", seconds.least),
    field("longest", "<=", "At most, seconds", seconds.most),
    h("button", { class: "primary", data: { back: "filters" } }, "Apply"),
  );
  function apply(event) {
    event.preventDefault();
    const fields = [...form.querySelectorAll("input")].filter((one) => one.value !== "");
    form.querySelector("button").focus(); // from where the focus goes back
    put(["duration"], fields.map((one) => ({ column: "duration", operator: one.dataset.operator, values: [one.value] })));
  }
  return form;
}

const PARTS = [
  ["With sound", { has_audio: "yes" }],
  ["With picture", { has_video: "yes" }],
  ["Sound and picture", { has_audio: "yes", has_video: "yes" }],
  ["Sound alone", { has_audio: "yes", has_video: "no" }],
  ["Picture alone", { has_audio: "no", has_video: "yes" }],
];

function parts(conditions, put) {
  const columns = ["has_audio", "has_video"];
  const now = written(columns.flatMap((column) => conditions.filter((one) => one.column === column)));
  const choice = ([word, wanted]) => {
    const comparisons = Object.entries(wanted).map(([column, value]) => ({ column, operator: "=", values: [value] }));
    const on = written(comparisons) === now;
    return { word, on, press: () => put(columns, on ? [] : comparisons) };
  };
  return choices(PARTS.map(choice), "filters");
}
