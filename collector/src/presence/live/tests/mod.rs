//! Cases by hand, and fleets with a known fate.

mod fate;
mod figures;

use std::ops::Range;
use std::time::Duration;

use crmscope_proto::Id;

use super::*;
use crate::alerts::Kind;
use crate::presence::hosts::Expected;

/// Where the clocks of the tests begin.
const START: Duration = Duration::from_secs(1_000_000);
const START_MS: i64 = 1_700_000_000_000;

fn expected(agent_id: &str, host_group: &str) -> Expected {
    Expected {
        agent_id: agent_id.to_owned(),
        host_group: host_group.to_owned(),
        since_ms: START_MS,
        ..Expected::default()
    }
}

fn arrival(agent_id: &str, start: u8, number: u64, second: u64) -> Arrival {
    Arrival {
        agent_id: agent_id.to_owned(),
        start_id: Id([start; 16]),
        number,
        received_ms: START_MS + i64::try_from(second).unwrap() * 1000,
        is_late: false,
        goodbye: Goodbye::None,
    }
}

/// A fleet, looked at every second, and what it said: `second agent state` and `second kind began|ended`.
struct Bench {
    fleet: Fleet,
    second: u64,
    said: Vec<String>,
    faults: Vec<Fault>,
}

impl Bench {
    fn new(hosts: &[(&str, &str)]) -> Self {
        let mut fleet = Fleet::new(Config::default(), START);
        let hosts = hosts.iter().map(|(agent, group)| expected(agent, group));
        fleet.expect(hosts.collect(), START);
        Self {
            fleet,
            second: 0,
            said: Vec::new(),
            faults: Vec::new(),
        }
    }

    fn now(&self) -> Duration {
        START + Duration::from_secs(self.second)
    }

    /// A second later; who beats is heard first.
    fn step(&mut self, beating: impl Fn(u64) -> Vec<Arrival>) {
        self.second += 1;
        let now = self.now();
        for arrival in beating(self.second) {
            self.fleet.hear(&arrival, now);
        }
        let now_ms = START_MS + i64::try_from(self.second).unwrap() * 1000;
        let changes = self.fleet.look(now, now_ms);
        for change in changes {
            match change {
                Change::State {
                    agent_id, state, ..
                } => {
                    self.said
                        .push(format!("{} {agent_id} {}", self.second, state.name()));
                }
                Change::Fault(fault) => {
                    let what = match fault.ended_ms {
                        None => "begins",
                        Some(_) => "ends",
                    };
                    self.said.push(format!(
                        "{} {}{}{} {what}",
                        self.second,
                        fault.kind.name(),
                        if fault.agent_id.is_empty() { "" } else { " " },
                        fault.agent_id
                    ));
                    self.faults.push(fault);
                }
            }
        }
    }

    /// Until `second`, with every agent named beating each 10 s.
    fn run(&mut self, until: u64, beating: &[&str]) {
        while self.second < until {
            self.step(|second| beats(beating, second));
        }
    }

    fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }
}

fn beats(agents: &[&str], second: u64) -> Vec<Arrival> {
    let due = second.is_multiple_of(10);
    let agents = agents.iter().filter(|_| due);
    agents
        .map(|agent| arrival(agent, 1, second / 10, second))
        .collect()
}

#[test]
fn a_silence_is_one_fault_from_the_last_beat_to_the_first() {
    let mut bench = Bench::new(&[("a", ""), ("b", "")]);
    bench.run(300, &["a", "b"]);
    assert_eq!(bench.heard(), ["10 a up", "10 b up"]);
    bench.run(600, &["b"]);
    // Mean 10 s, pause 15 s, and 5.6 deviations of 1 s, which is the least; then 15 s to be sure.
    assert_eq!(
        bench.heard(),
        ["331 a suspect", "346 a down", "346 host_silent a begins"]
    );
    bench.run(700, &["a", "b"]);
    assert_eq!(bench.heard(), ["610 a up", "620 host_silent a ends"]);
    let times = |fault: &Fault| {
        (
            fault.began_ms - START_MS,
            fault.ended_ms.map(|ms| ms - START_MS),
        )
    };
    assert_eq!(times(&bench.faults[0]), (300_000, None));
    assert_eq!(times(&bench.faults[1]), (300_000, Some(610_000)));
    assert_eq!(bench.faults[0].fault_id, bench.faults[1].fault_id);
    // The same silence, found by another collector, has the same name; another one has another.
    let mut other = Bench::new(&[("a", ""), ("b", "")]);
    other.run(300, &["a", "b"]);
    other.run(2_000, &["b"]);
    assert_eq!(other.faults[0].fault_id, bench.faults[0].fault_id);
    bench.run(900, &["b"]);
    assert_ne!(bench.faults[2].fault_id, bench.faults[0].fault_id);
}

