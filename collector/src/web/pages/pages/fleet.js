// Fleet: which agents of which version, what their sources, rules, clocks and spools say of them.

import { text, time } from "../dom.js";
import { age, bytes, count, micros, millis, number, plural, ratio, seconds, words } from "../format.js";
import { badge } from "../components/badge.js";
import { figure, host, list, moment, name, sentence, told } from "../components/cells.js";
import { span, steps } from "../components/chart_panel.js";
import { page } from "../components/panel.js";
import { tablePanel } from "../components/table_panel.js";

export function build(context) {
  const window = () => ({ seconds: 900 });
  const panels = [
    agents(context),
    sources(context),
    tablePanel({
      title: "Rules attempted and in force",
      wide: true,
      name: "rules_in_force",
      parameters: window,
      every: 30,
      first: 15,
      key: (row) => row.agent_id,
      empty: "No agent was heard in the last 15 minutes: unknown.",
      columns: [
        host(context),
        {
          label: "State",
          value: (row) => row.version === row.attempted_version,
          show: (row) =>
            row.refused > 0
              ? badge("warn", `${row.refused} refused`)
              : row.version !== row.attempted_version
                ? badge("bad", "others in force than were attempted")
                : row.rules === 0
                  ? badge("unknown", "no rules")
                  : badge("good", "in force"),
        },
        figure("Rules", "rules", count),
        figure("That can match", "usable", count),
        figure("Refused", "refused", count),
        figure("Matched events", "matched_events", count),
        name("In force", "version"),
        name("Attempted", "attempted_version"),
        figure("Delivered", "delivered_rules", count),
        name("Delivered version", "delivered_version"),
      ],
    }),
    settings(context),
    tablePanel({
      title: "What agents stopped measuring",
      name: "shedding",
      parameters: (now) => span(steps(now, 60)),
      every: 30,
      first: 15,
      key: (row) => `${row.agent_id}${row.subject}${row.cause}${row.since}`,
      empty: "Nothing was shed in this time.",
      meta: (rows) => [rows.length > 0 ? "warn" : "good", plural(rows.length, "episode")],
      columns: [
        host(context),
        name("What", "subject"),
        { label: "Because of", value: (row) => row.cause, show: (row) => words(row.cause) },
        moment("Since", "since"),
        moment("Until", "until"),
        figure("In all", "shed_seconds", seconds),
      ],
    }),
    clocks(context),
    tablePanel({
      title: "Heads of chains",
      name: "chain_heads",
      every: 60,
      first: 10,
      key: (row) => row.agent_id + row.spool_id,
      wide: true,
      note: "Kept elsewhere, such a link proves later that nothing before it was changed: crmscope-collector verify --head agent=link.",
      empty: "No chained batch of security events is stored yet.",
      columns: [
        host(context),
        figure("Sequence", "sequence", String),
        figure("Links", "links", count),
        moment("Received", "received_at"),
        name("Link", "link"),
        name("Spool", "spool_id"),
      ],
    }),
  ];
  return page({ heading: "Fleet", panels, identity: () => "" });
}

const DELIVERED = {
  in_force: "good",
  probation: "good",
  behind: "warn",
  refused: "bad",
  rolled_back: "bad",
  silent: "unknown",
  takes_none: "unknown",
  no_target: "unknown",
};

function settings(context) {
  return tablePanel({
    title: "Settings attempted and in force",
    wide: true,
    name: "settings_delivered",
    parameters: () => ({ seconds: 900, limit: 10000 }),
    every: 30,
    first: 15,
    key: (row) => row.agent_id,
    empty: "No agent was heard in the last 15 minutes: unknown.",
    meta: (rows) => {
      const bad = rows.filter((row) => ["refused", "rolled_back"].includes(row.state)).length;
      const behind = rows.filter((row) => row.behind_ms > 300000).length;
      return [
        rows.length === 0 ? "unknown" : bad > 0 ? "bad" : behind > 0 ? "warn" : "good",
        `${plural(rows.length, "agent")}, ${count(bad)} refused or rolled back, ${count(behind)} behind for 5 minutes`,
      ];
    },
    columns: [
      host(context),
      {
        label: "State",
        value: (row) => row.state,
        show: (row) => badge(DELIVERED[row.state] ?? "unknown", words(row.state)),
      },
      figure("Behind for", "behind_ms", (value) => (value > 0 ? seconds(value / 1000) : "not behind")),
      list("Sets", "sets"),
      name("In force", "effective_version"),
      name("Attempted", "attempted_version"),
      name("Wanted", "wanted_version"),
      sentence("Why", "why"),
    ],
  });
}

