//! The programs that were released last, and these: upgrades in either order, under load, and back.
//!
//! Agents read logs of which every line is known, while collectors and agents of one version take the
//! place of the other's: after SIGTERM and after kill -9, with batches that wait in spools and blocks of
//! which nobody knows whether they were stored. In the end every line, login and heartbeat is stored once,
//! the ledger has no gap, and every roll-up is what the base rows say.
//!
//! The programs come from `tests/released/build-previous`; without them all of this is skipped. What is
//! configured here is known to both versions.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "exact/mod.rs"]
mod exact;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crmscope_agent::spool::{self, Spool};
use crmscope_proto::Lane;
use crmscope_tests::fleet::proxy::Weather;
use crmscope_tests::fleet::{Fleet, Part, Size};
use crmscope_tests::released::{self, Release};
use crmscope_tests::{gate, seed, wait_for};
use serde_json::Value;

/// Two fleets at once would only wait for each other.
static ONE_FLEET: Mutex<()> = Mutex::new(());

/// Longest from the end of the logs until all is stored.
const SETTLE: Duration = Duration::from_secs(240);

/// How a program ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// SIGTERM.
    Asked,
    /// kill -9.
    Killed,
}

/// A fleet whose parts change their version.
struct Upgrade {
    fleet: Fleet,
    _one: MutexGuard<'static, ()>,
}

impl Upgrade {
    fn start(release: Release, collectors: usize, brokers: usize) -> Self {
        let one = ONE_FLEET.lock().unwrap_or_else(PoisonError::into_inner);
        let size = Size {
            agents: 3,
            collectors,
            brokers,
            lines_per_s: 50,
        };
        let mut random = fastrand::Rng::with_seed(seed());
        let fleet = Fleet::start_of(release, &size, &mut random);
        let on = Self { fleet, _one: one };
        on.say("started");
        on.goes_on();
        on
    }

    fn say(&self, what: &str) {
        println!("{:>6.1?}: {what}", self.fleet.age());
    }

    /// Lines that are stored, by agent.
    fn stored(&self) -> Result<BTreeMap<String, u64>, String> {
        let sql =
            "SELECT agent_id::String, toUInt64(sum(requests)) FROM requests_raw GROUP BY agent_id";
        let rows = self.fleet.query::<(String, u64)>(sql)?;
        Ok(rows.into_iter().collect())
    }

    /// More is stored of every agent than was.
    fn goes_on(&self) {
        let before = wait_for("what is stored", || self.stored());
        wait_for("more of every agent to be stored", || {
            let now = self.stored()?;
            let is_more = |agent: &str| now.get(agent) > before.get(agent);
            let all = self.fleet.agents.iter().all(|agent| is_more(&agent.name));
            all.then_some(())
                .ok_or_else(|| format!("{now:?}, before {before:?}"))
        });
        self.say("every agent goes on");
    }

    fn replace(&mut self, part: Part, release: Release, end: End) {
        match end {
            End::Asked => self.fleet.end(&[part]),
            End::Killed => self.fleet.kill(part),
        }
        self.fleet.set_release(part, release);
        self.say(&format!("{part:?}: {end:?}, then {release:?}"));
    }

    /// A collector ends and another version takes its place. One that is killed has something under way of
    /// which ClickHouse may hear late.
    fn collector(&mut self, number: usize, release: Release, end: End) {
        let part = Part::Collector(number);
        if matches!(end, End::Killed) {
            self.fleet.set(part, Weather::Silent);
            // By then inserts have waited for seconds.
            wait_for("a collector to stand still", || {
                let stands_still = self.fleet.ready(number).is_err();
                stands_still
                    .then_some(())
                    .ok_or_else(|| "it is ready".to_owned())
            });
        }
        self.replace(part, release, end);
        self.fleet.set(part, Weather::Fair);
        self.fleet.begin(part);
        self.fleet.wait_ready();
        self.goes_on();
    }

