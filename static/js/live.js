// News of this workspace's generations: one stream per page, and one batched question each two seconds when it fails.
import { ask } from "./dom.js";

const POLL = 2000;
const PATIENCE = 3; // stream errors in a row before polling takes over
const RETURN = 60000; // after this long of polling the stream is tried again

export class Live {
  /** `watched()` names the ids under way; `tell(row, html)` is called with each generation's news. */
  constructor({ stream, cards, watched, tell }) {
    Object.assign(this, { stream, cards, watched, tell });
    this.errors = 0;
    this.source = null;
    this.timer = null;
    this.open();
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", (event) => event.persisted && this.open());
  }

  open() {
    this.close();
    this.source = new EventSource(this.stream);
    this.source.addEventListener("open", () => this.calm());
    this.source.addEventListener("generation", (event) => this.tell(JSON.parse(event.data)));
    this.source.addEventListener("error", () => this.failed());
  }

  close() {
    this.source?.close();
    this.source = null;
    clearInterval(this.timer);
    this.timer = null;
  }

  calm() {
    this.errors = 0;
    this.poll(); // what happened while there was no stream
  }

  failed() {
    this.errors += 1;
    const refused = this.source?.readyState === EventSource.CLOSED;
    if (!refused && this.errors < PATIENCE) return;
    this.close();
    this.timer = setInterval(() => this.poll(), POLL);
    setTimeout(() => this.open(), RETURN);
    this.poll();
  }

  async poll() {
    const ids = this.watched();
    if (!ids.length || document.hidden) return;
    try {
      const found = await ask(`${this.cards}?ids=${ids.slice(0, 100).join(",")}`);
      for (const { row, card_html: html } of found.cards) this.tell(row, html);
    } catch {
      // the next round asks again
    }
  }
}
