//! The drills, in the order they run.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::bail;

use super::stack::{AGENTS, Collector};

/// One named fault.
#[derive(Debug)]
pub(super) struct Drill {
    pub(super) name: &'static str,
    /// What it does, for people.
    pub(super) about: &'static str,
    /// Kafka brokers it needs; with any, ingest and two writers are collectors of their own.
    pub(super) brokers: u16,
    pub(super) fault: Fault,
}

/// What strikes. Each kind has its file in `faults/`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// SIGKILL twice, with a pause before each start.
    Kill(Victim),
    /// The agents' network is stalled, then cut.
    CutNetwork,
    /// Every 16 KiB to or from ClickHouse take this long.
    SlowClickhouse(Duration),
    /// The clock of the first agent's host jumps ahead, then behind.
    StepClock,
    /// The first agent's spool is on a file system that is full.
    FillDisk,
}

/// Which process is killed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Victim {
    /// An agent, by its index.
    Agent(usize),
    Collector(Collector),
    Clickhouse,
    /// A broker, drawn each time.
    Broker,
}

pub(super) const DRILLS: &[Drill] = &[
    Drill {
        name: "kill-agent",
        about: "kill -9 an agent, twice, and start it again on its spool",
        brokers: 0,
        fault: Fault::Kill(Victim::Agent(0)),
    },
    Drill {
        name: "kill-collector",
        about: "kill -9 the collector, twice",
        brokers: 0,
        fault: Fault::Kill(Victim::Collector(Collector::Whole)),
    },
    Drill {
        name: "kill-clickhouse",
        about: "kill -9 ClickHouse, twice",
        brokers: 0,
        fault: Fault::Kill(Victim::Clickhouse),
    },
    Drill {
        name: "kill-writer",
        about: "with Kafka: kill -9 one of two writers, twice; the other takes its partitions over",
        brokers: 1,
        fault: Fault::Kill(Victim::Collector(Collector::Writer1)),
    },
    Drill {
        name: "kill-kafka-broker",
        about: "with three Kafka brokers: kill -9 one, twice",
        brokers: 3,
        fault: Fault::Kill(Victim::Broker),
    },
    Drill {
        name: "cut-network",
        about: "stall the agents' network as a pulled cable does, then break its connections",
        brokers: 0,
        fault: Fault::CutNetwork,
    },
    Drill {
        name: "slow-clickhouse",
        about: "let every 16 KiB to and from ClickHouse take 0.4 s",
        brokers: 0,
        fault: Fault::SlowClickhouse(Duration::from_millis(400)),
    },
    Drill {
        name: "full-spool-disk",
        about: "fill the file system of an agent's spool (a tmpfs of 16 MiB; as root, or in a namespace)",
        brokers: 0,
        fault: Fault::FillDisk,
    },
    Drill {
        name: "clock-step",
        about: "step the clock of a host 30 min ahead, then 40 min back",
        brokers: 0,
        fault: Fault::StepClock,
    },
];

/// Those that were named, in the table's order; all when none was.
pub(super) fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Drill>> {
    if let Some(unknown) = names
        .iter()
        .find(|name| !DRILLS.iter().any(|drill| drill.name == **name))
    {
        let known: Vec<_> = DRILLS.iter().map(|drill| drill.name).collect();
        bail!(
            "there is no drill {unknown:?}; there are: {}",
            known.join(", ")
        );
    }
    Ok(DRILLS
        .iter()
        .filter(|drill| names.is_empty() || names.iter().any(|name| drill.name == name))
        .collect())
}

/// A number of the drill that other drills do not have.
pub(super) fn position(drill: &Drill) -> u64 {
    let position = DRILLS.iter().position(|other| other.name == drill.name);
    position.unwrap_or_default() as u64
}

/// All of them, for people.
pub(super) fn list() -> String {
    let mut text = String::new();
    for drill in DRILLS {
        let _ = writeln!(text, "{:<18} {}", drill.name, drill.about);
    }
    let _ = write!(text, "\nEach on a stack of its own with {AGENTS} agents.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_choose_drills_in_the_tables_order() {
        let names = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        assert_eq!(chosen(&[]).unwrap().len(), DRILLS.len());
        let two = chosen(&names(&["clock-step", "kill-agent"])).unwrap();
        let found: Vec<_> = two.iter().map(|drill| drill.name).collect();
        assert_eq!(found, ["kill-agent", "clock-step"]);
        let error = chosen(&names(&["kill-agents"])).unwrap_err().to_string();
        assert!(error.contains("kill-agents") && error.contains("cut-network"));
        let all: std::collections::HashSet<_> = DRILLS.iter().map(|drill| drill.name).collect();
        assert_eq!(all.len(), DRILLS.len());
        assert!(DRILLS.iter().all(|drill| list().contains(drill.name)));
    }
}