#[test]
fn hosts_that_fall_silent_together_are_one_fault() {
    let agents = ["a", "b", "c", "d"];
    let hosts = agents.map(|agent| (agent, if agent == "d" { "" } else { "site" }));
    let mut bench = Bench::new(&hosts);
    bench.run(300, &agents);
    bench.heard();
    bench.run(500, &[]);
    let said = bench.heard();
    assert_eq!(said.len(), 5, "{said:?}");
    assert_eq!(said[4], "346 many_silent begins");
    assert!(
        bench.faults[0]
            .summary
            .starts_with("4 of 4 hosts fell silent together")
    );
    bench.run(600, &agents[1..]);
    // The last one is given time to come back, and then is a fault of its own.
    assert_eq!(
        bench.heard(),
        [
            "510 b up",
            "510 c up",
            "510 d up",
            "510 many_silent ends",
            "564 a down",
            "564 host_silent a begins"
        ]
    );
}

/// Beats of a regular host, and of two whose beats come 4 and 16 s apart in turn, a little apart.
fn uneven_beats(second: u64) -> Vec<Arrival> {
    let mut arrivals = beats(&["a"], second);
    for (agent, lag) in [("b", 0), ("c", 1)] {
        let (round, at) = (
            (second - lag.min(second)) / 20,
            (second - lag.min(second)) % 20,
        );
        if second > lag && (at == 4 || at == 0) {
            let number = 2 * round + u64::from(at == 4);
            arrivals.push(arrival(agent, 1, number, second));
        }
    }
    arrivals
}

#[test]
fn hosts_of_different_paces_that_fall_silent_together_are_one_fault() {
    let mut bench = Bench::new(&[("a", ""), ("b", ""), ("c", "")]);
    while bench.second < 1_200 {
        bench.step(uneven_beats);
    }
    bench.heard();
    while bench.second < 1_400 {
        bench.step(|_| Vec::new());
    }
    let said = bench.heard();
    // The regular one would be convicted before the others are suspected.
    let when = |text: &str| -> u64 {
        let line = said.iter().find(|line| line.ends_with(text));
        let line = line.unwrap_or_else(|| panic!("no {text} in {said:?}"));
        line.split(' ').next().unwrap().parse().unwrap()
    };
    assert!(when("b suspect") > when("a suspect") + 15, "{said:?}");
    let kinds: Vec<Kind> = bench.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, [Kind::ManySilent], "{said:?}");
}

#[test]
fn a_host_that_falls_silent_while_others_are_late_is_told_all_the_same() {
    let mut bench = Bench::new(&[("a", ""), ("b", ""), ("c", "")]);
    bench.run(600, &["a", "b", "c"]);
    bench.heard();
    // The others are now heard every 22 s, which is late by half of it and surprises nobody.
    while bench.second < 800 {
        bench.step(|second| match second % 22 {
            0 => ["b", "c"]
                .map(|agent| arrival(agent, 1, 60 + second / 22, second))
                .to_vec(),
            _ => Vec::new(),
        });
    }
    let said = bench.heard();
    let told = said
        .iter()
        .find(|line| line.ends_with("host_silent a begins"));
    let at: u64 = told.unwrap().split(' ').next().unwrap().parse().unwrap();
    // Suspected at 631, certain 15 s later, and 30 s more at the most.
    assert!((646..=676).contains(&at), "{said:?}");
    assert_eq!(bench.faults.len(), 1, "{said:?}");
}

#[test]
fn a_group_that_falls_silent_is_one_fault_of_the_group() {
    let of = |agent| (agent, if agent < "d" { "site" } else { "" });
    let agents = ["a", "b", "c", "d", "e", "f", "g"];
    let mut bench = Bench::new(&agents.map(of));
    bench.run(300, &agents);
    bench.heard();
    bench.run(500, &agents[3..]);
    let suspects = ["331 a suspect", "331 b suspect", "331 c suspect"];
    let said = bench.heard();
    assert_eq!(said[..3], suspects);
    assert_eq!(said[3..], ["346 many_silent begins"]);
    assert_eq!(bench.faults[0].host_group, "site");
    bench.run(700, &agents);
    assert_eq!(bench.heard()[3..], ["510 many_silent ends"]);
    assert_eq!(bench.faults[0].fault_id, bench.faults[1].fault_id);
}

