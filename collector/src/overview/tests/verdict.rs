//! One line for all of it.

use proptest::prelude::*;

use super::super::host::{Sight, State, order};
use super::super::pipeline::Pipeline;
use super::super::verdict::{Scene, TEXT_MAX_BYTES, Verdict, judge, unanswered};
use super::super::{Finding, Host, Incident, Level};
use super::{NOW_MS, named, sight};
use crate::alerts::Kind;

fn fine() -> Pipeline {
    Pipeline {
        level: Level::Good,
        ..Pipeline::default()
    }
}

fn up(count: usize) -> Vec<Host> {
    (0..count)
        .map(|number| {
            named(
                &format!("crm-web-{number:03}"),
                State::Up,
                Level::Good,
                "up",
            )
        })
        .collect()
}

fn down(agent_id: &str) -> Host {
    named(agent_id, State::Down, Level::Bad, "down since 10:42 UTC")
}

fn incident(kind: Kind, agent_id: &str) -> Incident {
    Incident {
        kind: kind.name().to_owned(),
        level: kind.severity().into(),
        agent_id: agent_id.to_owned(),
        objective: match kind {
            Kind::BudgetBurnsFast | Kind::NoTraffic => "checkout".to_owned(),
            _ => String::new(),
        },
        ..Incident::default()
    }
}

fn finding(level: &str) -> Finding {
    Finding {
        title: "Brute force of SSH logins".to_owned(),
        level: level.to_owned(),
        ..Finding::default()
    }
}

struct Case {
    hosts: Vec<Host>,
    incidents: Vec<Incident>,
    findings: Vec<Finding>,
    pipeline: Pipeline,
    sight: Sight,
}

impl Case {
    fn of(mut hosts: Vec<Host>) -> Self {
        hosts.sort_by(order);
        Self {
            hosts,
            incidents: Vec::new(),
            findings: Vec::new(),
            pipeline: fine(),
            sight: sight(),
        }
    }

    fn verdict(&self) -> Verdict {
        judge(&Scene {
            hosts: &self.hosts,
            incidents: &self.incidents,
            findings: &self.findings,
            pipeline: &self.pipeline,
            sight: self.sight,
        })
    }

    fn says(&self, level: Level, text: &str) {
        let verdict = self.verdict();
        assert_eq!((verdict.level, verdict.text.as_str()), (level, text));
    }
}

#[test]
fn the_worst_comes_first_in_words() {
    Case::of(up(212)).says(Level::Good, "All 212 hosts are up, no incident.");
    Case::of(up(1)).says(Level::Good, "The only host is up, no incident.");
    Case::of(Vec::new()).says(Level::Unknown, "No host is known yet: start an agent.");

    let mut many = up(209);
    many.extend([
        down("crm-db-02"),
        down("crm-db-03"),
        named(
            "crm-web-900",
            State::Stale,
            Level::Warn,
            "heard, but sent no figures yet",
        ),
    ]);
    let mut path = Case::of(many);
    path.incidents = vec![
        incident(Kind::ManySilent, ""),
        incident(Kind::HostSilent, "crm-db-02"),
    ];
    path.says(
        Level::Bad,
        "3 of 212 hosts in trouble: crm-db-02 is down since 10:42 UTC, crm-db-03 is down since 10:42 UTC, \
         crm-web-900 is heard, but sent no figures yet, network path suspected.",
    );

    let mut more = up(1);
    more.extend((0..5).map(|number| down(&format!("db-{number}"))));
    Case::of(more).says(
        Level::Bad,
        "5 of 6 hosts in trouble: db-0 is down since 10:42 UTC, db-1 is down since 10:42 UTC, \
         db-2 is down since 10:42 UTC and 2 more.",
    );
}

#[test]
fn what_is_no_host_is_told_too() {
    let mut case = Case::of(up(2));
    case.incidents = vec![
        incident(Kind::BudgetBurnsFast, ""),
        incident(Kind::Flapping, "crm-web-001"),
    ];
    case.findings = vec![finding("high"), finding("low")];
    case.says(
        Level::Bad,
        "2 incidents: the budget of checkout burns fast, crm-web-001 comes and goes. \
         1 security finding: Brute force of SSH logins. All 2 hosts are up.",
    );
    let mut case = Case::of(up(2));
    case.pipeline = Pipeline {
        level: Level::Bad,
        trouble: "7 batches are missing".to_owned(),
        ..fine()
    };
    case.says(
        Level::Bad,
        "7 batches are missing. All 2 hosts are up, no incident.",
    );
    // What is over, and what is only written down, is nobody's trouble.
    let mut case = Case::of(up(2));
    case.findings = vec![
        finding("informational"),
        Finding {
            ended_ms: Some(1),
            ..finding("critical")
        },
    ];
    case.incidents = vec![Incident {
        ended_ms: Some(1),
        ..incident(Kind::HostSilent, "crm-web-001")
    }];
    case.says(Level::Good, "All 2 hosts are up, no incident.");
}

