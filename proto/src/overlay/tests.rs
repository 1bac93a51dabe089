//! Files, keys, and bytes of anybody.

use serde_json::json;

use super::allowed::{ALLOWED, Kind, Merge};
use super::*;

const EXAMPLE: &str = "[intervals]\nbatch_ms = 10000\n\n[sources.units]\nwatch = [\"nginx.service\"]\n\n[[sources.processes.watch]]\nname = \"php\"\ncomm = \"php-fpm*\"\n";

fn parsed(text: &str) -> Overlay {
    file::parse(text).unwrap()
}

#[test]
fn a_file_has_the_sections_of_the_agents_own() {
    let overlay = parsed(EXAMPLE);
    let bytes = overlay.encode().unwrap();
    assert_eq!(
        String::from_utf8(bytes.clone()).unwrap(),
        r#"{"intervals.batch_ms":10000,"sources.processes.watch":[{"comm":"php-fpm*","name":"php"}],"sources.units.watch":["nginx.service"]}"#
    );
    let version = version_of(&bytes);
    assert_eq!(Overlay::decode(version, &bytes).unwrap(), overlay);
    // Order, blanks and comments are none of the contents.
    let other = parsed(
        "# x\nsources.units.watch = ['nginx.service']\nsources.processes.watch = [{ name = 'php', comm = 'php-fpm*' }]\n[intervals]\nbatch_ms = 10_000",
    );
    assert_eq!(other, overlay);
    assert!(parsed("").is_empty() && parsed("[intervals]\n[sources.units]\n").is_empty());
    assert_eq!(parsed("").encode().unwrap(), Vec::<u8>::new());
    assert_eq!(Overlay::decode(0, b"").unwrap(), Overlay::default());
}

#[test]
fn mistakes_are_told_with_their_line() {
    for (text, line, reason) in [
        ("[intervals\n", 1, ""),
        ("[intervals]\nbatch_ms = 1\nbatch_ms = 2\n", 3, "duplicate"),
        (
            "[intervals]\nheartbeat_ms = 5000\nbatch_ms = 5\n",
            3,
            "intervals.batch_ms is 5; it must be 200 to 300000",
        ),
        (
            "[intervals]\nbatch_ms = \"soon\"\n",
            2,
            "intervals.batch_ms is \"soon\"; it must be",
        ),
        ("[intervals]\nbatch_ms = -1\n", 2, "is -1; it must be"),
        ("[intervals]\nbatch_ms = 500.5\n", 2, "is 500.5; it must be"),
        (
            "\n[sources.host]\nintervall_ms = 500\n",
            3,
            "did you mean `sources.host.interval_ms`?",
        ),
        (
            "[collector]\nendpoint = \"https://evil.example\"\n",
            2,
            "collector.endpoint is not among what a collector may set",
        ),
        ("state_dir = \"/\"\n", 1, "state_dir is not among"),
        (
            "[sources.units]\nprogram = \"/bin/sh\"\n",
            2,
            "sources.units.program is not among",
        ),
        ("[sources.units]\nwatch = 5\n", 2, "is 5; it must be a list"),
        (
            "[sources.units]\n# watch = 1\nwatch = [\"a\\nb\"]\n",
            3,
            "sources.units.watch has",
        ),
        (
            "[sources.host]\nenabled = 1\n",
            2,
            "is 1; it must be true or false",
        ),
        (
            "[[sources.processes.watch]]\nname = \"x\"\ncomm = \"x\"\n[[sources.processes.watch]]\nname = \"y\"\ncommand_line = \"*password=a*\"\n",
            6,
            "arguments hold secrets",
        ),
        (
            "[[sources.processes.watch]]\nname = \"x\"\n",
            1,
            "without comm and executable",
        ),
        ("sources = 5\n", 1, "sources is not among"),
        ("[budget.cpu_max_percent]\n", 1, "is {}; it must be 1 to"),
        ("[spool]\n", 1, "spool is not among"),
    ] {
        let faults = file::parse(text).unwrap_err();
        assert_eq!(faults[0].line, line, "{text}: {faults:?}");
        assert!(faults[0].reason.contains(reason), "{text}: {faults:?}");
        assert!(!faults[0].reason.contains('\n'), "{faults:?}");
    }
    // All of them, in order.
    let two = "[intervals]\nbatch_ms = 1\nheartbeat_ms = 2\n";
    let lines: Vec<usize> = file::parse(two)
        .unwrap_err()
        .iter()
        .map(|fault| fault.line)
        .collect();
    assert_eq!(lines, [2, 3]);
}

