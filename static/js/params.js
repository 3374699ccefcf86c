// Parameters of the composer: read with their JSON types, shown on their chips, hidden while their x-when does not hold.
import { all, one } from "./dom.js";

const fields = (form) => all("[data-param]", form);

/** What a field holds, as JSON; undefined when it was left blank. */
function held(field) {
  const type = field.dataset.type;
  const toggle = one("input.switch", field);
  if (toggle) return toggle.checked;
  const boxes = all("input[type=checkbox]", field);
  if (boxes.length) return blank(boxes.filter((box) => box.checked).map((box) => JSON.parse(box.dataset.json)));
  const radios = all("input[type=radio]", field);
  if (radios.length) return chosen(radios.find((radio) => radio.checked));
  const select = one("select", field);
  if (select) return chosen(select.selectedOptions[0]);
  const box = one("[name]", field);
  return box ? typed(type, box.value) : undefined;
}

const blank = (list) => (list.length ? list : undefined);
const chosen = (option) => (option && option.dataset.json !== "null" ? JSON.parse(option.dataset.json) : undefined);

function typed(type, text) {
  if (!text.trim()) return undefined;
  if (type === "integer" || type === "number") return Number.isFinite(Number(text)) ? Number(text) : text;
  if (type === "array") return text.split("\n").map((line) => line.trim()).filter(Boolean);
  if (type === "object") {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  return text;
}

/** All parameters that apply now. */
export function read(form) {
  const values = {};
  for (const field of fields(form)) {
    const value = field.hidden ? undefined : held(field);
    if (value !== undefined) values[field.dataset.param] = value;
  }
  return values;
}

/** Show or hide fields by their x-when. One pass per field deep enough for chains of conditions. */
export function settle(form) {
  const conditional = fields(form).filter((field) => field.dataset.when);
  for (let round = 0; round <= conditional.length; round += 1) {
    const values = read(form);
    let changed = false;
    for (const field of conditional) {
      const hidden = !applies(JSON.parse(field.dataset.when), values);
      changed ||= hidden !== field.hidden;
      field.hidden = hidden;
      all("[name]", field).forEach((box) => (box.disabled = hidden));
    }
    if (!changed) return;
  }
}

const applies = (when, values) =>
  Object.entries(when).every(([name, wanted]) => [wanted].flat().some((value) => value === values[name]));

/** What the chip says about the value under it. */
export function label(field) {
  const out = one("[data-shown]", field);
  if (!out) return;
  if (out.dataset.on) {
    out.textContent = one("input.switch", field).checked ? out.dataset.on : out.dataset.off;
    return;
  }
  const picked = all("input:checked, option:checked", field).map((option) => option.dataset.label).filter(Boolean);
  const value = held(field);
  const unit = one(".unit", field)?.textContent ?? "";
  const bare = { seed: "random", negative_prompt: "nothing" }[field.dataset.param] ?? "auto";
  const said = picked.join(", ") || (value === undefined ? bare : String(Array.isArray(value) ? value.join(", ") : value).split("\n")[0]);
  out.textContent = value === undefined ? said : `${out.dataset.prefix ?? ""}${said} ${unit}`.trim().slice(0, 40);
  redrawFrame(field);
}

/** The chip of an aspect carries the little frame that was chosen. */
function redrawFrame(field) {
  const here = one("[data-frame]", field);
  const chosen = one("input:checked + label rect", field);
  if (!here || !chosen) return;
  const rect = one("rect", here) ?? chosen.cloneNode();
  for (const name of ["x", "y", "width", "height"]) rect.setAttribute(name, chosen.getAttribute(name));
}

/** Put each message at the field it concerns; returns those that concern none. */
export function showErrors(form, errors) {
  clearErrors(form);
  const rest = [];
  for (const [name, messages] of Object.entries(errors)) {
    const holder = holderOf(form, name);
    if (!holder) rest.push(messages.join(" "));
    else mark(form, holder, messages.join(" "));
  }
  one("[data-wrong]", form)?.focus?.({ preventScroll: true });
  return rest;
}

function holderOf(form, name) {
  for (let key = name; key; key = key.includes(".") ? key.slice(0, key.lastIndexOf(".")) : "") {
    const found = one(`[data-key="${CSS.escape(key)}"]`, form) ?? one(`[data-chip="${CSS.escape(key)}"]`, form);
    if (found) return found;
  }
  return null;
}

function mark(form, holder, words) {
  const chip = holder.matches(".chip") ? holder : one(".chip, [data-adder]", holder);
  chip?.setAttribute("data-wrong", "");
  if (chip) chip.title = words;
  if (!chip && holder.closest("#pop-more")) one('[data-chip="more"]', form)?.setAttribute("data-wrong", "");
  const out = one("[data-error]", holder) ?? one(`[data-error-for="${holder.dataset.chip}"]`, form);
  if (out) {
    out.textContent = words;
    out.hidden = false;
  }
  const inline = one("[data-problem]", form);
  if (chip?.matches(".chip") && inline) {
    inline.textContent = [inline.textContent, words].filter(Boolean).join(" ");
    inline.hidden = false;
  }
}

export function clearErrors(root) {
  all("[data-wrong]", root).forEach((chip) => chip.removeAttribute("data-wrong"));
  all("[data-error], [data-error-for], [data-problem]", root).forEach((out) => {
    out.textContent = "";
    out.hidden = true;
  });
}
