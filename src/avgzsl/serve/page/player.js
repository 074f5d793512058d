// A clip to look at and to listen to: its picture first, the player when it is asked for.

import { clipUrl } from "./api.js";
import { h, s } from "./dom.js";

const still = (clip) => (clip.media_type ?? "").startsWith("image/") && !clip.has_audio;

export function picture(clip, label) {
  if (!clip.has_file) return h("div", { class: "blank" }, h("span", {}, "features only"));
  if (!clip.has_video) return h("div", { class: "blank" }, wave(clip.id));
  const img = h("img", { src: clipUrl("thumbnail", clip.id), alt: "", loading: "lazy", decoding: "async" });
  let tries = 0;
  img.addEventListener("error", () => {
    if (tries++ < 2) setTimeout(() => (img.src = `${clipUrl("thumbnail", clip.id)}&try=${tries}`), 1500 * tries);
    else img.replaceWith(h("div", { class: "blank" }, h("span", {}, "no picture to be had")));
  });
  return img;
}

// The same for the same clip; it stands for a sound, it does not measure it.
function wave(id) {
  let seed = 7;
  for (const letter of id) seed = (seed * 31 + letter.charCodeAt(0)) % 9973;
  const bars = Array.from({ length: 24 }, (_, i) => {
    const height = 6 + 26 * Math.abs(Math.sin(seed + i * 1.7) * Math.sin((Math.PI * (i + 1)) / 25));
    return s("rect", { x: 4 + i * 5, y: 30 - height / 2, width: 2.6, height, rx: 1.3 });
  });
  return s("svg", { viewBox: "0 0 128 60", class: "wave", "aria-hidden": "true" }, bars);
}

// The file as it is, and where the browser cannot play that, a preview made for browsers.
export function player(clip, { muted = false, controls = true } = {}) {
  if (still(clip)) return h("img", { src: clipUrl("file", clip.id), alt: clip.label ?? clip.name });
  const span = clip.start || clip.end ? `#t=${clip.start}${clip.end ? `,${clip.end}` : ""}` : "";
  const last = h("source", { src: clipUrl("preview", clip.id), type: "video/mp4" });
  const media = h(
    clip.has_video ? "video" : "audio",
    { controls, muted, playsinline: true, autoplay: true, "aria-label": clip.label ?? clip.name },
    h("source", { src: clipUrl("file", clip.id) + span, type: clip.media_type }),
    last,
  );
  media.muted = muted;
  last.addEventListener("error", () => media.replaceWith(unplayable(clip)));
  return media;
}

function unplayable(clip) {
  const why = h("span", { class: "wrong" }, "This clip cannot be played.");
  fetch(clipUrl("preview", clip.id))
    .then((response) => response.json())
    .then((problem) => (why.textContent = problem.detail))
    .catch(() => {});
  return h("div", { class: "blank", role: "alert" }, why);
}

export function frame(clip) {
  const name = clip.label ?? clip.name;
  const place = h("div", { class: "frame" }, picture(clip));
  if (!clip.has_file) return place;
  const play = h(
    "button",
    { class: "play", "aria-label": `Play ${name}`, onclick: start },
    s("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: "M8 5.500v13l10.500-6.500z" })),
  );
  function start() {
    const media = player(clip);
    place.replaceChildren(media);
    media.focus();
  }
  place.append(play);
  return place;
}
