//! What the pages ask, with the parameters of their panels: a line for each question.
//!
//! A page that asks something else than what stands here fails the measurement with the browser.

/// Which range a question is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    /// It has none, or one of its own.
    Own,
    /// `from` and `to`.
    Span,
    /// These, and a step for as many points as 1,280 px have room for; at least so many seconds.
    Steps(u64),
    /// The same over all hosts: whole hours from one and a half days on.
    FleetSteps,
    /// `from_ms`.
    Since,
    /// The last hour or day of it, whatever is longer.
    Lately,
}

/// A question of a page.
pub(crate) struct Question {
    pub(crate) page: &'static str,
    pub(crate) query: &'static str,
    pub(crate) range: Range,
    /// `AGENT` and `SERVICE` are put in.
    pub(crate) parameters: &'static [(&'static str, &'static str)],
    /// The table that it is mostly about, for the bare `SELECT` beside it.
    pub(crate) table: &'static str,
}

const fn ask(
    page: &'static str,
    query: &'static str,
    range: Range,
    parameters: &'static [(&'static str, &'static str)],
    table: &'static str,
) -> Question {
    Question {
        page,
        query,
        range,
        parameters,
        table,
    }
}

const NONE: &[(&str, &str)] = &[];
const AGENT: &[(&str, &str)] = &[("agent", "AGENT")];
const NOW: &[(&str, &str)] = &[("agent", "AGENT"), ("seconds", "900")];
const FLEET_NOW: &[(&str, &str)] = &[("seconds", "900")];
const MONTH: &[(&str, &str)] = &[("from", "-30d"), ("to", "now")];

