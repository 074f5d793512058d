// A clip that the visitor chose, shown from where it is: nothing of it is asked of the server.

import { h } from "./dom.js";
import { slider } from "./wave.js";

const PARTS = 400; // as the server gives of its clips
const RATE = 16000; // samples a second, enough to draw
const MOST_BYTES = 64 << 20; // of a larger one the sound is not drawn: a browser decodes it whole, in its memory

const WHY = "Your browser cannot play a file of this kind. It was recognised all the same.";

let shown = null;

export function ownClip(file) {
  if (shown) URL.revokeObjectURL(shown);
  shown = URL.createObjectURL(file);
  const kind = file.type.split("/")[0];
  const place = h("div", { class: "frame" });
  const hide = () => place.replaceChildren(h("div", { class: "blank" }, h("p", {}, h("strong", {}, "Not shown"), WHY)));
  if (kind === "image") place.append(h("img", { src: shown, alt: file.name, onerror: hide }));
  else if (kind === "video" || kind === "audio") {
    const media = h(kind, { src: shown, controls: true, playsinline: true, onerror: hide, "aria-label": file.name });
    const wave = slider(media, { name: file.name, peaks: peaksOf(file) });
    place.append(h("div", { class: kind === "video" ? "player" : "player of-sound" }, media, wave));
  } else hide();
  return place;
}

// Rejects a file without sound, or of a kind that the browser does not decode.
async function peaksOf(file) {
  if (file.size > MOST_BYTES) throw new RangeError("too large to be drawn");
  const sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await file.arrayBuffer());
  const channels = Array.from({ length: sound.numberOfChannels }, (_, i) => sound.getChannelData(i));
  const count = Math.min(PARTS, sound.length);
  const edge = (i) => Math.floor((i * sound.length) / count);
  return { seconds: sound.duration, peaks: Array.from({ length: count }, (_, i) => extremes(channels, edge(i), edge(i + 1))) };
}

function extremes(channels, first, last) {
  let least = Infinity;
  let greatest = -Infinity;
  for (let i = first; i < last; i++) {
    const mean = channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length;
    least = Math.min(least, mean);
    greatest = Math.max(greatest, mean);
  }
  return [least, greatest];
}
