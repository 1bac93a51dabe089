// How available services were, day by day.

import { text } from "../dom.js";
import { plural, ratio, seconds } from "../format.js";
import { figure, name } from "./cells.js";
import { tablePanel } from "./table_panel.js";

const band = (label, part) => ({
  label,
  numeric: true,
  value: (row) => row[`${part}_low`],
  show: (row) =>
    row[`${part}_high`] - row[`${part}_low`] < 0.00005
      ? ratio(row[`${part}_low`])
      : `${ratio(row[`${part}_low`])} to ${ratio(row[`${part}_high`])}`,
});

export function availability(context, service) {
  return tablePanel({
    title: "Service availability, last 30 days",
    name: "service_availability_by_day",
    every: 60,
    wide: true,
    first: 14,
    parameters: () => ({ service: service(), from: "-30d", to: "now" }),
    note: "By what runs of probes prove, days of UTC, maintenance not left out. Where two figures stand, nobody knows more.",
    empty: "No service was judged yet: none is probed, or the first hour is not over.",
    key: (row) => row.day + row.service,
    meta: (rows) => {
      const some = (of) => rows.some((row) => row[of] > 0);
      const level = some("down_seconds") ? "bad" : rows.length === 0 || some("unknown_seconds") ? "unknown" : "good";
      return [level, plural(rows.length, "service-day")];
    },
    rows: (rows) => [...rows].reverse(),
    columns: [
      { label: "Day", header: true, value: (row) => row.day, show: (row) => text(row.day) },
      name("Service", "service"),
      band("Answered", "answered"),
      band("Answered everywhere", "everywhere"),
      figure("Down", "down_seconds", seconds),
      figure("Partly down", "partly_down_seconds", seconds),
      figure("Unknown", "unknown_seconds", seconds),
    ],
  });
}
