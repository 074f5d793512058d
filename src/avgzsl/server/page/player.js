// A clip to look at and to listen to: its picture first, the player when it is asked for.

import { clipUrl } from "./api.js";
import { h, s } from "./dom.js";
import * as wave from "./wave.js";

const still = (clip) => (clip.media_type ?? "").startsWith("image/") && !clip.has_audio;

const TRIANGLE = "M8 5.500v13l10.500-6.500z";
const EXPAND = "M5 10V5h5v2H7v3zm9-5h5v5h-2V7h-3zM5 14h2v3h3v2H5zm12 0h2v5h-5v-2h3z";

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

function picture(clip, large, refused, start) {
  if (!clip.has_file) return blank(WHY_NOT[clip.file]);
  if (!clip.has_video) return sound(clip, refused, start);
  const url = clipUrl("thumbnail", clip.id) + (large ? "&large=true" : "");
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

function sound(clip, refused, start) {
  const place = h("div", { class: "blank" }, wave.picture(clip, wrong, start));
  function wrong(why) {
    if (why.status === 429 || why.status >= 500 || !why.status) return;
    place.replaceWith(blank(["Not shown", why.message]));
    refused();
  }
  return place;
}

// What begins to play lets the others pause.
document.addEventListener(
  "play",
  ({ target }) => document.querySelectorAll("video, audio").forEach((other) => other === target || other.pause()),
  true,
);

// The file as it is, and where the browser cannot play that, a preview made for browsers.
export function player(clip, { muted = false, controls = true, from = 0 } = {}) {
  if (!clip.has_file) return blank(WHY_NOT[clip.file]);
  if (still(clip)) return h("img", { src: clipUrl("file", clip.id), alt: clip.label ?? clip.name, tabindex: -1 });
  const span = clip.start || clip.end ? `#t=${clip.start}${clip.end ? `,${clip.end}` : ""}` : "";
  const first = h("source", { src: clipUrl("file", clip.id) + span, type: clip.media_type });
  const last = h("source", { src: clipUrl("preview", clip.id), type: "video/mp4" });
  const media = h(
    clip.has_video ? "video" : "audio",
    { controls, muted, playsinline: true, autoplay: true, "aria-label": clip.label ?? clip.name },
    first,
    last,
  );
  media.muted = muted;
  media.addEventListener("loadedmetadata", (event) => {
    if (!clip.has_video || media.videoWidth || !first.isConnected) return;
    event.stopImmediatePropagation(); // the browser knows the kind of the sound, but not that of the picture
    first.remove();
    media.load();
  });
  // a preview begins where the clip does, the file itself where it does
  const begin = () => (media.currentSrc.includes("/clips/preview?") ? 0 : clip.start);
  const sound = clip.has_audio && wave.slider(media, { name: clip.label ?? clip.name, peaks: wave.peaksOf(clip.id), begin, from });
  const whole = h("div", { class: clip.has_video ? "player" : "player of-sound" }, media, sound);
  last.addEventListener("error", () => whole.replaceWith(unplayable(clip)));
  return whole;
}

function unplayable(clip) {
  const why = h("span", { class: "wrong" }, "This clip cannot be played.");
  reason(clipUrl("preview", clip.id)).then((problem) => problem && (why.textContent = problem.detail));
  return h("div", { class: "blank", role: "alert" }, why);
}

// A clip as a picture with a button that plays it, or `playing` at once; `large` is for a place as wide as the window.
export function frame(clip, { large = false, playing = false } = {}) {
  const name = clip.label ?? clip.name;
  const place = h("div", { class: large ? "frame large" : "frame" });
  const [does, icon] = still(clip) ? ["Show", EXPAND] : ["Play", TRIANGLE];
  const play = h(
    "button",
    { class: "play", "aria-label": `${does} ${name}`, onclick: () => start() },
    s("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: icon })),
  );
  function start(from = 0) {
    const shown = player(clip, { from });
    place.replaceChildren(shown);
    (shown.querySelector("video, audio") ?? shown).focus();
  }
  if (playing || (large && still(clip))) place.append(player(clip));
  else place.append(picture(clip, large, () => play.remove(), start), ...(clip.has_file ? [play] : []));
  return place;
}