function agents(context) {
  return tablePanel({
    title: "Agents",
    wide: true,
    name: "fleet_agents",
    parameters: () => ({ seconds: 900, limit: 10000 }),
    every: 15,
    first: 50,
    key: (row) => row.agent_id,
    empty: "No agent has connected yet. The overview has the command that adds one.",
    meta: (rows) => {
      const versions = [...new Set(rows.map((row) => row.agent_version))];
      const silent = rows.filter((row) => row.heartbeat_age_seconds === null).length;
      return [
        rows.length === 0 ? "unknown" : silent > 0 || versions.length > 1 ? "warn" : "good",
        `${plural(rows.length, "agent")}, ${plural(versions.length, "version")}, ${count(silent)} not heard in 15 minutes`,
      ];
    },
    columns: [
      host(context, "Agent"),
      name("Version", "agent_version"),
      {
        label: "Heard",
        numeric: true,
        value: (row) => row.heartbeat_age_seconds,
        show: (row) =>
          row.heartbeat_age_seconds === null
            ? badge("unknown", "not in 15 min")
            : `${age(row.heartbeat_age_seconds)} ago`,
      },
      {
        label: "Spool",
        value: (row) => row.spool_state,
        show: (row) =>
          row.spool_state === null
            ? "unknown"
            : badge(["", "good"].includes(row.spool_state) ? "good" : "bad", row.spool_state || "good"),
      },
      figure("Waiting", "spooled_bytes", bytes),
      figure("Batches", "spooled_batches", count),
      figure("Cores used", "agent_cores", (value) => (value === null ? "unknown" : ratio(value))),
      figure("Its memory", "agent_resident_bytes", bytes),
      {
        label: "Settings version",
        value: (row) => row.config_version,
        show: (row) => text(row.config_version ?? "unknown"),
      },
      name("Host name", "hostname"),
      name("System", "operating_system"),
      name("Kernel", "kernel_version"),
      name("Architecture", "architecture"),
      figure("CPUs", "cpu_count", count),
      figure("Memory", "memory_bytes", bytes),
      { label: "Connected", value: (row) => row.connected_at, show: (row) => time(Date.parse(row.connected_at)) },
    ],
  });
}

function stateOf(row) {
  if (row.failures + row.timeouts > 0) return ["bad", `${ratio(row.failure_ratio)} of runs failed`];
  if (row.dropped > 0) return ["warn", "dropped some"];
  return row.unparsed > 0 ? ["warn", "did not understand some"] : ["good", "reads"];
}

function sources(context) {
  const ill = (row) => row.failures + row.timeouts > 0 || row.unparsed > 0 || row.dropped > 0;
  return tablePanel({
    title: "Sources",
    wide: true,
    name: "source_health",
    parameters: () => ({ seconds: 3600, limit: 10000 }),
    every: 30,
    first: 15,
    key: (row) => row.agent_id + row.source,
    empty: "No source reported in the last hour: unknown.",
    rows: (rows) => [...rows].sort((a, b) => ill(b) - ill(a)),
    meta: (rows) => {
      const wrong = rows.filter(ill).length;
      return [
        rows.length === 0 ? "unknown" : wrong > 0 ? "warn" : "good",
        `${plural(rows.length, "source")} in the last hour, ${count(wrong)} with failures, losses or lines not understood`,
      ];
    },
    columns: [
      host(context),
      name("Source", "source"),
      { label: "State", value: (row) => row.failure_ratio, show: (row) => told(row, ...stateOf(row)) },
      figure("Runs", "runs", count),
      figure("Failures", "failures", count),
      figure("Timeouts", "timeouts", count),
      figure("Items", "items", count),
      figure("Not understood", "unparsed", count),
      figure("Dropped", "dropped", count),
      figure("Counters begun anew", "counter_resets", count),
      figure("Time a run", "duration_mean_us", micros),
      figure("Age", "age_seconds", age),
    ],
  });
}

function clocks(context) {
  return tablePanel({
    title: "Clocks",
    name: "clock_offsets",
    parameters: () => ({ seconds: 900 }),
    every: 30,
    first: 15,
    key: (row) => row.agent_id,
    empty: "No host was heard in the last 15 minutes: unknown.",
    meta: (rows) => {
      const wrong = rows.filter((row) => row.synchronized === 0).length;
      const untold = rows.filter((row) => row.synchronized === null).length;
      return [
        rows.length === 0 ? "unknown" : wrong > 0 ? "warn" : untold > 0 ? "unknown" : "good",
        `${plural(rows.length, "host")}, ${count(wrong)} without a source of time, ${count(untold)} unknown`,
      ];
    },
    columns: [
      host(context),
      {
        label: "State",
        value: (row) => row.synchronized,
        show: (row) =>
          row.synchronized === null
            ? badge("unknown", "no keeper tells")
            : row.synchronized
              ? badge("good", "follows a source")
              : badge("warn", "follows none"),
      },
      figure("Off its source", "offset_us", micros),
      figure("Collector's clock minus its", "collector_offset_ms", millis),
      figure("Bound of the error", "error_us", micros),
      figure("Source heard", "since_update_seconds", (value) =>
        value === null ? "unknown" : `${number(value)} s ago`,
      ),
      name("Keeper", "keeper"),
    ],
  });
}
