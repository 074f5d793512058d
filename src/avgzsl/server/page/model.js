// The run: what it is, how it was evaluated, how it was trained.

import { call } from "./api.js";
import { lines } from "./charts.js";
import { count, h, number } from "./dom.js";
import { empty, show, waiting } from "./states.js";

const SHARES = { classification: ["S", "U", "HM", "ZSL"], retrieval: ["S", "U", "HM"] };
const ABOUT = new Set(["stage", "epoch", "lr", "loss", "attention", "seconds"]);
const MEANING = {
  S: "mean over seen classes",
  U: "mean over unseen classes",
  HM: "harmonic mean of S and U",
  ZSL: "unseen clips among unseen classes alone",
};

const UNTRAINED = "Clips and words are compared by encoders as their authors published them, so there is neither training nor evaluation to show.";

export function model(info) {
  const place = h("div", {});
  const learned = info.classes.length > 0;
  show(place, waiting("Reading the run …"), () => call("run"), (run) => [
    facts(info, run, learned),
    ...(learned ? [...tables(run), training(run)] : [empty("Nothing was trained", UNTRAINED)]),
    settings(run),
  ]);
  return [h("h1", { class: "unseen-text" }, "Model"), place];
}

function training(run) {
  return h("section", { "aria-labelledby": "training" }, h("h2", { id: "training" }, "Training"), h("div", { class: "figures" }, curves(run.history)));
}

function facts(info, run, learned) {
  const seen = info.classes.filter((one) => one.seen).length;
  const rows = {
    method: run.method,
    classes: learned ? `${seen} seen, ${info.classes.length - seen} unseen` : null,
    archive: `${count(info.clips, "clip")}, engine ${info.engine}`,
    fusion: info.fusion ?? "one modality",
    seed: learned ? run.seed : null,
    run: info.run.slice(0, 12),
    version: info.version,
  };
  return h("dl", { class: "facts" }, Object.entries(rows).filter(([, value]) => value !== null).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))));
}

function tables(run) {
  const parts = Object.keys(SHARES).map((task) => table(task, run.results.filter((row) => row.task === task)));
  const found = parts.filter(Boolean);
  return found.length ? found : [empty("Not evaluated", "The run had no results when it was indexed. Run `avgzsl evaluate`, then index anew, to see its tables here.")];
}

function table(task, rows) {
  if (!rows.length) return null;
  const columns = SHARES[task];
  const title = task === "classification" ? "Classification, mean class accuracy (%)" : "Retrieval by class name, mAP (%)";
  const best = columns.map((column) => Math.max(...rows.map((row) => row[column] ?? -1)));
  const percent = (value) => (value === null || value === undefined ? "–" : (100 * value).toFixed(2));
  const name = (row) => (row.fusion ? `both, ${row.fusion}` : row.modality) + mark(row);
  const calibrations = [...new Set(rows.map((row) => row.calibration).filter(Boolean))];
  const queries = "every class name is a query over all clips";
  const corrected = "; corrected: less a part of each clip's energy over the seen classes";
  const retrieved = queries + (rows.some((row) => row.retrieval === "corrected") ? corrected : "");
  return h(
    "section",
    { "aria-labelledby": task },
    h("h2", { id: task }, title),
    h("p", { class: "quiet" }, task === "classification" ? `calibration: ${calibrations.join(", ")}` : retrieved),
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": title },
      h(
      "table",
      { class: "figures-table", "aria-label": title },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "test"), columns.map((one) => h("th", { scope: "col", title: MEANING[one] }, one)), h("th", { scope: "col" }, "clips"))),
      h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row" }, name(row)), columns.map((one, i) => h("td", { class: row[one] === best[i] ? "best" : "" }, percent(row[one]))), h("td", {}, row.clips.toLocaleString("en"))))),
      ),
    ),
  );
}

// What sets a row apart from the plain one of its test.
function mark(row) {
  if (typeof row.stretch === "number") return `, stretch ${row.stretch}`;
  return row.retrieval === "corrected" ? ", corrected" : "";
}

// A chart for the losses, one for what validation said, and so on: what shares a beginning shares a chart.
function curves(history) {
  const charts = [];
  for (const [stage, records] of group(history)) {
    const names = [...new Set(records.flatMap(Object.keys))].filter((name) => records.some((one) => typeof one[name] === "number"));
    const series = (name) => ({ name, points: records.map((one, i) => [one.epoch ?? i + 1, one[name]]).filter(([, y]) => typeof y === "number") });
    const drawn = (title, chosen) => chosen.length && charts.push(lines(stage ? `${title}, ${stage}` : title, chosen.map(series).filter((one) => one.points.length)));
    drawn("loss", names.filter((name) => name === "loss"));
    drawn("parts of the loss", names.filter((name) => !ABOUT.has(name) && !name.startsWith("val_")));
    drawn("validation", names.filter((name) => name.startsWith("val_")));
  }
  return charts.length ? charts : [h("p", { class: "quiet" }, "This method does not train in epochs, so it has no curves.")];
}

function group(history) {
  const found = new Map();
  for (const one of history) found.set(one.stage ?? "", [...(found.get(one.stage ?? "") ?? []), one]);
  return found;
}

function settings(run) {
  const say = (value) => (typeof value === "number" ? number(value, 6) : Array.isArray(value) ? value.join(", ") : String(value));
  return h(
    "details",
    { class: "more" },
    h("summary", {}, "Settings"),
    h("dl", { class: "facts" }, Object.entries(run.settings).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, say(value))))),
  );
}
