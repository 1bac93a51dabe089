// Tables that are sorted by their heads, scroll within themselves, and change in place.

import { h } from "../dom.js";
import { plural, visible } from "../format.js";

const FIRST_ROWS = 50;

/**
 * `columns`: `{ label, value(row), show(row), numeric, long, header, hint }`; `value` is sorted by, `show` gives text, an element, or `{ same, make }` for one
 * that takes new figures itself.
 * `key(row)` tells rows apart. `empty` is said where there is no row.
 */
export class Table {
  constructor({ label, columns, key, empty = "None.", first = FIRST_ROWS, rowClass }) {
    Object.assign(this, { columns, key, empty, first, rowClass });
    this.sorted = null;
    this.made = new Map();
    this.all = false;
    this.heads = columns.map((column, at) => this.head(column, at));
    this.tbody = h("tbody");
    this.none = h("p", { class: "none" }, empty);
    this.scroll = h(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": label },
      h("table", {}, h("caption", { class: "unseen" }, label), h("thead", {}, h("tr", {}, this.heads)), this.tbody),
    );
    this.more = h("button", { type: "button", class: "quiet", hidden: true, on: { click: () => this.showAll() } });
    this.element = h("div", {}, this.none, this.scroll, this.more);
  }

  head(column, at) {
    const cell = h("th", { scope: "col", class: column.numeric ? "number" : null, title: column.hint });
    if (!column.value) {
      cell.append(column.label);
      return cell;
    }
    const arrow = h("span", { class: "arrow", "aria-hidden": "true" });
    cell.append(h("button", { type: "button", on: { click: () => this.sort(at) } }, column.label, arrow));
    cell.setAttribute("aria-sort", "none");
    return cell;
  }

  /** Figures largest first, words from a on; once more turns it, and a third time gives the query's own order. */
  sort(at) {
    const first = this.columns[at].numeric ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    if (this.sorted?.at !== at) this.sorted = { at, order: first };
    else if (this.sorted.order === first) this.sorted = { at, order: second };
    else this.sorted = null;
    this.heads.forEach((cell, number) => {
      if (!this.columns[number].value) return;
      const order = this.sorted?.at === number ? this.sorted.order : "none";
      cell.setAttribute("aria-sort", order);
      cell.querySelector(".arrow").textContent = { ascending: " \u2191", descending: " \u2193", none: "" }[order];
    });
    this.draw();
  }

  update(rows) {
    this.rows = rows;
    this.draw();
  }

  showAll() {
    this.all = !this.all;
    this.draw();
  }

  ordered() {
    if (!this.sorted) return this.rows;
    const { value } = this.columns[this.sorted.at];
    const turn = this.sorted.order === "ascending" ? 1 : -1;
    return [...this.rows].sort((a, b) => compare(value(a), value(b), turn));
  }

  draw() {
    if (!this.rows) return;
    const rows = this.ordered();
    const shown = this.all ? rows : rows.slice(0, this.first);
    this.none.hidden = rows.length > 0;
    this.scroll.hidden = rows.length === 0;
    this.more.hidden = rows.length <= this.first;
    this.more.textContent = this.all ? `Show only the first ${this.first}` : `Show all ${plural(rows.length, "row")}`;
    const kept = new Map();
    const elements = shown.map((row) => {
      const name = String(this.key(row));
      const element = this.made.get(name) ?? this.makeRow();
      this.fill(element, row);
      kept.set(name, element);
      return element;
    });
    this.made = kept;
    const now = this.tbody.children;
    if (now.length !== elements.length || elements.some((element, at) => now[at] !== element))
      place(this.tbody, elements);
  }

  makeRow() {
    return h(
      "tr",
      {},
      this.columns.map((column) =>
        h(column.header ? "th" : "td", {
          scope: column.header ? "row" : null,
          class: column.numeric ? "number" : column.long ? "long" : null,
        }),
      ),
    );
  }

  /** Cells change only where what they show did, so that focus and selection stay. */
  fill(element, row) {
    if (this.rowClass) element.className = this.rowClass(row) ?? "";
    this.columns.forEach((column, at) => {
      const content = column.show(row);
      const cell = element.children[at];
      if (content === null || typeof content !== "object") {
        const shown = content === null || content === undefined ? "" : visible(content);
        if (cell.textContent !== shown || cell.firstElementChild) cell.replaceChildren(shown);
        cell.classList.toggle("none", shown === "unknown");
        return;
      }
      if (content.make) {
        if (!cell.firstElementChild?.take?.(content.same)) cell.replaceChildren(content.make());
        return;
      }
      if (cell.childNodes.length !== 1 || !cell.firstChild.isEqualNode(content)) cell.replaceChildren(content);
    });
  }
}

/** Puts elements in order and leaves those that stand right, with their focus. */
function place(parent, elements) {
  const wanted = new Set(elements);
  [...parent.children].forEach((child) => wanted.has(child) || child.remove());
  elements.forEach((element, at) => {
    if (parent.children[at] !== element) parent.insertBefore(element, parent.children[at] ?? null);
  });
}

/** Unknown comes last whichever way it is sorted. */
export function compare(a, b, turn) {
  const lacks = (value) => value === null || value === undefined || value === "";
  if (lacks(a) || lacks(b)) return lacks(a) === lacks(b) ? 0 : lacks(a) ? 1 : -1;
  if (typeof a === "number" && typeof b === "number") return turn * (a - b);
  return turn * String(a).localeCompare(String(b), "en", { numeric: true });
}
