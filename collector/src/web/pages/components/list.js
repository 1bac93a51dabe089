// Incidents and findings: what is wrong, since when, and what to do next.

import { h, text, time } from "../dom.js";
import { words } from "../format.js";
import { badge, levelOfFinding } from "./badge.js";

const FIRST = 8;

/** A list that shows the first few, and all on demand. `entries`: `{ key, level, title, href, ms, over, text, next }`. */
export class Cases {
  constructor(empty) {
    this.all = false;
    this.list = h("ul", { class: "cases" });
    this.none = h("p", { class: "none" }, empty);
    this.more = h("button", {
      type: "button",
      class: "quiet",
      hidden: true,
      on: {
        click: () => {
          this.all = !this.all;
          this.update(this.entries);
        },
      },
    });
    this.element = h("div", {}, this.none, this.list, this.more);
  }

  update(entries) {
    this.entries = entries;
    this.none.hidden = entries.length > 0;
    this.more.hidden = entries.length <= FIRST;
    this.more.textContent = this.all ? "Show fewer" : `Show all ${entries.length}`;
    const made = (this.all ? entries : entries.slice(0, FIRST)).map(item);
    const same =
      made.length === this.list.children.length &&
      made.every((element, at) => element.isEqualNode(this.list.children[at]));
    if (!same) this.list.replaceChildren(...made);
  }
}

function item(entry) {
  return h(
    "li",
    { class: entry.over ? "over" : null },
    h(
      "div",
      { class: "case-head" },
      badge(entry.level, entry.title),
      " ",
      entry.href ? h("a", { href: entry.href }, text(entry.about)) : null,
      h("span", { class: "when" }, entry.over ? "over since " : `${entry.since ?? "since"} `, time(entry.ms, false)),
    ),
    h("p", {}, text(entry.text)),
    entry.next ? h("p", { class: "next" }, h("strong", {}, "Next: "), text(entry.next)) : null,
  );
}

export function incidents(list, context) {
  return list.map((one) => ({
    level: one.ended_ms ? "unknown" : one.level,
    title: words(one.kind),
    about: one.agent_id,
    href: one.agent_id ? context.link("/host", { agent: one.agent_id }) : null,
    ms: one.ended_ms ?? one.began_ms,
    over: Boolean(one.ended_ms),
    text: one.text,
    next: one.ended_ms ? "" : one.next_step,
  }));
}

export function findings(list) {
  return list.map((one) => ({
    level: one.ended_ms ? "unknown" : levelOfFinding(one.level),
    title: `${words(one.level)}: ${one.title}`,
    since: "last seen",
    ms: one.ended_ms ?? one.last_ms,
    over: Boolean(one.ended_ms),
    text: one.text,
    next: one.ended_ms ? "" : one.next_step,
  }));
}
