// Presence: when hosts and services were there, by what it is known, what is promised, and when they may be away.

import { report } from "../api.js";
import { h, text, time } from "../dom.js";
import { count, number, plural, ratio, seconds, visible, words } from "../format.js";
import { badge } from "../components/badge.js";
import { calendarPanel } from "../components/calendar.js";
import { figure, momentMs, name, sentence } from "../components/cells.js";
import { intervalTable, shares, timeline } from "../components/intervals.js";
import { page, Panel } from "../components/panel.js";
import { availability } from "../components/service_availability.js";
import { tablePanel } from "../components/table_panel.js";
import { iso } from "../time.js";

export function build(context) {
  const agent = () => context.state.agent ?? "";
  const panels = [
    calendarPanel(context),
    agent() ? intervals(agent()) : null,
    availability(context, () => context.state.service ?? ""),
    budgets(context),
    objectives(),
    windows(),
  ].filter(Boolean);
  return page({
    heading: h("span", {}, "Presence", agent() ? [": ", text(agent())] : null),
    identity: (now) => now.state.agent ?? "",
    extra: [
      h(
        "p",
        { class: "note" },
        agent()
          ? [h("a", { href: context.link("/presence") }, "All hosts"), ". Intervals are of the range above."]
          : "Choose a host to see its intervals and what they rest on.",
      ),
    ],
    panels,
  });
}

/** One host's intervals, each with what it rests on. */
function intervals(agent) {
  const bars = h("div", {});
  const outages = h("p", {});
  const table = intervalTable();
  const panel = new Panel({
    title: "Intervals and their evidence",
    wide: true,
    every: 60,
    fetch: (context, signal) =>
      report(
        "availability",
        {
          agent,
          from: iso(Math.floor(context.range.start)),
          to: iso(Math.floor(context.range.end)),
          by: "host",
          intervals: true,
        },
        { signal },
      ),
    show: ([document], own) => {
      if (!document) {
        own.meta("unknown", "nothing is proven of this host in this time");
        [bars, outages].forEach((element) => element.replaceChildren());
        table.update([]);
        return;
      }
      const { level, words: told } = shares(document.total);
      own.meta(level, told);
      bars.replaceChildren(
        ...["server", "network", "agent"].map((part) => {
          const figures = shares(document[part]);
          return h(
            "div",
            {},
            h("h3", {}, words(part), " ", badge(figures.level, figures.words)),
            timeline(document.intervals ?? [], part),
          );
        }),
      );
      const ms = (value) => (value === null || value === undefined ? "unknown" : seconds(value / 1000));
      outages.replaceChildren(
        `${plural(document.outages?.length ?? 0, "outage")}; mean time of one ${ms(document.mttr_ms)}, mean time between them ${ms(document.mtbf_ms)}; ${ms(document.maintenance_ms)} of maintenance left out.`,
      );
      table.update([...(document.intervals ?? [])].reverse());
    },
  });
  panel.body.append(bars, outages, table.element);
  return panel;
}

const WINDOWS = [
  [60, "1 hour"],
  [360, "6 hours"],
  [1440, "1 day"],
  [4320, "3 days"],
];

/** Error budgets at a promise that the reader chooses; it stays in the URL. */
function budgets(context) {
  const promised = () => Math.min(99.999, Math.max(50, Number(context.state.promise) || 99.9));
  const latency = () => Math.max(0, Number(context.state.latency) || 0);
  const target = h("input", { id: "promise", type: "number", min: 50, max: 99.999, step: "any", value: promised() });
  const slow = h("input", { id: "latency", type: "number", min: 0, max: 600000, step: 1, value: latency() });
  const form = h(
    "form",
    {
      class: "filter",
      on: {
        submit: (event) => {
          event.preventDefault();
          context.change({ promise: target.value, latency: Number(slow.value) > 0 ? slow.value : "" });
        },
      },
    },
    h("label", { for: "promise" }, "Good requests, %"),
    target,
    h("label", { for: "latency" }, "within ms, 0 for any time"),
    slow,
    h("button", { type: "submit" }, "Show"),
  );
  const burn = ([minutes, label]) => ({
    label: `Burn, ${label}`,
    numeric: true,
    hint: "1 uses the budget up just in time",
    value: (row) => row.burns.get(minutes)?.burn,
    show: (row) => {
      const one = row.burns.get(minutes);
      return one ? badge(one.burn > 1 ? (one.burn > 6 ? "bad" : "warn") : "good", number(one.burn)) : "no request";
    },
  });
  const panel = tablePanel({
    title: "Error budgets over 30 days",
    wide: true,
    name: "error_budgets",
    every: 60,
    key: (row) => row.service,
    parameters: () => ({ target: promised() / 100, latency_us: Math.round(latency() * 1000) }),
    note: "At a promise of your choice, maintenance not left out. Configured objectives and what they told are beneath.",
    empty: "No service had requests in the last 30 days: nothing is known of any budget.",
    rows: grouped,
    meta: (rows) => {
      const over = rows.filter((row) => (row.month?.burn ?? 0) > 1).length;
      return [
        rows.length === 0 ? "unknown" : over > 0 ? "bad" : "good",
        `${plural(rows.length, "service")}, ${count(over)} beyond the budget`,
      ];
    },
    columns: [
      name("Service", "service", true),
      {
        label: "Budget left",
        numeric: true,
        value: (row) => 1 - (row.month?.burn ?? NaN),
        show: (row) =>
          row.month
            ? badge(row.month.burn > 1 ? "bad" : row.month.burn > 0.75 ? "warn" : "good", ratio(1 - row.month.burn))
            : "unknown",
      },
      {
        label: "Bad, 30 days",
        numeric: true,
        value: (row) => row.month?.bad_ratio,
        show: (row) => ratio(row.month?.bad_ratio),
      },
      {
        label: "Requests, 30 days",
        numeric: true,
        value: (row) => row.month?.requests,
        show: (row) => count(row.month?.requests),
      },
      ...WINDOWS.map(burn),
    ],
  });
  panel.body.prepend(form);
  return panel;
}

