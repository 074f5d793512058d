// The map as it is drawn: dots, stars of class names, and names that cover nothing of each other. A frame draws at most
// MOST dots, however many clips there are, and one frame is drawn for all moves since the last.

import { FAINT, inkwell, sheetOf } from "./map_dots.js";
import { cross, ring, star } from "./map_marks.js";
import { name, placed } from "./map_names.js";
import { FINEST, finder, levels, samples } from "./map_points.js";
import { viewOf } from "./map_view.js";

const MOST = 15_000;
const REACH = 18; // pixels around a point in which it is pointed at

export function chart(canvas, { x, y }) {
  const pen = canvas.getContext("2d");
  const { order, upTo } = levels(x, y);
  const find = finder(x, y);
  const view = viewOf(soon);
  const state = { sharp: 1, waits: false, current: -1, chosen: null, cross: false };
  let look = { group: [], names: [], stars: [], own: new Map() };
  let well = null; // colours and dots, made once for a size
  let sheet = null;

  const size = () => Math.min(1, (x.length > 2000 ? 0.5 : x.length > 300 ? 0.75 : 1) * Math.sqrt(view.k)) * (view.width < 600 ? 0.75 : 1);
  const opacity = (group) => (state.chosen === null || group === state.chosen ? 1 : FAINT);

  function draw() {
    state.waits = false;
    if (!sheet) return;
    const { sharp } = state;
    const scale = Math.max(1, Math.round(8 * size() * sharp)) / 8; // in steps, for new dots take a frame's time
    if (well?.scale !== scale) well = inkwell(canvas, scale);
    canvas.dataset.drawn = drawDots();
    pen.setTransform(sharp, 0, 0, sharp, 0, 0);
    drawMarks();
    canvas.dataset.frames = Number(canvas.dataset.frames ?? 0) + 1;
  }

  function drawDots() {
    const { chosen } = state;
    sheet.clear();
    let drawn = dots(shown(), chosen === null ? well.bright : well.faint, (i) => chosen === null || look.group[i] !== chosen, MOST);
    if (chosen !== null) drawn += dots(x.length, well.bright, (i) => look.group[i] === chosen, MOST - drawn);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.putImageData(sheet.image, 0, 0);
    return drawn;
  }

  function drawMarks() {
    const { current } = state;
    if (current >= 0) ring(pen, view.across(x[current]), view.down(y[current]), 7 * size() + 3, well.ink);
    for (const one of look.stars) star(pen, view, well, one, opacity(one.group));
    for (const one of placed(pen, view, look, well.font)) name(pen, well, one, opacity(one.group));
    if (state.cross) cross(pen, view.width / 2, view.height / 2, well.ink);
  }

  // Dots nearer to each other than half of their size are not all drawn.
  function shown() {
    const side = Math.sqrt(view.width * view.height) * view.k;
    const level = Math.floor(Math.log2(side / (5 * size())));
    return upTo[Math.max(0, Math.min(level, FINEST + 1))];
  }

  function dots(end, kind, wanted, most) {
    const { sharp } = state;
    const [right, bottom] = [canvas.width + 9, canvas.height + 9];
    let drawn = 0;
    for (let j = 0; j < end && drawn < most; j++) {
      const i = order[j];
      const px = (view.across(x[i]) * sharp) | 0;
      const py = (view.down(y[i]) * sharp) | 0;
      if (px < -9 || py < -9 || px > right || py > bottom || !wanted(i)) continue;
      sheet.put(kind, look.group[i], px, py);
      drawn++;
    }
    return drawn;
  }

  function soon() {
    if (state.waits) return;
    state.waits = true;
    requestAnimationFrame(draw);
  }

  return {
    zoomed: view.zoomed,
    pan: view.pan,
    zoom: view.zoom,
    whole: view.whole,
    resize(width, height) {
      if (width === view.width && height === view.height) return;
      state.sharp = Math.min(devicePixelRatio || 1, 2);
      canvas.width = Math.round(width * state.sharp);
      canvas.height = Math.round(height * state.sharp);
      sheet = sheetOf(canvas.width, canvas.height);
      view.resize(width, height);
    },
    // `group` says which group each point is of, -1 for none; `names` and `stars` stand at their x and y.
    show(next) {
      look = { ...next, own: samples(x, y, next.group) };
      soon();
    },
    repaint() {
      well = null;
      soon();
    },
    mark(current, cross = false) {
      if (current === state.current && cross === state.cross) return;
      Object.assign(state, { current, cross });
      soon();
    },
    choose(group) {
      state.chosen = group;
      soon();
    },
    at: (px, py, reach = REACH) => find(...view.under(px, py, reach)),
    middle: () => [view.width / 2, view.height / 2],
  };
}
