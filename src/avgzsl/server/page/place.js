// Where the list of clips stands, kept with its address in the browser's history: who goes back finds it as it was.

import { cards } from "./hits.js";

const LOOKED_AT = [0.15, 0.3, 0.5, 0.7, 0.85]; // of the height of the window

// Keeps how many clips are shown, and where one that is in view stands. What is not laid out has no height that lasts, so
// that the place of a clip says more than how far the page is scrolled.
export function keepPlace() {
  const seen = LOOKED_AT.map((part) => document.elementFromPoint(innerWidth / 4, part * innerHeight)?.closest("#main .card:not(.skeleton)"));
  const card = seen.find(Boolean);
  if (!card) return;
  const all = cards();
  const place = { shown: all.length, at: all.indexOf(card), top: card.getBoundingClientRect().top };
  history.replaceState({ ...history.state, place }, "");
}

export const keptPlace = () => history.state?.place ?? null;

export function goTo({ at, top }) {
  const card = cards()[at];
  if (!card) return;
  card.scrollIntoView({ behavior: "instant" });
  scrollBy({ top: card.getBoundingClientRect().top - top, behavior: "instant" });
}
