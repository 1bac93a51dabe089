// One host: what it does, what it holds, whether it was heard, and what was proven of it.

import { overview, report } from "../api.js";
import { columns, completeness } from "../buckets.js";
import { h, text, time } from "../dom.js";
import { age, count, plural, ratio, seconds, visible, words } from "../format.js";
import { badge } from "../components/badge.js";
import { figure, name as cell } from "../components/cells.js";
import { steps, stepped } from "../components/chart_panel.js";
import { intervalTable, shares, timeline } from "../components/intervals.js";
import { Cases, incidents } from "../components/list.js";
import { coverage, page, Panel } from "../components/panel.js";
import { strip } from "../components/strip.js";
import { Table } from "../components/table.js";
import { tablePanel } from "../components/table_panel.js";
import { iso } from "../time.js";
import { charts } from "./host_charts.js";
import { tables } from "./host_tables.js";

export function build(context) {
  const agent = context.state.agent;
  if (!agent) return choose(context);
  const of = () => ({ agent });
  const window = () => ({ agent, seconds: 900 });
  const panels = [
    state(agent),
    heard(agent),
    ...charts(context, of),
    ...tables(window, of),
    proven(agent),
    past(agent),
  ];
  const built = page({
    heading: text(agent),
    identity: (now) => now.state.agent ?? "",
    title: () => visible(agent),
    panels,
    extra: [h("p", {}, h("a", { href: context.link("/") }, "All hosts"))],
    close: () => panels.forEach((panel) => panel.close?.()),
  });
  return built;
}

/** Without a host in the URL: which there are. */
function choose(context) {
  const table = new Table({
    label: "Hosts",
    key: (host) => host.agent_id,
    first: 100,
    empty: "No host is known yet. The overview says how to add one.",
    columns: [
      {
        label: "Host",
        header: true,
        value: (host) => host.agent_id,
        show: (host) => h("a", { href: context.link("/host", { agent: host.agent_id }) }, text(host.agent_id)),
      },
      { label: "State", value: (host) => host.level, show: (host) => badge(host.level, host.text) },
      { label: "Role", value: (host) => host.role, show: (host) => text(host.role) },
      { label: "Group", value: (host) => host.host_group, show: (host) => text(host.host_group) },
    ],
  });
  const panel = new Panel({
    title: "Choose one",
    wide: true,
    fetch: (_, signal) => overview({ signal }),
    show: (answer, own) => {
      table.update(answer.hosts.list);
      own.meta(answer.hosts.total > 0 ? "good" : "unknown", plural(answer.hosts.total, "host"));
    },
  });
  panel.body.append(table.element);
  return page({ heading: "Host", panels: [panel], identity: (now) => now.state.agent ?? "" });
}

/** How it is now, and what is or was wrong with it. */
function state(agent) {
  const facts = h("dl", { class: "facts" });
  const cases = new Cases("No incident of this host is firing, and none was in the last day.");
  const panel = new Panel({
    title: "Now",
    fetch: (_, signal) => overview({ signal }),
    show: (answer, own, context) => {
      if (!answer.is_answered) {
        own.meta("unknown", answer.verdict.text);
        return;
      }
      const host = answer.hosts.list.find((one) => one.agent_id === agent);
      cases.update(
        incidents(
          answer.incidents.filter((one) => one.agent_id === agent),
          context,
        ),
      );
      if (!host) {
        own.meta(
          "unknown",
          answer.hosts.total > answer.hosts.list.length ? "not among the hosts that are told here" : "not expected: never known, or retired",
        );
        facts.replaceChildren();
        return;
      }
      own.meta(host.level, host.text);
      const entries = [
        ["Last heartbeat", `${age(host.heartbeat_age_seconds)} old`],
        ["Newest data", `${age(host.data_age_seconds)} old`],
        ["CPU busy", ratio(host.cpu_busy_ratio)],
        ["Memory used", ratio(host.memory_used_ratio)],
        ["Failed logins", count(host.failed_logins)],
        ["Dropped items", count(host.dropped_items)],
        ["Role, group", [host.role, host.host_group].filter(Boolean).join(", ") || "none"],
      ];
      facts.replaceChildren(...entries.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, text(value))]));
    },
  });
  panel.body.append(facts, h("h3", {}, "Incidents"), cases.element);
  return panel;
}

function heard(agent) {
  const holder = h("div", {});
  const note = h("p", { class: "note" });
  let range = null;
  let element = null;
  const panel = new Panel({
    title: "Heartbeats",
    asks: (context) => {
      range = steps(context, 60);
      return [{ name: "heartbeat_strip", parameters: { agent, ...stepped(range) } }];
    },
    show: ([answer], own, context) => {
      const all = columns(answer.objects, ["heard_ratio"], range);
      const complete = completeness({ ...all, present: all.data[0].map((share) => share ?? 0) }, range.step);
      const { level, text: said } = coverage(complete, context.range);
      own.meta(
        level,
        said.replace("nothing is known of this time", "not heard in this time").replace(" known", " heard"),
      );
      // Before it was heard first nothing tells whether it was expected.
      const first = all.data[0].findIndex((share) => share !== null);
      const shown = all.data[0].map((share, at) => (first < 0 || at < first ? null : (share ?? 0)));
      if (!element) {
        element = strip(shown, { width: () => Math.max(120, holder.clientWidth), unit: "step", height: 36 });
        holder.append(element);
      }
      element.take(shown);
      note.replaceChildren(
        "From ",
        time(range.from * 1000),
        " to ",
        time(range.to * 1000),
        `, ${plural(shown.length, "step")} of ${seconds(range.step)}. Silence is not yet a fall: what was proven stands under Availability.`,
      );
    },
  });
  panel.body.append(holder, note);
  return panel;
}

/** What heartbeats prove of the range, with its evidence. */
function proven(agent) {
  const facts = h("div", {});
  const table = intervalTable();
  const panel = new Panel({
    title: "Availability, as proven",
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
        facts.replaceChildren();
        table.update([]);
        return;
      }
      const { level, words: said } = shares(document.total);
      own.meta(level, said);
      facts.replaceChildren(
        ...["server", "network", "agent"].map((part) =>
          h(
            "div",
            {},
            h("h3", {}, words(part), " ", badge(shares(document[part]).level, shares(document[part]).words)),
            timeline(document.intervals ?? [], part),
          ),
        ),
      );
      table.update(document.intervals ?? []);
    },
  });
  panel.body.append(facts, table.element);
  return panel;
}

/** Shedding belongs to the host: what its agent stopped measuring explains holes above. */
function past(agent) {
  return tablePanel({
    title: "What its agent stopped measuring",
    name: "shedding",
    parameters: (context) => ({
      agent,
      from: iso(Math.floor(context.range.start)),
      to: iso(Math.ceil(context.range.end)),
    }),
    every: 60,
    key: (row) => `${row.subject}${row.cause}${row.since}`,
    empty: "Nothing in this time.",
    meta: (rows) => [rows.length > 0 ? "warn" : "good", plural(rows.length, "episode")],
    columns: [
      cell("What", "subject", true),
      { label: "Because of", value: (row) => row.cause, show: (row) => text(row.cause) },
      { label: "Since", value: (row) => row.since, show: (row) => time(Date.parse(row.since)) },
      { label: "Until", value: (row) => row.until, show: (row) => time(Date.parse(row.until)) },
      figure("In all", "shed_seconds", seconds),
    ],
  });
}
