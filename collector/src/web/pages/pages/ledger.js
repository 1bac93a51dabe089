// Ledger: the proof that nothing was lost, and what was.

import { h, text } from "../dom.js";
import { bytes, count, plural, words } from "../format.js";
import { badge } from "../components/badge.js";
import { figure, host, moment, name } from "../components/cells.js";
import { chartPanel, span, steps } from "../components/chart_panel.js";
import { page } from "../components/panel.js";
import { tablePanel } from "../components/table_panel.js";

const DAY = 86400;

export function build(context) {
  const agent = () => context.state.agent ?? "";
  const of = () => ({ agent: agent() });
  const panels = [
    proof(context, of),
    chartPanel(context, {
      title: "What became of it over time",
      name: "ledger_timeline",
      parameters: of,
      least: 60,
      wide: true,
      note: "By when the agents made their batches. Agents send at least a heartbeat, so a step without a batch is silence.",
      charts: [
        {
          label: "Stored",
          unit: "count",
          series: [{ key: "stored_items", label: "stored items", color: 1, fill: true }],
        },
        {
          label: "Not stored",
          unit: "count",
          series: [
            { key: "dropped_items", label: "dropped", color: 4 },
            { key: "rejected_items", label: "rejected", color: 2, dash: 1 },
            { key: "sampled_items", label: "sampled", color: 3, dash: 2 },
          ],
        },
        { label: "Bytes as sent", unit: "bytes", series: [{ key: "bytes", label: "bytes", color: 5 }] },
        { label: "Agents with batches", unit: "count", series: [{ key: "agents", label: "agents", color: 6 }] },
      ],
    }),
    tablePanel({
      title: "Gaps",
      name: "ledger_gaps",
      parameters: of,
      every: 30,
      key: (row) => `${row.agent_id}${row.spool_id}${row.lane}${row.first_sequence}`,
      empty: "No batch is missing.",
      meta: (rows) => [
        rows.length > 0 ? "bad" : "good",
        rows.length > 0
          ? plural(
              rows.reduce((sum, row) => sum + row.batches, 0),
              "missing batch",
              "missing batches",
            )
          : "none missing",
      ],
      columns: [
        host(context),
        name("Lane", "lane"),
        figure("First", "first_sequence", String),
        figure("Last", "last_sequence", String),
        figure("Batches", "batches", count),
        name("Spool", "spool_id"),
      ],
    }),
    tablePanel({
      title: "Dropped by agents",
      name: "ledger_drops",
      parameters: of,
      every: 30,
      first: 15,
      key: (row) => `${row.agent_id}${row.spool_id}${row.lane}${row.first_sequence}`,
      empty: "No agent dropped anything.",
      meta: (rows) => [
        rows.length > 0 ? "warn" : "good",
        rows.length > 0
          ? plural(
              rows.reduce((sum, row) => sum + row.batches, 0),
              "dropped batch",
              "dropped batches",
            )
          : "none dropped",
      ],
      columns: [
        host(context),
        name("Lane", "lane"),
        { label: "Reason", value: (row) => row.reason, show: (row) => words(row.reason) },
        figure("Batches", "batches", count),
        figure("Items", "items", count),
        moment("From", "first_created_at"),
        moment("To", "last_created_at"),
      ],
    }),
    minutes(context, of),
    tablePanel({
      title: "Log lines that were not counted",
      wide: true,
      name: "lost_lines",
      parameters: (now) => ({ ...of(), ...span(steps(now, 60)) }),
      every: 30,
      key: (row) => row.agent_id + row.source,
      empty: "Every line that came in this time was understood and counted.",
      meta: (rows) => [
        rows.length > 0 ? "warn" : "good",
        rows.length > 0 ? plural(rows.length, "source") : "none told",
      ],
      columns: [
        host(context),
        name("Source", "source"),
        figure("Read", "read_lines", count),
        figure("Not understood", "unparsed_lines", count),
        figure("Dropped", "dropped", count),
        figure("Too long", "too_long_lines", count),
        figure("Unfinished", "unfinished_lines", count),
        figure("Untimely", "untimely_lines", count),
        figure("Forged", "forged_lines", count),
        figure("Files rotated away", "rotated_files", count),
        figure("Truncated", "truncated_files", count),
        figure("Unreadable", "unreadable_files", count),
        figure("Bytes known", "known_bytes", bytes),
      ],
    }),
  ];
  return page({
    heading: h("span", {}, "Ledger", agent() ? [": ", text(agent())] : null),
    identity: (now) => now.state.agent ?? "",
    extra: agent() ? [h("p", {}, h("a", { href: context.link("/ledger") }, "All agents"))] : [],
    panels,
    close: () => panels.forEach((panel) => panel.close?.()),
  });
}