    /// An agent ends with batches in its spool that no collector has, and another version goes on with it.
    fn agent(&mut self, number: usize, release: Release, end: End) {
        let part = Part::Agent(number);
        self.fleet.set(part, Weather::Cut);
        let name = self.fleet.agents[number].name.clone();
        let spool = self.fleet.spool(&name);
        let bytes = |lane: Lane| directory_bytes(&spool.join(lane.name()));
        let before = [Lane::Requests, Lane::Security].map(bytes);
        wait_for("batches to wait in the spool", || {
            let now = [Lane::Requests, Lane::Security].map(bytes);
            let grew = now[0] > before[0] + 1000 && now[1] > before[1] + 100;
            grew.then_some(())
                .ok_or_else(|| format!("{now:?} bytes, before {before:?}"))
        });
        self.replace(part, release, end);
        let waiting = waiting(&spool);
        self.say(&format!("{name}: waiting batches {waiting:?}"));
        assert!(waiting["requests"] > 0 && waiting["security"] > 0);
        self.fleet.begin(part);
        self.fleet.set(part, Weather::Fair);
        self.goes_on();
    }

    /// Ends the logs and compares everything with them.
    fn prove(&mut self) {
        let truth = self.fleet.finish_logs();
        self.say(&format!("{} lines", truth.lines()));
        exact::prove(&mut self.fleet, &truth, SETTLE);
    }

    /// Exit code of `verify`, and the kinds of what it found, each once.
    fn verify(&self, more: &[&str]) -> (i32, Vec<String>) {
        let arguments = [&["verify", "--json"], more].concat();
        let (code, text) = self.fleet.collector_command(&arguments);
        let report = text.lines().find(|line| line.starts_with('{'));
        let report = report.unwrap_or_else(|| panic!("{text}"));
        println!("verify {more:?}: {code} {report}");
        let report: Value = serde_json::from_str(report).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let kind = |finding: &Value| finding["kind"].as_str().unwrap().to_owned();
        let mut kinds: Vec<String> = findings.iter().map(kind).collect();
        kinds.sort();
        kinds.dedup();
        (code, kinds)
    }
}

fn directory_bytes(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    // A file may go between the two.
    entries
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .sum()
}

