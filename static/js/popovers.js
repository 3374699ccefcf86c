// Popovers stand beside the button that opens them; without this module the browser centres them.
import { all, on, one } from "./dom.js";

const GAP = 8;
const EDGE = 12;

function place(pop, button) {
  if (pop.hasAttribute("data-sheet") && matchMedia("(max-width: 719px)").matches) return;
  pop.dataset.placed = "";
  const at = button.getBoundingClientRect();
  const { offsetWidth: wide, offsetHeight: high } = pop;
  const left = Math.min(Math.max(EDGE, at.left), innerWidth - wide - EDGE);
  const above = at.top - GAP - high;
  const below = at.bottom + GAP;
  const wantsAbove = pop.dataset.side === "above";
  const fits = wantsAbove ? above >= EDGE : below + high <= innerHeight - EDGE;
  const top = wantsAbove === fits ? Math.max(EDGE, above) : Math.min(below, innerHeight - high - EDGE);
  pop.style.left = `${left}px`;
  pop.style.top = `${Math.max(EDGE, top)}px`;
}

export const opener = (pop) => all(`[popovertarget="${pop.id}"]`).find((button) => button.offsetParent);

export function replace(pop) {
  const button = opener(pop);
  if (button && pop.matches(":popover-open")) place(pop, button);
}

export function start() {
  document.addEventListener(
    "toggle",
    (event) => {
      const pop = event.target;
      if (!pop.matches?.(".pop") || event.newState !== "open") return;
      const button = opener(pop);
      if (button) place(pop, button);
      const first = one("[data-filter], [autofocus], input:checked, textarea, input:not([type=hidden]), select", pop);
      if (button && first && !matchMedia("(pointer: coarse)").matches) first.focus({ preventScroll: true });
    },
    true,
  );
  addEventListener("resize", () => all(".pop:popover-open").forEach(replace));
  on(document, "keydown", ".menu, .picker", walk);
}

/** Arrow keys walk through a menu. */
function walk(event, menu) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const items = all("a, button, input[type=search]", menu).filter((item) => item.offsetParent);
  const next = items[items.indexOf(document.activeElement) + step];
  if (next) next.focus();
  event.preventDefault();
}
