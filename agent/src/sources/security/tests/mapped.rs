//! JSON and regular expressions by field mapping, and their configuration.

use super::super::event::Status;
use super::super::reading::Outcome;
use super::super::{Condition, Fields, KindOf, LogConfig, LogFormat};
use super::logs::{NOW_MS, check, config, log, reading};

pub(super) fn json_config() -> LogConfig {
    let path = |text: &str| Some(text.to_owned());
    LogConfig {
        service: path("crm"),
        zone: path("+01:00"),
        kind: None,
        kinds: [("LOGIN", "app_login"), ("EXPORT", "data_export")]
            .map(|(value, kind)| KindOf {
                value: value.to_owned(),
                kind: kind.to_owned(),
            })
            .to_vec(),
        conditions: vec![Condition {
            field: "category".to_owned(),
            values: vec!["security".to_owned(), "7".to_owned()],
        }],
        fields: Fields {
            time: path("ts"),
            user: path("actor.login"),
            target_user: path("subject.0.login"),
            source_address: path("client.ip"),
            outcome: path("ok"),
            kind: path("event"),
            method: path("auth.method"),
            service: path("component"),
            records: path("rows"),
            detail: path("event.name"),
        },
        ..config(LogFormat::Json)
    }
}

#[test]
#[rustfmt::skip]
fn json_by_its_fields() {
    use Status::*;
    let mut json = log(&json_config());
    for (line, expected) in [
        (r#"{"category":"security","ts":"2026-11-25 10:35:36","event":"LOGIN","ok":false,"actor":{"login":"x from 6.6.6.6"},"client":{"ip":"203.0.113.9:4711"},"auth":{"method":"sso"}}"#, ("app_login", Failure, "x from 6.6.6.6", "", "203.0.113.9", 0, "")),
        (r#"{"category":7,"ts":1795599336.5,"event":"EXPORT","ok":"Success","actor":{"login":"a\nb"},"subject":[{"login":"bob"}],"client":{"ip":"2001:db8::1"},"rows":50000,"event.name":"contacts"}"#, ("data_export", Success, "a\nb", "bob", "2001:db8::1", 50000, "contacts")),
        (r#"{"category":"security","ts":1795599336500,"event":"EXPORT","ok":"maybe","rows":"12","client":{"ip":"[::1]:80"}}"#, ("data_export", Unknown, "", "", "::1", 12, "")),
        (r#"{"category":"security","ts":"2026-11-25T09:35:36Z","event":"LOGIN","actor":{"login":{"deep":1}},"client":{"ip":null}}"#, ("app_login", Unknown, "", "", "", 0, "")),
    ] {
        check(&mut json, line, expected);
    }
    let event = reading(&mut json, r#"{"category":"security","ts":"2026-11-25 10:35:36","event":"LOGIN","client":{"ip":"1.2.3.4:5"},"component":"portal","auth":{"method":"sso"}}"#);
    assert_eq!((event.time_ms, event.port, event.service.as_str(), event.method.as_str()), (1_795_599_336_000, 5, "portal", "sso"));
    for line in [
        "",
        r#"{"category":"other","ts":1795599336,"event":"LOGIN"}"#,
        r#"{"ts":1795599336,"event":"LOGIN"}"#,
        r#"{"category":"security","ts":1795599336,"event":"VIEW"}"#,
        r#"{"category":"security","ts":1795599336}"#,
        "[]",
        "12",
    ] {
        assert_eq!(json.read(line, NOW_MS), Outcome::Nothing, "{line}");
    }
    for line in [
        "not json",
        "{",
        r#"{"category":"security","event":"LOGIN"}"#,
        r#"{"category":"security","ts":"yesterday","event":"LOGIN"}"#,
        r#"{"category":"security","ts":1795599336,"event":"EXPORT","rows":-1}"#,
        r#"{"category":"security","ts":1795599336,"event":"EXPORT","rows":1.5}"#,
        &"[".repeat(60_000),
    ] {
        assert_eq!(json.read(line, NOW_MS), Outcome::Unknown, "{line:.80}");
    }
}

/// A stranger who chooses services or methods fills no dictionary.
#[test]
fn names_are_bounded() {
    let mut json = log(&json_config());
    let mut services = std::collections::BTreeSet::new();
    for number in 0..1000 {
        let line = format!(
            r#"{{"category":"security","ts":1795599336,"event":"LOGIN","component":"c{number}","auth":{{"method":"{}"}}}}"#,
            "m".repeat(300)
        );
        let event = reading(&mut json, &line);
        assert!(event.method.len() <= 64);
        services.insert(event.service);
    }
    assert_eq!(services.len(), 65);
    assert!(services.contains("OTHER"));
}

pub(super) fn pattern_config(pattern: &str) -> LogConfig {
    LogConfig {
        service: Some("crm".to_owned()),
        zone: Some("+00:00".to_owned()),
        kind: Some("app_login".to_owned()),
        outcome: Some("failure".to_owned()),
        pattern: Some(pattern.to_owned()),
        ..config(LogFormat::Regex)
    }
}

#[test]
fn lines_by_an_expression() {
    use Status::*;
    let mut refused = log(&pattern_config(
        r"^(?P<time>\S+ \S+) login of (?P<user>.*) refused, from (?P<source_address>\S+)$",
    ));
    check(
        &mut refused,
        "2026-11-25 09:35:36.5 login of x refused, from 6.6.6.6 refused, from 203.0.113.9",
        (
            "app_login",
            Failure,
            "x refused, from 6.6.6.6",
            "",
            "203.0.113.9",
            0,
            "",
        ),
    );
    assert_eq!(refused.read("something else", NOW_MS), Outcome::Nothing);
    assert_eq!(
        refused.read("no time login of x refused, from 1.2.3.4", NOW_MS),
        Outcome::Unknown
    );
    let mut told = log(&LogConfig {
        kinds: vec![KindOf {
            value: "exported".to_owned(),
            kind: "data_export".to_owned(),
        }],
        kind: None,
        outcome: None,
        ..pattern_config(
            r"^(?P<time>\d+) (?P<user>\w+) (?P<kind>\w+) (?P<records>\d+) rows: (?P<outcome>\w+)$",
        )
    });
    check(
        &mut told,
        "1795599336 bob exported 700 rows: OK",
        ("data_export", Success, "bob", "", "", 700, ""),
    );
    assert_eq!(
        told.read("1795599336 bob viewed 700 rows: OK", NOW_MS),
        Outcome::Nothing
    );
}

/// Time is linear in the line whatever the expression: these are the classic traps.
#[test]
fn expressions_cannot_be_made_slow_or_large() {
    let mut trap = log(&pattern_config(r"^(?P<time>(a+)+)$"));
    let line = format!("{}!", "a".repeat(60_000));
    assert_eq!(trap.read(&line, NOW_MS), Outcome::Nothing);
    let error = pattern_config(r"(?P<time>a{1000}{1000})")
        .validate()
        .unwrap_err();
    assert!(error.contains("pattern: "), "{error}");
}

#[test]
fn a_wrong_config_is_an_error_that_names_the_key() {
    let broken = |change: &dyn Fn(&mut LogConfig), says: &[&str]| {
        for base in [json_config(), pattern_config("(?P<time>x)")] {
            let mut config = base;
            change(&mut config);
            if let Err(error) = config.validate() {
                for part in says {
                    assert!(error.contains(part), "{error} does not say {part}");
                }
                assert!(error.contains("sources.security.logs"), "{error}");
                return;
            }
        }
        panic!("accepted; should say {says:?}");
    };
    broken(
        &|config| config.path = "relative".to_owned(),
        &["path is not absolute"],
    );
    broken(&|config| config.path = "/x/[".to_owned(), &["path: "]);
    broken(
        &|config| config.zone = Some("Berlin".to_owned()),
        &["zone", "+02:00"],
    );
    broken(&|config| config.service = None, &["service is missing"]);
    broken(&|config| config.service = Some(String::new()), &["service"]);
    broken(
        &|config| config.kinds.clear(),
        &["kind is missing", "app_login"],
    );
    broken(
        &|config| config.kind = Some("login".to_owned()),
        &["\"login\"", "app_login"],
    );
    broken(&|config| config.fields.time = None, &["time is not told"]);
    broken(
        &|config| config.fields.user = Some("a..b".to_owned()),
        &["fields.user"],
    );
    broken(&|config| config.fields.kind = None, &["kinds translates"]);
    broken(
        &|config| config.outcome = Some("maybe".to_owned()),
        &["outcome"],
    );
    broken(
        &|config| config.success = vec!["DENIED".to_owned()],
        &["success and in failure"],
    );
    broken(
        &|config| config.conditions = vec![Condition::default()],
        &["where"],
    );
    broken(
        &|config| config.format = LogFormat::Odoo,
        &["only path, format, service and zone"],
    );
    for (pattern, says) in [
        ("(?P<time>x", "at character 1"),
        ("(?P<time>x)[z-a]", "at character 13"),
        ("(?P<time>x)(?P<login>y)", "unknown group `login`"),
        ("x", "time is not told"),
        ("", "pattern has 0 bytes"),
    ] {
        let error = pattern_config(pattern).validate().unwrap_err();
        assert!(error.contains(says), "{pattern}: {error}");
    }
    let long = "x".repeat(5000);
    assert!(pattern_config(&long).validate().is_err());
}
