// The feed: cards patched in place while they run, replaced when their status changes, new ones on top.
import { all, ask, fragment, on, one, span, toast } from "./dom.js";
import { refreshWallet, showRunning } from "./app.js";

const LIVE = ["queued", "paused", "submitting", "running", "finalizing"];
const card = (id) => document.getElementById(`card-${id}`);

export const watched = () => all(".card.live").map((found) => found.dataset.id);

/** News of one generation. Progress is patched; a change of status fetches the card anew. */
export async function tell(row, html) {
  const found = card(row.id);
  if (!found) {
    if (LIVE.includes(row.status) && !further(row)) await arrive(row.id, html);
    return;
  }
  if (found.dataset.status !== row.status || found.hasAttribute("data-unknown") !== row.unknown) await renew(row.id, html);
  else patch(found, row);
}

async function renew(id, html) {
  const text = html ?? (await fetchCard(id));
  const found = card(id);
  if (!found || !text) return;
  const focused = found.contains(document.activeElement);
  found.replaceWith(fragment(text));
  if (focused) one(".open", card(id))?.focus({ preventScroll: true });
  count();
  refreshWallet().catch(() => {});
  if (card(id)?.hasAttribute("data-bare")) dress(id, 1500);
}

/** A new result shows itself at once; its poster or waveform is made a moment later. */
function dress(id, wait) {
  setTimeout(async () => {
    const text = card(id)?.hasAttribute("data-bare") && (await fetchCard(id));
    if (!text || !card(id)) return;
    card(id).replaceWith(fragment(text));
    if (card(id).hasAttribute("data-bare") && wait < 20000) dress(id, wait * 2);
  }, wait);
}

async function fetchCard(id) {
  try {
    return await ask(`/generations/${id}/card`, { headers: { Accept: "text/html" } });
  } catch {
    return null;
  }
}

/** It belongs below what is shown so far: scrolling will bring it. */
function further(row) {
  const last = all("#feed .card").at(-1);
  return one("#feed > .more") && last && Date.parse(row.created_at) <= Date.parse(last.dataset.created);
}

/** A generation made elsewhere (a program, another tab) appears on top. */
async function arrive(id, html) {
  const text = html ?? (await fetchCard(id));
  if (text && one("#feed") && !card(id)) insert(text);
}

export function insert(html) {
  const feed = one("#feed");
  one("#empty")?.remove();
  const today = new Date().toLocaleDateString("sv");
  let heading = one(`.day[data-day="${today}"]`, feed) ?? one(".day", feed);
  if (!heading || (heading.dataset.day !== today && heading.textContent.trim() !== "Today")) {
    feed.prepend(fragment(`<h2 class="day" data-day="${today}">Today</h2><span class="rest"></span>`));
    heading = one(".day", feed);
  }
  const made = fragment(html);
  const id = made.firstElementChild.dataset.id;
  if (card(id)) card(id).replaceWith(made);
  else heading.after(made);
  count();
  return card(id);
}

function patch(found, row) {
  const bar = one("progress", found);
  if (bar && row.progress) bar.value = row.progress;
  const place = one("[data-place]", found);
  if (place) place.textContent = row.queue?.position ? `${ordinal(row.queue.position)} in line` : "";
  const note = one("[data-note]", found);
  if (note && !row.unknown) {
    note.hidden = !row.note;
    note.textContent = row.note ?? "";
  }
}

function ordinal(number) {
  const form = new Intl.PluralRules("en", { type: "ordinal" }).select(number);
  return number + { one: "st", two: "nd", few: "rd", other: "th" }[form];
}

/** Elapsed of expected, once a second. */
function tick() {
  for (const found of all(".card.live[data-since]")) {
    const out = one("[data-elapsed]", found);
    if (!out || found.hasAttribute("data-unknown") || ["queued", "paused"].includes(found.dataset.status)) continue;
    const seconds = (Date.now() - Date.parse(found.dataset.since)) / 1000;
    const expected = Number(found.dataset.expected);
    const late = expected && seconds > expected * 1.25;
    out.textContent = !expected ? span(seconds) : late ? `${span(seconds)}, longer than usual` : `${span(seconds)} of about ${span(expected)}`;
  }
}

export const count = () => showRunning(all(".card.live").length);

export function start() {
  all(".card[data-bare]").forEach((found) => dress(found.dataset.id, 1500));
  setInterval(tick, 1000);
  tick();
  on(document, "submit", "[data-act]", async (event, form) => {
    if (event.defaultPrevented) return;
    event.preventDefault();
    const holder = form.closest(".card");
    const verb = form.dataset.act;
    const button = one("button", form);
    button.disabled = true;
    try {
      const answer = await ask(form.action, { method: "POST" });
      if (!answer.card_html) holder.remove();
      else if (answer.id === holder.dataset.id) holder.replaceWith(fragment(answer.card_html));
      else insert(answer.card_html).scrollIntoView({ block: "nearest" });
      count();
      refreshWallet().catch(() => {});
    } catch (problem) {
      toast(problem.message, "error");
    } finally {
      button.disabled = false;
    }
    if (verb === "retry") button.blur();
  });
}
