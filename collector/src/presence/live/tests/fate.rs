//! Fleets of which each host meets a random fate: whatever comes late, twice or not at all, a silence that
//! is long enough is one fault and nothing else is one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A time in which a host is not heard, seconds.
#[derive(Clone, Debug)]
struct Silence {
    from: u64,
    to: u64,
}

#[derive(Clone, Debug)]
struct Fate {
    silences: Vec<Silence>,
    /// Second of ten in which it beats.
    phase: u64,
    /// Whether its beats are told twice.
    repeated: bool,
}

const END: u64 = 3_000;

fn fate() -> impl Strategy<Value = Fate> {
    // Not so near to each other that it flaps: 15 minutes and more.
    let silences = (
        proptest::option::of((100u64..700, 1u64..300)),
        proptest::option::of((1_600u64..2_000, 1u64..300)),
    );
    (silences, 0u64..10, any::<bool>()).prop_map(|((first, second), phase, repeated)| Fate {
        silences: first
            .into_iter()
            .chain(second)
            .map(|(from, length)| Silence {
                from,
                to: from + length,
            })
            .collect(),
        phase,
        repeated,
    })
}

impl Fate {
    fn beats_at(&self, second: u64) -> bool {
        let is_silent = |silence: &Silence| (silence.from..silence.to).contains(&second);
        second % 10 == self.phase && !self.silences.iter().any(is_silent)
    }

    /// Gaps between beats, seconds: last before, first after.
    fn gaps(&self) -> Vec<(u64, u64)> {
        let beats: Vec<u64> = (1..=END).filter(|&second| self.beats_at(second)).collect();
        let pairs = beats.windows(2).map(|pair| (pair[0], pair[1]));
        pairs.filter(|(from, to)| to - from > 10).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn every_long_silence_is_one_fault_and_nothing_else_is(fates in proptest::collection::vec(fate(), 6)) {
        // Few of so many hosts are silent at once that they are never a mass.
        let names: Vec<String> = (0..fates.len()).map(|number| format!("h{number:02}")).collect();
        let steady_names: Vec<String> = (0..12).map(|number| format!("s{number:02}")).collect();
        let steady: Vec<&str> = steady_names.iter().map(String::as_str).collect();
        let hosts: Vec<(&str, &str)> = names.iter().chain(&steady_names).map(|name| (name.as_str(), "")).collect();
        let mut bench = Bench::new(&hosts);
        while bench.second < END {
            bench.step(|second| {
                let mut arrivals = beats(&steady, second);
                for (name, fate) in names.iter().zip(&fates) {
                    if fate.beats_at(second) {
                        arrivals.push(arrival(name, 1, second / 10 + 1, second));
                    }
                    if fate.repeated && second > 3 && fate.beats_at(second - 3) {
                        arrivals.push(arrival(name, 1, (second - 3) / 10 + 1, second - 3));
                    }
                }
                arrivals
            });
        }
        let mut faults: BTreeMap<&str, Vec<&Fault>> = BTreeMap::new();
        for fault in &bench.faults {
            prop_assert_eq!(fault.kind, Kind::HostSilent);
            faults.entry(fault.agent_id.as_str()).or_default().push(fault);
        }
        for (name, fate) in names.iter().zip(&fates) {
            let told = faults.remove(name.as_str()).unwrap_or_default();
            let of = |second: u64| START_MS + i64::try_from(second).unwrap() * 1000;
            let gaps = fate.gaps();
            // Suspicion after 30.6 s, down after 15 more, looked at each second.
            let long = gaps.iter().filter(|(from, to)| to - from >= 48);
            for &(from, to) in long {
                let begun = told.iter().filter(|fault| fault.began_ms == of(from) && fault.ended_ms.is_none());
                prop_assert_eq!(begun.count(), 1, "{} {:?}: {:?}", name, (from, to), &bench.said);
                let over = told.iter().filter(|fault| fault.began_ms == of(from) && fault.ended_ms == Some(of(to)));
                prop_assert_eq!(over.count(), 1, "{} {:?}: {:?}", name, (from, to), &bench.said);
            }
            for fault in told {
                let is_one = gaps.iter().any(|&(from, to)| fault.began_ms == of(from) && to - from >= 45);
                prop_assert!(is_one, "{}: {:?}", name, fault);
            }
        }
        prop_assert!(faults.is_empty(), "steady hosts: {:?}", faults);
    }
}