/// The promise of SECURITY.md: whatever a collector sends, an agent reads no other file, runs no other
/// program, asks nobody else and is nobody else by it.
#[test]
fn nothing_of_identity_addresses_files_or_programs_is_allowed() {
    let words = [
        "path",
        "dir",
        "file",
        "program",
        "command",
        "chronyc",
        "url",
        "endpoint",
        "address",
        "token",
        "target",
        "identity",
        "collector",
        "tls",
        "spool",
        "rules",
        "log",
        "journal",
        "database",
        "query_",
        "pattern",
        "security",
        "sql",
        "salesforce",
        "hubspot",
        "zone",
        "settings",
        "agent_id",
        "directories",
        "proxy",
        "secret",
        "password",
        "host_name",
    ];
    for allowed in ALLOWED {
        let key = allowed.key.replace("filesystem", "");
        let found = words.iter().find(|word| {
            key.split(['.', '_'])
                .any(|part| part == word.trim_end_matches('_'))
        });
        // `keep_query` only ever turns off what the host has on.
        assert!(
            found.is_none() || allowed.merge == Merge::Narrows,
            "{}: {found:?}",
            allowed.key
        );
        let once = ALLOWED.iter().filter(|other| other.key == allowed.key);
        assert_eq!(once.count(), 1, "{}", allowed.key);
    }
    let sections = ["intervals", "budget", "sources"];
    for allowed in ALLOWED {
        let section = allowed.key.split('.').next().unwrap();
        assert!(sections.contains(&section), "{}", allowed.key);
    }
}

#[test]
fn bytes_of_anybody_are_an_overlay_or_an_error() {
    let of = |bytes: &[u8]| Overlay::decode(version_of(bytes), bytes);
    let good = parsed(EXAMPLE).encode().unwrap();
    assert_eq!(
        Overlay::decode(version_of(&good) ^ 1, &good),
        Err(OverlayError::Damaged)
    );
    assert_eq!(Overlay::decode(0, &good), Err(OverlayError::Damaged));
    assert_eq!(Overlay::decode(1, b""), Err(OverlayError::Damaged));
    for end in 1..good.len() {
        assert!(of(&good[..end]).is_err(), "cut at {end}");
    }
    for position in 0..good.len() {
        for bit in 0..8 {
            let mut damaged = good.clone();
            damaged[position] ^= 1 << bit;
            assert!(Overlay::decode(version_of(&good), &damaged).is_err());
            // With a version to it, it is what it says or an error, never a panic.
            let _ = of(&damaged);
        }
    }
    let deep = [b"{\"sources\":".repeat(5_000), b"1".to_vec()].concat();
    assert!(of(&deep).is_err());
    let wide = format!(
        "{{\"sources.units.watch\":[{}\"a\"]}}",
        "\"a\",".repeat(256)
    );
    assert!(of(wide.as_bytes()).unwrap_err().to_string().contains("257"));
    let large = vec![b' '; OVERLAY_MAX_BYTES + 1];
    assert_eq!(of(&large), Err(OverlayError::Large(large.len())));
    let hostile = format!("{{\"{}\\u001b[2J\":1}}", "k".repeat(5_000));
    let error = of(hostile.as_bytes()).unwrap_err().to_string();
    assert!(error.len() < 400 && !error.contains('\u{1b}'), "{error}");
}

