// The views, and the address bar, which holds what is shown.

import { call, logOut } from "./api.js";
import { count } from "./dom.js";
import { map } from "./map.js";
import { model } from "./model.js";
import { recognise } from "./recognise.js";
import { search } from "./search.js";
import { failed, waiting } from "./states.js";

const VIEWS = { search, recognise, map, model };
const main = document.getElementById("main");
let info = null;

function go(params) {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value));
  history.pushState(null, "", `?${query}`);
  draw();
}

function draw() {
  const query = new URLSearchParams(location.search);
  const view = Object.hasOwn(VIEWS, query.get("view")) ? query.get("view") : "search";
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  main.dataset.view = view;
  const what = query.get("q") ?? view[0].toUpperCase() + view.slice(1);
  document.title = `${what} – avgzsl: ${info.name}`;
  main.replaceChildren(...VIEWS[view](info, query, go));
}

// Links to other views stay in the page.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="?"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  history.pushState(null, "", link.getAttribute("href"));
  draw();
  main.focus();
  scrollTo(0, 0);
});
addEventListener("popstate", draw);
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, dialog");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const words = document.getElementById("q");
  if (words) event.preventDefault(), words.focus();
});

async function start() {
  main.replaceChildren(waiting("Opening the archive …"));
  try {
    info = await call("info");
  } catch (error) {
    main.replaceChildren(failed(error, start));
    return;
  }
  document.getElementById("archive-name").textContent = `avgzsl: ${info.name}`;
  document.getElementById("archive-facts").textContent = [count(info.clips, "clip"), info.classes.length ? count(info.classes.length, "class", "classes") : ""].filter(Boolean).join(", ");
  document.getElementById("log-out").hidden = !info.private;
  draw();
}

document.getElementById("log-out").addEventListener("click", async () => {
  try {
    await logOut();
  } catch (error) {
    main.replaceChildren(failed(error));
    return;
  }
  start();
});

start();
