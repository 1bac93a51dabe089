//! The command line.

mod identity;
mod maintenance;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use crmscope_proto::chain::Digest;

use crate::chain::AskedHead;
use crate::presence::availability::{By, Step};

pub use self::identity::{AuthorityAction, CertificateAction, TokenAction, TokenArguments};
pub use self::maintenance::{AddArguments, MaintenanceAction};

/// Takes what crmscope agents send, and stores it exactly in ClickHouse.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Arguments {
    /// Configuration file; the environment (CRMSCOPE_COLLECTOR__SECTION__KEY) goes before it.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do; `run` by default.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of `run`, where it is not named.
    #[command(flatten)]
    pub run: RunArguments,
}

/// Options of `run`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct RunArguments {
    /// Write the bound addresses to this file, as JSON.
    #[arg(long, value_name = "PATH")]
    pub address_file: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the collector until SIGTERM or SIGINT; SIGHUP reads certificates, tokens and log filter again.
    Run(RunArguments),
    /// Bring the schema in ClickHouse up to date, then leave. Safe to repeat.
    Migrate {
        /// Print every statement as it would be sent, by clickhouse.cluster, instead of sending any.
        #[arg(long)]
        print: bool,
    },
    /// Show what became of every batch. Exit code 1: something is missing or counted twice; 2: an error.
    Ledger {
        /// Only this agent.
        #[arg(long, default_value = "", hide_default_value = true)]
        agent: String,
        /// Only this lane.
        #[arg(long)]
        lane: Option<LaneName>,
        /// Only sequences from the first one received in this time, such as 90s, 30m, 12h or 7d.
        #[arg(long, value_parser = parse_duration)]
        since: Option<Duration>,
        /// Minute by minute of the agents' clocks, before the accounts.
        #[arg(long)]
        by_minute: bool,
        /// As JSON, one account (with --by-minute: one minute) a line.
        #[arg(long)]
        json: bool,
    },
    /// Show when servers, networks and agents were up, down or unknown, by all that heartbeats prove now;
    /// or, with --by service, when services answered, by the agents' probes.
    Availability {
        /// Since when: a moment such as "2026-11-28 14:00" (UTC), or how long ago, such as 12h or 7d.
        /// Hours that were judged are kept for 1,200 days, heartbeats for 30, runs of probes for 7.
        #[arg(long, default_value = "24h")]
        from: String,
        /// Until when, likewise; now by default.
        #[arg(long)]
        to: Option<String>,
        /// Only this agent.
        #[arg(long, default_value = "", hide_default_value = true)]
        agent: String,
        /// Only this service, with --by service.
        #[arg(
            long,
            value_name = "NAME",
            default_value = "",
            hide_default_value = true
        )]
        service: String,
        /// In steps of this length.
        #[arg(long, value_name = "LENGTH")]
        step: Option<Step>,
        /// Whose days, months and hours they are, such as Europe/Berlin.
        #[arg(long, default_value = "UTC", requires = "step")]
        zone: String,
        /// Hosts taken together: their time added up. Or services.
        #[arg(long, default_value = "host")]
        by: By,
        /// Also every interval, with what it rests on.
        #[arg(long)]
        intervals: bool,
        /// As JSON, one host or service a line.
        #[arg(long)]
        json: bool,
    },
    /// The hosts that are expected.
    Hosts {
        /// What to do with them.
        #[command(subcommand)]
        action: HostsAction,
    },
    /// The authority that signs certificates of agents.
    Authority {
        /// What to do with it.
        #[command(subcommand)]
        action: AuthorityAction,
    },
    /// Enrolment tokens, with which agents get their first certificate.
    Token {
        /// What to do with them.
        #[command(subcommand)]
        action: TokenAction,
    },
    /// Certificates of agents.
    Certificate {
        /// What to do with them.
        #[command(subcommand)]
        action: CertificateAction,
    },
    /// Times in which hosts may be silent and services away.
    Maintenance {
        /// What to do with them.
        #[command(subcommand)]
        action: MaintenanceAction,
    },
    /// Show what security events showed.
    Findings {
        /// Those that were seen since then, besides those that last: a moment such as "2026-11-28 14:00"
        /// (UTC), or how long ago, such as 12h or 7d.
        #[arg(long, default_value = "24h")]
        from: String,
        /// Only those that last.
        #[arg(long)]
        open: bool,
        /// As JSON, one finding a line.
        #[arg(long)]
        json: bool,
    },
    /// What is usual of users.
    Baselines {
        /// What to do with it.
        #[command(subcommand)]
        action: BaselinesAction,
    },
    /// Security rules.
    Rules {
        /// What to do with them.
        #[command(subcommand)]
        action: RulesAction,
    },
    /// Settings of agents.
    Settings {
        /// What to do with them.
        #[command(subcommand)]
        action: SettingsAction,
    },
    /// Kafka's topics of the lanes.
    Topics {
        /// What to do with them.
        #[command(subcommand)]
        action: TopicsAction,
    },
    /// Verify the agents' chains of security batches: whether every event is stored as it was sealed, and
    /// none is missing or too many. Exit code 1: something is not; 2: an error.
    Verify {
        /// Only this agent.
        #[arg(long, default_value = "", hide_default_value = true)]
        agent: String,
        /// Only batches received since then: a moment such as "2026-11-28 14:00" (UTC), or how long ago, such
        /// as 12h or 7d. Everything by default, which alone finds what was deleted at the beginning.
        #[arg(long)]
        from: Option<String>,
        /// Only batches received until then, likewise. What was deleted at the end is found without it.
        #[arg(long)]
        to: Option<String>,
        /// A link of an agent that was kept elsewhere, which its chain must have. Can be repeated.
        #[arg(long, value_name = "AGENT=LINK", value_parser = parse_head)]
        head: Vec<AskedHead>,
        /// How long a batch may be under way, such as 15m.
        #[arg(long, value_name = "TIME", default_value = "15m", value_parser = parse_duration)]
        in_flight: Duration,
        /// As one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Recompute every roll-up of a range from base rows and compare every cell. Exit code 1: something
    /// differs; 2: an error; 3: nothing is known to differ, and some rows could not be judged, as they
    /// changed all the time or were too many.
    Reconcile {
        /// Since when: a moment such as "2026-11-28 14:00" (UTC), or how long ago, such as 12h or 7d.
        /// The range is widened to whole days of UTC.
        #[arg(long)]
        from: String,
        /// Until when, likewise; now by default.
        #[arg(long)]
        to: Option<String>,
        /// Only this roll-up, such as requests_1h.
        #[arg(long, value_name = "NAME")]
        table: Option<String>,
        /// As one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Show the overview in the terminal: whether all is well, what is wrong, and what to do. q leaves,
    /// ? shows the keys.
    Top {
        /// From one look at ClickHouse to the next, such as 2s.
        #[arg(long, value_parser = parse_duration, default_value = "2s", value_name = "TIME")]
        every: Duration,
        /// Print it as text and leave. Exit code 0: all is well; 1: something is wrong; 2: an error;
        /// 3: not known.
        #[arg(long)]
        once: bool,
    },
    /// Check the configuration, then leave.
    Validate,
}

/// What to do with hosts. A host is expected once it reports, and before that once it is added.
#[derive(Clone, Debug, Subcommand)]
pub enum HostsAction {
    /// Show every host, what is thought of it now, and when it was last heard.
    List {
        /// Only this agent.
        #[arg(long, default_value = "", hide_default_value = true)]
        agent: String,
        /// As JSON, one host a line.
        #[arg(long)]
        json: bool,
    },
    /// Say that hosts are expected, or change what is known of them. One that was retired is back then.
    Add {
        /// Ids of their agents.
        #[arg(required = true, value_name = "AGENT")]
        agents: Vec<String>,
        /// What they do, such as database.
        #[arg(long)]
        role: Option<String>,
        /// What they fall with, such as a site or a zone: many of a group that fall silent together are
        /// one incident.
        #[arg(long, value_name = "NAME")]
        group: Option<String>,
        /// Since when they are expected: a moment such as "2026-11-28 14:00" (UTC), or how long ago.
        /// A host that is new is expected from now on.
        #[arg(long, value_name = "TIME")]
        expected_since: Option<String>,
    },
    /// Say that hosts are gone for good: their silence is no outage.
    Retire {
        /// Ids of their agents.
        #[arg(required = true, value_name = "AGENT")]
        agents: Vec<String>,
        /// From when on: a moment such as "2026-11-28 14:00" (UTC), or how long ago; now by default.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
}

/// What to do with what is usual of users.
#[derive(Clone, Debug, Subcommand)]
pub enum BaselinesAction {
    /// Show what is known of a user: networks, clients, hours and exports, and the findings that name it. Or,
    /// without one, the users of whom something is known.
    Show {
        /// Which user.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
}

/// What to do with security rules: of the configuration, by default, those in `correlation.directories` and
/// the sets for agents (`agent_rules.sets`).
#[derive(Clone, Debug, Subcommand)]
pub enum RulesAction {
    /// Say which cannot be looked for, and why. Exit code 1: there is one; 2: an error.
    Check {
        /// Where they are.
        #[arg(value_name = "DIRECTORY")]
        directories: Vec<PathBuf>,
    },
    /// The same, and show those that are looked for.
    List {
        /// Where they are.
        #[arg(value_name = "DIRECTORY")]
        directories: Vec<PathBuf>,
    },
    /// Show which rules agents have in force and tried last, and what they refused. Exit code 1: one
    /// refused something, or has not had what it is to have for longer than --behind-for; 2: an error.
    Agents {
        /// Only this agent.
        #[arg(long, default_value = "", hide_default_value = true)]
        agent: String,
        /// How long an agent may be behind, such as 90s, 30m, 12h or 7d.
        #[arg(long, value_parser = parse_duration, default_value = "5m", value_name = "TIME")]
        behind_for: Duration,
        /// As JSON, one agent a line.
        #[arg(long)]
        json: bool,
    },
}

/// What to do with settings of agents (`agent_settings`).
#[derive(Clone, Debug, Subcommand)]
pub enum SettingsAction {
    /// Say what is wrong with the files of the sets, with line and reason. Exit code 1: something is; 2: an
    /// error.
    Check,
    /// List what may be set, and what becomes of it beside an agent's own configuration.
    Keys,
    /// Show which settings agents have in force and tried last, and why these are not in force. Exit code 1:
    /// one refused some or took them back, or has not had what it is to have for longer than --behind-for;
    /// 2: an error.
    Agents {
        /// Only this agent.
        #[arg(long, default_value = "", hide_default_value = true)]
        agent: String,
        /// How long an agent may be behind, such as 90s, 30m, 12h or 7d.
        #[arg(long, value_parser = parse_duration, default_value = "5m", value_name = "TIME")]
        behind_for: Duration,
        /// As JSON, one agent a line.
        #[arg(long)]
        json: bool,
    },
}

/// What to do with Kafka's topics. Exit code 1: they are not as they should be; 2: an error.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum TopicsAction {
    /// Create the topics that are missing, and bring the settings of the others up to date. Safe to
    /// repeat. Partitions of a topic that exists are never changed.
    Apply {
        /// As JSON, one topic a line.
        #[arg(long)]
        json: bool,
    },
    /// Show the topics, and what differs from the configuration.
    Show {
        /// As JSON, one topic a line.
        #[arg(long)]
        json: bool,
    },
}

/// A lane by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LaneName {
    /// Series.
    Metrics,
    /// Request counters.
    Requests,
    /// Security events.
    Security,
    /// Heartbeats.
    Presence,
}

impl LaneName {
    /// As the tables have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Requests => "requests",
            Self::Security => "security",
            Self::Presence => "presence",
        }
    }
}

