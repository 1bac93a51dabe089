//! Files, sets and what is made of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::delivery::offers::{Deliverable as _, Hosts, Labels};

fn config(name: &str, file: &Path, roles: &[&str]) -> SetConfig {
    SetConfig {
        name: name.to_owned(),
        file: file.to_owned(),
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        groups: Vec::new(),
    }
}

fn set(name: &str, roles: &[&str], text: &str) -> Set {
    let file = PathBuf::from(format!("/etc/{name}.toml"));
    Set::of(&config(name, &file, roles), text.to_owned()).unwrap()
}

#[test]
fn a_host_has_all_sets_of_its_role_laid_over_each_other() {
    let sets = Arc::new(vec![
        set(
            "all",
            &[],
            "[intervals]\nbatch_ms = 10000\n[sources.units]\nwatch = [\"sshd.service\"]\n",
        ),
        set(
            "db",
            &["db"],
            "[intervals]\nbatch_ms = 2000\nheartbeat_ms = 5000\n[sources.units]\nwatch = [\"mariadb.service\"]\n",
        ),
    ]);
    let labels = |role: &str| Labels {
        role: role.to_owned(),
        group: String::new(),
    };
    let hosts: Hosts = [("db-1", "db"), ("web-1", "web")]
        .into_iter()
        .map(|(id, role)| (id.to_owned(), labels(role)))
        .collect();
    let offers = Offers::of(sets, Some(Arc::new(hosts)), &Offers::default());
    let web = offers.offer("web-1").unwrap();
    assert_eq!(web.sets, ["all"]);
    let db = offers.offer("db-1").unwrap();
    assert_eq!(db.sets, ["all", "db"]);
    assert_eq!(db.overlay.get("intervals.batch_ms"), Some(&json!(2_000)));
    assert_eq!(
        db.overlay.get("sources.units.watch"),
        Some(&json!(["sshd.service", "mariadb.service"]))
    );
    // The same for agents that know of three intervals only.
    assert_eq!(db.intervals.version, db.message.version);
    assert_eq!(
        (
            db.intervals.collect_interval_ms,
            db.intervals.batch_interval_ms,
            db.intervals.heartbeat_interval_ms
        ),
        (0, 2_000, 5_000)
    );
    assert_ne!(web.message.version, db.message.version);
}

#[test]
fn a_file_with_a_mistake_is_told_with_its_line_and_stays_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.toml");
    let config = config("all", &file, &[]);
    let missing = Set::read(&config, None).unwrap_err();
    assert!(
        missing.starts_with(&format!("{}: ", file.display())),
        "{missing}"
    );
    fs::write(&file, "[intervals]\nbatch_ms = 10000\n").unwrap();
    let set = Set::read(&config, None).unwrap().unwrap();
    assert_eq!(Set::read(&config, Some(&set)), Ok(None));
    fs::write(&file, "[intervals]\nbatch_ms = 5\nheartbeat_ms = true\n").unwrap();
    let error = Set::read(&config, Some(&set)).unwrap_err();
    let lines: Vec<&str> = error.lines().collect();
    assert!(lines[0].starts_with(&format!("{}:2: intervals.batch_ms is 5", file.display())));
    assert!(lines[1].contains(".toml:3: intervals.heartbeat_ms is true"));
    fs::write(&file, vec![b'#'; 300_000]).unwrap();
    let large = Set::read(&config, Some(&set)).unwrap_err();
    assert!(large.contains("more than 262144 bytes"), "{large}");
    fs::write(&file, b"\xff\xfe").unwrap();
    assert!(Set::read(&config, Some(&set)).is_err());
}

#[test]
fn the_three_intervals_of_the_section_are_a_set_of_everybody() {
    let section = Config {
        version: 3,
        collect_interval_ms: 30_000,
        heartbeat_interval_ms: 5_000,
        ..Config::default()
    };
    assert_eq!(section.validate(), Ok(()));
    let offers = section.source().first();
    let offer = offers.offer("anybody").unwrap();
    assert_eq!(offer.intervals.version, 3);
    assert_eq!(offer.intervals.collect_interval_ms, 30_000);
    assert_eq!(offer.sets, ["agent_settings"]);
    let text = String::from_utf8(offer.message.overlay.clone()).unwrap();
    assert_eq!(
        text,
        r#"{"intervals.heartbeat_ms":5000,"sources.host.interval_ms":30000,"sources.host.rare_interval_ms":30000}"#
    );
    // Without any, nothing is said; a version alone is nothing.
    let silent = Config {
        version: 3,
        ..Config::default()
    };
    assert!(!silent.is_on() && silent.source().first().offer("anybody").is_none());
    let wrong = Config {
        batch_interval_ms: 5,
        ..Config::default()
    };
    let error = wrong.validate().unwrap_err().to_string();
    assert!(
        error.starts_with("agent_settings.batch_interval_ms: intervals.batch_ms is 5; it must be"),
        "{error}"
    );
}

#[test]
fn what_is_shown_of_agents_is_escaped_and_says_whether_all_is_well() {
    use std::time::Duration;
    let agent = show::AgentSettings {
        agent_id: "web-1".to_owned(),
        state: "rolled_back".to_owned(),
        why: "it\u{1b}[2Jfailed".to_owned(),
        attempted_version: "00000000000000ff".to_owned(),
        ..show::AgentSettings::default()
    };
    assert!(!agent.is_good(Duration::from_secs(300)));
    let table = show::table(std::slice::from_ref(&agent));
    assert!(table.contains("web-1: rolled_back 00000000000000ff: it\\u{1b}[2Jfailed"));
    let behind = |behind_ms| show::AgentSettings {
        state: "behind".to_owned(),
        behind_ms,
        ..agent.clone()
    };
    assert!(behind(300_000).is_good(Duration::from_secs(300)));
    assert!(!behind(300_001).is_good(Duration::from_secs(300)));
    assert!(show::keys().contains("intervals.batch_ms"));
}