#[test]
fn maintenance_is_named_and_is_no_trouble() {
    let idle = |level| {
        named(
            "crm-db-09",
            State::Maintenance,
            level,
            "in maintenance, silent",
        )
    };
    let mut hosts = up(3);
    hosts.push(idle(Level::Unknown));
    let mut case = Case::of(hosts);
    case.incidents = vec![incident(Kind::HostSilent, "crm-db-09")];
    case.says(Level::Good, "3 of 4 hosts up, 1 in maintenance.");
    let alone = Case::of(vec![idle(Level::Unknown)]);
    alone.says(Level::Unknown, "The only host is in maintenance.");
}

#[test]
fn who_cannot_know_says_so() {
    let mut case = Case::of(up(2));
    case.sight.is_watched = false;
    case.says(
        Level::Unknown,
        "Nobody watches over the hosts. All 2 hosts are up, no incident.",
    );
    let mut case = Case::of(vec![named(
        "crm-db-02",
        State::Unknown,
        Level::Unknown,
        "not known, last heard 10:40 UTC",
    )]);
    case.sight.received_ms = NOW_MS - 20 * 60_000;
    case.pipeline.level = Level::Unknown;
    case.says(
        Level::Unknown,
        "No collector has received since 10:40 UTC, so nothing is known of now. \
         1 of 1 host not known: crm-db-02 is not known, last heard 10:40 UTC.",
    );
    let verdict = unanswered("hosts: connection refused\u{1b}[2J");
    assert_eq!(verdict.level, Level::Unknown);
    assert!(
        verdict
            .text
            .starts_with("Nothing is known now: ClickHouse does not answer. hosts")
    );
    assert!(!verdict.text.contains('\u{1b}'));
}

fn any_host() -> impl Strategy<Value = Host> {
    let states = prop::sample::select(State::ALL.to_vec());
    let levels = prop::sample::select(Level::ALL.to_vec());
    (".{0,80}", states, levels, ".{0,60}").prop_map(|(agent_id, state, level, text)| {
        // As judged: nobody is up and not good.
        let level = if state == State::Up {
            Level::Good
        } else {
            level
        };
        named(&agent_id, state, level, &text)
    })
}

fn any_incident() -> impl Strategy<Value = Incident> {
    let kinds = prop::sample::select(Kind::ALL.to_vec());
    (kinds, ".{0,80}", ".{0,300}", any::<bool>()).prop_map(|(kind, agent_id, text, lasts)| {
        Incident {
            text,
            ended_ms: (!lasts).then_some(1),
            ..incident(kind, &agent_id)
        }
    })
}

proptest! {
    #[test]
    fn it_is_never_better_than_the_worst_and_always_one_bounded_line(
        hosts in prop::collection::vec(any_host(), 0..12),
        incidents in prop::collection::vec(any_incident(), 0..6),
        levels in prop::collection::vec(prop::sample::select(vec!["low", "medium", "high", "new"]), 0..4),
        title in ".{0,300}",
        pipeline in prop::sample::select(Level::ALL.to_vec()),
        trouble in "[a-z ]{0,60}",
        is_watched: bool,
        is_received: bool,
    ) {
        let mut case = Case::of(hosts);
        case.incidents = incidents;
        case.findings = levels.iter().map(|level| Finding { title: title.clone(), ..finding(level) }).collect();
        case.pipeline = Pipeline { level: pipeline, trouble, ..Pipeline::default() };
        case.sight.is_watched = is_watched;
        case.sight.received_ms = if is_received { NOW_MS } else { 0 };
        let verdict = case.verdict();
        prop_assert!(verdict.text.len() <= TEXT_MAX_BYTES, "{}", verdict.text);
        prop_assert!(!verdict.text.is_empty());
        prop_assert!(!verdict.text.contains(char::is_control));
        let troubled = case.hosts.iter().filter(|host| host.state != State::Maintenance);
        if let Some(worst) = troubled.map(|host| host.level).max() {
            prop_assert!(verdict.level >= worst);
        }
        prop_assert!(verdict.level >= pipeline);
        if verdict.level == Level::Good {
            prop_assert!(is_watched && is_received);
            prop_assert!(case.hosts.iter().any(|host| host.level == Level::Good));
        }
        for incident in case.incidents.iter().filter(|incident| incident.ended_ms.is_none()) {
            let is_idle = case.hosts.iter().any(|host| {
                host.state == State::Maintenance && host.agent_id == incident.agent_id
            });
            prop_assert!(is_idle || verdict.level >= incident.level);
        }
        for finding in &case.findings {
            prop_assert!(verdict.level >= Level::of_finding(&finding.level));
        }
    }
}
