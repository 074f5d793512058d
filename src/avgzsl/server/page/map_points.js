// Many points of the unit square: which of them to draw, and which is under the pointer.

const COARSEST = 3; // levels are grids of 2^level by 2^level cells
export const FINEST = 11;
const CELLS = 128; // by 128, of the grid in which the nearest is looked for

// Points in an order in which each level has one point more in each cell than the levels before it left empty, and how
// many points the levels up to each have. What lies below others is drawn when the map is so large that it shows.
export function levels(x, y) {
  const n = x.length;
  const order = new Uint32Array(n);
  const upTo = new Array(FINEST + 2).fill(n);
  let rest = shuffled(n);
  let done = 0;
  for (let level = 0; level < COARSEST; level++) upTo[level] = 0;
  for (let level = COARSEST; level <= FINEST; level++) {
    const side = 1 << level;
    const taken = new Uint8Array(side * side);
    const cell = (i) => Math.min(side - 1, (y[i] * side) | 0) * side + Math.min(side - 1, (x[i] * side) | 0);
    for (let j = 0; j < done; j++) taken[cell(order[j])] = 1;
    let left = 0;
    for (const i of rest) {
      const at = cell(i);
      if (taken[at]) rest[left++] = i;
      else (taken[at] = 1), (order[done++] = i);
    }
    rest = rest.subarray(0, left);
    upTo[level] = done;
    if (!left) break;
  }
  order.set(rest, done);
  return { order, upTo };
}

// All of 0 to n - 1, the same way each time: neighbours in the archive are often of one kind.
function shuffled(n) {
  const found = Uint32Array.from({ length: n }, (_, i) => i);
  let state = 1;
  for (let i = n - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1);
    [found[i], found[j]] = [found[j], found[i]];
  }
  return found;
}

// Finds the point nearest to a place, at most `rx` and `ry` away along the axes; -1 where there is none.
export function finder(x, y) {
  const place = (value) => Math.max(0, Math.min(CELLS - 1, (value * CELLS) | 0));
  const begins = new Uint32Array(CELLS * CELLS + 1);
  const cells = Uint32Array.from(x, (one, i) => place(y[i]) * CELLS + place(one));
  for (const cell of cells) begins[cell + 1]++;
  for (let c = 0; c < CELLS * CELLS; c++) begins[c + 1] += begins[c];
  const next = begins.slice();
  const inside = new Uint32Array(x.length);
  cells.forEach((cell, i) => (inside[next[cell]++] = i));
  return (px, py, rx, ry) => {
    let best = -1;
    let least = 1;
    for (let row = place(py - ry); row <= place(py + ry); row++) {
      for (let j = begins[row * CELLS + place(px - rx)]; j < begins[row * CELLS + place(px + rx) + 1]; j++) {
        const far = ((x[inside[j]] - px) / rx) ** 2 + ((y[inside[j]] - py) / ry) ** 2;
        if (far < least) (least = far), (best = inside[j]);
      }
    }
    return best;
  };
}

// Where the middle of each group of points is, by the median; null for one without points.
export function middles(x, y, group, groups) {
  const members = Array.from({ length: groups }, () => []);
  group.forEach((one, i) => members[one]?.push(i));
  const middle = (values) => Float64Array.from(values).sort()[values.length >> 1];
  return members.map((own) => (own.length ? { x: middle(own.map((i) => x[i])), y: middle(own.map((i) => y[i])) } : null));
}

// A few members of each group, evenly from among them all: the groups by number, with the places of their points.
export function samples(x, y, group, most = 60) {
  const sizes = new Map();
  for (const one of group) sizes.set(one, (sizes.get(one) ?? 0) + 1);
  const seen = new Map();
  const found = new Map();
  group.forEach((one, i) => {
    const nth = seen.get(one) ?? 0;
    seen.set(one, nth + 1);
    if (nth % Math.ceil(sizes.get(one) / most)) return;
    if (nth) found.get(one).push([x[i], y[i]]);
    else found.set(one, [[x[i], y[i]]]);
  });
  return found;
}