#[test]
fn a_later_set_stands_and_lists_add_up() {
    let mut all = parsed(EXAMPLE);
    all.lay(&parsed(
        "[intervals]\nbatch_ms = 20000\n[sources.units]\nwatch = [\"nginx.service\", \"mariadb.service\"]\n[[sources.processes.watch]]\nname = \"php\"\ncomm = \"php8*\"\n[[sources.processes.watch]]\nname = \"redis\"\ncomm = \"redis*\"\n",
    ));
    assert_eq!(all.get("intervals.batch_ms"), Some(&json!(20_000)));
    assert_eq!(
        all.get("sources.units.watch"),
        Some(&json!(["nginx.service", "mariadb.service"]))
    );
    assert_eq!(
        all.get("sources.processes.watch"),
        Some(&json!([{"name": "php", "comm": "php8*"}, {"name": "redis", "comm": "redis*"}]))
    );
}

#[test]
fn over_the_agents_own_ceilings_and_switches_hold() {
    let own = json!({
        "intervals": {"batch_ms": 5_000},
        "budget": {"cpu_max_percent": 5, "memory_max_bytes": 67_108_864},
        "sources": {
            "host": {"enabled": false},
            "clock": {"enabled": true},
            "units": {"watch": ["sshd.service", "own.service"]},
            "processes": {"watch": [{"name": "php", "comm": null, "command_line": "own"}]},
        },
    });
    let overlay = parsed(
        "[intervals]\nbatch_ms = 10000\n[budget]\ncpu_max_percent = 50\nmemory_max_bytes = 33554432\n[sources.host]\nenabled = true\n[sources.clock]\nenabled = false\n[sources.units]\nwatch = [\"nginx.service\", \"sshd.service\"]\n[[sources.processes.watch]]\nname = \"php\"\ncomm = \"theirs\"\n[[sources.processes.watch]]\nname = \"b\"\ncomm = \"b\"\n",
    );
    let mut laid = own.clone();
    overlay.lay_over(&mut laid).unwrap();
    let want = json!({
        "intervals": {"batch_ms": 10_000},
        "budget": {"cpu_max_percent": 5, "memory_max_bytes": 33_554_432},
        "sources": {
            "host": {"enabled": false},
            "clock": {"enabled": false},
            "units": {"watch": ["sshd.service", "own.service", "nginx.service"]},
            "processes": {"watch": [
                {"name": "php", "comm": null, "command_line": "own"},
                {"name": "b", "comm": "b"},
            ]},
        },
    });
    assert_eq!(laid, want);
    // Laid over a second time it changes nothing.
    overlay.lay_over(&mut laid).unwrap();
    assert_eq!(laid, want);
    let error = overlay.lay_over(&mut json!({})).unwrap_err();
    assert!(error.to_string().contains("is no key of this agent"));
}

#[test]
fn values_are_held_to_their_kind() {
    for allowed in ALLOWED {
        let good = match allowed.kind {
            Kind::Number { min, max } => vec![json!(min), json!(max)],
            Kind::Switch => vec![json!(true), json!(false)],
            Kind::Texts => vec![json!([]), json!(["a"])],
            Kind::Processes => vec![json!([]), json!([{"name": "a", "comm": "a"}])],
        };
        for value in &good {
            assert_eq!(allowed.check(value), Ok(()), "{}", allowed.key);
        }
        let mut bad = vec![
            json!(null),
            json!({}),
            json!("x"),
            json!(-1),
            json!(u64::MAX),
            json!(0.5),
            json!([[]]),
            json!([""]),
            json!(["a".repeat(257)]),
            json!(["\u{7}"]),
            json!([{"name": "a"}]),
            json!([{"name": "a", "comm": 5}]),
            json!([{"comm": "a"}]),
        ];
        bad.retain(|value| !good.contains(value));
        for value in bad {
            let reason = allowed.check(&value).unwrap_err();
            assert!(reason.len() < 300, "{reason}");
        }
    }
}
