use std::path::PathBuf;

use super::*;

const GOOD: &str = "  selection:\n    kind: x\n  condition: selection";

fn fault(text: &str) -> (usize, String) {
    let loaded = loaded(&[("rule.yml", text)]);
    assert_eq!(
        (loaded.rules, loaded.refused),
        (0, 1),
        "{text}: {:?}",
        loaded.faults
    );
    let (_, line, reason) = faults(&loaded).remove(0);
    (line, reason)
}

#[test]
fn a_broken_rule_is_refused_with_its_place_and_reason_and_the_rest_goes_on() {
    let good = rule("good", "product: linux", GOOD);
    for (detection, line, reason) in [
        (
            "  selection:\n    kind|nonsense: x\n  condition: selection",
            7,
            "nonsense",
        ),
        (
            "  selection:\n    kind: x\n  condition: selektion",
            8,
            "selektion",
        ),
        (
            "  selection:\n    kind: x\n  condition: selection and (",
            8,
            "ondition",
        ),
        ("  selection:\n    kind: x", 1, "condition"),
        (
            "  selection:\n    kind|re: 'a('\n  condition: selection",
            7,
            "unclosed group",
        ),
        (
            "  selection:\n    source_address|cidr: '10.0.0.0/99'\n  condition: selection",
            1,
            "CIDR",
        ),
        (
            "  selection:\n    records|gt: many\n  condition: selection",
            7,
            "many",
        ),
        ("  selection:\n   - [\n  condition: selection", 9, ""),
        ("  selection: !tag x\n  condition: selection", 6, "tag"),
    ] {
        let broken = rule("broken", "product: linux", detection);
        let (found, said) = fault(&broken);
        assert!(said.contains(reason) && !said.contains('\n'), "{said}");
        assert_eq!(found, line, "{detection}: {said}");
        // In one file with others, the line is the file's.
        let text = format!(
            "# first\n{good}---\n{broken}---\n{}",
            rule("second", "product: linux", GOOD)
        );
        let loaded = loaded(&[("all.yml", &text)]);
        assert_eq!((loaded.rules, loaded.refused), (2, 1), "{text}");
        let before = 1 + good.lines().count() + 1;
        assert_eq!(faults(&loaded)[0].1, line + before, "{detection}");
    }
}

#[test]
fn what_is_no_rule_is_told_from_what_is_none_of_the_agents() {
    let correlation = "title: many\nname: many\ncorrelation:\n  type: event_count\n  rules: [a]\n  group-by: [user]\n  timespan: 1m\n  condition:\n    gte: 5\n  own: anything\n";
    for text in ["", "# nothing\n", "---\n---\n# a\n", correlation] {
        let loaded = loaded(&[("rule.yml", text)]);
        assert_eq!(
            (loaded.rules, loaded.refused),
            (0, 0),
            "{text}: {:?}",
            loaded.faults
        );
        assert!(loaded.set.is_none());
    }
    for (text, line) in [
        ("a list:\n- 1\n", 1),
        ("just words", 1),
        ("- a\n- b\n", 1),
        ("title: x\n", 1),
    ] {
        assert_eq!(fault(text).0, line, "{text}");
    }
    let both = format!("{correlation}---\n{}", rule("a", "product: linux", GOOD));
    assert_eq!(loaded(&[("both.yml", &both)]).rules, 1);
    let global = format!(
        "action: global\nlogsource:\n  product: linux\nlevel: low\n---\ntitle: a\nid: a\ndetection:\n{GOOD}\n---\ntitle: b\nid: b\ndetection:\n{GOOD}\n"
    );
    assert_eq!(loaded(&[("global.yml", &global)]).rules, 2);
}

#[test]
fn a_rule_goes_by_its_id_its_name_or_its_file() {
    let source = format!("logsource:\n  product: linux\ndetection:\n{GOOD}\n");
    let loaded = loaded(&[
        (
            "a.yml",
            &format!("title: t\nid: by-id\nname: unused\n{source}"),
        ),
        ("b.yml", &format!("title: t\nname: by-name\n{source}")),
        ("c/by-file.yaml", &format!("title: t\n{source}")),
        (
            "d.yml",
            &format!("title: t\nid: {}\n{source}", "x".repeat(129)),
        ),
        ("e.txt", "no rule"),
        (".hidden.yml", "no rule"),
    ]);
    assert_eq!(loaded.rules, 3);
    assert_eq!(faults(&loaded)[0].0, "d.yml");
    let mut record = Record::of("", false);
    record.text(&["kind"], "x");
    let found = matches(&loaded.set.unwrap(), Class::Auth, "sshd", &record);
    assert_eq!(found, ["by-file", "by-id", "by-name"]);
}

