// What every page does: popovers, theme, copying, confirming, the wallet chip.
import { all, ask, credits, on, one, toast } from "./dom.js";
import * as popovers from "./popovers.js";

popovers.start();

// The theme is a cookie the server renders; changing it needs no reload.
on(document, "submit", "[data-theme-form]", (event, form) => {
  event.preventDefault();
  const theme = event.submitter.value;
  document.documentElement.dataset.theme = theme;
  all("button", form).forEach((button) => button.toggleAttribute("aria-current", false));
  event.submitter.setAttribute("aria-current", "true");
  fetch(form.action, { method: "POST", body: new FormData(form, event.submitter), redirect: "manual" });
  one("#me").hidePopover();
});

on(document, "click", "[data-copy]", async (event, button) => {
  const source = one(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    toast("Copied.");
  } catch {
    getSelection().selectAllChildren(source);
    toast("Press Ctrl or ⌘ C to copy the selection.");
  }
});

on(document, "submit", "[data-confirm]", (event, form) => {
  if (!confirm(form.dataset.confirm)) event.preventDefault();
});

// Videos play while pointed at or focused, and only then.
function play(video, wanted) {
  if (wanted && !matchMedia("(prefers-reduced-motion: reduce)").matches) video.play().catch(() => {});
  else video.pause();
}
for (const [type, wanted] of [["pointerover", true], ["focusin", true], ["pointerout", false], ["focusout", false]]) {
  on(document, type, ".card, .tile", (event, holder) => {
    if (holder.contains(event.relatedTarget)) return;
    all("video[data-hover]", holder).forEach((video) => play(video, wanted));
  });
}

on(document, "click", ".peek", (event, button) => {
  const open = button.closest(".card").classList.toggle("peeked");
  button.setAttribute("aria-expanded", String(open));
});

// Where the browser cannot read numbers from attributes in style sheets, they are set here.
if (!CSS.supports("width", "attr(data-x type(<length>), 0px)")) {
  const paint = (root) =>
    all("[data-ratio]", root).forEach((card) => {
      card.style.setProperty("--ratio", card.dataset.ratio);
      card.style.setProperty("--hue", card.dataset.hue);
      card.style.setProperty("--hue2", card.dataset.hue2);
    });
  paint(document);
  new MutationObserver(() => paint(document)).observe(document.body, { childList: true, subtree: true });
}

/** The chips at the top: what is available, how much is running. */
export async function refreshWallet() {
  const chip = one("[data-wallet] [data-available]");
  if (chip) chip.textContent = credits((await ask("/api/v1/wallet")).available);
}

export function showRunning(count) {
  const chip = one("[data-running]");
  if (!chip) return;
  one("[data-count]", chip).textContent = count;
  chip.hidden = !count;
}
