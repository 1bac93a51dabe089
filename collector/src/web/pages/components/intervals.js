// What was proven of a host or a service: bands, and intervals with their evidence.

import { h, time } from "../dom.js";
import { plural, ratio, seconds, words } from "../format.js";
import { badge } from "./badge.js";
import { Table } from "./table.js";

const LEVELS = { up: "good", down: "bad", unknown: "unknown" };
/** What an interval rests on. */
const REASONS = {
  beats: "heartbeats without a gap",
  delayed: "heartbeats came late: the network was down",
  unwatched: "no collector was there to receive",
  stalled: "the agent did not run though its host did",
  suspended: "the host slept",
  missing: "heartbeats are missing between two that came",
  agent_down: "a new start of the agent, the same boot of the host",
  agent_stopped: "the agent said goodbye",
  crashed: "a new boot without a goodbye",
  shut_down: "a goodbye, then a new boot",
  booted: "the first beat after a boot",
  silent: "silence, of which nothing tells yet why",
  never_seen: "never heard before",
};

/** A band of availability in words. */
export function shares(figures) {
  if (!figures || figures.low === null || figures.low === undefined) return { level: "unknown", words: "unknown" };
  const { low, high } = figures;
  const same = high - low < 0.00005;
  const said = same ? `up ${ratio(low)}` : `up ${ratio(low)} to ${ratio(high)}, the rest unknown`;
  return { level: figures.down_ms > 0 ? "bad" : same ? "good" : "unknown", words: said };
}

/** Intervals of one part as a bar; its words are in the table beneath. */
export function timeline(intervals, part) {
  const bar = h("div", { class: "timeline", role: "img", "aria-label": summary(intervals, part) });
  const all = intervals.reduce((sum, one) => sum + one.to_ms - one.from_ms, 0) || 1;
  for (const one of intervals) {
    const piece = h("span", {
      class: `day ${LEVELS[one[part]] ?? "unknown"}`,
      title: `${words(one[part])}: ${reason(one.reason)}`,
    });
    piece.style.flexGrow = String((one.to_ms - one.from_ms) / all);
    piece.style.minWidth = one[part] === "up" ? "0" : "2px";
    bar.append(piece);
  }
  return bar;
}

function summary(intervals, part) {
  const of = (state) => intervals.filter((one) => one[part] === state);
  return `${words(part)}: ${plural(of("down").length, "interval")} down, ${plural(of("unknown").length, "interval")} unknown, of ${intervals.length}`;
}

export const reason = (name) => REASONS[name] ?? words(name);

export function intervalTable() {
  const state = (label, part) => ({
    label,
    value: (row) => row[part],
    show: (row) => badge(LEVELS[row[part]] ?? "unknown", row[part]),
  });
  return new Table({
    label: "Intervals and what they rest on",
    key: (row) => `${row.agent_id ?? ""}${row.from_ms}`,
    first: 20,
    empty: "No interval is known.",
    columns: [
      { label: "From", header: true, value: (row) => row.from_ms, show: (row) => time(row.from_ms) },
      { label: "To", value: (row) => row.to_ms, show: (row) => time(row.to_ms) },
      {
        label: "Length",
        numeric: true,
        value: (row) => row.to_ms - row.from_ms,
        show: (row) => seconds((row.to_ms - row.from_ms) / 1000),
      },
      state("Server", "server"),
      state("Network", "network"),
      state("Agent", "agent"),
      {
        label: "Evidence",
        value: (row) => row.reason,
        show: (row) => `${reason(row.reason)}${row.in_maintenance ? "; in maintenance" : ""}`,
      },
    ],
  });
}
