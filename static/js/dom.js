// Small tools every module uses: finding elements, asking the server, telling the person.

export const one = (selector, root = document) => root.querySelector(selector);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Listen on a root for events of elements that come and go. */
export function on(root, type, selector, handler) {
  root.addEventListener(type, (event) => {
    const found = event.target.closest?.(selector);
    if (found && root.contains(found)) handler(event, found);
  });
}

export function csrf() {
  return one('input[name="csrfmiddlewaretoken"]')?.value ?? "";
}

export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail || (status ? "The server could not answer. Try again." : "No connection to the server."));
    this.status = status;
    this.fields = body?.fields ?? {};
    this.code = body?.code ?? "";
  }
}

/** A request to our own server; a refusal is thrown as a Problem. */
export async function ask(url, { method = "GET", json, headers = {}, signal } = {}) {
  const given = { Accept: "application/json", ...headers };
  if (method !== "GET") given["X-CSRFToken"] = csrf();
  if (json !== undefined) given["Content-Type"] = "application/json";
  let reply;
  try {
    reply = await fetch(url, { method, headers: given, signal, body: json === undefined ? undefined : JSON.stringify(json) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0);
  }
  const isJson = (reply.headers.get("Content-Type") || "").includes("json");
  const body = isJson ? await reply.json() : await reply.text();
  if (!reply.ok) throw new Problem(reply.status, isJson ? body : null);
  return body;
}

export function fragment(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html.trim();
  return holder.content;
}

export function toast(words, level = "info") {
  const made = one("#toast").content.firstElementChild.cloneNode(true);
  made.dataset.level = level;
  one("p", made).textContent = words;
  const close = () => made.remove();
  one("button", made).addEventListener("click", close);
  one(".toasts").append(made);
  setTimeout(close, level === "error" ? 12000 : 5000);
}

export function debounce(milliseconds, run) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...given), milliseconds);
  };
}

/** Seconds as people say them, as the server's `span` filter does. */
export function span(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export const credits = (text) => Number(text).toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
