//! The example configuration says what the code does: every key, every default.

use std::path::Path;

use crmscope_agent::Config;
use crmscope_proto::settings::keys;

#[test]
fn the_example_lists_every_key() {
    let text = include_str!("../agent.example.toml");
    let given: toml::Value = toml::from_str(text).unwrap();
    let given = keys(&serde_json::to_value(given).unwrap());
    let mut known = keys(&serde_json::to_value(Config::template()).unwrap());
    known.retain(|key| !given.contains(key));
    assert!(
        known.is_empty(),
        "missing from agent.example.toml: {known:?}"
    );
}

#[test]
fn the_example_shows_the_order_of_shedding() {
    use crmscope_agent::runtime::budget::Subject;
    let mut text = include_str!("../agent.example.toml");
    for (position, subject) in Subject::ORDER.iter().enumerate() {
        let line = format!(
            "\n#   {} {}: {}\n",
            position + 1,
            subject.name(),
            subject.text()
        );
        let found = text.find(&line).unwrap_or_else(|| panic!("no line {line}"));
        text = &text[found..];
    }
}

#[test]
fn the_example_shows_the_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("agent.example.toml");
    let example = Config::load(Some(&path)).unwrap();
    let mut example = serde_json::to_value(example).unwrap();
    let mut defaults = serde_json::to_value(Config::default()).unwrap();
    // Filled in when read, and shown for what it may hold.
    example["agent_id"] = "".into();
    for (source, list) in [
        ("requests", "logs"),
        ("security", "logs"),
        ("processes", "watch"),
        ("probes", "targets"),
        ("sql", "databases"),
        ("salesforce", "orgs"),
        ("hubspot", "accounts"),
    ] {
        example["sources"][source][list] = serde_json::Value::Null;
        defaults["sources"][source][list] = serde_json::Value::Null;
    }
    assert_eq!(example, defaults);
}

#[test]
fn what_is_shipped_for_applications_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/agent");
    let mut read = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let config = Config::load(Some(&path)).unwrap();
        let sources = config.sources;
        let polled = sources.sql.databases.len()
            + sources.salesforce.orgs.len()
            + sources.hubspot.accounts.len();
        assert_eq!(polled, 1, "{}", path.display());
        read.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    read.sort();
    assert_eq!(read, ["espocrm.toml", "hubspot.toml", "salesforce.toml"]);
}
