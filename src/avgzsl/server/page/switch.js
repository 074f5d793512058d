// One of a few, as sound, picture, or both: native radio buttons, so that arrows and screen readers work as everywhere.

import { h } from "./dom.js";

const WORDS = { audio: "Sound", video: "Picture", both: "Both", label: "Class", cluster: "Cluster" };
let made = 0;

export function modalities(info) {
  return ["audio", "video", "both"].filter((one) => info.modalities.includes(one));
}

export function pick(legend, options, chosen, changed) {
  const name = `switch-${made++}`;
  return h(
    "fieldset",
    { class: "switch" },
    h("legend", {}, legend),
    options.map((value) =>
      h(
        "label",
        {},
        h("input", { type: "radio", name, value, checked: value === chosen, onchange: () => changed(value) }),
        h("span", {}, WORDS[value]),
      ),
    ),
  );
}
