// Charts over time by uPlot: holes where nothing is known, one crosshair for the page, a legend with values, and
// the same as a table.

import { h, id, property, speak } from "./dom.js";
import { hatch } from "./hatch.js";
import { stacked } from "./buckets.js";
import { UNITS } from "./format.js";
import { clock, dated, iso, utc } from "./time.js";

const HEIGHT = 168;
const DASHES = [[], [7, 3], [2, 3], [10, 3, 2, 3], [4, 4], [1, 2]];
const GRID_PX = 56;
const THIN = 0.95;
const live = new Set();

/** After a change of the theme. */
export const redrawCharts = () => live.forEach((chart) => chart.recolor());

/** A chart. `series`: `{ label, color (1 to 6, or 0 for grey), dash, fill }`; `unit` is one of UNITS. */
export class Chart {
  constructor({ label, unit, series, stack = false, max, context }) {
    Object.assign(this, { label, unit: UNITS[unit], series, stack, max, context });
    this.hidden = new Set();
    this.host = h("div", { class: "plot" });
    this.legend = h("ul", { class: "legend" });
    this.when = h("li", { class: "when" }, "newest");
    this.tableButton = h(
      "button",
      { type: "button", class: "quiet", "aria-expanded": "false", on: { click: () => this.toggleTable() } },
      "Show as table",
    );
    this.table = h("div", {
      class: "scroll",
      hidden: true,
      id: id("table"),
      tabindex: 0,
      role: "group",
      "aria-label": `${label}, as a table`,
    });
    this.tableButton.setAttribute("aria-controls", this.table.id);
    this.slider = h(
      "div",
      {
        class: "chart",
        tabindex: 0,
        role: "slider",
        "aria-label": `${label}: crosshair`,
        "aria-valuemin": 0,
        "aria-valuemax": 1,
        "aria-valuenow": 0,
        "aria-valuetext": "no data yet",
        on: { keydown: (event) => this.key(event) },
      },
      this.host,
    );
    this.element = h("div", {}, this.slider, h("div", { class: "under" }, this.legend, this.tableButton), this.table);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.host);
    this.buildLegend();
    live.add(this);
  }

  /** Takes data on the steps of an aligned range; see buckets.js. */
  update({ steps, data, present }, range) {
    this.steps = steps;
    this.raw = data;
    this.present = present;
    this.range = range;
    if (!this.plot) this.make();
    else {
      this.plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
      this.plot.setData(this.drawn());
    }
    this.slider.setAttribute("aria-valuemax", Math.max(1, steps.length - 1));
    this.values();
    if (!this.table.hidden) this.fillTable();
  }

  drawn() {
    const seen = this.raw.map((values, at) => (this.hidden.has(at) ? values.map(() => null) : values));
    if (!this.stack) return [this.steps, ...seen];
    const shown = this.raw.map((values, at) =>
      this.hidden.has(at) ? values.map((value) => (value === null ? null : 0)) : values,
    );
    // The highest first, so that what lies lower is drawn over it.
    return [this.steps, ...stacked(shown).reverse()];
  }

  color(number) {
    return property(number === 0 ? "--muted" : `--series-${number}`);
  }

  options() {
    const order = this.stack ? [...this.series].reverse() : this.series;
    const faint = () => property("--grid");
    const axis = {
      stroke: () => property("--muted"),
      grid: { stroke: faint, width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif",
    };
    return {
      width: Math.max(60, this.host.clientWidth),
      height: HEIGHT,
      legend: { show: false },
      padding: [8, 22, 0, 0],
      cursor: { sync: { key: "page" }, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
      scales: {
        x: { time: true, range: () => [this.range.from, this.range.to] },
        y: { range: (_, low, high) => [0, this.max ?? (high > 0 ? high * 1.08 : 1)] },
      },
      axes: [
        {
          ...axis,
          size: 26,
          space: 70,
          values: (_, ticks, __, ___, increment) =>
            ticks.map((tick) =>
              increment >= 86400
                ? clock(tick * 1000, 0, false).replace(/ 00:00$/, "")
                : clock(tick * 1000, this.range.to * 1000, false),
            ),
        },
        {
          ...axis,
          size: GRID_PX,
          space: 34,
          values: (_, ticks) => ticks.map((tick) => (this.unit === UNITS.count ? UNITS.number : this.unit)(tick)),
        },
      ],
      series: [
        {},
        ...order.map(({ color, dash = 0, fill }) => ({
          stroke: () => this.color(color),
          width: color === 0 ? 1 : 1.5,
          dash: DASHES[dash],
          fill: this.stack
            ? () => `color-mix(in srgb, ${this.color(color)} 55%, ${property("--panel")})`
            : fill
              ? () => `color-mix(in srgb, ${this.color(color)} 14%, transparent)`
              : undefined,
          spanGaps: false,
          points: { show: true, size: 4, filter: (plot, at, shown, gaps) => alone(plot.data[at]) },
        })),
      ],
      hooks: {
        drawClear: [(plot) => this.holes(plot)],
        setCursor: [() => this.values()],
        setSelect: [(plot) => this.zoom(plot)],
      },
    };
  }

  make() {
    this.plot = new window.uPlot(this.options(), this.drawn(), this.host);
    this.plot.over.addEventListener("mousedown", () => {
      this.dragged = true;
    });
  }

  recolor() {
    this.plot?.redraw(false);
    this.swatches?.forEach(([element, color]) => element.style.setProperty("--swatch", this.color(color)));
  }

  resize() {
    const width = this.host.clientWidth;
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  /** Hatches steps of which nothing, or not all, is known. */
  holes(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    let from = 0;
    while (from < this.steps.length) {
      const state = kind(this.present[from]);
      let to = from + 1;
      while (to < this.steps.length && kind(this.present[to]) === state) to += 1;
      if (state !== "whole") {
        const left = plot.valToPos(this.steps[from], "x", true);
        const right = plot.valToPos(this.steps[to - 1] + this.range.step, "x", true);
        ctx.globalAlpha = state === "none" ? 1 : 0.45;
        ctx.fillStyle = hatch(ctx);
        ctx.fillRect(left, bbox.top, Math.max(1, right - left), bbox.height);
      }
      from = to;
    }
    ctx.restore();
  }

  buildLegend() {
    this.swatches = [];
    this.shown = this.series.map(({ label, color, dash = 0 }, at) => {
      const swatch = h("span", { class: `swatch dash-${dash}`, "aria-hidden": "true" });
      swatch.style.setProperty("--swatch", this.color(color));
      this.swatches.push([swatch, color]);
      const value = h("span", { class: "value" }, "");
      const button = h(
        "button",
        { type: "button", "aria-pressed": "true", title: "Show or hide", on: { click: () => this.toggle(at, button) } },
        swatch,
        h("span", { class: "text" }, label),
        value,
      );
      this.legend.append(h("li", {}, button));
      return value;
    });
    this.legend.append(this.when);
  }

  toggle(at, button) {
    if (this.hidden.has(at)) this.hidden.delete(at);
    else this.hidden.add(at);
    button.setAttribute("aria-pressed", String(!this.hidden.has(at)));
    if (this.plot) this.plot.setData(this.drawn());
  }

  /** Where the crosshair is, or the newest step of which something is known. */
  at() {
    const at = this.plot?.cursor.idx;
    if (at !== null && at !== undefined && this.plot.cursor.left >= 0) return { at, pointed: true };
    for (let last = this.steps.length - 1; last >= 0; last -= 1)
      if (this.present[last] > 0) return { at: last, pointed: false };
    return { at: -1, pointed: false };
  }

  values() {
    if (!this.steps) return;
    const { at, pointed } = this.at();
    this.shown.forEach((element, number) => {
      element.textContent = at < 0 ? "unknown" : this.figure(number, at);
    });
    this.when.textContent =
      at < 0 ? "nothing known" : `${pointed ? "" : "newest, "}${clock(this.steps[at] * 1000)}${this.gap(at)}`;
    this.when.title = at < 0 ? "" : utc(this.steps[at] * 1000);
    this.slider.setAttribute("aria-valuenow", Math.max(0, at));
    this.slider.setAttribute("aria-valuetext", at < 0 ? "nothing known" : this.sentence(at));
  }

  gap(at) {
    const state = kind(this.present[at]);
    return state === "whole" ? "" : state === "none" ? ", no data" : `, ${Math.round(100 * this.present[at])} % known`;
  }

  figure(number, at) {
    const value = this.raw[number][at];
    return value === null ? "unknown" : this.unit(value);
  }

  sentence(at) {
    const figures = this.series.map(({ label }, number) => `${label} ${this.figure(number, at)}`);
    return `${clock(this.steps[at] * 1000)}${this.gap(at)}: ${figures.join(", ")}`;
  }

  key(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };
    if (!(event.key in moves) || !this.plot || !this.steps.length) return;
    event.preventDefault();
    const { at, pointed } = this.at();
    const from = at < 0 ? this.steps.length - 1 : at;
    const move = moves[event.key];
    // The first key brings the crosshair to the newest figures, unless it says where to.
    const wanted = pointed || !Number.isFinite(move) ? from + move : from;
    const next = Math.max(0, Math.min(this.steps.length - 1, wanted));
    const left = this.plot.valToPos(this.steps[next], "x");
    this.plot.setCursor({ left: Math.max(0, left), top: 10 }, true, true);
    speak(this.sentence(next));
  }

  zoom(plot) {
    if (!this.dragged || plot.select.width < 6) return;
    this.dragged = false;
    const from = plot.posToVal(plot.select.left, "x");
    const to = plot.posToVal(plot.select.left + plot.select.width, "x");
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.context.change({ from: iso(Math.floor(from)), to: iso(Math.ceil(Math.max(to, from + 60))) });
  }

  toggleTable() {
    this.table.hidden = !this.table.hidden;
    this.tableButton.setAttribute("aria-expanded", String(!this.table.hidden));
    this.tableButton.textContent = this.table.hidden ? "Show as table" : "Hide table";
    if (!this.table.hidden && this.steps) this.fillTable();
  }

  fillTable() {
    const head = h(
      "tr",
      {},
      h("th", { scope: "col" }, "Time"),
      this.series.map(({ label }) => h("th", { scope: "col", class: "number" }, label)),
      h("th", { scope: "col", class: "number" }, "Known"),
    );
    const rows = this.steps.map((step, at) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, h("time", { datetime: iso(step), title: utc(step * 1000) }, dated(step * 1000))),
        this.series.map((_, number) => h("td", { class: "number" }, this.figure(number, at))),
        h("td", { class: "number" }, `${Math.round(100 * this.present[at])} %`),
      ),
    );
    this.table.replaceChildren(
      h(
        "table",
        {},
        h("caption", { class: "unseen" }, this.label),
        h("thead", {}, head),
        h("tbody", {}, rows.reverse()),
      ),
    );
  }

  close() {
    this.observer.disconnect();
    this.plot?.destroy();
    live.delete(this);
  }
}

const kind = (share) => (share <= 0 ? "none" : share < THIN ? "thin" : "whole");

/** Points without a neighbour, which no line shows. */
function alone(values) {
  const found = [];
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null) found.push(at);
  }
  return found;
}
