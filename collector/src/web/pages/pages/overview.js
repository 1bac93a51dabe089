// Overview: is the CRM well, what is wrong, and can the answer be trusted?

import { overview } from "../api.js";
import { h, text } from "../dom.js";
import { age, bytes, count, plural, ratio, rate, micros, seconds } from "../format.js";
import { clock } from "../time.js";
import { badge } from "../components/badge.js";
import { chartPanel } from "../components/chart_panel.js";
import { addAgent } from "../components/empty.js";
import { Cases, findings, incidents } from "../components/list.js";
import { Panel, outcome } from "../components/panel.js";
import { strip, stripWords } from "../components/strip.js";
import { Table } from "../components/table.js";

const RANK = { bad: 0, warn: 1, unknown: 2, good: 3 };

export function build(context) {
  const verdict = h(
    "p",
    { class: "verdict unknown", "aria-live": "polite" },
    badge("unknown", "Asking how it is\u2026"),
  );
  const counts = h("dl", { class: "counts" });
  const start = h("div", { hidden: true });
  const hosts = hostsPanel(context);
  const firing = new Cases("No incident is firing, and none was in the last day.");
  const found = new Cases("Rules found nothing lately.");
  const incidentsPanel = told("Incidents", firing);
  const findingsPanel = told("Security findings", found);
  const pipeline = told("Pipeline", { element: h("dl", { class: "facts" }) });
  const requests = requestPanel(context);
  const fed = [hosts.panel, incidentsPanel, findingsPanel, pipeline];
  const rest = h(
    "div",
    { class: "panels" },
    hosts.panel.element,
    incidentsPanel.element,
    findingsPanel.element,
    requests.element,
    pipeline.element,
  );
  const element = h("div", { class: "page" }, h("h1", { class: "unseen" }, "Overview"), verdict, counts, start, rest);

  let last = null;

  function show(answer, now) {
    if (!answer.is_answered) return silence(new Error(answer.verdict.text));
    const level = answer.verdict.level;
    last = { ms: answer.asked_ms, text: answer.verdict.text };
    if (verdict.dataset.text !== answer.verdict.text + level) {
      verdict.dataset.text = answer.verdict.text + level;
      verdict.className = `verdict ${level}`;
      verdict.replaceChildren(badge(level, answer.verdict.text));
    }
    const empty = answer.hosts.total === 0;
    start.hidden = !empty;
    if (empty && start.dataset.command !== answer.add_agent_command) {
      start.dataset.command = answer.add_agent_command;
      start.replaceChildren(addAgent(answer.add_agent_command));
    }
    rest.hidden = empty;
    counts.hidden = empty;
    if (empty) return;
    showCounts(counts, answer.hosts);
    hosts.show(answer.hosts);
    firing.update(incidents(answer.incidents, now));
    const open = answer.incidents.filter((one) => !one.ended_ms).length;
    incidentsPanel.meta(open > 0 ? "bad" : "good", open > 0 ? `${open} firing` : "none firing");
    found.update(findings(answer.findings));
    findingsPanel.meta(answer.findings_total > 0 ? "warn" : "good", plural(answer.findings_total, "finding"));
    pipeline.link = now.link("/ledger");
    showPipeline(pipeline, answer.pipeline);
  }

  /** Without an answer nothing is good, whatever it was before. */
  function silence(error) {
    verdict.dataset.text = "";
    verdict.className = "verdict unknown";
    const before = last ? ` At ${clock(last.ms)}: ${last.text}` : "";
    verdict.replaceChildren(badge("unknown", `Nothing can be said of the CRM now: ${error.message}.${before}`));
  }

  return {
    element,
    close: () => requests.close(),
    async refresh(now, signal, force) {
      const errors = [];
      const first = overview({ signal }).then(
        (answer) => {
          show(answer, now);
          fed.forEach((panel) => panel.element.classList.remove("old"));
        },
        (error) => {
          if (signal.aborted) return;
          errors.push(error);
          fed.forEach((panel) => panel.element.classList.add("old"));
          silence(error);
        },
      );
      const [, second] = await Promise.all([first, requests.refresh(now, signal, force)]);
      if (second) errors.push(second);
      return { ...outcome(errors), asked: true };
    },
  };
}

/** A panel that is fed by the overview's answer. */
function told(title, content) {
  const panel = new Panel({ title });
  panel.body.append(content.element);
  return panel;
}

function showCounts(counts, hosts) {
  const entries = [
    ["live", hosts.live, hosts.live > 0 ? "good" : "unknown"],
    ["stale", hosts.stale, hosts.stale > 0 ? "warn" : null],
    ["offline", hosts.offline, hosts.offline > 0 ? "bad" : null],
    ["never seen", hosts.never, hosts.never > 0 ? "unknown" : null],
    ["in maintenance", hosts.maintenance, null],
  ];
  counts.replaceChildren(
    ...entries.map(([name, value, level]) =>
      h("div", {}, h("dt", {}, name), h("dd", {}, level ? badge(level, count(value)) : count(value))),
    ),
    h("div", {}, h("dt", {}, hosts.total === 1 ? "host" : "hosts"), h("dd", {}, count(hosts.total))),
    h("div", {}, h("dt", {}, "oldest data"), h("dd", {}, age(hosts.data_age_seconds_max))),
  );
}

