//! Rules of a collector beside those of the host.

use std::time::{Duration, Instant};

use crmscope_proto::v1::RulesState;
use crmscope_rules::{DeliveredFile, Packed};

use super::*;

const X: &str = "  selection:\n    user: x\n  condition: selection";
const Y: &str = "  selection:\n    user: y\n  condition: selection";

fn packed(files: &[(&str, &str)]) -> Packed {
    let file = |&(name, text): &(&str, &str)| DeliveredFile {
        set: 0,
        name: format!("crm/{name}"),
        text: text.as_bytes().to_vec(),
    };
    Packed::of(&files.iter().map(file).collect::<Vec<_>>()).unwrap()
}

struct Host {
    folder: TempDir,
    rules: std::sync::Arc<Rules>,
    config: Config,
}

impl Host {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let config = Config {
            directories: vec![folder.path().join("own")],
            ..Config::default()
        };
        let rules = Rules::new(&config, Some(folder.path()), surroundings());
        rules.look(false);
        Self {
            folder,
            rules,
            config,
        }
    }

    fn restarted(self) -> Self {
        let rules = Rules::new(&self.config, Some(self.folder.path()), surroundings());
        rules.look(false);
        Self { rules, ..self }
    }

    fn own(&self, name: &str, text: impl AsRef<[u8]>) {
        write(self.folder.path(), &format!("own/{name}"), text);
        self.rules.look(false);
    }

    fn deliver(&self, files: &[(&str, &str)]) {
        self.rules.deliver(packed(files));
        self.rules.look(false);
    }

    /// Ids of the rules that an event of a user matches.
    fn matched(&self, user: &str) -> Vec<String> {
        let Some(set) = self.rules.current() else {
            return Vec::new();
        };
        let mut record = Record::of("", false);
        record.text(&["user"], user);
        matches(&set, Class::Auth, "sshd", &record)
    }

    fn state(&self) -> RulesState {
        self.rules.state().unwrap()
    }

    /// Where and why something was refused, as it is told.
    fn told(&self) -> Vec<String> {
        let (_, refused) = self.rules.report(Instant::now());
        let one = |rule: &crmscope_proto::v1::RefusedRule| {
            format!(
                "{} {}:{} {}",
                rule.delivered, rule.file, rule.line, rule.reason
            )
        };
        refused.iter().map(one).collect()
    }
}

fn x(id: &str) -> String {
    rule(id, "product: linux", X)
}

#[test]
fn delivered_rules_are_in_force_and_hold_over_a_restart() {
    let host = Host::new();
    assert_eq!(host.rules.delivered_version(), Some(0));
    host.deliver(&[("a.yml", &x("a"))]);
    assert_eq!(host.matched("x"), ["a"]);
    let version = packed(&[("a.yml", &x("a"))]).version;
    let state = host.state();
    assert!(state.takes_delivered);
    assert_eq!((state.rules, state.delivered_rules), (1, 1));
    assert_eq!(
        [
            state.version,
            state.attempted_version,
            state.delivered_version,
            state.delivered_attempted_version
        ],
        [version; 4]
    );
    let host = host.restarted();
    assert_eq!(host.matched("x"), ["a"]);
    assert_eq!(host.state(), state);
    assert_eq!(host.rules.delivered_version(), Some(version));

    // A set without files takes them back, also for the next start.
    host.deliver(&[]);
    assert!(host.matched("x").is_empty());
    assert_eq!(host.state().version, 0);
    assert!(host.restarted().rules.current().is_none());
}

#[test]
fn the_hosts_own_rule_goes_before_a_delivered_one_of_its_id() {
    let host = Host::new();
    host.own("a.yml", rule("a", "product: linux", Y));
    host.deliver(&[("a.yml", &x("a")), ("b.yml", &x("b"))]);
    assert_eq!(host.matched("x"), ["b"]);
    assert_eq!(host.matched("y"), ["a"]);
    let state = host.state();
    assert_eq!(
        (state.rules, state.delivered_rules, state.refused),
        (2, 1, 0)
    );
    assert_eq!(state.version, state.attempted_version);
    assert_ne!(state.version, state.delivered_version);
    // Without it, the delivered one is in force.
    fs::remove_file(host.folder.path().join("own/a.yml")).unwrap();
    host.rules.look(false);
    assert_eq!(host.matched("x"), ["a", "b"]);
}

