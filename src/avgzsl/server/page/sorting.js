// In which order the archive is shown as it is; what was found stands nearest first.

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

export function sorting(chosen, to) {
  const now = Object.hasOwn(ORDERS, chosen ?? "") ? (chosen ?? "") : "";
  const all = Object.entries(ORDERS).map(([sort, [word]]) => ({ word, on: sort === now, press: () => to({ sort }) }));
  return menu(now ? ORDERS[now][0] : "Order", "sort", null, () => choices(all, "sort"));
}