function proof(context, of) {
  return tablePanel({
    title: "The proof",
    wide: true,
    name: "ledger_proof",
    parameters: () => ({ ...of(), limit: 10000 }),
    every: 15,
    first: 30,
    key: (row) => `${row.agent_id}${row.spool_id}${row.lane}`,
    note: "Of every lane: emitted = stored + sampled + rejected + dropped + missing + in flight, in batches.",
    empty: "No batch is known yet.",
    rows: (rows) => [...rows].sort((a, b) => a.whole - b.whole || b.dropped + b.rejected - a.dropped - a.rejected),
    meta: (rows) => {
      if (rows.length === 0) return ["unknown", "nothing to prove yet"];
      const sum = (key) => rows.reduce((all, row) => all + row[key], 0);
      const broken = rows.filter((row) => !row.whole).length;
      const rest = sum("dropped") + sum("rejected");
      return [
        broken > 0 ? "bad" : rest > 0 ? "warn" : "good",
        `${plural(rows.length, "lane")}, ${plural(sum("emitted"), "batch", "batches")}: ${count(sum("missing"))} missing, ${count(sum("duplicates"))} counted twice, ${count(rest)} dropped or rejected`,
      ];
    },
    columns: [
      {
        label: "Agent",
        header: true,
        value: (row) => row.agent_id,
        show: (row) => h("a", { href: context.link("/ledger", { agent: row.agent_id }) }, text(row.agent_id)),
      },
      name("Lane", "lane"),
      {
        label: "Proof",
        value: (row) => row.whole,
        show: (row) =>
          row.whole ? badge("good", "whole") : badge("bad", row.missing > 0 ? "batches are missing" : "counted twice"),
      },
      figure("Emitted", "emitted", count),
      figure("Stored", "stored", count),
      figure("Sampled", "sampled", count),
      figure("Rejected", "rejected", count),
      figure("Dropped", "dropped", count),
      figure("Missing", "missing", count),
      figure("In flight", "in_flight", count),
      figure("Duplicates", "duplicates", count),
      figure("Overlaps", "overlaps", count),
      figure("Stored items", "stored_items", count),
      name("Spool", "spool_id"),
    ],
  });
}

/** Minute by minute is of one agent, or of the last hour of all: more would be no table. */
function minutes(context, of) {
  return tablePanel({
    title: "Minute by minute",
    wide: true,
    name: "ledger_by_minute",
    every: 60,
    first: 20,
    key: (row) => `${row.agent_id}${row.lane}${row.t}`,
    empty: "No batch of this time is known to be dropped or rejected; without an agent, only such minutes are shown.",
    meta: (rows) => {
      const lost = rows.filter((row) => row.dropped_batches + row.rejected_batches > 0).length;
      const level = lost > 0 ? "warn" : of().agent && rows.length > 0 ? "good" : "unknown";
      return [level, `${plural(lost, "minute")} with losses`];
    },
    note: "Only minutes in which something was dropped or rejected, unless one agent is chosen. Of ranges longer than a day, the last day; without an agent, the last hour.",
    parameters: (now) => {
      const range = steps(now, 60);
      const most = of().agent ? DAY : 3600;
      return { ...of(), ...span({ ...range, from: Math.max(range.from, range.to - most) }), limit: 10000 };
    },
    rows: (rows) =>
      of().agent ? [...rows].reverse() : rows.filter((row) => row.dropped_batches + row.rejected_batches > 0),
    columns: [
      moment("Minute", "t"),
      host(context, "Agent"),
      name("Lane", "lane"),
      figure("Stored", "stored_batches", count),
      figure("Sampled", "sampled_batches", count),
      figure("Rejected", "rejected_batches", count),
      figure("Dropped", "dropped_batches", count),
      figure("Stored items", "stored_items", count),
      figure("Dropped items", "dropped_items", count),
      figure("Bytes", "bytes", bytes),
      {
        label: "Reasons",
        show: (row) =>
          Object.entries(row.reasons ?? {})
            .map(([reason, times]) => `${words(reason)}: ${times}`)
            .join(", "),
      },
    ],
  });
}
