// Security: what rules found, about whom, who tries to get in, what left, and which rules are in force.

import { h, text } from "../dom.js";
import { age, count, plural, seconds, words } from "../format.js";
import { badge, levelOfFinding } from "../components/badge.js";
import { figure, host, list, moment, momentMs, name, sentence } from "../components/cells.js";
import { chartPanel, span, steps } from "../components/chart_panel.js";
import { page } from "../components/panel.js";
import { tablePanel } from "../components/table_panel.js";

const STATUS = { 1: ["good", "done"], 2: ["warn", "failed"] };

export function build(context) {
  const agent = () => context.state.agent ?? "";
  const ranged = (now) => ({ agent: agent(), ...span(steps(now, 60)) });
  let known = ["unknown", "asking\u2026"];
  const complete = (rows) => [known[0], `${plural(rows.length, "row")} · ${known[1]}`];
  const panels = [
    findings(),
    chartPanel(context, {
      title: "Logins and other events over time",
      name: "security_timeline",
      parameters: () => ({ agent: agent() }),
      fleet: true,
      wide: true,
      told: (one) => {
        known = [one.level, one.text];
        panels.forEach((panel) => panel.remeta?.());
      },
      charts: [
        {
          label: "Logins",
          unit: "count",
          series: [
            { key: "failed_logins", label: "failed", color: 4, fill: true },
            { key: "successful_logins", label: "succeeded", color: 1, dash: 1 },
          ],
        },
        {
          label: "Exports and other events",
          unit: "count",
          series: [
            { key: "exports", label: "exports", color: 3 },
            { key: "other_events", label: "other events", color: 0, dash: 1 },
          ],
        },
      ],
    }),
    by("Findings by rule", "findings_by_rule", [name("Rule", "title", true), name("Id", "rule")], "rule"),
    by("Findings by user", "findings_by_user", [name("User", "user", true)], "user"),
    by("Findings by network", "findings_by_network", [name("Network", "network", true)], "network"),
    by("Findings by host", "findings_by_host", [host(context, "Host", "host")], "host"),
    tablePanel({
      title: "Failed logins by source",
      wide: true,
      name: "failed_logins_by_source",
      parameters: ranged,
      meta: complete,
      every: 15,
      key: (row) => row.source_address,
      empty: "No login failed in this time, as far as hosts looked.",
      columns: [
        {
          label: "Source",
          header: true,
          value: (row) => row.source_address,
          show: (row) => text(row.source_address || "console"),
        },
        figure("Failed", "failed_logins", count),
        figure("Succeeded", "successful_logins", count),
        {
          label: "Got in",
          value: (row) => row.succeeded_after_failing,
          show: (row) => (row.succeeded_after_failing ? badge("bad", "after failing") : badge("good", "no")),
        },
        figure("Hosts", "agents", count),
        figure("Names tried", "users", count),
        list("Some of them", "user_sample"),
        list("Services", "services"),
        list("Methods", "methods"),
        moment("First", "first_ts"),
        moment("Last", "last_ts"),
      ],
    }),
    tablePanel({
      title: "Records that left",
      wide: true,
      name: "data_exports",
      parameters: ranged,
      meta: complete,
      every: 30,
      key: (row) => row.service + row.user,
      empty: "Nothing was exported in this time, as far as hosts looked.",
      columns: [
        name("User", "user", true),
        name("Service", "service"),
        figure("Records", "records", count),
        figure("Exports", "exports", count),
        figure("Largest", "largest", count),
        figure("Records, two weeks before", "before_records", count),
        list("What", "models"),
        list("From", "sources"),
        moment("First", "first_ts"),
        moment("Last", "last_ts"),
      ],
    }),
    tablePanel({
      title: "Accounts and groups that changed",
      wide: true,
      name: "account_changes",
      parameters: ranged,
      meta: complete,
      every: 30,
      key: (row) => `${row.ts}${row.agent_id}${row.kind}${row.target_user}${row.service}`,
      empty: "No account or group changed in this time, as far as hosts looked.",
      columns: [
        moment("When", "ts"),
        { ...host(context), header: false },
        {
          label: "What",
          header: true,
          value: (row) => row.kind,
          show: (row) => (row.severity_id >= 4 ? badge("bad", `${words(row.kind)}: rights of root`) : words(row.kind)),
        },
        name("Whose", "target_user"),
        name("By", "user"),
        name("Detail", "detail"),
        name("Said by", "service"),
        {
          label: "Outcome",
          value: (row) => row.status_id,
          show: (row) => badge(...(STATUS[row.status_id] ?? ["unknown", "not told"])),
        },
        figure("Times", "changes", count),
      ],
    }),
    inForce(context, agent),
    tablePanel({
      title: "Rules refused",
      wide: true,
      name: "rules_refused",
      parameters: () => ({ agent: agent(), seconds: 900 }),
      every: 30,
      key: (row) => `${row.agent_id}${row.file}${row.line}${row.reason}`,
      empty: "No agent that was heard in the last 15 minutes refuses a rule.",
      meta: (rows) => [rows.length > 0 ? "warn" : "good", plural(rows.length, "refusal")],
      columns: [
        host(context),
        {
          label: "From",
          value: (row) => row.delivered,
          show: (row) => (row.delivered ? "the collector" : "a file of the host"),
        },
        name("File", "file"),
        figure("Line", "line", (value) => (value === 0 ? "whole file" : String(value))),
        sentence("Reason", "reason"),
        momentMs("Told", "told_ms"),
      ],
    }),
  ];
  return page({
    heading: h("span", {}, "Security", agent() ? [": ", text(agent())] : null),
    identity: (now) => now.state.agent ?? "",
    extra: agent()
      ? [h("p", {}, h("a", { href: context.link("/security") }, "All hosts together"), ". Findings are of all hosts.")]
      : [],
    panels,
    close: () => panels.forEach((panel) => panel.close?.()),
  });
}

