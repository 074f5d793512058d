// Lines over epochs, as SVG; the figures stand beside them as a table for those who cannot see them.

import { h, number, s } from "./dom.js";

const H = 240;
const PAD = { left: 52, right: 14, top: 14, bottom: 34 };

export function lines(title, series) {
  const W = Math.min(560, innerWidth - 66); // about a unit a pixel, so that figures are legible at every width
  const points = series.flatMap((one) => one.points);
  const [x0, x1] = range(points.map(([x]) => x));
  const [y0, y1] = range(points.map(([, y]) => y), 0.06);
  const x = (value) => PAD.left + ((value - x0) / (x1 - x0)) * (W - PAD.left - PAD.right);
  const y = (value) => H - PAD.bottom - ((value - y0) / (y1 - y0)) * (H - PAD.top - PAD.bottom);
  const path = ({ points }) => points.map(([px, py], i) => `${i ? "L" : "M"}${x(px).toFixed(1)} ${y(py).toFixed(1)}`).join("");
  const drawing = s(
    "svg",
    { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": summary(title, series), class: "lines" },
    ticks(y0, y1, 4).map((value) => [
      s("line", { x1: PAD.left, x2: W - PAD.right, y1: y(value), y2: y(value), class: "rule" }),
      s("text", { x: PAD.left - 8, y: y(value) + 4, "text-anchor": "end" }, number(value)),
    ]),
    ticks(x0, x1, W / 90).map((value) => s("text", { x: x(value), y: H - 12, "text-anchor": "middle" }, number(value))),
    series.map((one, i) => s("path", { d: path(one), class: `line line-${i % 8}` })),
  );
  const keys = series.map((one, i) => h("span", { class: `key line-${i % 8}` }, one.name));
  return h("figure", { class: "chart-figure" }, h("figcaption", {}, h("strong", {}, title), h("span", { class: "legend" }, keys)), drawing);
}

function summary(title, series) {
  const one = ({ name, points }) => `${name} from ${number(points[0][1])} to ${number(points.at(-1)[1])}`;
  return `${title} over epochs: ${series.map(one).join("; ")}`;
}

function range(values, margin = 0) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  if (low === high) return [low - 0.5, high + 0.5];
  return [low - margin * (high - low), high + margin * (high - low)];
}

function ticks(low, high, about) {
  const rough = (high - low) / about;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * unit).find((one) => one >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(Number(value.toPrecision(12)));
  return found;
}
