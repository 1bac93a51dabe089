// What runs on one host now, what it holds, and how its agent fares.

import { text } from "../dom.js";
import { age, bytes, celsius, count, micros, millis, number, ratio, seconds } from "../format.js";
import { badge } from "../components/badge.js";
import { figure, name as cell, told } from "../components/cells.js";
import { tablePanel } from "../components/table_panel.js";

const name = (label, key) => cell(label, key, true);
const aged = figure("Age", "age_seconds", age);

/** `window` and `of` give the parameters that name the host, with the last minutes and without. */
export function tables(window, of) {
  return [
    tablePanel({
      title: "File systems now",
      name: "filesystem_fullest",
      parameters: window,
      key: (row) => row.mount_point + row.device,
      empty: "No file system was measured in the last 15 minutes: unknown.",
      columns: [
        name("Mounted at", "mount_point"),
        figure("Used", "used_ratio", ratio),
        figure("Inodes", "inodes_used_ratio", (value) => (value === null ? "no fixed number" : ratio(value))),
        figure("Available", "available_bytes", bytes),
        figure("Size", "size_bytes", bytes),
        {
          label: "Writable",
          value: (row) => row.read_only,
          show: (row) => (row.read_only ? badge("warn", "read only") : "yes"),
        },
        aged,
      ],
    }),
    tablePanel({
      title: "Programs now",
      name: "process_groups",
      parameters: window,
      key: (row) => row.process,
      empty: "No program is watched on this host.",
      columns: [
        name("Program", "process"),
        {
          label: "State",
          value: (row) => row.processes,
          show: (row) => (row.processes > 0 ? told(row, "good", "runs") : told(row, "bad", "does not run")),
        },
        figure("Processes", "processes", count),
        figure("Cores", "cores", number),
        figure("Memory", "resident_bytes", bytes),
        figure("Restarts", "restarts", count),
        figure("Oldest", "oldest_age_seconds", age),
        aged,
      ],
    }),
    tablePanel({
      title: "Containers",
      name: "container_usage",
      parameters: window,
      key: (row) => row.container + row.pod,
      empty: "No container was seen in the last 15 minutes.",
      columns: [
        name("Container", "container"),
        figure("Cores", "cores", number),
        figure("Throttled", "throttled_ratio", (value) => (value === null ? "no limit" : ratio(value))),
        figure("Memory", "memory_bytes", bytes),
        figure("Of its limit", "memory_used_ratio", (value) => (value === null ? "no limit" : ratio(value))),
        figure("Killed for memory", "oom_kills", count),
        aged,
      ],
    }),
    tablePanel({
      title: "Units",
      name: "unit_states",
      parameters: window,
      key: (row) => row.unit,
      empty: "No unit of systemd is watched on this host.",
      columns: [
        name("Unit", "unit"),
        {
          label: "State",
          value: (row) => row.active_state,
          show: (row) =>
            told(
              row,
              row.active_state === "active" ? "good" : row.active_state === "failed" ? "bad" : "warn",
              row.loaded ? row.active_state : "no such unit",
            ),
        },
        figure("Since", "since_change_seconds", age),
        figure("Restarts", "automatic_restarts", count),
        figure("Memory", "memory_bytes", bytes),
        aged,
      ],
    }),
    tablePanel({
      title: "Clock",
      name: "clock_offsets",
      parameters: window,
      key: (row) => row.agent_id,
      empty: "This host was not heard in the last 15 minutes: its clock is unknown.",
      meta: (rows) =>
        rows.length === 0
          ? ["unknown", "unknown"]
          : rows[0].synchronized === 0
            ? ["warn", "follows no source of time"]
            : rows[0].synchronized === null
              ? ["unknown", "no keeper tells"]
              : ["good", "follows a source of time"],
      columns: [
        { label: "Keeper", show: (row) => (row.keeper ? text(row.keeper) : "none known") },
        figure("Off its source", "offset_us", micros),
        figure("Bound of the error", "error_us", micros),
        figure("Collector's clock minus its", "collector_offset_ms", millis),
        figure("Source heard", "since_update_seconds", (value) => (value === null ? "unknown" : `${age(value)} ago`)),
      ],
    }),
    tablePanel({
      title: "Temperatures",
      name: "sensor_hottest",
      parameters: window,
      key: (row) => row.chip + row.device + row.sensor,
      empty: "No sensor was read in the last 15 minutes.",
      columns: [
        name("Sensor", "sensor"),
        {
          label: "Chip",
          value: (row) => row.chip,
          show: (row) => text([row.chip, row.device].filter(Boolean).join(" ")),
        },
        figure("Now", "celsius", celsius),
        figure("Highest", "celsius_max", celsius),
        figure("Critical", "critical_celsius", (value) => (value === null ? "not told" : celsius(value))),
        aged,
      ],
    }),
    tablePanel({
      title: "Sources of its agent",
      name: "source_health",
      parameters: (context) => ({ ...of(context), seconds: 3600 }),
      key: (row) => row.source,
      empty: "No source reported in the last hour: unknown.",
      columns: [
        name("Source", "source"),
        {
          label: "State",
          value: (row) => row.failure_ratio,
          show: (row) =>
            told(
              row,
              row.failures + row.timeouts > 0 ? "warn" : "good",
              row.failures + row.timeouts > 0
                ? `${count(row.failures + row.timeouts)} of ${count(row.runs)} failed`
                : "reads",
            ),
        },
        figure("Items", "items", count),
        figure("Not understood", "unparsed", count),
        figure("Dropped", "dropped", count),
        figure("Time a run", "duration_mean_us", micros),
        aged,
      ],
    }),
  ];
}
