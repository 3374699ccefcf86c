// The studio page: feed, composer and the stream that keeps both fresh.
import { one } from "./dom.js";
import * as composer from "./composer.js";
import * as feed from "./feed.js";
import { Live } from "./live.js";

const holder = one("#feed");
feed.start();
composer.start();
new Live({ stream: holder.dataset.live, cards: holder.dataset.cards, watched: feed.watched, tell: feed.tell });
