// In which order clips are shown: the archive as it is by the server, which has all of it, hits by the page, which has
// the nearest ones.

import { choices, menu } from "./menu.js";

// By what the address bar says: what it is called, and how the API is asked.
export const ORDERS = {
  "": ["As indexed", {}],
  newest: ["Last indexed first", { sort: "indexed", descending: true }],
  name: ["By name", { sort: "name" }],
  label: ["By label", { sort: "label" }],
  shortest: ["Shortest first", { sort: "duration" }],
  longest: ["Longest first", { sort: "duration", descending: true }],
  split: ["By split", { sort: "split" }],
};

// The same, with what compares two hits; null leaves them as they come.
export const HIT_ORDERS = {
  "": ["Nearest first", null],
  name: ["By name", by((clip) => folded(clip.name))],
  label: ["By label", by((clip) => folded(clip.label))],
  shortest: ["Shortest first", by(length)],
  longest: ["Longest first", by(length, -1)],
  folder: ["By folder", by((clip) => folded(clip.folder))],
  time: ["By time in the file", by((clip) => clip.start)],
};

const known = (orders, chosen) => (Object.hasOwn(orders, chosen ?? "") ? (chosen ?? "") : "");

// What an order is called, and what it is.
export const orderOf = (orders, chosen) => orders[known(orders, chosen)];

export function sorting(orders, chosen, to) {
  const now = known(orders, chosen);
  const all = Object.entries(orders).map(([sort, [word]]) => ({ word, on: sort === now, press: () => to({ sort }) }));
  return menu(now ? orders[now][0] : "Order", "sort", null, () => choices(all, "sort"));
}

// As the server orders: what is not known comes last, whatever the direction; of equal clips the nearer one comes first.
function by(key, direction = 1) {
  return ({ clip: one }, { clip: other }) => {
    const [a, b] = [key(one), key(other)];
    if (a === null || b === null) return (a === null) - (b === null);
    return a === b ? 0 : a < b ? -direction : direction;
  };
}

function folded(text) {
  return text === null ? null : text.normalize().toLowerCase();
}

function length({ start, end }) {
  return end === null ? null : end - start;
}
