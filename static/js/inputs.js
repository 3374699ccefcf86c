// Input files: dropped, pasted or picked, uploaded with progress, laid into the role they fit.
import { all, csrf, fragment, on, one, toast } from "./dom.js";

/** Upload one file; `progress` is called with 0 to 1. */
export function upload(file, progress = () => {}) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    const body = new FormData();
    body.append("file", file);
    call.open("POST", "/api/v1/assets");
    call.setRequestHeader("X-CSRFToken", csrf());
    call.responseType = "json";
    call.upload.addEventListener("progress", (event) => event.lengthComputable && progress(event.loaded / event.total));
    call.addEventListener("load", () => (call.status < 300 ? resolve(call.response) : reject(new Error(words(call, file)))));
    call.addEventListener("error", () => reject(new Error(`${file.name} could not be sent. Check the connection and try again.`)));
    call.send(body);
  });
}

const words = (call, file) => call.response?.detail || `${file.name} was not accepted.`;
const family = (type) => type.split("/")[0];

function slotFor(form, type) {
  const slots = all("[data-slot]", form).filter((slot) => !one("[data-adder]", slot)?.hidden);
  return slots.find((slot) => slot.dataset.kinds.split(" ").includes(family(type)));
}

function element(tag, given) {
  return Object.assign(document.createElement(tag), given);
}

async function add(form, slot, file) {
  const role = slot.dataset.slot;
  const adder = one("[data-adder]", slot);
  const box = element("div", { className: "slot full" });
  const text = element("span", { textContent: one("span", adder).firstChild.textContent });
  text.append(element("small", { textContent: file.name.slice(0, 22) }));
  const bar = element("progress", { max: 1, value: 0 });
  box.append(preview(file), text, bar);
  adder.before(box);
  room(slot);
  try {
    const asset = await upload(file, (share) => (bar.value = share));
    bar.remove();
    box.dataset.asset = asset.id;
    box.append(element("input", { type: "hidden", name: `inputs.${role}`, value: asset.id }));
    const remove = fragment(one("#toast").innerHTML).querySelector("button");
    remove.dataset.remove = "";
    remove.setAttribute("aria-label", `Remove this ${role.replaceAll("_", " ")}`);
    box.append(remove);
  } catch (problem) {
    box.remove();
    toast(problem.message, "error");
  }
  room(slot);
  form.dispatchEvent(new Event("change", { bubbles: true }));
}

function preview(file) {
  const tag = { image: "img", video: "video" }[family(file.type)];
  if (!tag) return element("span", {});
  return element(tag, { src: URL.createObjectURL(file), alt: "", muted: true });
}

function room(slot) {
  one("[data-adder]", slot).hidden = all(".slot.full", slot).length >= Number(slot.dataset.max);
}

/** Files from anywhere; those no role of this model takes are handed to `elsewhere`. */
export function take(form, files, elsewhere) {
  const strays = [];
  for (const file of files) {
    const slot = slotFor(form, file.type);
    if (slot) add(form, slot, file);
    else strays.push(file);
  }
  if (strays.length) elsewhere(strays);
}

export const read = (form) =>
  all("[data-slot]", form).flatMap((slot) =>
    all(".slot.full[data-asset]", slot).map((box) => ({ role: slot.dataset.slot, asset: box.dataset.asset })),
  );

/** Roles that must be filled and are not: {field: [what to do]}. */
export function missing(form) {
  const found = {};
  for (const slot of all("[data-slot]", form)) {
    const lacks = Number(slot.dataset.min) - all(".slot.full[data-asset]", slot).length;
    if (lacks > 0) found[slot.dataset.key] = [`Add ${lacks > 1 ? `${lacks} files` : "a file"}: ${slot.dataset.label.toLowerCase()}.`];
  }
  return found;
}

export const uploading = (form) => all(".slot.full progress", form).length > 0;

export function start(dock, current, elsewhere) {
  on(dock, "change", "[data-adder] input[type=file]", (event, box) => {
    event.stopPropagation();
    const slot = box.closest("[data-slot]");
    for (const file of box.files) add(current(), slot, file);
    box.value = "";
  });
  on(dock, "click", "[data-remove]", (event, button) => {
    const slot = button.closest("[data-slot]");
    button.closest(".slot").remove();
    room(slot);
    current().dispatchEvent(new Event("change", { bubbles: true }));
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    take(current(), files, elsewhere);
  });
  const dropping = (state) => current()?.toggleAttribute("data-dropping", state);
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    dropping(true);
  });
  addEventListener("dragleave", (event) => event.relatedTarget || dropping(false));
  addEventListener("drop", (event) => {
    dropping(false);
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    take(current(), event.dataTransfer.files, elsewhere);
  });
}
