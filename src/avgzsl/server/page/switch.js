// One of a few, as sound, picture, or both: native radio buttons, so that arrows and screen readers work as everywhere.

import { h } from "./dom.js";

const WORDS = { audio: "Sound", video: "Picture", both: "Both", label: "Class", cluster: "Cluster" };

export function modalities(info) {
  return ["audio", "video", "both"].filter((one) => info.modalities.includes(one));
}

export function pick(legend, options, chosen, changed) {
  const name = `switch-${legend.toLowerCase().replaceAll(" ", "-")}`;
  const id = (value) => `${name}-${value}`;
  function change(value) {
    changed(value);
    document.getElementById(id(value))?.focus(); // where it was made anew, arrows go on
  }
  return h(
    "fieldset",
    { class: "switch" },
    h("legend", {}, legend),
    options.map((value) =>
      h(
        "label",
        {},
        h("input", { type: "radio", id: id(value), name, value, checked: value === chosen, onchange: () => change(value) }),
        h("span", {}, WORDS[value]),
      ),
    ),
  );
}