#[test]
fn an_orderly_end_is_no_silence_and_is_told_only_when_it_lasts() {
    let mut bench = Bench::new(&[("a", "")]);
    bench.run(300, &["a"]);
    bench.heard();
    bench.step(|second| {
        vec![Arrival {
            goodbye: Goodbye::Host,
            ..arrival("a", 1, 31, second)
        }]
    });
    bench.run(1_200, &[]);
    assert_eq!(bench.heard(), ["301 a unknown"]);
    bench.run(1_300, &[]);
    assert_eq!(bench.heard(), ["1202 stopped a begins"]);
    assert!(
        bench.faults[0]
            .summary
            .starts_with("The host a was stopped in good order")
    );
    bench.step(|second| vec![arrival("a", 2, 1, second)]);
    assert_eq!(bench.heard(), ["1301 a up", "1301 stopped a ends"]);
}

#[test]
fn one_that_never_reported_is_missing_and_a_retired_one_is_not_dead() {
    let mut bench = Bench::new(&[("a", ""), ("ghost", "")]);
    bench.run(700, &["a"]);
    assert_eq!(bench.heard(), ["10 a up", "601 host_missing ghost begins"]);
    let mut retired = expected("a", "");
    retired.retired_at_ms = Some(START_MS + 700_000);
    let now = bench.now();
    bench
        .fleet
        .expect(vec![retired, expected("ghost", "")], now);
    bench.run(1_000, &[]);
    assert_eq!(bench.heard(), ["701 a retired"]);
    bench.step(|second| vec![arrival("ghost", 1, 1, second)]);
    assert_eq!(
        bench.heard(),
        ["1001 ghost up", "1001 host_missing ghost ends"]
    );
    let over = bench.faults.last().map(|fault| fault.ended_ms);
    assert_eq!(over, Some(Some(START_MS + 1_001_000)));
}

#[test]
fn a_detector_that_stood_still_or_was_blind_convicts_nobody_for_it() {
    let mut bench = Bench::new(&[("a", ""), ("b", "")]);
    bench.run(300, &["a", "b"]);
    bench.heard();
    // Stood still for 80 s; the beats of that time are read afterwards, and one of a was held up.
    bench.second += 80;
    bench.step(|_| vec![arrival("b", 1, 38, 380)]);
    bench.run(385, &[]);
    assert_eq!(bench.heard(), [""; 0]);
    bench.step(|_| vec![arrival("a", 1, 38, 386)]);
    bench.run(500, &["a", "b"]);
    assert_eq!(bench.heard(), [""; 0]);
    for _ in 0..60 {
        let now = bench.now();
        bench.fleet.blind(now);
        bench.second += 1;
    }
    bench.run(578, &["b"]);
    assert_eq!(bench.heard(), [""; 0]);
    bench.run(700, &["b"]);
    // It is silent indeed, and has to be so for the whole time.
    assert_eq!(
        bench.heard(),
        ["579 a suspect", "594 a down", "594 host_silent a begins"].map(str::to_owned)
    );
}

/// Who takes over at second 600: what was found before, then what was heard lately.
fn taken_over(fault: &Fault, heard: &[(&str, Range<u64>)]) -> Bench {
    let mut next = Bench::new(&[("a", ""), ("b", "")]);
    next.second = 600;
    let now = next.now();
    next.fleet.recall_state("a", State::Down);
    next.fleet.recall_state("b", State::Up);
    assert_eq!(next.fleet.restore(fault.clone(), now), None);
    for (agent, numbers) in heard {
        for number in numbers.clone() {
            let at = START + Duration::from_secs(number * 10);
            next.fleet
                .relive(&arrival(agent, 1, number, number * 10), at);
        }
    }
    next.fleet.blind(now);
    next
}

#[test]
fn what_was_found_before_goes_on_and_is_not_found_again() {
    let mut bench = Bench::new(&[("a", ""), ("b", "")]);
    bench.run(300, &["a", "b"]);
    bench.run(600, &["b"]);
    let fault = bench.faults[0].clone();
    // Heard lately until it fell silent, which is no end of its silence.
    let mut next = taken_over(&fault, &[("a", 1..31), ("b", 1..61)]);
    next.run(900, &["b"]);
    assert_eq!(next.heard(), [""; 0]);
    next.run(1_000, &["a", "b"]);
    assert_eq!(next.heard(), ["910 a up", "920 host_silent a ends"]);
    assert_eq!(next.faults[0].fault_id, fault.fault_id);
    assert_eq!(next.faults[0].ended_ms, Some(START_MS + 910_000));
    // Its pace was learnt as well: it is suspected as soon as before.
    next.run(1_100, &["b"]);
    assert_eq!(
        next.heard(),
        ["1031 a suspect", "1046 a down", "1046 host_silent a begins"]
    );
    // It came back when nobody watched.
    let mut next = taken_over(&fault, &[("a", 1..31), ("a", 58..61), ("b", 1..61)]);
    next.run(700, &["a", "b"]);
    assert_eq!(next.heard(), ["601 a up", "601 host_silent a ends"]);
    assert_eq!(next.faults[0].ended_ms, Some(START_MS + 580_000));
    // Of a host that is gone nobody would end it.
    let mut other = Bench::new(&[("b", "")]);
    let now = other.now();
    assert_eq!(other.fleet.restore(fault.clone(), now), Some(fault));
}

