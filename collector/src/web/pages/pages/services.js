// Services and routes: how many requests, how many fail, how long they take, and where that time goes.

import { h, text } from "../dom.js";
import { age, bytes, count, micros, millis, number, rate, ratio, words } from "../format.js";
import { badge } from "../components/badge.js";
import { figure, host, moment, name, sentence, told } from "../components/cells.js";
import { chartPanel, span, steps } from "../components/chart_panel.js";
import { page } from "../components/panel.js";
import { availability } from "../components/service_availability.js";
import { tablePanel } from "../components/table_panel.js";

export function build(context) {
  const service = () => context.state.service ?? "";
  const ranged = (now) => ({ service: service(), ...span(steps(now, 60)) });
  let known = ["unknown", "asking\u2026"];
  /** Tables of requests are as complete as the charts of the same range. */
  const complete = (rows) => [known[0], `${count(rows.length)} shown · ${known[1]}`];
  const key = (row) => `${row.service} ${row.method} ${row.route}`;
  const series = (name_, label, color, dash) => ({ key: name_, label, color, dash });
  const before = (name_) => series(name_, "a week before", 0, 1);
  const panels = [
    list(context),
    chartPanel(context, {
      title: "Requests over time",
      name: "requests_compared",
      parameters: () => ({ service: service() }),
      fleet: true,
      wide: true,
      told: (one) => {
        known = [one.level, one.text];
        panels.forEach((panel) => panel.remeta?.());
      },
      charts: [
        {
          label: "Rate",
          unit: "rate",
          series: [{ ...series("requests_per_second", "now", 1), fill: true }, before("before_requests_per_second")],
        },
        {
          label: "Errors (status 5xx)",
          unit: "ratio",
          series: [{ ...series("error_ratio", "now", 4), fill: true }, before("before_error_ratio")],
        },
        {
          label: "Time taken",
          unit: "micros",
          series: [
            series("latency_p50_us", "half of them (p50)", 1, 0),
            series("latency_p95_us", "95 %", 2, 1),
            series("latency_p99_us", "99 %", 3, 2),
            series("before_p95_us", "95 % a week before", 0, 1),
          ],
        },
      ],
    }),
    routes(
      "Routes by time taken",
      "top_routes_by_latency",
      "No route had 20 timed requests in this time.",
      ranged,
      complete,
      key,
    ),
    routes(
      "Routes by errors",
      "top_routes_by_errors",
      "No request failed with a status of 5xx in this time, as far as it is known.",
      ranged,
      complete,
      key,
    ),
    tablePanel({
      title: "Is it the application?",
      wide: true,
      name: "latency_by_upstream",
      parameters: ranged,
      key,
      meta: complete,
      every: 30,
      note: "Near 100 % the application takes the time; near 0 the server, the network or the client.",
      empty: "No route had 20 timed requests in this time.",
      columns: [
        route,
        name("Method", "method"),
        name("Service", "service"),
        figure("Requests", "requests", count),
        figure("p50", "latency_p50_us", micros),
        figure("p95", "latency_p95_us", micros),
        figure("Application p50", "upstream_p50_us", untold),
        figure("Application p95", "upstream_p95_us", untold),
        figure("Share of the application", "upstream_share", (value) => (value === null ? "not told" : ratio(value))),
      ],
    }),
    examples(context, "Slow requests, examples", "slowest_requests", ranged, complete),
    examples(context, "Failed requests, examples", "failed_requests", ranged, complete),
    tablePanel({
      title: "Examples of how many",
      name: "exemplar_sampling",
      parameters: ranged,
      key: (row) => row.service + row.kind,
      empty: "No request was slow or failed in this time, as far as it is known.",
      columns: [
        name("Service", "service", true),
        name("Kind", "kind"),
        figure("There were", "eligible", count),
        figure("Kept as examples", "kept", count),
        {
          label: "Stored",
          numeric: true,
          value: (row) => row.difference,
          show: (row) =>
            row.difference === 0
              ? count(row.stored)
              : badge("warn", `${count(row.stored)}: ${row.difference > 0 ? "more" : "fewer"} than were kept`),
        },
      ],
    }),
    tablePanel({
      title: "Client networks",
      name: "top_client_networks",
      parameters: ranged,
      key: (row) => row.service + row.network,
      meta: complete,
      every: 30,
      empty: "No request was counted by network in this time.",
      note: "OTHER is every network that was not among the busiest; a network had at least the first figure and at most the second.",
      columns: [
        name("Network", "network", true),
        name("Service", "service"),
        figure("Requests", "requests", count),
        figure("At most", "requests_at_most", count),
        figure("Share", "share", ratio),
        figure("4xx", "client_errors", count),
        figure("5xx", "server_errors", count),
        figure("Sent", "response_bytes", bytes),
      ],
    }),
    probes(context, service),
    tablePanel({
      title: "Probes now",
      wide: true,
      name: "probe_status",
      parameters: () => ({ service: service(), seconds: 7200 }),
      key: (row) => row.agent_id + row.target,
      every: 15,
      empty: "Nothing is probed, or no run came in the last two hours.",
      columns: [
        name("Target", "target", true),
        name("Service", "service"),
        { ...host(context, "From"), header: false },
        {
          label: "State",
          value: (row) => row.up,
          show: (row) => told(row, row.up ? "good" : "bad", row.up ? "answers" : words(row.reason), 900),
        },
        figure("Good runs", "good_share", ratio),
        figure("Runs", "runs", count),
        figure("Took", "duration_ms", millis),
        figure("Name", "dns_ms", none),
        figure("Connected", "connect_ms", none),
        figure("TLS", "tls_ms", none),
        figure("First byte", "first_byte_ms", none),
        {
          label: "Certificate",
          numeric: true,
          value: (row) => row.certificate_days,
          show: (row) =>
            row.certificate_days === null
              ? "none"
              : badge(
                  row.certificate_days < 7 ? "bad" : row.certificate_days < 21 ? "warn" : "good",
                  `${number(row.certificate_days)} days left`,
                ),
        },
        figure("Age", "age_seconds", age),
      ],
    }),
    availability(context, service),
  ];
  return page({
    heading: h("span", {}, "Services and routes", service() ? [": ", text(service())] : null),
    identity: (now) => now.state.service ?? "",
    extra: service() ? [h("p", {}, h("a", { href: context.link("/services") }, "All services together"))] : [],
    panels,
    close: () => panels.forEach((panel) => panel.close?.()),
  });
}