function grouped(rows) {
  const services = new Map();
  for (const row of rows) {
    if (!services.has(row.service)) services.set(row.service, { service: row.service, burns: new Map(), month: null });
    const of = services.get(row.service);
    if (row.minutes === 43200) of.month = row;
    else of.burns.set(row.minutes, row);
  }
  return [...services.values()];
}

function objectives() {
  return tablePanel({
    title: "What objectives told, last 30 days",
    name: "incidents",
    parameters: () => ({ seconds: 30 * 86400 }),
    every: 30,
    key: (row) => row.incident_id,
    rows: (rows) => rows.filter((row) => row.objective !== ""),
    empty:
      "No configured objective told of anything; where none is configured, none does ([[objectives]] in the collector's configuration).",
    meta: (rows) => {
      const open = rows.filter((row) => row.ended_ms === 0).length;
      return [
        open > 0 ? "bad" : rows.length > 0 ? "warn" : "unknown",
        `${plural(rows.length, "incident")}, ${count(open)} that last`,
      ];
    },
    columns: [
      name("Objective", "objective", true),
      {
        label: "State",
        value: (row) => row.ended_ms,
        show: (row) => (row.ended_ms === 0 ? badge("bad", words(row.kind)) : badge("unknown", "over")),
      },
      momentMs("Began", "began_ms"),
      momentMs("Ended", "ended_ms", "lasts"),
      sentence("What is known", "summary"),
    ],
  });
}

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/** When a window is, in words. */
export function occurrence(row) {
  if (row.repeat_days === 0) return null;
  const days = DAYS.filter((_, at) => row.repeat_days & (1 << at)).join(", ");
  const clock = (minutes) =>
    `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
  return `${days} ${clock(row.repeat_start_minute)} ${row.zone}, for ${seconds(row.repeat_length_minutes * 60)}`;
}

function windows() {
  const now = () => Date.now();
  const state = (row) =>
    row.cancelled_ms > 0 && row.cancelled_ms <= now()
      ? "cancelled"
      : row.from_ms > now()
        ? "to come"
        : row.repeat_days > 0
          ? "repeats"
          : "in force";
  return tablePanel({
    title: "Maintenance windows",
    name: "maintenance_windows",
    parameters: () => ({ after_ms: "now" }),
    every: 30,
    key: (row) => row.window_id,
    note: "crmscope-collector maintenance adds and cancels them.",
    empty: "None is in force or to come.",
    meta: (rows) => ["good", plural(rows.length, "window")],
    columns: [
      {
        label: "Whom",
        header: true,
        value: (row) => row.agent_id || row.host_group || row.service,
        show: (row) =>
          visible(
            row.agent_id ||
              (row.host_group && `group ${row.host_group}`) ||
              (row.service && `service ${row.service}`) ||
              "all hosts and services",
          ),
      },
      { label: "State", value: state, show: state },
      {
        label: "When",
        value: (row) => row.from_ms,
        show: (row) => {
          const told = occurrence(row);
          return told ? visible(told) : h("span", {}, time(row.from_ms), " to ", time(row.to_ms));
        },
      },
      sentence("Why", "note"),
      name("By", "made_by"),
      figure("In arrears", "is_retroactive", (value) => (value ? "yes" : "no")),
    ],
  });
}