/// A time such as 90s, 30m, 12h or 7d.
///
/// # Errors
/// With what to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let number_end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(number_end);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("write a number and s, m, h or d, such as 30m".to_owned()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "the number is missing".to_owned())?;
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(|| "that is too long".to_owned())
}

/// A head such as `crm-web-01=5f3a…`.
fn parse_head(text: &str) -> Result<AskedHead, String> {
    let (agent_id, link) = text
        .rsplit_once('=')
        .ok_or_else(|| "write the agent's id, = and the link".to_owned())?;
    let link = Digest::parse(link).map_err(|error| error.to_string())?;
    Ok(AskedHead {
        agent_id: agent_id.to_owned(),
        link,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("2d"), Ok(Duration::from_secs(172_800)));
        for bad in [
            "",
            "5",
            "m",
            "-5m",
            "5 m",
            "5y",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn run_is_what_happens_without_a_command() {
        let arguments =
            Arguments::try_parse_from(["c", "--address-file", "x", "--config", "f"]).unwrap();
        assert!(arguments.command.is_none() && arguments.run.address_file.is_some());
        let arguments = Arguments::try_parse_from(["c", "run", "--config", "f"]).unwrap();
        assert!(arguments.config.is_some());
        assert!(Arguments::try_parse_from(["c", "ledger", "--lane", "x"]).is_err());
    }
}
