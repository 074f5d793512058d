// The names on the map: in one line or two, beside, above or below their places.

const LINE = 26; // letters of a name that stands in one line
const LONGEST = 36; // letters of a line
const HIGH = 16; // pixels from line to line
const DOT = 8; // pixels from the middle of a dot to its end

// The words of a name in a line, or in two about as long. What is too long for that is cut in its middle: what tells names
// apart stands at either end.
export function lines(text) {
  const letters = [...text];
  if (letters.length <= LINE) return [text];
  const far = (space) => Math.abs(space.index - text.length / 2);
  const [space] = [...text.matchAll(/ +/g)].sort((one, other) => far(one) - far(other));
  const two = space ? [text.slice(0, space.index), text.slice(space.index).trim()] : [];
  if (space && two.every((one) => one.length <= LONGEST)) return two;
  const end = Math.min(LONGEST, letters.length >> 1);
  const begin = Math.min(LONGEST - 1, letters.length - end);
  const rest = begin + end < letters.length;
  return [letters.slice(0, begin).join("") + (rest ? "…" : ""), letters.slice(-end).join("").trim()];
}

// Names where they cover no other, and not most of the dots of their own, of which `own` are some; the first ones go
// before.
export function placed(pen, view, { names, stars, own }, font) {
  pen.font = `600 13px ${font}`;
  const around = (x, y) => [x - 15, y - 15, x + 15, y + 15];
  const taken = stars.map((one) => around(view.across(one.x), view.down(one.y)));
  const free = ([l, t, r, b]) => taken.every(([L, T, R, B]) => r < L || R < l || b < T || B < t);
  const found = [];
  for (const { text, x, y, starred, group } of names) {
    const [cx, cy] = [view.across(x), view.down(y)];
    if (cx < -20 || cy < -20 || cx > view.width + 20 || cy > view.height + 20) continue;
    const rows = lines(text).map((line) => ({ line, wide: pen.measureText(line).width }));
    const w = Math.max(...rows.map(({ wide }) => wide)) + 6;
    const high = HIGH * rows.length + 2;
    const gap = starred ? 18 : 0;
    const spots = [[cx + gap - (starred ? 0 : w / 2), cy - high / 2], [cx - gap - w, cy - high / 2], [cx - w / 2, cy - gap - high - 1], [cx - w / 2, cy + gap + 1]];
    const dots = (own.get(group) ?? []).map(([px, py]) => [view.across(px), view.down(py)]);
    if (dots.length) {
      const [least, most] = [Math.min, Math.max].map((end) => end(...dots.map(([, py]) => py)));
      spots.push([cx - w / 2, least - high - DOT], [cx - w / 2, most + DOT]);
    }
    const boxes = spots.map(([l, t]) => [Math.max(3, Math.min(l, view.width - w - 3)), t]).map(([l, t]) => [l, t, l + w, t + high]);
    const box = boxes.find((one) => one[1] > 2 && one[3] < view.height && free(one) && covered(dots, one) <= dots.length / 2);
    if (!box) continue;
    taken.push(box);
    found.push({ rows: rows.map(({ line, wide }, i) => ({ line, left: box[0] + (w - wide) / 2, base: box[1] + 14 + HIGH * i })), group, box });
  }
  return found;
}

const covered = (dots, [l, t, r, b]) => dots.filter(([x, y]) => x > l - DOT && x < r + DOT && y > t - DOT && y < b + DOT).length;

export function name(pen, { ink, surface }, { rows }, opacity) {
  pen.globalAlpha = opacity;
  pen.lineWidth = 4;
  pen.lineJoin = "round";
  pen.strokeStyle = surface;
  for (const { line, left, base } of rows) pen.strokeText(line, left, base);
  pen.fillStyle = ink;
  for (const { line, left, base } of rows) pen.fillText(line, left, base);
  pen.globalAlpha = 1;
}
