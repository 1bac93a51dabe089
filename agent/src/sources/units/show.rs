//! The answer of `systemctl show`: blocks of `Key=value` lines, a blank line between units.

use crmscope_proto::catalog::UnitMetric as M;

/// What is asked for, besides the figures of [`Unit`] that they become.
pub(super) const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,NRestarts,MainPID,ExecMainStartTimestampMonotonic,StateChangeTimestampMonotonic,MemoryCurrent,CPUUsageNSec,TasksCurrent";

/// Values in catalog order; counters as systemd has them.
pub(super) type Values = [Option<u64>; M::COUNT];

/// Longest name of a unit, as systemd bounds it.
const NAME_MAX_BYTES: usize = 255;

/// One unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sources) struct Unit {
    pub(in crate::sources) name: String,
    /// Starts and the time since the last change are not filled in yet.
    pub(super) values: Values,
    /// When the main process was started, µs of the monotonic clock; 0 if it never was.
    pub(super) main_start_us: Option<u64>,
    /// When the state changed.
    pub(super) changed_us: Option<u64>,
}

/// Units, and blocks that are none.
pub(in crate::sources) fn parse(text: &[u8]) -> (Vec<Unit>, u64) {
    let text = String::from_utf8_lossy(text);
    let (mut units, mut unparsed) = (Vec::new(), 0);
    for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
        match unit(block) {
            Some(unit) => units.push(unit),
            None => unparsed += 1,
        }
    }
    (units, unparsed)
}

fn unit(block: &str) -> Option<Unit> {
    let value = |key: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    };
    // Not set is `[not set]`, or the largest number in older versions.
    let number = |key: &str| {
        value(key)?
            .parse()
            .ok()
            .filter(|&number| number != u64::MAX)
    };
    let name = value("Id")?;
    if name.is_empty() || name.len() > NAME_MAX_BYTES {
        return None;
    }
    let mut values = [None; M::COUNT];
    for (metric, figure) in [
        (M::Loaded, Some(u64::from(value("LoadState")? == "loaded"))),
        (M::ActiveState, Some(active_state(value("ActiveState")?))),
        (M::SubState, Some(sub_state(value("SubState")?))),
        (M::AutomaticRestarts, number("NRestarts")),
        (M::MainPid, number("MainPID")),
        (M::Memory, number("MemoryCurrent")),
        (
            M::Cpu,
            number("CPUUsageNSec").map(|nanoseconds: u64| nanoseconds / 1000),
        ),
        (M::Tasks, number("TasksCurrent")),
    ] {
        values[metric as usize] = figure;
    }
    Some(Unit {
        name: name.to_owned(),
        values,
        main_start_us: number("ExecMainStartTimestampMonotonic"),
        changed_us: number("StateChangeTimestampMonotonic").filter(|&moment| moment != 0),
    })
}

/// The numbers of [`M::ActiveState`].
fn active_state(word: &str) -> u64 {
    number_of(
        word,
        &[
            "active",
            "reloading",
            "inactive",
            "failed",
            "activating",
            "deactivating",
            "maintenance",
            "refreshing",
        ],
    )
}

/// The numbers of [`M::SubState`].
fn sub_state(word: &str) -> u64 {
    match word {
        "condition" | "start-pre" | "start" | "start-post" | "start-chown" => 6,
        "mounting" | "mounting-done" | "activating" => 6,
        "reload" | "reload-signal" | "reload-notify" | "remounting" => 8,
        "auto-restart-queued" => 5,
        _ if word.starts_with("stop") || word.starts_with("final-") => 7,
        "unmounting" | "deactivating" => 7,
        _ => number_of(
            word,
            &[
                "dead",
                "running",
                "exited",
                "failed",
                "auto-restart",
                "start",
                "stop",
                "reload",
                "waiting",
                "listening",
                "mounted",
                "active",
                "plugged",
                "elapsed",
            ],
        ),
    }
}

/// Place of the word, from 1; 0 for any other.
fn number_of(word: &str, words: &[&str]) -> u64 {
    words
        .iter()
        .position(|known| *known == word)
        .map_or(0, |position| position as u64 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "Id=nginx.service
LoadState=loaded
ActiveState=active
SubState=running
NRestarts=3
MainPID=812
ExecMainStartTimestampMonotonic=5000000
StateChangeTimestampMonotonic=6000000
MemoryCurrent=4096
CPUUsageNSec=7000
TasksCurrent=[not set]

Id=gone.service
LoadState=not-found
ActiveState=inactive
SubState=dead
NRestarts=0
MainPID=0
ExecMainStartTimestampMonotonic=0
StateChangeTimestampMonotonic=0
MemoryCurrent=[not set]
CPUUsageNSec=18446744073709551615

Id=apt.timer
LoadState=loaded
ActiveState=active
SubState=waiting
";

    #[test]
    fn units_are_read_with_what_they_have() {
        let (units, unparsed) = parse(TEXT.as_bytes());
        assert_eq!((units.len(), unparsed), (3, 0));
        let value = |unit: usize, metric: M| units[unit].values[metric as usize];
        assert_eq!(units[0].name, "nginx.service");
        for (metric, want) in [
            (M::Loaded, [Some(1), Some(0), Some(1)]),
            (M::ActiveState, [Some(1), Some(3), Some(1)]),
            (M::SubState, [Some(2), Some(1), Some(9)]),
            (M::AutomaticRestarts, [Some(3), Some(0), None]),
            (M::MainPid, [Some(812), Some(0), None]),
            (M::Memory, [Some(4096), None, None]),
            (M::Cpu, [Some(7), None, None]),
            (M::Tasks, [None, None, None]),
        ] {
            assert_eq!(
                [0, 1, 2].map(|unit| value(unit, metric)),
                want,
                "{metric:?}"
            );
        }
        assert_eq!(units[0].main_start_us, Some(5_000_000));
        assert_eq!(units[0].changed_us, Some(6_000_000));
        assert_eq!(units[1].changed_us, None, "it never was");
    }

    #[test]
    fn states_have_their_numbers() {
        for (word, want) in [
            ("dead", 1),
            ("running", 2),
            ("failed", 4),
            ("auto-restart", 5),
            ("start-pre", 6),
            ("stop-sigterm", 7),
            ("final-sigkill", 7),
            ("reload", 8),
            ("elapsed", 14),
            ("of-a-later-version", 0),
            ("", 0),
        ] {
            assert_eq!(sub_state(word), want, "{word}");
        }
        assert_eq!(active_state("failed"), 4);
        assert_eq!(active_state("Active"), 0);
    }

    #[test]
    fn blocks_that_are_no_units_are_counted() {
        let long = format!(
            "Id={}\nLoadState=loaded\nActiveState=active\nSubState=running",
            "x".repeat(256)
        );
        for text in ["x", "Id=\n", "Id=a\nLoadState=loaded", &long] {
            assert_eq!(parse(text.as_bytes()), (vec![], 1), "{text}");
        }
        assert_eq!(parse(b"\n\n\n"), (vec![], 0));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&text);
        }
    }
}