#[test]
fn a_later_directory_replaces_a_rule_and_one_directory_has_it_once() {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let directories: Vec<PathBuf> = folders.iter().map(|one| one.path().to_owned()).collect();
    let other = "  selection:\n    kind: y\n  condition: selection";
    write(
        folders[0].path(),
        "a.yml",
        rule("a", "product: linux", GOOD),
    );
    write(
        folders[1].path(),
        "a.yml",
        rule("a", "product: linux", other),
    );
    let loaded = load(&directories, &surroundings()).unwrap();
    assert_eq!((loaded.rules, loaded.refused), (1, 0));
    let set = loaded.set.unwrap();
    let mut record = Record::of("", false);
    record.text(&["kind"], "y");
    assert_eq!(matches(&set, Class::Auth, "su", &record), ["a"]);
    write(
        folders[1].path(),
        "b.yml",
        rule("a", "product: linux", GOOD),
    );
    let loaded = load(&directories, &surroundings()).unwrap();
    assert_eq!((loaded.rules, loaded.refused), (1, 1));
    assert!(
        loaded.faults[0].reason.contains("'a'"),
        "{}",
        loaded.faults[0]
    );
}

#[test]
fn the_version_is_of_names_and_contents_alone() {
    let text = rule("a", "product: linux", GOOD);
    let version = |files: &[(&str, &str)]| loaded(files).version;
    let first = version(&[("a.yml", &text)]);
    assert_eq!(version(&[("a.yml", &text)]), first, "in another folder");
    assert_ne!(version(&[("b.yml", &text)]), first);
    assert_ne!(version(&[("a.yml", &format!("{text}\n"))]), first);
    assert_eq!(version(&[]), 0);
}

#[test]
fn files_that_change_are_read_and_what_cannot_be_taken_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let config = Config {
        directories: vec![folder.path().join("rules")],
        ..Config::default()
    };
    let rules = Rules::new(&config, None, surroundings());
    rules.look(false);
    assert!(rules.current().is_none());
    let state = || {
        let state = rules.state().unwrap();
        (
            state.rules,
            state.refused,
            state.version == state.attempted_version,
        )
    };
    assert_eq!(state(), (0, 0, true));

    write(
        folder.path(),
        "rules/a.yml",
        rule("a", "product: linux", GOOD),
    );
    rules.look(false);
    let first = rules.current().unwrap();
    assert_eq!(state(), (1, 0, true));
    rules.look(false);
    assert!(
        std::sync::Arc::ptr_eq(&first, &rules.current().unwrap()),
        "nothing changed"
    );

    write(folder.path(), "rules/b.yml", "title: broken\n");
    rules.look(false);
    assert_eq!(state(), (1, 1, true), "the rest goes on");

    write(folder.path(), "rules/a.yml", "title: broken as well\n");
    rules.look(false);
    assert_eq!(state(), (1, 2, false), "none could be taken");
    assert_eq!(rules.current().unwrap().len(), 1);

    // A file in the place of a directory cannot be read as one.
    fs::remove_dir_all(folder.path().join("rules")).unwrap();
    write(folder.path(), "rules", "");
    rules.look(false);
    assert_eq!(rules.current().unwrap().len(), 1);
    assert_eq!(rules.state().unwrap().attempted_version, 0);

    fs::remove_file(folder.path().join("rules")).unwrap();
    rules.look(false);
    assert!(
        rules.current().is_none(),
        "rules that were taken away are gone"
    );
    assert_eq!(state(), (0, 0, true));
}

#[test]
fn rules_that_are_off_or_missing_are_nothing() {
    let missing = Config {
        directories: vec![PathBuf::from("/nonexistent/crmscope")],
        ..Config::default()
    };
    let rules = Rules::new(&missing, None, surroundings());
    rules.look(false);
    assert!(rules.current().is_none() && rules.state().is_some());
    let off = Config {
        enabled: false,
        ..Config::default()
    };
    let rules = Rules::new(&off, None, surroundings());
    rules.look(true);
    assert!(rules.current().is_none() && rules.state().is_none());
}