/// All of them; the first ones are those that the overview asks by itself, for the page and for `top`.
pub(crate) const QUESTIONS: &[Question] = &[
    ask("overview", "host_status", Range::Own, NONE, "agents"),
    ask(
        "overview",
        "overview_hosts",
        Range::Own,
        &[("seconds", "300")],
        "host_raw",
    ),
    ask(
        "overview",
        "heartbeat_strips",
        Range::Own,
        NONE,
        "presence_1m",
    ),
    ask(
        "overview",
        "pipeline_health",
        Range::Own,
        FLEET_NOW,
        "ledger",
    ),
    ask(
        "overview",
        "incidents",
        Range::Own,
        &[("seconds", "86400")],
        "incidents",
    ),
    ask("overview", "findings", Range::Own, NONE, "findings"),
    ask(
        "/",
        "requests_compared",
        Range::FleetSteps,
        NONE,
        "requests_1m",
    ),
    ask(
        "/host",
        "heartbeat_strip",
        Range::Steps(60),
        AGENT,
        "presence_1m",
    ),
    ask("/host", "host_timeline", Range::Steps(10), AGENT, "host_1m"),
    ask(
        "/host",
        "filesystem_timeline",
        Range::Steps(60),
        AGENT,
        "filesystem_1m",
    ),
    ask(
        "/host",
        "transport_timeline",
        Range::Steps(60),
        AGENT,
        "transport_1m",
    ),
    ask(
        "/host",
        "process_timeline",
        Range::Steps(60),
        AGENT,
        "process_1m",
    ),
    ask(
        "/host",
        "filesystem_fullest",
        Range::Own,
        NOW,
        "filesystem_raw",
    ),
    ask("/host", "process_groups", Range::Own, NOW, "process_raw"),
    ask("/host", "container_usage", Range::Own, NOW, "process_raw"),
    ask("/host", "unit_states", Range::Own, NOW, "unit_raw"),
    ask("/host", "clock_offsets", Range::Own, NOW, "heartbeats"),
    ask("/host", "sensor_hottest", Range::Own, NOW, "process_raw"),
    ask(
        "/host",
        "source_health",
        Range::Own,
        &[("agent", "AGENT"), ("seconds", "3600")],
        "source_raw",
    ),
    ask("/host", "shedding", Range::Span, AGENT, "source_1m"),
    ask(
        "/services",
        "services_seen",
        Range::Span,
        NONE,
        "requests_1m",
    ),
    ask(
        "/services",
        "requests_compared",
        Range::FleetSteps,
        &[("service", "SERVICE")],
        "requests_1m",
    ),
    ask(
        "/services",
        "top_routes_by_latency",
        Range::Span,
        NONE,
        "requests_1m",
    ),
    ask(
        "/services",
        "top_routes_by_errors",
        Range::Span,
        NONE,
        "requests_1m",
    ),
    ask(
        "/services",
        "latency_by_upstream",
        Range::Span,
        NONE,
        "requests_1m",
    ),
    ask(
        "/services",
        "top_routes_by_latency",
        Range::Span,
        &[("service", "SERVICE")],
        "requests_1m",
    ),
    ask(
        "/services",
        "slowest_requests",
        Range::Span,
        NONE,
        "request_exemplars",
    ),
    ask(
        "/services",
        "failed_requests",
        Range::Span,
        NONE,
        "request_exemplars",
    ),
    ask(
        "/services",
        "exemplar_sampling",
        Range::Span,
        NONE,
        "request_sampling",
    ),
    ask(
        "/services",
        "top_client_networks",
        Range::Span,
        NONE,
        "request_clients_1m",
    ),
    ask(
        "/services",
        "probe_timeline",
        Range::Steps(60),
        NONE,
        "probe_1m",
    ),
    ask(
        "/services",
        "probe_status",
        Range::Own,
        &[("seconds", "7200")],
        "probe_raw",
    ),
    ask(
        "/services",
        "service_availability_by_day",
        Range::Own,
        MONTH,
        "service_hours",
    ),
    ask(
        "/security",
        "findings",
        Range::Since,
        &[("limit", "500")],
        "findings",
    ),
    ask(
        "/security",
        "security_timeline",
        Range::FleetSteps,
        NONE,
        "security_1m",
    ),
    ask(
        "/security",
        "findings_by_rule",
        Range::Own,
        MONTH,
        "findings",
    ),
    ask(
        "/security",
        "findings_by_user",
        Range::Own,
        MONTH,
        "findings",
    ),
    ask(
        "/security",
        "findings_by_network",
        Range::Own,
        MONTH,
        "findings",
    ),
    ask(
        "/security",
        "findings_by_host",
        Range::Own,
        MONTH,
        "findings",
    ),
    ask(
        "/security",
        "failed_logins_by_source",
        Range::Span,
        NONE,
        "security_events",
    ),
    ask(
        "/security",
        "data_exports",
        Range::Span,
        NONE,
        "security_events",
    ),
    ask(
        "/security",
        "account_changes",
        Range::Span,
        NONE,
        "security_events",
    ),
    ask(
        "/security",
        "rules_delivered",
        Range::Own,
        FLEET_NOW,
        "heartbeats",
    ),
    ask(
        "/security",
        "rules_refused",
        Range::Own,
        FLEET_NOW,
        "heartbeats",
    ),
    ask(
        "/presence",
        "availability_by_day",
        Range::Own,
        &[("from", "-29d"), ("to", "now"), ("limit", "10000")],
        "presence_hours",
    ),
    ask(
        "/presence",
        "error_budgets",
        Range::Own,
        &[("target", "0.999")],
        "requests_1h",
    ),
    ask(
        "/presence",
        "error_budgets",
        Range::Own,
        &[("target", "0.999"), ("latency_us", "500000")],
        "requests_1h",
    ),
    ask(
        "/presence",
        "incidents",
        Range::Own,
        &[("seconds", "2592000")],
        "incidents",
    ),
    ask(
        "/presence",
        "maintenance_windows",
        Range::Own,
        &[("after_ms", "now")],
        "incidents",
    ),
    ask(
        "/ledger",
        "ledger_proof",
        Range::Own,
        &[("limit", "10000")],
        "ledger",
    ),
    ask("/ledger", "ledger_proof", Range::Own, AGENT, "ledger"),
    ask(
        "/ledger",
        "ledger_timeline",
        Range::Steps(60),
        NONE,
        "ledger_1m",
    ),
    ask("/ledger", "ledger_gaps", Range::Own, NONE, "ledger"),
    ask("/ledger", "ledger_drops", Range::Own, NONE, "ledger"),
    ask(
        "/ledger",
        "ledger_by_minute",
        Range::Lately,
        &[("limit", "10000")],
        "ledger_1m",
    ),
    ask("/ledger", "lost_lines", Range::Span, NONE, "source_1m"),
    ask(
        "/fleet",
        "fleet_agents",
        Range::Own,
        &[("seconds", "900"), ("limit", "10000")],
        "heartbeats",
    ),
    ask(
        "/fleet",
        "source_health",
        Range::Own,
        &[("seconds", "3600"), ("limit", "10000")],
        "source_raw",
    ),
    ask(
        "/fleet",
        "rules_in_force",
        Range::Own,
        FLEET_NOW,
        "heartbeats",
    ),
    ask(
        "/fleet",
        "settings_delivered",
        Range::Own,
        FLEET_NOW,
        "heartbeats",
    ),
    ask("/fleet", "shedding", Range::Span, NONE, "source_1m"),
    ask(
        "/fleet",
        "clock_offsets",
        Range::Own,
        FLEET_NOW,
        "heartbeats",
    ),
    ask("/fleet", "chain_heads", Range::Own, NONE, "chain_links"),
];
