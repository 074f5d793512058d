// The views, and the address bar, which holds what is shown.

import { call, logOut } from "./api.js";
import { clipView } from "./clip_view.js";
import { count, h } from "./dom.js";
import { listenToKeys } from "./keys.js";
import { map } from "./map.js";
import { model } from "./model.js";
import { keepPlace, keptPlace } from "./place.js";
import { recognise } from "./recognise.js";
import { search } from "./search.js";
import { clear, recall } from "./selection.js";
import { selectionBar } from "./selection_bar.js";
import { failed, waiting } from "./states.js";

const VIEWS = { search, recognise, map, model };
const main = document.getElementById("main");
let info = null;
let drawn = null;

function go(params) {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value));
  const back = document.activeElement.dataset.back;
  keepPlace();
  history.pushState(null, "", `?${query}`);
  drawn = null;
  draw();
  if (back) document.getElementById(back)?.focus();
}

const clip = clipView((address) => {
  history.replaceState(history.state, "", address);
  draw();
});
listenToKeys(clip);
document.body.append(selectionBar());

// A clip opens over what is drawn.
function draw() {
  if (!info) return; // it is drawn once the archive is open
  const query = new URLSearchParams(location.search);
  const opened = query.get("clip");
  query.delete("clip");
  if (String(query) !== drawn) drawView(query);
  drawn = String(query);
  clip.show(opened);
}

function drawView(query) {
  const view = Object.hasOwn(VIEWS, query.get("view")) ? query.get("view") : "search";
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  main.dataset.view = view;
  const what = query.get("q") ?? view[0].toUpperCase() + view.slice(1);
  document.title = `${what} – avgzsl: ${info.name}`;
  main.replaceChildren(...VIEWS[view](info, query, go, keptPlace()));
}

// Links to other views stay in the page.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="?"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const opens = new URLSearchParams(link.search).has("clip");
  keepPlace();
  history.pushState(opens ? { ...history.state, opened: true } : null, "", link.getAttribute("href"));
  if (!opens) drawn = null;
  draw();
  if (opens) return;
  main.focus();
  scrollTo(0, 0);
});
addEventListener("popstate", draw);
addEventListener("scrollend", keepPlace);

async function start() {
  const title = () => h("h1", { class: "unseen-text" }, "avgzsl");
  main.replaceChildren(title(), waiting("Opening the archive …"));
  try {
    info = await call("info");
  } catch (error) {
    main.replaceChildren(title(), failed(error, start));
    return;
  }
  const labelled = info.classes.some((one) => one.clips);
  document.getElementById("archive-name").textContent = `avgzsl: ${info.name}`;
  document.getElementById("archive-facts").textContent = [count(info.clips, "clip"), labelled ? count(info.classes.length, "class", "classes") : ""].filter(Boolean).join(", ");
  document.getElementById("mark").replaceWith(h("img", { id: "mark", class: "mark", src: "v1/icon", alt: "" }));
  document.getElementById("icon").href = "v1/icon";
  document.getElementById("log-out").hidden = !info.private;
  drawn = null;
  draw();
  recall(info.name);
}

document.getElementById("log-out").addEventListener("click", async () => {
  try {
    await logOut();
    clear(); // nor are the names of clips left in the browser
  } catch (error) {
    main.replaceChildren(failed(error));
    return;
  }
  start();
});

start();
