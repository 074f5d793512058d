// The sound of a clip, drawn: the least and the greatest of each part of it, as the server found them. Beside a player
// it shows the place that is played, and leads to any other: by mouse, finger and key.

import { call } from "./api.js";
import { clock, h, s } from "./dom.js";

const LEAST = 1 / 8; // a sound whose loudest place is below it is drawn less than full

// Of one clip it is asked once, by the picture and by the player.
const asked = new Map();
const MOST = 500;
export function peaksOf(id) {
  if (!asked.has(id)) {
    if (asked.size >= MOST) asked.delete(asked.keys().next().value);
    const answer = call("clips/peaks", { id });
    answer.catch(() => asked.delete(id));
    asked.set(id, answer);
  }
  return asked.get(id);
}

function outline({ peaks }) {
  const loudest = Math.max(LEAST, ...peaks.flat().map(Math.abs));
  const upper = peaks.map(([, greatest], i) => `${i} ${-greatest / loudest} ${i + 1} ${-greatest / loudest}`);
  const lower = peaks.map(([least], i) => `${i + 1} ${-least / loudest} ${i} ${-least / loudest}`).reverse();
  return { width: peaks.length, path: `M${[...upper, ...lower].join(" ")}z` };
}

function drawing({ width, path }) {
  const shape = { viewBox: `0 -1 ${width} 2`, preserveAspectRatio: "none", "aria-hidden": "true" };
  return s("svg", shape, s("path", { d: path }));
}

const SILENT = { width: 1, path: "M0 0 1 0z" }; // until the answer is there

// A picture of the sound. `wrong` is told why there is none; `from` where, between 0 and 1, it was clicked.
export function picture(clip, wrong, from) {
  const shown = h("div", { class: "wave" }, drawing(SILENT));
  shown.addEventListener("click", (event) => from(placeOf(event, shown)));
  const look = new IntersectionObserver(async (seen) => {
    if (!seen.some((one) => one.isIntersecting)) return;
    look.disconnect();
    try {
      shown.replaceChildren(drawing(outline(await peaksOf(clip.id))));
    } catch (error) {
      wrong(error);
    }
  });
  look.observe(shown);
  return shown;
}

const placeOf = (event, wave) => {
  const { left, width } = wave.getBoundingClientRect();
  return Math.min(Math.max((event.clientX - left) / width, 0), 1);
};

// The sound beside the `media` that plays it, once its `peaks` are there: they begin at second `begin()` of what is
// played. `from` is where to start, between 0 and 1.
export function slider(media, { name, peaks, begin = () => 0, from = 0 }) {
  const wave = h("div", { class: "wave", hidden: true });
  peaks.then(
    (found) => {
      const shape = outline(found);
      wave.append(drawing(shape), drawing(shape), h("span", { class: "needle" }));
      const facts = { role: "slider", tabindex: 0, "aria-label": `Place in ${name}`, "aria-valuemin": 0, "aria-valuemax": found.seconds.toFixed(1) };
      for (const [key, value] of Object.entries(facts)) wave.setAttribute(key, value);
      wave.hidden = false;
      follow(wave, media, found.seconds, begin, from);
    },
    () => wave.remove(), // the player says what is wrong with the file
  );
  return wave;
}

function follow(wave, media, seconds, begin, from) {
  const end = () => Math.min(seconds, (media.duration || Infinity) - begin());
  const here = () => Math.min(Math.max(media.currentTime - begin(), 0), seconds);
  const show = () => {
    wave.style.setProperty("--played", `${(100 * here()) / seconds}%`);
    wave.setAttribute("aria-valuenow", here().toFixed(1));
    wave.setAttribute("aria-valuetext", `${clock(here())} of ${clock(seconds)}`);
  };
  const seek = (second) => {
    media.currentTime = begin() + Math.min(Math.max(second, 0), end());
    show();
  };
  pointer(wave, (place) => seek(place * seconds));
  wave.addEventListener("keydown", (event) => keyed(event, media, here(), seconds, seek));
  for (const happened of ["timeupdate", "seeking", "loadedmetadata", "ended"]) media.addEventListener(happened, show);
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) smooth(wave, media, show);
  const start = () => seek(from * seconds);
  if (from && media.readyState) start();
  else if (from) media.addEventListener("loadedmetadata", start, { once: true });
  show();
}

// The needle moves with every frame while it plays, not four times a second.
function smooth(wave, media, show) {
  const step = () => {
    show();
    if (!media.paused && wave.isConnected) requestAnimationFrame(step);
  };
  media.addEventListener("playing", step);
  if (!media.paused) step();
}

function pointer(wave, go) {
  let held = false;
  wave.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    held = true;
    wave.setPointerCapture(event.pointerId);
    go(placeOf(event, wave));
  });
  wave.addEventListener("pointermove", (event) => held && go(placeOf(event, wave)));
  for (const ended of ["pointerup", "pointercancel"]) wave.addEventListener(ended, () => (held = false));
}

function keyed(event, media, here, seconds, seek) {
  const step = Math.min(5, seconds / 20);
  const to = {
    ArrowRight: here + step,
    ArrowUp: here + step,
    ArrowLeft: here - step,
    ArrowDown: here - step,
    PageUp: here + 4 * step,
    PageDown: here - 4 * step,
    Home: 0,
    End: seconds,
  }[event.key];
  if (event.ctrlKey || event.metaKey || event.altKey || (to === undefined && event.key !== " ")) return;
  event.preventDefault();
  event.stopPropagation(); // keys of the page around it stay where they are
  if (to !== undefined) seek(to);
  else if (media.paused) media.play();
  else media.pause();
}
