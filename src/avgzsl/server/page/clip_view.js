// One clip over the whole window, with all that the archive says of it. The address bar holds which (`clip`).

import { here } from "./address.js";
import { call } from "./api.js";
import { classes, facts } from "./clip_facts.js";
import { h } from "./dom.js";
import { cards, hitOf, mark } from "./hits.js";
import { play } from "./keys.js";
import { further } from "./more.js";
import { frame } from "./player.js";
import { box } from "./selection.js";
import { clear, show, waiting } from "./states.js";
import { timeline } from "./timeline.js";

const known = () => cards().map(hitOf);

// `go` takes an address in the place of the present one, without a step back.
export function clipView(go) {
  let id = null;
  let at = -1; // where the list is, also while another window of the same file is shown
  const title = h("h2", { tabindex: -1, autofocus: true });
  const where = h("p", { class: "quiet", role: "status" });
  const boxes = h("span", {});
  const [previous, next] = [[-1, "Previous", "←"], [1, "Next", "→"]].map(([step, word, sign]) =>
    h("button", { "aria-label": `${word} clip`, title: `${word} (${sign})`, onclick: () => move(step) }, sign),
  );
  const shut = h("button", { "aria-label": "Close", title: "Close (Esc)", onclick: () => dialog.close() }, "×");
  const place = h("div", { class: "clip" });
  const dialog = h(
    "dialog",
    { class: "full", "aria-label": "Clip", onclose: closed },
    h("header", {}, h("div", { class: "names-clip" }, title, where), h("div", { class: "steps" }, boxes, previous, next, shut)),
    place,
  );
  document.body.append(dialog);
  document.addEventListener("shown", () => id && position());

  function position() {
    const all = known();
    const found = all.findIndex(({ clip }) => clip.id === id);
    if (found >= 0) at = found;
    where.textContent = at < 0 ? "" : `${at + 1} of ${all.length}`;
    previous.disabled = at <= 0;
    next.disabled = at < 0 || (at === all.length - 1 && !document.querySelector(".pager button:not([hidden])"));
  }

  function open(wanted) {
    const on = Boolean(dialog.querySelector("audio, video"));
    id = wanted;
    const hit = () => known().find(({ clip }) => clip.id === id); // an address is there before its hits
    head(hit()?.clip ?? { id, name: id, label: null, seen: null });
    position();
    if (!dialog.open) dialog.showModal();
    if (!dialog.contains(document.activeElement) || document.activeElement.disabled) title.focus();
    show(place, waiting("Asking for the clip …"), () => call("clips/one", { id }), (found) => {
      head(found.clip);
      return body(found, hit(), on);
    });
  }

  function head(clip) {
    title.replaceChildren(clip.label ?? clip.name, " ", mark(clip) ?? "");
    boxes.replaceChildren(box(clip, () => known().map((one) => one.clip)));
  }

  function body({ clip, nearest, windows }, hit, on) {
    const screen = frame(clip, { large: true, playing: on }); // who listens, listens on
    const other = (one) => go(here({ clip: one.id }));
    return [h("div", { class: "show" }, screen, timeline(clip, windows, other)), facts(clip, hit), classes(nearest)].filter(Boolean);
  }

  async function move(step) {
    if (at < 0 || (at + step >= known().length && !(await further()))) return;
    if (at < 0) return; // it was closed meanwhile
    const hit = known()[at + step];
    if (hit) go(here({ clip: hit.clip.id }));
  }

  // Where the list stood, or at the clip that was looked at last.
  function closed() {
    clear(place); // what is still asked for would play behind a closed window
    cards()[at]?.querySelector(".opener").focus();
    id = null;
    at = -1;
    if (new URLSearchParams(location.search).has("clip")) leave();
  }

  function leave() {
    if (history.state?.opened) history.back();
    else go(here({ clip: null }));
  }

  function key({ key, target }) {
    if (key === "ArrowRight" || key === "j") return move(1), true;
    if (key === "ArrowLeft" || key === "k") return move(-1), true;
    if (key.toLowerCase() === "x") return toggleShown(), true;
    return key === " " && !target.closest("button, a, input, summary, audio, video") && play(dialog);
  }

  function toggleShown() {
    boxes.querySelector("input").click();
  }

  return {
    show: (wanted) => (wanted ? wanted !== id && open(wanted) : dialog.open && dialog.close()),
    isOpen: () => dialog.open,
    key,
  };
}
