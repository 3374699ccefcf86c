// One generation: zoom, keys, the 3D frame, and a reload when it ends while one looks.
import { all, on, one } from "./dom.js";
import { Live } from "./live.js";
import * as feed from "./feed.js";

const page = one("#detail");
const stage = one("#stage");

on(stage, "click", "[data-zoom]", (event, button) => {
  const zoomed = stage.toggleAttribute("data-zoomed");
  button.setAttribute("aria-label", zoomed ? "Fit to the page" : "Show at full size");
  if (!zoomed) return;
  const image = one("img", button);
  stage.scrollTo((image.offsetWidth - stage.clientWidth) / 2, (image.offsetHeight - stage.clientHeight) / 2);
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [popover]")) return;
  if (event.key === "Escape" && stage.hasAttribute("data-zoomed")) return stage.removeAttribute("data-zoomed");
  const wanted = all("[data-key]").find((item) => item.dataset.key.toLowerCase() === event.key.toLowerCase());
  wanted?.click();
});

// The frame is sandboxed and may fetch nothing of ours: its parent hands it the bytes.
for (const frame of all("iframe[data-model]")) {
  addEventListener("message", async (event) => {
    if (event.source !== frame.contentWindow || event.data !== "ready") return;
    const reply = await fetch(frame.dataset.model);
    const bytes = reply.ok ? await reply.arrayBuffer() : null;
    frame.contentWindow.postMessage({ bytes }, "*", bytes ? [bytes] : []);
  });
}

if (page.dataset.live && one(".card.live")) {
  feed.start();
  const tell = (row, html) => {
    if (row.id !== page.dataset.id) return;
    if (row.status !== page.dataset.status) location.reload();
    else feed.tell(row, html);
  };
  new Live({ stream: page.dataset.live, cards: page.dataset.cards, watched: () => [page.dataset.id], tell });
}
