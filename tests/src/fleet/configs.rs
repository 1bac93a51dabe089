//! What a fleet's programs are told.

use std::fmt::Write as _;
use std::path::Path;

/// What one collector is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes batches and stores them.
    Whole,
    /// Takes batches.
    Ingest,
    /// Stores them.
    Writer,
}

impl Role {
    /// Of so many collectors with Kafka: those of each kind, and beyond that whole ones.
    #[must_use]
    pub const fn of(number: usize, has_kafka: bool) -> Self {
        match (number, has_kafka) {
            (1, true) => Self::Ingest,
            (2, true) => Self::Writer,
            _ => Self::Whole,
        }
    }

    /// Whether agents can send to it.
    #[must_use]
    pub const fn takes(self) -> bool {
        !matches!(self, Self::Writer)
    }
}

/// Addresses and files of a collector.
pub(super) struct CollectorConfig<'a> {
    pub(super) role: Role,
    pub(super) replicas: usize,
    pub(super) uplink_port: u16,
    pub(super) http_port: u16,
    pub(super) clickhouse_port: u16,
    pub(super) token: &'a Path,
    /// None without Kafka.
    pub(super) brokers: &'a [String],
}

impl CollectorConfig<'_> {
    pub(super) fn text(&self) -> String {
        let Self {
            role,
            replicas,
            uplink_port,
            http_port,
            clickhouse_port,
            token,
            brokers,
        } = self;
        // Streams grow old, and ClickHouse is given up, while the faults last.
        let mut text = format!(
            "[roles]\ningest = {}\nwriter = {}\nreplicas = {replicas}\n\
             [ingest]\nlisten = \"127.0.0.1:{uplink_port}\"\ntoken_file = {token:?}\nconnection_max_age_ms = 10000\n\
             [web]\nlisten = \"127.0.0.1:{http_port}\"\n\
             [clickhouse]\nurl = \"http://127.0.0.1:{clickhouse_port}\"\ninsert_timeout_ms = 10000\n\
             [writer]\nflush_interval_ms = 500\nretry_max_ms = 1000\n\
             [presence]\nfirst_interval_ms = 1000\nacceptable_pause_ms = 4000\nmin_deviation_ms = 100\nconfirm_ms = 4000\n",
            role.takes(),
            *role != Role::Ingest,
        );
        if !brokers.is_empty() {
            // A writer that is silent for 6 s loses its partitions.
            let _ = write!(
                text,
                "[kafka]\nbrokers = {brokers:?}\nreplication_factor = {}\nmin_insync_replicas = {}\n\
                 [kafka.partitions]\nmetrics = 3\nrequests = 4\nsecurity = 2\npresence = 3\n\
                 [kafka.client]\n\"session.timeout.ms\" = 6000\n\"heartbeat.interval.ms\" = 1000\n",
                brokers.len(),
                if brokers.len() >= 3 { 2 } else { 1 },
            );
        }
        text
    }
}

/// Addresses and files of an agent.
pub(super) struct AgentConfig<'a> {
    pub(super) name: &'a str,
    pub(super) state: &'a Path,
    pub(super) uplink_port: u16,
    pub(super) token: &'a Path,
    pub(super) access_log: &'a Path,
    pub(super) auth_log: &'a Path,
}

impl AgentConfig<'_> {
    pub(super) fn text(&self) -> String {
        let Self {
            name,
            state,
            uplink_port,
            token,
            access_log,
            auth_log,
        } = self;
        let mut text = format!(
            "agent_id = {name:?}\nstate_dir = {state:?}\n\
             [collector]\nendpoint = \"http://127.0.0.1:{uplink_port}\"\ntoken_file = {token:?}\n\
             [intervals]\nbatch_ms = 500\nheartbeat_ms = 1000\n\
             [budget]\ncpu_max_percent = 100000\nmemory_max_bytes = 1073741824\n\
             [sources.host]\ninterval_ms = 2000\n\
             [sources.requests]\nfrom = \"start\"\ninterval_ms = 250\n\
             logs = [{{ path = {access_log:?}, service = \"crm\", format = \"nginx\" }}]\n\
             [sources.security]\ninterval_ms = 250\njournal = false\nauth_logs = [{auth_log:?}]\n"
        );
        // The host is one and the same for all of them.
        for source in [
            "filesystem",
            "transport",
            "processes",
            "units",
            "containers",
            "sensors",
            "clock",
        ] {
            let _ = writeln!(text, "[sources.{source}]\nenabled = false");
        }
        text
    }
}