function findings() {
  return tablePanel({
    title: "Findings that last, or were seen in this range",
    wide: true,
    name: "findings",
    every: 10,
    first: 15,
    key: (row) => row.finding_id,
    parameters: (now) => ({
      from_ms:
        now.state.to === "now" && /^-/.test(now.state.from) ? now.state.from : Math.round(now.range.start * 1000),
      limit: 500,
    }),
    empty: "Rules found nothing in this time. That says nothing of hosts without rules in force: see below.",
    meta: (rows) => {
      const open = rows.filter((row) => row.ended_ms === 0).length;
      return [
        open > 0 ? "bad" : rows.length > 0 ? "warn" : "good",
        `${plural(rows.length, "finding")}, ${count(open)} that last`,
      ];
    },
    columns: [
      {
        label: "Level",
        value: (row) => ["informational", "low", "medium", "high", "critical"].indexOf(row.level),
        numeric: false,
        show: (row) => badge(levelOfFinding(row.level), row.level),
      },
      name("Rule", "title", true),
      { label: "State", value: (row) => row.ended_ms, show: (row) => (row.ended_ms === 0 ? "lasts" : "over") },
      momentMs("Last seen", "last_ms"),
      momentMs("First seen", "first_ms"),
      figure("Events", "events", count),
      list("Of", "group_key"),
      list("Hosts", "hosts"),
      list("Users", "users"),
      list("From", "sources"),
      sentence("In a sentence", "summary"),
    ],
  });
}

function by(title, query, first, key) {
  return tablePanel({
    title,
    name: query,
    every: 30,
    first: 10,
    key: (row) => row[key],
    empty: "None in the last 30 days.",
    parameters: () => ({ from: "-30d", to: "now" }),
    meta: (rows) => [rows.some((row) => row.open_findings > 0) ? "warn" : "good", `${count(rows.length)} in 30 days`],
    columns: [
      ...first,
      figure("Findings", "findings", count),
      figure("That last", "open_findings", count),
      {
        label: "Worst",
        value: (row) => row.worst_level,
        show: (row) => badge(levelOfFinding(row.worst_level), row.worst_level),
      },
      figure("Events", "events", count),
      moment("Last", "last_ts"),
    ],
  });
}

/** States of delivered rules as levels; silence is unknown. */
const DELIVERED = {
  in_force: "good",
  behind: "warn",
  refused: "bad",
  silent: "unknown",
  takes_none: "unknown",
  no_target: "unknown",
};

function inForce(context, agent) {
  return tablePanel({
    title: "Rules in force",
    wide: true,
    name: "rules_delivered",
    parameters: () => ({ agent: agent(), seconds: 900 }),
    every: 30,
    first: 15,
    key: (row) => row.agent_id,
    empty: "No agent was heard in the last 15 minutes: which rules are in force is unknown.",
    meta: (rows) => {
      const silent = rows.filter((row) => row.rules === 0).length;
      return [
        silent > 0 ? "warn" : rows.length > 0 ? "good" : "unknown",
        `${plural(rows.length, "agent")}, ${count(silent)} without any rule`,
      ];
    },
    columns: [
      host(context),
      {
        label: "Delivery",
        value: (row) => row.state,
        show: (row) => badge(DELIVERED[row.state] ?? "unknown", words(row.state)),
      },
      figure("In force", "rules", count),
      figure("Of them delivered", "delivered_rules", count),
      figure("Wanted", "wanted_rules", count),
      {
        label: "Refused",
        numeric: true,
        value: (row) => row.refused,
        show: (row) => (row.refused > 0 ? badge("warn", count(row.refused)) : "0"),
      },
      figure("Behind for", "behind_ms", (value) => (value > 0 ? seconds(value / 1000) : "not behind")),
      name("Version", "version"),
      name("Wanted version", "wanted_version"),
      sentence("Why", "why"),
      {
        label: "Heard",
        numeric: true,
        value: (row) => row.heard_ms,
        show: (row) => (row.heard_ms > 0 ? `${age(Math.max(0, (Date.now() - row.heard_ms) / 1000))} ago` : "unknown"),
      },
    ],
  });
}