#[test]
fn a_pace_that_is_slower_for_good_is_learnt() {
    let mut bench = Bench::new(&[("a", ""), ("b", "")]);
    bench.run(300, &["a", "b"]);
    bench.heard();
    let mut number = 30;
    while bench.second < 3_000 {
        bench.step(|second| {
            let mut arrivals = beats(&["b"], second);
            if second.is_multiple_of(120) {
                arrivals.push(arrival("a", 1, number + 1, second));
            }
            arrivals
        });
        number += u64::from(bench.second.is_multiple_of(120));
    }
    let of = |kind| {
        let faults = bench.faults.iter().filter(move |fault| fault.kind == kind);
        faults
            .map(|fault| fault.ended_ms.is_some())
            .collect::<Vec<_>>()
    };
    // At first it is silence; in the end there is nothing wrong.
    assert!(of(Kind::HostSilent).len() <= 4, "{:?}", bench.said);
    assert_eq!(of(Kind::HostSilent).last(), Some(&true), "{:?}", bench.said);
    let begun_late = bench
        .faults
        .iter()
        .any(|fault| fault.began_ms > START_MS + 1_500_000);
    assert!(!begun_late, "{:?}", bench.said);
}

#[test]
fn a_host_that_comes_and_goes_is_one_fault() {
    let mut bench = Bench::new(&[("a", ""), ("b", "")]);
    bench.run(300, &["a", "b"]);
    let mut number = 30;
    // Two minutes silent, one minute heard, for an hour.
    for _ in 0..20 {
        bench.run(bench.second + 120, &["b"]);
        for _ in 0..6 {
            number += 1;
            let second = bench.second + 10;
            bench.run(second - 1, &["b"]);
            bench.step(|second| {
                vec![
                    arrival("a", 1, number, second),
                    arrival("b", 1, second / 10, second),
                ]
            });
        }
    }
    let of = |kind| {
        bench
            .faults
            .iter()
            .filter(move |fault: &&Fault| fault.kind == kind && fault.ended_ms.is_none())
            .count()
    };
    assert_eq!(of(Kind::Flapping), 1);
    assert!(of(Kind::HostSilent) <= 3, "{:?}", bench.said);
    let at = bench.second;
    for _ in 0..70 {
        number += 1;
        bench.run(bench.second + 9, &["b"]);
        bench.step(|second| {
            vec![
                arrival("a", 1, number, second),
                arrival("b", 1, second / 10, second),
            ]
        });
    }
    let over = bench
        .faults
        .iter()
        .find(|fault| fault.kind == Kind::Flapping && fault.ended_ms.is_some());
    assert!(over.is_some(), "{:?} since {at}", bench.said);
}

#[test]
fn beats_that_are_told_again_prove_nothing() {
    let mut bench = Bench::new(&[("a", ""), ("b", "")]);
    bench.run(300, &["a", "b"]);
    bench.heard();
    while bench.second < 400 {
        bench.step(|second| [vec![arrival("a", 1, 30, 300)], beats(&["b"], second)].concat());
    }
    assert_eq!(
        bench.heard(),
        ["331 a suspect", "346 a down", "346 host_silent a begins"]
    );
}

#[test]
fn in_maintenance_nothing_is_told_and_afterwards_it_is() {
    let mut bench = Bench::new(&[("a", ""), ("b", "")]);
    bench.run(300, &["a", "b"]);
    bench.heard();
    let mut idle = expected("a", "");
    idle.in_maintenance = true;
    let now = bench.now();
    bench.fleet.expect(vec![idle, expected("b", "")], now);
    bench.run(600, &["b"]);
    assert_eq!(bench.heard(), ["301 a maintenance"]);
    let now = bench.now();
    bench
        .fleet
        .expect(vec![expected("a", ""), expected("b", "")], now);
    bench.run(700, &["b"]);
    assert_eq!(bench.heard(), ["601 a down", "601 host_silent a begins"]);
}