#[test]
fn a_broken_rule_is_refused_alone_and_a_broken_set_as_a_whole() {
    let host = Host::new();
    host.own("own.yml", x("own"));
    host.deliver(&[("a.yml", &x("a")), ("b.yml", &x("b"))]);
    let broken = rule(
        "a",
        "product: linux",
        "  selection:\n    kind|nonsense: x\n  condition: selection",
    );
    host.deliver(&[("a.yml", &broken), ("b.yml", &x("b"))]);
    assert_eq!(host.matched("x"), ["b", "own"]);
    assert_eq!(host.state().refused, 1);
    assert_eq!(host.state().version, host.state().attempted_version);
    let told = host.told();
    assert!(told[0].starts_with("true crm/a.yml:7 "), "{told:?}");
    assert!(told[0].contains("nonsense"), "{told:?}");

    let before = host.state();
    let whole = [("a.yml", broken.as_str()), ("b.yml", "title: b\n")];
    host.deliver(&whole);
    assert_eq!(host.matched("x"), ["b", "own"], "the set before stays");
    let state = host.state();
    assert_eq!(state.version, before.version);
    assert_eq!(state.delivered_version, before.delivered_version);
    assert_eq!(state.delivered_attempted_version, packed(&whole).version);
    assert_ne!(state.attempted_version, state.version);
    assert_eq!((state.refused, host.told().len()), (2, 2));
    assert!(host.rules.status().error.contains("crm/a.yml:7: "));
    // The host's own go on changing.
    host.own("own.yml", rule("own", "product: linux", Y));
    assert_eq!(host.matched("x"), ["b"]);
    assert_eq!(host.matched("y"), ["own"]);
    assert_eq!(host.state().refused, 2);
    // What is kept is what was in force.
    let host = host.restarted();
    assert_eq!(host.matched("x"), ["b"]);
    assert_eq!(host.state().refused, 1);
}

#[test]
fn broken_rules_of_the_host_keep_what_is_in_force_and_nothing_at_a_start() {
    let host = Host::new();
    host.own("own.yml", x("own"));
    host.own("own.yml", "title: own\n");
    host.deliver(&[("a.yml", &x("a"))]);
    assert_eq!(host.matched("x"), ["own"], "all of it stays");
    let status = host.rules.status();
    assert_ne!(status.attempted_version, status.effective_version);
    assert!(status.error.contains("own.yml:1: "), "{}", status.error);
    // A directory that cannot be read, likewise.
    fs::remove_dir_all(host.folder.path().join("own")).unwrap();
    write(host.folder.path(), "own", "");
    host.rules.look(false);
    assert_eq!(host.matched("x"), ["own"]);
    assert_eq!(host.state().attempted_version, 0);
    assert!(
        host.told()
            .iter()
            .any(|told| told.starts_with("false directories:0 "))
    );
    // At a start nothing of the host's own is in force, and nothing keeps the collector's away.
    let host = host.restarted();
    host.deliver(&[("a.yml", &x("a"))]);
    assert_eq!(host.matched("x"), ["a"]);
    fs::remove_file(host.folder.path().join("own")).unwrap();
    host.own("own.yml", x("own"));
    assert_eq!(host.matched("x"), ["a", "own"]);
    assert_eq!(host.state().version, host.state().attempted_version);
}

#[test]
fn a_set_that_does_not_fit_is_told_until_another_one_comes() {
    let host = Host::new();
    host.deliver(&[("a.yml", &x("a"))]);
    let mut outcomes = host.rules.outcomes();
    host.rules.refuse_delivered(7, &"9 bytes of 5 at most");
    host.rules.look(false);
    assert!(outcomes.has_changed().unwrap());
    outcomes.mark_unchanged();
    assert_eq!(host.matched("x"), ["a"]);
    assert_eq!(
        host.rules.delivered_version(),
        Some(7),
        "not to be sent again"
    );
    let told = || host.told();
    assert_eq!(told(), ["true set:0 9 bytes of 5 at most"]);
    host.rules.look(true);
    assert_eq!(told(), ["true set:0 9 bytes of 5 at most"]);
    assert!(!outcomes.has_changed().unwrap(), "nothing came");
    // Damaged on the way: the version is not that of the content.
    host.rules.deliver(Packed {
        version: 8,
        ..packed(&[("b.yml", &x("b"))])
    });
    host.rules.look(false);
    assert!(
        told()[0].contains("and not 0000000000000008"),
        "{:?}",
        told()
    );
    host.deliver(&[("a.yml", &x("a"))]);
    assert!(told().is_empty());
    let status = host.rules.status();
    assert_eq!(status.attempted_version, status.effective_version);
    assert!(status.error.is_empty());
}

#[test]
fn refusals_are_told_once_and_again_every_hour() {
    let host = Host::new();
    host.own("a.yml", "title: a\n");
    let now = Instant::now();
    let told = |now| host.rules.report(now).1.len();
    // As long as no heartbeat has it, the next one tells it.
    assert_eq!((told(now), told(now)), (1, 1));
    host.rules.refusals_told(now);
    assert_eq!(told(now + Duration::from_secs(3599)), 0);
    assert_eq!(told(now + Duration::from_secs(3600)), 1);
    host.own("b.yml", "title: b\n");
    assert_eq!(told(now), 2, "others");
    for number in 0..60 {
        let name = format!("own/many-{number}.yml");
        write(host.folder.path(), &name, "title: b\n");
    }
    host.rules.look(false);
    assert_eq!((told(now), host.state().refused), (32, 62));
}

#[test]
fn a_host_may_want_none_of_the_collectors() {
    let host = Host::new();
    host.deliver(&[("a.yml", &x("a"))]);
    let config = Config {
        from_collector: false,
        ..host.config.clone()
    };
    let host = Host { config, ..host }.restarted();
    assert!(host.matched("x").is_empty());
    assert_eq!(host.rules.delivered_version(), None);
    assert!(!host.state().takes_delivered);
}
