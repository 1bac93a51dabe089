// Panels that hold a table of one query.

import { age, plural } from "../format.js";
import { Panel } from "./panel.js";
import { Table } from "./table.js";

/** `meta(rows)` gives `[level, words]`; without it, how many rows there are and how old they are. `remeta()` asks it again. */
export function tablePanel({
  title,
  name,
  parameters,
  note,
  wide,
  every,
  meta,
  columns,
  key,
  empty,
  first,
  rows: choose,
  level,
  rowClass,
}) {
  const table = new Table({ label: title, columns, key, empty, first, rowClass });
  const panel = new Panel({
    title,
    note,
    wide,
    every,
    level,
    asks: (context) => [{ name, parameters: parameters?.(context) ?? {} }],
    show: ([answer], own) => {
      const rows = choose ? choose(answer.objects) : answer.objects;
      table.update(rows);
      const more = answer.next_offset === null || answer.next_offset === undefined ? "" : "; more are left out";
      own.remeta = () => {
        const [sign, words] = meta ? meta(rows) : ages(rows);
        own.meta(sign, words + more);
      };
      own.remeta();
    },
  });
  panel.body.append(table.element);
  panel.table = table;
  return panel;
}

/** Of rows that say how old they are. */
export function ages(rows) {
  const known = rows
    .map((row) => row.age_seconds ?? row.heartbeat_age_seconds)
    .filter((value) => typeof value === "number");
  if (rows.length === 0) return ["unknown", "no rows"];
  if (known.length === 0) return ["good", plural(rows.length, "row")];
  const newest = Math.min(...known);
  const oldest = Math.max(...known);
  return [newest > 300 ? "warn" : "good", `${plural(rows.length, "row")}, ${age(newest)} to ${age(oldest)} old`];
}
