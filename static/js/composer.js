// The composer: sends orders, redraws itself for another model, keeps what still fits.
import { all, ask, debounce, fragment, on, one, toast } from "./dom.js";
import { insert } from "./feed.js";
import { refreshWallet } from "./app.js";
import * as inputs from "./inputs.js";
import * as params from "./params.js";
import * as popovers from "./popovers.js";
import { quote } from "./quote.js";

const dock = one(".dock");
const current = () => one("#composer");
const WITH = { image: ["image_to_image", "image_to_video"], video: ["video_to_video", "extend_video"], audio: ["speech_to_text"] };

function body() {
  const form = current();
  const mode = one("input[name=mode]:checked", form)?.value;
  const made = {
    model: one("[name=model]", form).value,
    operation: one("[name=operation]", form).value,
    params: params.read(form),
    inputs: inputs.read(form),
  };
  return mode ? { ...made, mode } : made;
}

const price = debounce(220, () => {
  const form = current();
  if (form && one("[name=model]", form)) quote(form, body(), inputs.missing(form));
});

/** What can be told without asking the server. */
function unready(form) {
  const prompt = one("[data-prompt]", form);
  const wordless = prompt?.required && !prompt.value.trim();
  const words = wordless ? { [prompt.name]: ["Say what to make."] } : {};
  return { ...words, ...inputs.missing(form) };
}

/** Draw the form for another model or operation; words typed meanwhile are kept. */
async function redraw(changes) {
  const form = current();
  form.setAttribute("aria-busy", "true");
  try {
    const html = await ask(form.dataset.redraw, { method: "POST", json: { ...body(), ...changes }, headers: { Accept: "text/html" } });
    const said = one("[data-prompt]", current())?.value;
    current().replaceWith(fragment(html));
    const prompt = one("[data-prompt]", current());
    if (prompt && said) prompt.value = said;
    begin();
    prompt?.focus({ preventScroll: true });
  } catch (problem) {
    form.removeAttribute("aria-busy");
    toast(problem.message, "error");
  }
}

/** After each drawing: conditions settled, price asked. */
function begin() {
  const form = current();
  if (!form || !one("[name=model]", form)) return;
  form.noValidate = true; // errors stand where they belong, in our words
  params.settle(form);
  price();
}

let key = null; // the same press sent twice is one order

async function send() {
  const form = current();
  const button = one("[data-generate]", form);
  if (button.disabled) return;
  if (inputs.uploading(form)) return toast("An input is still on its way. Generate when it has arrived.");
  const lacking = unready(form);
  if (Object.keys(lacking).length) {
    refuse(form, { fields: lacking });
    if (`params.${one("[data-prompt]", form)?.closest("[data-param]").dataset.param}` in lacking) one("[data-prompt]", form).focus();
    return;
  }
  button.disabled = true;
  params.clearErrors(form);
  key ??= crypto.randomUUID?.() ?? String(Math.random()).slice(2);
  try {
    const made = await ask(form.action, { method: "POST", json: body(), headers: { "Idempotency-Key": key } });
    key = null;
    insert(made.card_html);
    scrollTo({ top: 0, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    refreshWallet().catch(() => {});
  } catch (problem) {
    if (problem.status) key = null;
    refuse(form, problem);
  }
  button.disabled = false;
}

function refuse(form, problem) {
  const rest = params.showErrors(form, problem.fields);
  const out = one("[data-problem]", form);
  if (!Object.keys(problem.fields).length) out.textContent = problem.message;
  else if (rest.length) out.textContent = rest.join(" ");
  out.hidden = !out.textContent;
}

function changed(event) {
  const field = event.target.closest("[data-param]");
  const form = current();
  if (event.target.matches("[data-mirror]")) event.target.nextElementSibling.value = event.target.value;
  else if (event.target.previousElementSibling?.matches?.("[data-mirror]")) event.target.previousElementSibling.value = event.target.value;
  if (event.target.name === "mode") one('[data-chip="mode"] [data-shown]', form).textContent = event.target.dataset.label;
  if (field) {
    params.label(field);
    params.clearErrors(field);
    one(".chip", field)?.removeAttribute("data-wrong");
    params.settle(form);
  }
  key = null;
  price();
}

/** Files no role takes: a verb of the same medium that does is chosen, and they are laid in there. */
async function elsewhere(files) {
  const form = current();
  const kind = files[0].type.split("/")[0];
  const known = all("[data-operation]", form).map((link) => link.dataset.operation);
  const here = one("[name=operation]", form).value;
  const wanted = (WITH[kind] ?? []).filter((name) => known.includes(name)).sort((name) => (name.endsWith(here.split("_").pop()) ? -1 : 1))[0];
  if (!wanted || wanted === here) return toast(`Nothing here takes ${files[0].name}.`, "error");
  await redraw({ operation: wanted, model: "" });
  inputs.take(current(), files, (strays) => toast(`Nothing here takes ${strays[0].name}.`, "error"));
}

/** The list of models is fetched when it is first opened. */
async function fill(pop) {
  if (!pop.dataset.source || pop.dataset.filled) return;
  pop.dataset.filled = "1";
  try {
    one("[data-list]", pop).innerHTML = await ask(pop.dataset.source, { headers: { Accept: "text/html" } });
  } catch (problem) {
    delete pop.dataset.filled;
    toast(problem.message, "error");
  }
  popovers.replace(pop);
}

function sift(box) {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = all("[data-find]", box.closest(".picker"));
  for (const row of rows) row.hidden = !words.every((word) => row.dataset.find.includes(word));
  one("[data-none]", box.closest(".picker"))?.toggleAttribute("hidden", rows.some((row) => !row.hidden));
}

export function start() {
  if (!dock || !current()) return;
  on(dock, "submit", "#composer", (event) => {
    event.preventDefault();
    send();
  });
  on(dock, "input", "#composer", changed);
  on(dock, "change", "#composer", changed);
  on(dock, "input", "[data-filter]", (event, box) => sift(box));
  on(dock, "click", "[data-dice]", (event, button) => roll(button, Math.floor(Math.random() * 2147483647)));
  on(dock, "click", "[data-clear]", (event, button) => roll(button, ""));
  on(dock, "click", "[data-operation]", (event, link) => pick(event, { operation: link.dataset.operation, model: "" }));
  on(dock, "click", "[data-model]", (event, link) => pick(event, { model: link.dataset.model }));
  dock.addEventListener("toggle", (event) => event.newState === "open" && fill(event.target), true);
  on(document, "keydown", "body", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
  });
  for (const type of ["pointerenter", "focus"]) dock.addEventListener(type, hint, true);
  for (const type of ["pointerleave", "blur"]) dock.addEventListener(type, unhint, true);
  inputs.start(dock, current, elsewhere);
  begin();
}

function pick(event, changes) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  event.target.closest("[popover]").hidePopover();
  redraw(changes);
}

function roll(button, value) {
  const box = one("input", button.parentElement);
  box.value = value;
  box.dispatchEvent(new Event("input", { bubbles: true }));
}

const lines = () => one("#quote-lines");
function hint(event) {
  if (event.target.matches?.("[data-quote]") && !lines().matches(":popover-open")) lines().showPopover();
}
function unhint(event) {
  if (event.target.matches?.("[data-quote]") && !event.target.matches(":hover, :focus")) lines().hidePopover();
}
