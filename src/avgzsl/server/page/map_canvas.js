// The map as it is drawn: dots, stars of class names, and names that cover nothing of each other. A frame draws at most
// MOST dots, however many clips there are, and one frame is drawn for all moves since the last.

import { inkwell, sheetOf } from "./map_dots.js";
import { FINEST, finder, levels } from "./map_points.js";

const STAR = "M0-15l4.100 10 10.600.8-8.100 6.900 2.600 10.400L0 7.200-9.200 13.100l2.600-10.400-8.100-6.900 10.600-.8z";
const MOST = 15_000;
const PAD = 40;
const DEEPEST = 60;
const REACH = 18; // pixels around a point in which it is pointed at

export function chart(canvas, { x, y }) {
  const pen = canvas.getContext("2d");
  const { order, upTo } = levels(x, y);
  const find = finder(x, y);
  const state = { k: 1, tx: 0, ty: 0, width: 1, height: 1, sharp: 1, waits: false, current: -1, chosen: null, cross: false };
  let look = { group: [], names: [], stars: [] };
  let marks = null; // colours and dots, made once for a size
  let sheet = null;

  const across = (px) => (PAD + px * (state.width - 2 * PAD)) * state.k + state.tx;
  const down = (py) => (PAD + py * (state.height - 2 * PAD)) * state.k + state.ty;
  const size = () => Math.min(1, (x.length > 2000 ? 0.5 : x.length > 300 ? 0.75 : 1) * Math.sqrt(state.k)) * (state.width < 600 ? 0.75 : 1);

  function draw() {
    state.waits = false;
    if (!sheet) return;
    const { width, height, sharp, chosen } = state;
    const scale = Math.max(1, Math.round(8 * size() * sharp)) / 8; // in steps, for new dots take a frame's time
    if (marks?.scale !== scale) marks = inkwell(canvas, scale);
    sheet.clear();
    let drawn = dots(shown(), chosen === null ? marks.bright : marks.faint, (i) => chosen === null || look.group[i] !== chosen, MOST);
    if (chosen !== null) drawn += dots(x.length, marks.bright, (i) => look.group[i] === chosen, MOST - drawn);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.putImageData(sheet.image, 0, 0);
    pen.setTransform(sharp, 0, 0, sharp, 0, 0);
    ring();
    for (const one of look.stars) star(one);
    for (const one of placed()) name(one);
    if (state.cross) cross(width / 2, height / 2);
    canvas.dataset.drawn = drawn;
    canvas.dataset.frames = Number(canvas.dataset.frames ?? 0) + 1;
  }

  // Dots nearer to each other than half of their size are not all drawn.
  function shown() {
    const side = Math.sqrt(state.width * state.height) * state.k;
    const level = Math.floor(Math.log2(side / (5 * size())));
    return upTo[Math.max(0, Math.min(level, FINEST + 1))];
  }

  function dots(end, kind, wanted, most) {
    const { sharp } = state;
    const [right, bottom] = [canvas.width + 9, canvas.height + 9];
    let drawn = 0;
    for (let j = 0; j < end && drawn < most; j++) {
      const i = order[j];
      const px = (across(x[i]) * sharp) | 0;
      const py = (down(y[i]) * sharp) | 0;
      if (px < -9 || py < -9 || px > right || py > bottom || !wanted(i)) continue;
      sheet.put(kind, look.group[i], px, py);
      drawn++;
    }
    return drawn;
  }

  function ring() {
    if (state.current < 0) return;
    pen.beginPath();
    pen.arc(across(x[state.current]), down(y[state.current]), 7 * size() + 3, 0, 7);
    pen.lineWidth = 3;
    pen.strokeStyle = marks.ink;
    pen.stroke();
  }

  function cross(px, py) {
    pen.lineWidth = 2;
    pen.strokeStyle = marks.ink;
    pen.stroke(new Path2D(`M${px - 14} ${py}h10m8 0h10M${px} ${py - 14}v10m0 8v10`));
  }

  function star({ x: px, y: py, tint, hollow, group }) {
    pen.save();
    pen.globalAlpha = state.chosen === null || group === state.chosen ? 1 : 0.14;
    pen.translate(across(px), down(py));
    if (state.width < 600) pen.scale(0.65, 0.65);
    const path = new Path2D(STAR);
    pen.fillStyle = hollow ? marks.surface : marks.colours[tint];
    pen.strokeStyle = hollow ? marks.colours[tint] : marks.ink;
    pen.lineWidth = hollow ? 3.2 : 1.6;
    pen.lineJoin = "round";
    pen.fill(path);
    pen.stroke(path);
    pen.restore();
  }

  // Names beside, above or below their places, where they cover no other; the first ones go before.
  function placed() {
    pen.font = `600 13px ${marks.font}`;
    const taken = look.stars.map((one) => [across(one.x) - 15, down(one.y) - 15, across(one.x) + 15, down(one.y) + 15]);
    const free = ([l, t, r, b]) => taken.every(([L, T, R, B]) => r < L || R < l || b < T || B < t);
    const found = [];
    for (const { text, x: px, y: py, starred, group } of look.names) {
      const [cx, cy] = [across(px), down(py)];
      if (cx < -20 || cy < -20 || cx > state.width + 20 || cy > state.height + 20) continue;
      const w = pen.measureText(text).width + 6;
      const gap = starred ? 18 : 0;
      const spots = [[cx + gap - (starred ? 0 : w / 2), cy - 9], [cx - gap - w, cy - 9], [cx - w / 2, cy - gap - 19], [cx - w / 2, cy + gap + 1]];
      const spot = spots.map(([l, t]) => [Math.max(3, Math.min(l, state.width - w - 3)), t]).find(([l, t]) => t > 2 && t + 18 < state.height && free([l, t, l + w, t + 18]));
      if (!spot) continue;
      taken.push([spot[0], spot[1], spot[0] + w, spot[1] + 18]);
      found.push({ text, left: spot[0] + 3, base: spot[1] + 14, group });
    }
    return found;
  }

  function name({ text, left, base, group }) {
    pen.globalAlpha = state.chosen === null || group === state.chosen ? 1 : 0.14;
    pen.lineWidth = 4;
    pen.lineJoin = "round";
    pen.strokeStyle = marks.surface;
    pen.strokeText(text, left, base);
    pen.fillStyle = marks.ink;
    pen.fillText(text, left, base);
    pen.globalAlpha = 1;
  }

  function soon() {
    if (state.waits) return;
    state.waits = true;
    requestAnimationFrame(draw);
  }

  // What stands at the edge of the map can be brought to the middle.
  function settle() {
    const over = Math.min(0.5, state.k - 1);
    const held = (shift, size) => Math.min(over * size, Math.max(shift, (1 - state.k - over) * size));
    state.tx = held(state.tx, state.width);
    state.ty = held(state.ty, state.height);
    soon();
  }

  return {
    zoomed: () => state.k > 1.001,
    pan(dx, dy) {
      state.tx += dx;
      state.ty += dy;
      settle();
    },
    zoom(factor, px = state.width / 2, py = state.height / 2) {
      const k = Math.max(1, Math.min(DEEPEST, state.k * factor));
      state.tx = px - ((px - state.tx) * k) / state.k;
      state.ty = py - ((py - state.ty) * k) / state.k;
      state.k = k;
      settle();
    },
    whole() {
      Object.assign(state, { k: 1, tx: 0, ty: 0 });
      soon();
    },
    resize(width, height) {
      if (width === state.width && height === state.height) return;
      state.tx *= width / state.width;
      state.ty *= height / state.height;
      Object.assign(state, { width, height, sharp: Math.min(devicePixelRatio || 1, 2) });
      canvas.width = Math.round(width * state.sharp);
      canvas.height = Math.round(height * state.sharp);
      sheet = sheetOf(canvas.width, canvas.height);
      settle();
    },
    // `group` says which group each point is of, -1 for none; `names` and `stars` stand at their x and y.
    show(next) {
      look = next;
      soon();
    },
    repaint() {
      marks = null;
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
    at(px, py, reach = REACH) {
      const [w, h] = [(state.width - 2 * PAD) * state.k, (state.height - 2 * PAD) * state.k];
      return find((px - state.tx - PAD * state.k) / w, (py - state.ty - PAD * state.k) / h, reach / w, reach / h);
    },
    middle: () => [state.width / 2, state.height / 2],
    placeOf: (i) => [across(x[i]), down(y[i])],
  };
}
