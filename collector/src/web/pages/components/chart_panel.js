// Panels that hold charts of one query over time, and how complete its steps are.

import { columns, completeness, pivot } from "../buckets.js";
import { Chart } from "../charts.js";
import { h } from "../dom.js";
import { visible } from "../format.js";
import { aligned, iso, stepFor } from "../time.js";
import { coverage, Panel } from "./panel.js";

/** The range of a page in whole steps; `fleet` for queries over all hosts, which read hours from a day on. */
export function steps(context, least = 60, fleet = false) {
  const range = context.range;
  const length = range.end - range.start;
  const floor = fleet && length >= 86400 * 1.5 ? 3600 : least;
  return aligned(range, stepFor(length, context.points, floor));
}

export const span = (range) => ({ from: iso(range.from), to: iso(range.to) });
export const stepped = (range) => ({ ...span(range), step_seconds: range.step, limit: 10000 });

/**
 * Charts of one query. `charts`: `{ label, unit, stack, max, strict, series: [{ key, label, color, dash, fill }] }`, `strict` where a
 * step without any figure is a step of which nothing is known. `told(complete)` lets others know how much is known.
 */
export function chartPanel(context, { title, name, parameters, charts, least, fleet, note, wide, told, level }) {
  let range = null;
  const made = charts.map((chart) => new Chart({ ...chart, context }));
  const panel = new Panel({
    title,
    note,
    wide,
    level,
    asks: (now) => {
      range = steps(now, least, fleet);
      return [{ name, parameters: { ...parameters?.(now), ...stepped(range) } }];
    },
    show: ([answer], own, now) => {
      const keys = charts.flatMap((chart) => chart.series.map((series) => series.key));
      const all = columns(answer.objects, keys, range);
      let from = 0;
      let first = all.present;
      made.forEach((chart, at) => {
        const data = all.data.slice(from, from + charts[at].series.length);
        from += charts[at].series.length;
        const present = charts[at].strict
          ? all.present.map((share, step) => (data.some((values) => values[step] !== null) ? share : 0))
          : all.present;
        if (at === 0) first = present;
        chart.update({ ...all, data, present }, range);
      });
      const complete = completeness({ ...all, present: first }, range.step);
      const { level: sign, text } = coverage(complete, now.range);
      own.meta(sign, text);
      told?.({ level: sign, text });
    },
  });
  panel.body.classList.add("charts");
  panel.body.append(
    ...made.map((chart, at) =>
      h("figure", {}, charts.length > 1 ? h("figcaption", {}, charts[at].label) : null, chart.element),
    ),
  );
  panel.close = () => made.forEach((chart) => chart.close());
  return panel;
}

/** A chart with a line for each of the `most` largest values of a column, such as mount points. */
export function pivotPanel(context, { title, name, parameters, by, charts, most = 6, note, empty }) {
  let range = null;
  let names = "";
  let made = [];
  const panel = new Panel({
    title,
    note,
    asks: (now) => {
      range = steps(now, 60);
      return [{ name, parameters: { ...parameters?.(now), ...stepped(range) } }];
    },
    show: ([answer], own, now) => {
      const tables = charts.map(({ key }) => pivot(answer.objects, by, key, range, most));
      const now_names = JSON.stringify(tables.map((one) => one.names));
      if (now_names !== names) {
        names = now_names;
        made.forEach((chart) => chart.close());
        made = charts.map(
          (chart, at) =>
            new Chart({
              ...chart,
              context,
              series: tables[at].names.map((label, number) => ({
                label: visible(label),
                color: number + 1,
                dash: number,
              })),
            }),
        );
        own.body.replaceChildren(
          ...made.map((chart, at) => h("figure", {}, h("figcaption", {}, charts[at].label), chart.element)),
        );
      }
      if (answer.rows.length === 0) own.body.replaceChildren(h("p", { class: "none" }, empty));
      made.forEach((chart, at) => chart.update(tables[at], range));
      const { level, text } = coverage(completeness(tables[0], range.step), now.range);
      const left = tables[0].left > 0 ? ` · ${tables[0].left} more are in the CSV` : "";
      own.meta(level, text + left);
    },
  });
  panel.body.classList.add("charts");
  panel.close = () => made.forEach((chart) => chart.close());
  return panel;
}
