//! The documented queries of `deploy/clickhouse/queries`, by name.
//!
//! Each takes typed parameters `{name:Type}`; its header says which, with defaults, and what comes
//! back in which unit. Values go through [`clickhouse::query::Query::param`] on
//! [`clickhouse::Client::query_raw`], never into the text.

/// A query and its name.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    /// File name without `.sql`.
    pub name: &'static str,
    /// Its text, header included.
    pub sql: &'static str,
}

macro_rules! queries {
    ($($(#[$doc:meta])* $constant:ident = $name:literal;)+) => {
        $($(#[$doc])* pub const $constant: &str =
            include_str!(concat!("../../../deploy/clickhouse/queries/", $name, ".sql"));)+

        /// Every query, by name in alphabetical order.
        pub const ALL: &[Query] = &[$(Query { name: $name, sql: $constant },)+];
    };
}

queries! {
    /// Accounts and groups that changed.
    ACCOUNT_CHANGES = "account_changes";
    /// How available each host was, day by day.
    AVAILABILITY_BY_DAY = "availability_by_day";
    /// What users did, hour by hour.
    BASELINE_ACTIVITY = "baseline_activity";
    /// Events that show what is unusual of a user.
    BASELINE_EVIDENCE = "baseline_evidence";
    /// Logins of users, hour by hour.
    BASELINE_LOGINS = "baseline_logins";
    /// Up to when was looked at users.
    BASELINE_LOOKED = "baseline_looked";
    /// Users with new events.
    BASELINE_NEWS = "baseline_news";
    /// Times of which something was told about users.
    BASELINE_TOLD = "baseline_told";
    /// Heads of the agents' chains.
    CHAIN_HEADS = "chain_heads";
    /// What the ledger says of security batches.
    CHAIN_LEDGER = "chain_ledger";
    /// Links of the agents' chains.
    CHAIN_LINKS = "chain_links";
    /// Up to where each agent's security batches are known to have been stored.
    CHAIN_MARKS = "chain_marks";
    /// Digests of the rows of security batches, as they are stored.
    CHAIN_ROWS = "chain_rows";
    /// Heads of chains as heartbeats tell them.
    CHAIN_WITNESSES = "chain_witnesses";
    /// Clocks against the collector's and against their own sources.
    CLOCK_OFFSETS = "clock_offsets";
    /// Containers that use most.
    CONTAINER_USAGE = "container_usage";
    /// Events that a rule over many of them looks at.
    CORRELATION_EVENTS = "correlation_events";
    /// How many events findings have.
    CORRELATION_FIGURES = "correlation_figures";
    /// Keys of a rule over many events that have new ones.
    CORRELATION_KEYS = "correlation_keys";
    /// Keys of a rule over many events that have some since a time.
    CORRELATION_KEYS_SINCE = "correlation_keys_since";
    /// Up to when rules over many events looked.
    CORRELATION_LOOKED = "correlation_looked";
    /// Rules with new events.
    CORRELATION_NEWS = "correlation_news";
    /// Records that left applications, by user, beside the two weeks before.
    DATA_EXPORTS = "data_exports";
    /// Error budgets of services, and how fast they burn.
    ERROR_BUDGETS = "error_budgets";
    /// How many slow and failed requests the examples were chosen from.
    EXEMPLAR_SAMPLING = "exemplar_sampling";
    /// Hosts that are expected, as enrolled or as they report.
    EXPECTED_HOSTS = "expected_hosts";
    /// Failed logins by source address, and whether a source got in.
    FAILED_LOGINS_BY_SOURCE = "failed_logins_by_source";
    /// Examples of requests that failed.
    FAILED_REQUESTS = "failed_requests";
    /// File systems nearest to full.
    FILESYSTEM_FULLEST = "filesystem_fullest";
    /// File systems of a host over time.
    FILESYSTEM_TIMELINE = "filesystem_timeline";
    /// What rules found lately.
    FINDINGS = "findings";
    /// Findings by host.
    FINDINGS_BY_HOST = "findings_by_host";
    /// Findings by network.
    FINDINGS_BY_NETWORK = "findings_by_network";
    /// Findings by rule.
    FINDINGS_BY_RULE = "findings_by_rule";
    /// Findings by user.
    FINDINGS_BY_USER = "findings_by_user";
    /// Findings of some keys near a time.
    FINDINGS_OF_KEYS = "findings_of_keys";
    /// Agents, their versions, and what they cost.
    FLEET_AGENTS = "fleet_agents";
    /// Load of the fleet and its worst twentieth, by minute.
    FLEET_P95 = "fleet_p95";
    /// In how much of each step a host was heard.
    HEARTBEAT_STRIP = "heartbeat_strip";
    /// In which parts of the last hour each host was heard.
    HEARTBEAT_STRIPS = "heartbeat_strips";
    /// Every expected host, and what is thought of it.
    HOST_STATUS = "host_status";
    /// One host over time.
    HOST_TIMELINE = "host_timeline";
    /// What is wrong, and what was lately.
    INCIDENTS = "incidents";
    /// Users of whom it is known what is usual.
    KNOWN_USERS = "known_users";
    /// Time of the application beside the whole time, by route.
    LATENCY_BY_UPSTREAM = "latency_by_upstream";
    /// What became of what was emitted, by minute.
    LEDGER_BY_MINUTE = "ledger_by_minute";
    /// Ranges of batches that agents gave up, with their times.
    LEDGER_DROPS = "ledger_drops";
    /// The missing ranges of batches.
    LEDGER_GAPS = "ledger_gaps";
    /// The account of every batch, minute by minute.
    LEDGER_MINUTES = "ledger_minutes";
    /// The account of every batch: stored, sampled, rejected, dropped, missing, in flight.
    LEDGER_PROOF = "ledger_proof";
    /// What became of what was emitted, all agents together.
    LEDGER_TIMELINE = "ledger_timeline";
    /// Log lines that were not counted, by reason.
    LOST_LINES = "lost_lines";
    /// Who changed maintenance, and when.
    MAINTENANCE_AUDIT = "maintenance_audit";
    /// Maintenance windows as they are now.
    MAINTENANCE_WINDOWS = "maintenance_windows";
    /// What became of the notifications of incidents.
    NOTIFICATIONS = "notifications";
    /// Requests of an objective, by windows.
    OBJECTIVE_WINDOWS = "objective_windows";
    /// Every host right now, and how old what is known is.
    OVERVIEW_HOSTS = "overview_hosts";
    /// Whether what agents send gets through, and how late.
    PIPELINE_HEALTH = "pipeline_health";
    /// Heartbeats as they were stored.
    PRESENCE_ARRIVALS = "presence_arrivals";
    /// Heartbeats of an agent in a time and around it.
    PRESENCE_BEATS = "presence_beats";
    /// Hosts with evidence that is new.
    PRESENCE_FRESH = "presence_fresh";
    /// Hosts with heartbeats, and since when.
    PRESENCE_HOSTS = "presence_hosts";
    /// What was proven of a host, hour by hour.
    PRESENCE_HOURS = "presence_hours";
    /// Until when each host is judged.
    PRESENCE_JUDGED = "presence_judged";
    /// When hosts were last heard that were not lately.
    PRESENCE_LAST = "presence_last";
    /// When a collector was there to receive.
    PRESENCE_WATCHED = "presence_watched";
    /// Probed targets: whether they answer, and when certificates expire.
    PROBE_STATUS = "probe_status";
    /// A probed service over time.
    PROBE_TIMELINE = "probe_timeline";
    /// Services that are probed, or were.
    PROBED_SERVICES = "probed_services";
    /// Watched programs: whether they run, and what they use.
    PROCESS_GROUPS = "process_groups";
    /// Watched programs of a host over time.
    PROCESS_TIMELINE = "process_timeline";
    /// Requests beside those of a week before.
    REQUESTS_COMPARED = "requests_compared";
    /// Rows found against rows the ledger says were stored.
    ROW_COUNT_PROOF = "row_count_proof";
    /// What collectors want agents to have.
    RULE_TARGETS = "rule_targets";
    /// Which agents have not the rules that they are to have, and why.
    RULES_DELIVERED = "rules_delivered";
    /// Which rules agents have.
    RULES_IN_FORCE = "rules_in_force";
    /// Which rules agents refused, where and why.
    RULES_REFUSED = "rules_refused";
    /// Logins and other security events over time.
    SECURITY_TIMELINE = "security_timeline";
    /// Temperatures nearest to critical.
    SENSOR_HOTTEST = "sensor_hottest";
    /// How available services were, by days.
    SERVICE_AVAILABILITY_BY_DAY = "service_availability_by_day";
    /// Targets of a service that failed in some times.
    SERVICE_FAILED_TARGETS = "service_failed_targets";
    /// What was proven of a service, hour by hour.
    SERVICE_HOURS = "service_hours";
    /// Whether anything is known of a service.
    SERVICE_IS_KNOWN = "service_is_known";
    /// With how many runs each hour of services was judged, and how many there are.
    SERVICE_JUDGED = "service_judged";
    /// When a service was asked last before a time.
    SERVICE_LAST_RUN = "service_last_run";
    /// Runs of probes of a service.
    SERVICE_RUNS = "service_runs";
    /// A service over time.
    SERVICE_TIMELINE = "service_timeline";
    /// Services that had requests.
    SERVICES_SEEN = "services_seen";
    /// Which agents have not the settings that they are to have, and why.
    SETTINGS_DELIVERED = "settings_delivered";
    /// Which settings collectors want agents to have.
    SETTINGS_TARGETS = "settings_targets";
    /// What agents stopped measuring, when and why.
    SHEDDING = "shedding";
    /// Examples of the slowest requests.
    SLOWEST_REQUESTS = "slowest_requests";
    /// How the agents' sources do.
    SOURCE_HEALTH = "source_health";
    /// Networks of clients that ask most.
    TOP_CLIENT_NETWORKS = "top_client_networks";
    /// Routes that fail most.
    TOP_ROUTES_BY_ERRORS = "top_routes_by_errors";
    /// Routes that are slowest.
    TOP_ROUTES_BY_LATENCY = "top_routes_by_latency";
    /// Connections of a host over time.
    TRANSPORT_TIMELINE = "transport_timeline";
    /// Watched units that are not well.
    UNIT_STATES = "unit_states";
}

/// The query of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Query> {
    ALL.iter().find(|query| query.name == name)
}