function hostsPanel(context) {
  const table = new Table({
    label: "Hosts, worst first",
    key: (host) => host.agent_id,
    first: 25,
    empty: "No host matches.",
    columns: [
      {
        label: "Host",
        header: true,
        value: (host) => host.agent_id,
        show: (host) => h("a", { href: context.link("/host", { agent: host.agent_id }) }, text(host.agent_id)),
      },
      { label: "State", value: (host) => RANK[host.level] ?? 2, show: (host) => badge(host.level, host.text) },
      {
        label: "Heard, last hour",
        show: (host) => ({ same: host.strip ?? [], make: () => strip(host.strip ?? []) }),
        hint: "Heartbeats by minute, the newest on the right",
      },
      {
        label: "Data age",
        numeric: true,
        value: (host) => host.data_age_seconds,
        show: (host) => age(host.data_age_seconds),
      },
      { label: "CPU", numeric: true, value: (host) => host.cpu_busy_ratio, show: (host) => ratio(host.cpu_busy_ratio) },
      {
        label: "Memory",
        numeric: true,
        value: (host) => host.memory_used_ratio,
        show: (host) => ratio(host.memory_used_ratio),
      },
      {
        label: "Requests",
        numeric: true,
        value: (host) => host.requests_per_second,
        show: (host) => (host.requests_per_second === null ? "none" : rate(host.requests_per_second)),
      },
      {
        label: "Errors",
        numeric: true,
        value: (host) => host.error_ratio,
        show: (host) => (host.error_ratio === null ? "none" : ratio(host.error_ratio)),
      },
      {
        label: "p95",
        numeric: true,
        value: (host) => host.latency_p95_us,
        show: (host) => (host.latency_p95_us === null ? "none" : micros(host.latency_p95_us)),
      },
      {
        label: "Failed logins",
        numeric: true,
        value: (host) => host.failed_logins,
        show: (host) => count(host.failed_logins),
      },
      {
        label: "Dropped",
        numeric: true,
        value: (host) => host.dropped_items,
        show: (host) => count(host.dropped_items),
      },
      {
        label: "Role, group",
        value: (host) => `${host.role} ${host.host_group}`,
        show: (host) => text([host.role, host.host_group].filter(Boolean).join(", ")),
      },
    ],
  });
  const panel = new Panel({ title: "Hosts", wide: true });
  const filter = h("input", {
    type: "search",
    value: context.state.find ?? "",
    "aria-label": "Show only hosts with this in name, role, group or state",
    placeholder: "Filter",
    on: { input: () => apply() },
  });
  const choose = h("div", { class: "filter" }, filter);
  panel.body.append(choose, table.element);
  let list = [];
  function apply() {
    const wanted = filter.value.trim().toLowerCase();
    table.update(
      list.filter((host) =>
        [host.agent_id, host.role, host.host_group, host.state, host.level, host.text].some((part) =>
          String(part ?? "")
            .toLowerCase()
            .includes(wanted),
        ),
      ),
    );
  }
  filter.addEventListener("change", () => context.change({ find: filter.value.trim() }, true));
  return {
    panel,
    show(hosts) {
      list = hosts.list;
      apply();
      const shares = list.flatMap((host) => host.strip ?? []);
      const trouble = list.filter((host) => host.level !== "good").length;
      const known = shares.length > 0 ? shares.filter((share) => share !== null).length / shares.length : 0;
      panel.meta(
        trouble > 0 ? "warn" : "good",
        `${plural(trouble, "host")} of ${count(hosts.total)} not well · ${stripWords(shares.length ? shares : [null], "host-minute")}${known < 1 ? "" : ", all known"}`,
      );
    },
  };
}

function requestPanel(context) {
  const panel = comparedPanel(context);
  panel.body.classList.add("five");
  return panel;
}

function comparedPanel(context) {
  const before = (key) => ({ key, label: "a week before", color: 0, dash: 1 });
  return chartPanel(context, {
    title: "Requests, beside the same time a week before",
    name: "requests_compared",
    fleet: true,
    wide: true,
    charts: [
      {
        label: "Rate",
        unit: "rate",
        series: [
          { key: "requests_per_second", label: "now", color: 1, fill: true },
          before("before_requests_per_second"),
        ],
      },
      {
        label: "Errors (status 5xx)",
        unit: "ratio",
        series: [{ key: "error_ratio", label: "now", color: 4, fill: true }, before("before_error_ratio")],
      },
      {
        label: "Time taken, half of them (p50)",
        unit: "micros",
        series: [{ key: "latency_p50_us", label: "now", color: 1 }, before("before_p50_us")],
      },
      {
        label: "Time taken, 95 % (p95)",
        unit: "micros",
        series: [{ key: "latency_p95_us", label: "now", color: 2 }, before("before_p95_us")],
      },
      {
        label: "Time taken, 99 % (p99)",
        unit: "micros",
        series: [{ key: "latency_p99_us", label: "now", color: 3 }, before("before_p99_us")],
      },
    ],
  });
}

function showPipeline(panel, pipeline) {
  panel.meta(pipeline.level, pipeline.text);
  const facts = [
    ["Agents", count(pipeline.agents)],
    ["Waiting in spools", `${plural(pipeline.spooled_batches, "batch", "batches")}, ${bytes(pipeline.spooled_bytes)}`],
    ["From received to stored", seconds(pipeline.insert_delay_seconds)],
    ["Waiting in Kafka", pipeline.kafka_partitions ? plural(pipeline.kafka_lag_batches, "batch", "batches") : "no Kafka is told of"],
    ["Dropped", `${count(pipeline.dropped_items)} items`],
    ["Missing", plural(pipeline.missing_batches, "batch", "batches")],
  ];
  panel.body.firstChild.replaceChildren(
    ...facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
    h("dt", {}, "Proof"),
    h("dd", {}, h("a", { href: panel.link }, "Ledger")),
  );
}
