// Calls of the API. A 401 asks for the token and calls again; a 429 waits as told, a few times.

class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

const WAITS = 4;

export async function call(path, params = {}, options = {}) {
  const response = await answer(path, params, options);
  return response.status === 204 ? null : response.json();
}

// A file to keep, and the name that the server gives it.
export async function file(path, options) {
  const response = await answer(path, {}, options);
  const [, name] = /filename="?([^";]+)"?/.exec(response.headers.get("content-disposition") ?? "") ?? [];
  return { blob: await response.blob(), name };
}

async function answer(path, params, options) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") query.append(name, one);
    }
  }
  const url = `v1/${path}${query.size ? `?${query}` : ""}`;
  for (let waits = 0; ; waits++) {
    const response = await reach(url, options);
    if (response.ok) return response;
    const retry = Number(response.headers.get("retry-after"));
    if (response.status === 401 && path !== "session") await login();
    else if (retry && waits < WAITS) await new Promise((done) => setTimeout(done, 1000 * retry));
    else throw await problem(response);
  }
}

async function reach(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The server cannot be reached. See that it still runs, then try again.");
  }
}

async function problem(response) {
  try {
    return new Problem(response.status, (await response.json()).detail);
  } catch {
    return new Problem(response.status, `The server answered ${response.status}.`);
  }
}

let entering = null;

function login() {
  entering ??= new Promise((done) => ask(() => ((entering = null), done())));
  return entering;
}

function ask(done) {
  const dialog = document.getElementById("login");
  const token = document.getElementById("token");
  const wrong = document.getElementById("login-error");
  const form = dialog.querySelector("form");
  dialog.oncancel = (event) => event.preventDefault();
  dialog.onclose = () => entering && !dialog.open && dialog.showModal(); // a browser lets only the first Esc be prevented
  form.onsubmit = async (event) => {
    event.preventDefault();
    const body = JSON.stringify({ token: token.value });
    try {
      await call("session", {}, { method: "POST", body, headers: { "content-type": "application/json" } });
    } catch (error) {
      wrong.textContent = error.status === 401 ? "This is not the token of this server." : error.message;
      token.select();
      return;
    }
    token.value = wrong.textContent = "";
    dialog.close();
    done();
  };
  if (!dialog.open) dialog.showModal();
}

export const logOut = () => call("session", {}, { method: "DELETE" });

export const clipUrl = (kind, id) => `v1/clips/${kind}?id=${encodeURIComponent(id)}`;