/// Batches of an agent that has ended and that nobody acknowledged, by lane. Looks at a copy, so that the
/// next agent is the first one to open the spool.
fn waiting(spool: &Path) -> BTreeMap<&'static str, u64> {
    let copy = tempfile::tempdir().unwrap();
    copy_directory(spool, copy.path());
    let (spool, lost) = Spool::open(copy.path(), spool::Config::default()).unwrap();
    assert!(lost.is_empty(), "{lost:?}");
    let states = spool.states().into_iter();
    states
        .map(|state| {
            let lane = Lane::try_from(state.lane).unwrap();
            (lane.name(), state.next_sequence - 1 - state.acked_sequence)
        })
        .collect()
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry
            .map(|entry| (entry.path(), entry.file_name()))
            .unwrap();
        if path.is_dir() {
            copy_directory(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// With every key that version had. What it also has to say of the machine it runs on is in the guide.
#[test]
fn configurations_of_the_version_before_are_taken() {
    if !gate::previous() {
        return;
    }
    let agent = released::previous("agent.example.toml");
    crmscope_agent::Config::load(Some(&agent)).unwrap_or_else(|error| panic!("{error}"));
    let collector = released::previous("collector.example.toml");
    crmscope_collector::config::Config::load(Some(&collector), [])
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_collector_first_and_then_the_agents() {
    if !gate::previous() {
        return;
    }
    let mut on = Upgrade::start(Release::Previous, 1, 0);
    // This one migrates at its start, and finishes a block that the other version began.
    on.collector(0, Release::This, End::Killed);
    on.agent(0, Release::This, End::Asked);
    on.agent(1, Release::This, End::Killed);
    on.agent(2, Release::This, End::Asked);
    on.prove();
    // What the agents before sealed is not chained; what these seal is, without a hole.
    assert_eq!(on.verify(&["--in-flight", "0s"]), (0, vec![]));
}

#[test]
fn the_agents_first_and_migrations_under_the_collector_of_before() {
    if !gate::previous() {
        return;
    }
    let mut on = Upgrade::start(Release::Previous, 1, 0);
    on.agent(0, Release::This, End::Asked);
    on.agent(1, Release::This, End::Killed);

    let before = on.fleet.log("collector-0").len();
    let (code, said) = on.fleet.collector_command(&["migrate"]);
    println!("{said}");
    assert_eq!(code, 0, "{said}");
    on.goes_on();
    on.agent(2, Release::This, End::Asked);
    let log = on.fleet.log("collector-0").split_off(before);
    println!("the collector of before, since the migrations:\n{log}");
    assert!(!log.contains("ERROR"), "{log}");
    let (code, said) = on.fleet.collector_command(&["migrate"]);
    assert_eq!(code, 0, "{said}");

    on.collector(0, Release::This, End::Asked);
    let replaced = Instant::now();
    on.goes_on();
    on.prove();
    // A collector that knows of no chains stored the beginning of each without its links.
    let (code, kinds) = on.verify(&["--in-flight", "0s"]);
    assert_eq!((code, kinds), (1, vec!["batches_deleted".to_owned()]));
    let since = format!("{}s", replaced.elapsed().as_secs());
    let verified = on.verify(&["--in-flight", "0s", "--from", &since]);
    assert_eq!(verified, (0, vec![]));
}

#[test]
fn back_to_the_version_before_and_forward_again() {
    if !gate::previous() {
        return;
    }
    let mut on = Upgrade::start(Release::This, 1, 0);
    on.agent(0, Release::Previous, End::Asked);
    on.agent(1, Release::Previous, End::Killed);
    let before = on.fleet.log("collector-0").len();
    on.collector(0, Release::Previous, End::Asked);
    let log = on.fleet.log("collector-0").split_off(before);
    let newer = "the schema is newer than this collector";
    assert!(log.contains(newer), "{log}");
    on.agent(2, Release::Previous, End::Asked);

    on.collector(0, Release::This, End::Killed);
    on.agent(0, Release::This, End::Killed);
    on.agent(1, Release::This, End::Asked);
    on.agent(2, Release::This, End::Asked);
    on.prove();
    // Nothing is lost; that the chain was interrupted shows, as it would if somebody had done it.
    let (code, _) = on.verify(&["--in-flight", "0s"]);
    assert_eq!(code, 1);
}

#[test]
fn collectors_of_both_versions_share_a_group_in_kafka() {
    if !gate::previous() || !gate::kafka() {
        return;
    }
    let mut on = Upgrade::start(Release::Previous, 4, 1);
    // Both at once write, while the topic of heads is not there yet.
    on.collector(0, Release::This, End::Asked);
    wait_for("both versions to write", || {
        let partitions = [0, 2, 3].map(|number| on.fleet.metric(number, "log_partitions"));
        let [this, writer, whole] = partitions;
        let (this, before) = (this?, writer? + whole?);
        let both = this > 0.0 && before > 0.0;
        both.then_some(())
            .ok_or_else(|| format!("{this} and {before} partitions"))
    });
    on.agent(0, Release::This, End::Asked);
    // A writer in the midst of a block, which one of either version repeats.
    on.collector(2, Release::This, End::Killed);
    let (code, said) = on.fleet.collector_command(&["topics", "apply"]);
    assert_eq!(code, 0, "{said}");
    on.collector(1, Release::This, End::Asked);
    // Back and forward, while the others stay.
    on.collector(2, Release::Previous, End::Asked);
    on.collector(2, Release::This, End::Killed);
    on.collector(3, Release::This, End::Killed);
    on.agent(1, Release::This, End::Killed);
    on.agent(2, Release::This, End::Asked);
    let (code, said) = on.fleet.collector_command(&["topics", "show"]);
    assert_eq!(code, 0, "{said}");
    on.prove();
    on.verify(&["--in-flight", "0s"]);
}
