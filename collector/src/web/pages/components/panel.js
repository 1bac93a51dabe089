// A part of a page: heading, how complete and how old its figures are, and the figures.
//
// Promises: what was shown stays while something is asked again; what could not be asked says so beside it;
// nothing is asked again while neither its parameters nor its time changed.

import { ApiError, csv, query } from "../api.js";
import { completenessText } from "../buckets.js";
import { h, id } from "../dom.js";
import { age } from "../format.js";
import { badge } from "./badge.js";

const THIN = 0.95;

/** What is known of a range, as a sign and a sentence. */
export function coverage(complete, range) {
  const level = complete.known <= 0 ? "unknown" : complete.share < THIN ? "warn" : "good";
  const words = complete.known <= 0 ? "nothing is known of this time" : `${completenessText(complete)} known`;
  const old =
    range.live && complete.newest !== null
      ? ` · newest ${age(Math.max(0, Date.now() / 1000 - complete.newest))} old`
      : "";
  return { level, text: `${words}${old}` };
}

/**
 * `asks(context)` names the queries: `{ name, parameters }` each; or `fetch(context, signal)` gets the data. `show(data, panel,
 * context)` puts them into `panel.body`. Of a range that ends now it is asked again after `every` seconds.
 */
export class Panel {
  constructor({ title, asks, fetch, show, every = 10, note, wide = false, level = 2 }) {
    Object.assign(this, { asks, fetch, show, every });
    const label = id("panel");
    this.heading = h(`h${level}`, { id: label }, title);
    this.metaLine = h("p", { class: "meta" }, "asking\u2026");
    this.tools = h("div", { class: "tools" });
    this.error = h("p", { class: "note bad", hidden: true });
    this.body = h("div", { class: "body" });
    this.element = h(
      "section",
      { class: wide ? "panel wide" : "panel", "aria-labelledby": label },
      h("header", {}, this.heading, this.metaLine, this.tools),
      note ? h("p", { class: "note" }, note) : null,
      this.error,
      this.body,
    );
    this.key = null;
    this.askedMs = 0;
  }

  /** How complete and how old: a level of the one vocabulary, and words. */
  meta(level, words) {
    this.metaLine.replaceChildren(badge(level, words));
  }

  async get(context, signal, asks) {
    if (!asks) return this.fetch(context, signal);
    return Promise.all(asks.map(({ name, parameters }) => query(name, parameters, { signal })));
  }

  /** Resolves to null, or to the error. */
  async refresh(context, signal, force = false) {
    const asks = this.asks?.(context);
    const key = asks ? JSON.stringify(asks) : JSON.stringify([context.state.from, context.state.to]);
    const rests = !context.range.live || Date.now() - this.askedMs < this.every * 1000 - 500;
    if (!force && key === this.key && rests) return null;
    this.tried = true;
    try {
      const data = await this.get(context, signal, asks);
      if (signal.aborted) return null;
      this.error.hidden = true;
      this.element.classList.remove("old");
      if (asks) this.links(asks);
      this.show(data, this, context);
      this.key = key;
      this.askedMs = Date.now();
      return null;
    } catch (error) {
      if (signal.aborted) return null;
      this.error.hidden = false;
      this.error.replaceChildren(badge("unknown", `Not known: ${error.message}.`));
      this.element.classList.add("old");
      if (this.askedMs === 0) this.metaLine.replaceChildren();
      return error instanceof ApiError ? error : new ApiError(500, error.message);
    }
  }

  links(asks) {
    const links = asks.map(({ name, parameters, file }) =>
      file === false
        ? null
        : h(
            "a",
            { href: csv(name, parameters), download: `${name}.csv`, title: `${name} as a file` },
            asks.length > 1 ? `CSV: ${name.replaceAll("_", " ")}` : "CSV",
          ),
    );
    const made = links.filter(Boolean);
    const old = [...this.tools.querySelectorAll("a")];
    // In place, so that whoever stands on one stays there.
    if (old.length === made.length)
      made.forEach((link, at) => {
        old[at].href = link.href;
      });
    else {
      old.forEach((link) => link.remove());
      this.tools.append(...made);
    }
  }
}

/** A page of panels; `extra` stands before them. */
export function page({ heading, panels, extra = [], identity, title, close }) {
  const element = h(
    "div",
    { class: "page" },
    h("h1", {}, heading),
    ...extra,
    h(
      "div",
      { class: "panels" },
      panels.map((panel) => panel.element),
    ),
  );
  return {
    element,
    identity,
    title,
    close,
    async refresh(context, signal, force) {
      panels.forEach((panel) => {
        panel.tried = false;
      });
      const errors = (await Promise.all(panels.map((panel) => panel.refresh(context, signal, force)))).filter(Boolean);
      return { ...outcome(errors), asked: panels.some((panel) => panel.tried) };
    },
  };
}

/** What errors mean for the page as a whole. */
export function outcome(errors) {
  const grave = errors.find((error) => error.status === 0 || error.status === 429 || error.status >= 500);
  return { failed: Boolean(grave), why: grave?.message, signIn: errors.some((error) => error.status === 401) };
}
