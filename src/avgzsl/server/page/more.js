// Further clips below those that are shown, in the same order.

import { count, h, tell } from "./dom.js";

let current = null;

// Shows further clips, if there are any; true once they are there.
export const further = async () => Boolean(await current?.());

// `load` adds cards and gives them, of how many clips they are (one each, if it does not), and whether there are more.
// `total` is null where nobody counted.
export function pager(shown, total, more, load) {
  const button = h("button", { class: "wide", onclick: () => next().then((cards) => (cards?.[0] ?? (button.hidden ? facts : button)).focus()) }, "Show more");
  const facts = h("p", { class: "quiet", tabindex: -1 });
  const place = h("div", { class: "pager" }, facts, button);
  let loading = null;
  function update() {
    facts.textContent = total === null ? `${count(shown, "clip")} shown` : `${shown.toLocaleString("en")} of ${count(total, "clip")}`;
    button.hidden = !more;
  }
  async function one() {
    button.disabled = true;
    try {
      const found = await load();
      if (!place.isConnected) return null; // another list is shown by now
      more = found.more;
      shown += found.clips ?? found.cards.length;
      update();
      tell(`${count(found.clips ?? found.cards.length, "more clip")}`);
      document.dispatchEvent(new Event("shown"));
      return found.cards;
    } catch (error) {
      facts.textContent = error.message;
      tell(error.message);
      return null;
    } finally {
      button.disabled = false;
    }
  }
  const next = () => (loading ??= one().finally(() => (loading = null)));
  current = () => (more && place.isConnected ? next() : null);
  update();
  return place;
}
