// A clip to look at and to listen to: its picture first, the player when it is asked for.

import { clipUrl } from "./api.js";
import { h, s } from "./dom.js";

const still = (clip) => (clip.media_type ?? "").startsWith("image/") && !clip.has_audio;

const WHY_NOT = {
  none: ["", "features only"],
  gone: ["The file is gone", "since it was indexed"],
  changed: ["Changed since it was indexed", "This file is not the one that was found."],
  elsewhere: ["Not shown", "The file lies outside of the folders that this server may show."],
};

// What stands in the place of a clip that is not shown.
function blank([what, why]) {
  return h("div", { class: "blank" }, h("p", {}, what ? h("strong", {}, what) : null, h("span", {}, why)));
}

function picture(clip, refused) {
  if (!clip.has_file) return blank(WHY_NOT[clip.file]);
  if (!clip.has_video) return h("div", { class: "blank" }, wave(clip.id));
  const url = clipUrl("thumbnail", clip.id);
  const img = h("img", { src: url, alt: "", loading: "lazy", decoding: "async" });
  let tries = 0;
  img.addEventListener("error", async () => {
    const why = await reason(url);
    if (why && why.status !== 429 && why.status < 500) {
      img.replaceWith(blank(["Not shown", why.detail]));
      refused();
    } else if (tries++ < 2) setTimeout(() => (img.src = `${url}&try=${tries}`), 1500 * tries);
    else img.replaceWith(blank(["", "no picture to be had"]));
  });
  return img;
}

// What the server says of a file that it did not send; null where it says nothing, or sends it after all.
async function reason(url) {
  try {
    const response = await fetch(url);
    return response.ok ? null : await response.json();
  } catch {
    return null;
  }
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
  if (!clip.has_file) return blank(WHY_NOT[clip.file]);
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
  reason(clipUrl("preview", clip.id)).then((problem) => problem && (why.textContent = problem.detail));
  return h("div", { class: "blank", role: "alert" }, why);
}

export function frame(clip) {
  const name = clip.label ?? clip.name;
  const place = h("div", { class: "frame" }, picture(clip, () => play.remove()));
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
  if (clip.has_file) place.append(play);
  return place;
}
