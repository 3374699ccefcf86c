// The live quote: asked for a moment after each change, its lines in a popover.
import { ask, credits, one } from "./dom.js";

let running = null;

/** Ask what this order would cost and show it. A prompt not written yet is quoted by a stand-in. */
export async function quote(form, body, missing) {
  const chip = one("[data-quote]", form);
  if (!chip) return;
  running?.abort();
  const lacks = Object.values(missing)[0];
  if (lacks) return unknown(form, chip, lacks[0]);
  running = new AbortController();
  chip.dataset.busy = "";
  try {
    const found = await ask("/api/v1/quotes", { method: "POST", json: standIn(form, body), signal: running.signal });
    show(form, chip, found);
  } catch (problem) {
    if (problem.name === "AbortError") return;
    unknown(form, chip, problem.message);
  }
  delete chip.dataset.busy;
}

function standIn(form, body) {
  const prompt = one("[data-prompt]", form)?.closest("[data-param]").dataset.param;
  return prompt && !body.params[prompt] ? { ...body, params: { ...body.params, [prompt]: "…" } } : body;
}

function show(form, chip, found) {
  delete chip.dataset.level;
  const most = found.exact === false ? "up to " : "";
  one("[data-amount]", chip).textContent = `${most}${credits(found.amount)} credits`;
  const lines = one("[data-lines]", form);
  lines.replaceChildren(...found.lines.map((line) => row(line.label, credits(line.amount))));
  one("[data-quote-note]", form).textContent = most
    ? "This much is set aside; you pay what was really used."
    : "This much is set aside, and charged when it succeeds.";
}

function row(label, amount) {
  const line = document.createElement("tr");
  for (const text of [label, amount]) line.append(Object.assign(document.createElement("td"), { textContent: text }));
  return line;
}

/** No exact price yet (an input is missing, a value is out of bounds): the typical one stands. */
function unknown(form, chip, why) {
  one("[data-amount]", chip).textContent = `about ${chip.dataset.typical} credits`;
  one("[data-lines]", form).replaceChildren(row("A typical run", chip.dataset.typical));
  one("[data-quote-note]", form).textContent = why;
}
