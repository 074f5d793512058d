// A long file and the windows of it that were found: where they lie, and from which second each plays.

import { clock, h } from "./dom.js";

const SHOWN = 4; // the others are one press away

// `windows` in order of time; `play` takes one. The line is for the pointer, the list below it for everybody.
export function timeline(clip, windows, play) {
  if (windows.length < 2) return null;
  const length = clip.file_seconds ?? Math.max(...windows.map((one) => one.end ?? one.start));
  const marks = windows.map((one) => mark(one, length));
  const buttons = windows.map((one) =>
    h("button", { class: "at", "aria-label": `Play from ${clock(one.start)}${one.likely === false ? ", probably not it" : ""}`, onclick: () => take(one) }, clock(one.start)),
  );
  function show(current) {
    windows.forEach((one, i) => {
      marks[i].classList.toggle("current", one === current);
      if (one === current) buttons[i].setAttribute("aria-current", "true");
      else buttons[i].removeAttribute("aria-current");
    });
  }
  function take(one) {
    show(one);
    play(one);
  }
  function nearest(event) {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    const second = (length * (event.clientX - left)) / width;
    const far = ({ start, end }) => Math.max(start - second, second - (end ?? length), 0);
    return windows.reduce((best, one) => (far(one) < far(best) ? one : best));
  }
  const present = windows.find((one) => one.id === clip.id);
  show(present);
  const line = h("div", { class: "timeline", "aria-hidden": "true", onclick: (event) => take(nearest(event)) }, marks);
  return h("div", { class: "moments" }, line, times(buttons, windows, present));
}

function mark(one, length) {
  const at = (seconds) => `${Math.min((100 * seconds) / (length || 1), 100)}%`;
  const style = { left: at(one.start), width: at((one.end ?? length) - one.start) };
  return h("span", { class: `moment ${one.likely === false ? "unlikely" : ""}`, style });
}

// A few at first: the best ones, or, where none is better, those around the present one.
function times(buttons, windows, current) {
  const items = buttons.map((one) => h("li", {}, one));
  const at = windows.indexOf(current);
  const rank = (i) => windows[i].score ?? -Math.abs(i - at);
  const first = [...items.keys()].sort((a, b) => rank(b) - rank(a)).slice(0, SHOWN);
  const list = h("ul", { class: "times", role: "list", "aria-label": "Parts of the file" }, items.filter((_, i) => first.includes(i)));
  const rest = items.filter((_, i) => !first.includes(i));
  if (!rest.length) return list;
  list.append(h("li", {}, h("button", { class: "at", "aria-label": `${rest.length} more`, onclick: open }, `+${rest.length}`)));
  function open() {
    list.replaceChildren(...items);
    rest[0].firstElementChild.focus();
  }
  return list;
}

// Where in its file a clip is, if it is a piece of one.
export function part(clip) {
  if (!clip.start && !clip.id.includes("@")) return null;
  return `${clock(clip.start)}–${clip.end === null ? "end" : clock(clip.end)}`;
}