const untold = (value) => (value === null ? "not told" : micros(value));
const none = (value) => (value === null ? "none" : millis(value));
const route = name("Route", "route", true);

function list(context) {
  return tablePanel({
    title: "Services",
    wide: true,
    name: "services_seen",
    parameters: (now) => span(steps(now, 60)),
    key: (row) => row.service,
    every: 30,
    empty:
      "No request was counted in this time. An agent counts them once it follows an access log: crmscope-agent try-log shows how.",
    meta: (rows) =>
      rows.length > 0 ? ["good", `${count(rows.length)} with requests`] : ["unknown", "none with requests"],
    columns: [
      {
        label: "Service",
        header: true,
        value: (row) => row.service,
        show: (row) =>
          h(
            "a",
            {
              href: context.link("/services", { service: row.service }),
              "aria-current": row.service === context.state.service ? "true" : null,
            },
            text(row.service),
          ),
      },
      figure("Hosts", "agents", count),
      figure("Requests", "requests", count),
      figure("Rate", "requests_per_second", rate),
      figure("Errors", "error_ratio", ratio),
      figure("p50", "latency_p50_us", micros),
      figure("p95", "latency_p95_us", micros),
      figure("p99", "latency_p99_us", micros),
      moment("Newest", "last_t"),
    ],
  });
}

function routes(title, query, empty, parameters, meta, key) {
  return tablePanel({
    title,
    name: query,
    parameters,
    key,
    meta,
    every: 30,
    empty,
    wide: true,
    columns: [
      route,
      name("Method", "method"),
      name("Service", "service"),
      figure("Hosts", "agents", count),
      figure("Requests", "requests", count),
      figure("5xx", "errors", count),
      figure("4xx", "client_errors", count),
      figure("Errors", "error_ratio", ratio),
      figure("p50", "latency_p50_us", micros),
      figure("p95", "latency_p95_us", micros),
      figure("p99", "latency_p99_us", micros),
      figure("Longest", "latency_max_us", micros),
      figure("Sent", "response_bytes", bytes),
    ],
  });
}

function examples(context, title, query, parameters, meta) {
  return tablePanel({
    title,
    name: query,
    parameters,
    meta,
    every: 30,
    wide: true,
    first: 10,
    empty: "No example in this time.",
    key: (row) => `${row.ts}${row.agent_id}${row.route}${row.latency_us}${row.target}`,
    columns: [
      moment("Ended", "ts"),
      { ...host(context), header: false },
      name("Service", "service"),
      name("Route", "route", true),
      name("Method", "method"),
      figure("Status", "status", (value) => String(value)),
      figure("Took", "latency_us", untold),
      figure("Application", "upstream_latency_us", untold),
      figure("Sent", "response_bytes", bytes),
      name("Network", "network"),
      sentence("As asked", "target"),
    ],
  });
}

function probes(context, service) {
  return chartPanel(context, {
    title: "Probes over time",
    name: "probe_timeline",
    parameters: () => ({ service: service() }),
    wide: true,
    note: "Good runs of all runs; the worst place is the agent that saw least of it.",
    charts: [
      {
        label: "Good runs",
        unit: "ratio",
        max: 1,
        series: [
          { key: "good_share", label: "all places", color: 1 },
          { key: "worst_agent_share", label: "worst place", color: 4, dash: 1 },
        ],
      },
      {
        label: "Time of good runs",
        unit: "millis",
        series: [
          { key: "good_mean_ms", label: "mean", color: 1 },
          { key: "good_p95_ms", label: "95 %", color: 2, dash: 1 },
          { key: "good_max_ms", label: "longest", color: 3, dash: 2 },
        ],
      },
    ],
  });
}
