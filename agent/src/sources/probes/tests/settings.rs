//! What settings mean, and what they refuse.

use std::net::IpAddr;

use super::super::place::Place;
use super::super::target::Check;
use super::{http, tcp};
use crate::sources::probes::{Config, Kind, Method, Status, Target};

fn dns(domain: &str) -> Target {
    Target {
        name: "name".to_owned(),
        service: "crm".to_owned(),
        kind: Some(Kind::Dns),
        domain: Some(domain.to_owned()),
        ..Target::default()
    }
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[test]
fn mistakes_in_bounds_are_named() {
    type Mistake = (&'static str, fn(&mut Config));
    assert_eq!(Config::default().validate(), Ok(()));
    let mistakes: [Mistake; 9] = [
        ("interval_ms is 999", |c| c.interval_ms = 999),
        ("interval_ms is 3600001", |c| c.interval_ms = 3_600_001),
        ("deadline_ms is 99", |c| c.deadline_ms = 99),
        ("targets_max is 0", |c| c.targets_max = 0),
        ("targets has 2, and targets_max is 1", |c| {
            c.targets_max = 1;
            c.targets = vec![http("http://a/"), dns("a.example")];
        }),
        ("deadline_ms is 5000: 17 targets that hang", |c| {
            c.interval_ms = 9_999;
            c.targets = vec![http("http://a/"); 17];
        }),
        ("targets: target 1 has the name \"\"", |c| {
            c.targets = vec![tcp("", "a:1")];
        }),
        ("targets: target 1 has the name \"a\\nb\"", |c| {
            c.targets = vec![tcp("a\nb", "a:1")];
        }),
        ("targets: two have the name \"x\"", |c| {
            c.targets = vec![tcp("x", "a:1"), tcp("x", "b:1")];
        }),
    ];
    for (start, mistake) in mistakes {
        let mut config = Config::default();
        mistake(&mut config);
        let error = config.validate().unwrap_err();
        assert!(error.starts_with(start), "{error}");
    }
}

#[test]
fn mistakes_in_targets_are_named() {
    type Mistake = (&'static str, fn(&mut Target));
    let mistakes: [Mistake; 25] = [
        ("service is \"\"", |t| t.service.clear()),
        ("kind is missing", |t| t.kind = None),
        ("url means nothing for kind \"tcp\"", |t| {
            t.kind = Some(Kind::Tcp);
        }),
        ("address means nothing for kind \"http\"", |t| {
            t.address = text("a:1");
        }),
        ("expect_address means nothing", |t| {
            t.expect_address = text("192.0.2.1");
        }),
        ("url is missing", |t| t.url = None),
        ("expect_status is empty", |t| t.expect_status = Some(vec![])),
        ("expect_status has Text(\"6xx\")", |t| {
            t.expect_status = Some(vec![Status::Text("6xx".to_owned())]);
        }),
        ("expect_status has Text(\"ok\")", |t| {
            t.expect_status = Some(vec![Status::Text("ok".to_owned())]);
        }),
        ("expect_status has Code(99)", |t| {
            t.expect_status = Some(vec![Status::Code(200), Status::Code(99)]);
        }),
        ("expect_status has Code(70000)", |t| {
            t.expect_status = Some(vec![Status::Code(70_000)]);
        }),
        ("expect_body is empty", |t| t.expect_body = text("")),
        ("expect_body and expect_body_regex", |t| {
            (t.expect_body, t.expect_body_regex) = (text("a"), text("b"));
        }),
        ("expect_body_regex cannot be used", |t| {
            t.expect_body_regex = text("(");
        }),
        ("expect_body_regex cannot be used", |t| {
            t.expect_body_regex = text("(a{1000}){1000}");
        }),
        ("method is HEAD", |t| {
            (t.method, t.expect_body) = (Some(Method::Head), text("a"));
        }),
        ("host is \"a b\"", |t| t.host = text("a b")),
        ("host is \"\"", |t| t.host = text("")),
        ("user_agent is \"\"", |t| t.user_agent = text("")),
        ("user_agent is \"a\\r\\nX: 1\"", |t| {
            t.user_agent = text("a\r\nX: 1");
        }),
        ("server_ca_file means nothing", |t| {
            t.url = text("http://a/");
            t.server_ca_file = Some("/ca.pem".into());
        }),
        ("server_ca_file is \"ca.pem\"", |t| {
            t.server_ca_file = Some("ca.pem".into());
        }),
        ("address is missing or wrong", |t| *t = tcp("page", "db-01")),
        ("server is \"resolver\"", |t| {
            *t = dns("a.example");
            t.server = text("resolver");
        }),
        ("expect_address is \"a\"", |t| {
            *t = dns("a.example");
            t.expect_address = text("a");
        }),
    ];
    for (start, mistake) in mistakes {
        let mut target = http("https://a.example/");
        mistake(&mut target);
        let config = Config {
            targets: vec![target],
            ..Config::default()
        };
        let error = config.validate().unwrap_err();
        let prefix = "targets: target ";
        assert!(
            error.starts_with(prefix) && error.contains(start),
            "{start}: {error}"
        );
    }
    for url in [
        "/login",
        "ftp://a/",
        "https://u:secret@a/",
        "https://a:99999/",
        "https://a:/",
        "https:///x",
        "https://a_b!/",
    ] {
        let error = http(url).check().unwrap_err();
        let named =
            error.starts_with("url is missing or wrong") || error.contains("of a certificate");
        assert!(named && !error.contains("secret"), "{url}: {error}");
    }
    for address in [
        "db", "db:0", "db:x", ":22", "[db]:22", "::1:22", "a b:22", "a..b:22", "db:70000",
    ] {
        assert!(tcp("x", address).check().is_err(), "{address}");
    }
    let long = format!("{}.example", "a".repeat(64));
    for domain in ["", ".", "a..b", "a b", "é.example", &long] {
        assert!(dns(domain).check().is_err(), "{domain}");
    }
}

#[test]
fn targets_are_read_as_meant() {
    let place = |host: &str, port| Place {
        host: host.to_owned(),
        port,
    };
    for (url, asked, host, path, tls) in [
        (
            "http://crm.example",
            place("crm.example", 80),
            "crm.example",
            "/",
            None,
        ),
        (
            "https://[::1]:8443/a?b=c#d",
            place("::1", 8443),
            "[::1]:8443",
            "/a?b=c",
            Some("::1"),
        ),
        (
            "https://192.0.2.7/x",
            place("192.0.2.7", 443),
            "192.0.2.7",
            "/x",
            Some("192.0.2.7"),
        ),
    ] {
        let Check::Http(check) = http(url).check().unwrap() else {
            panic!("{url}");
        };
        assert_eq!(check.place, asked, "{url}");
        assert_eq!(check.host, host);
        assert_eq!(check.path, path);
        assert_eq!(check.tls_name.as_deref(), tls);
        assert_eq!(check.statuses, [(200, 399)]);
    }
    let mut target = http("https://192.0.2.7:8443/");
    target.host = text("crm.example:8443");
    target.expect_status = Some(vec![Status::Code(401), Status::Text("2xx".to_owned())]);
    let Check::Http(check) = target.check().unwrap() else {
        panic!();
    };
    assert_eq!(check.tls_name.as_deref(), Some("crm.example"));
    assert_eq!(check.host, "crm.example:8443");
    assert_eq!(check.statuses, [(401, 401), (200, 299)]);
    for (address, asked) in [("[2001:db8::1]:22", "2001:db8::1"), ("db-01:22", "db-01")] {
        let Check::Tcp(read) = tcp("x", address).check().unwrap() else {
            panic!("{address}");
        };
        assert_eq!(read, place(asked, 22));
    }
    let mut target = dns("crm.example.");
    (target.server, target.expect_address) = (text("127.0.0.1:53"), text("::1"));
    let Check::Dns(check) = target.check().unwrap() else {
        panic!();
    };
    assert_eq!(check.domain, "crm.example");
    assert_eq!(check.expect, Some("::1".parse::<IpAddr>().unwrap()));
}

#[test]
fn words_that_mean_nothing_are_answered_with_those_that_do() {
    for (key, word, choices) in [
        ("kind", "htp", "\"http\", \"tcp\" or \"dns\""),
        ("method", "POST", "\"GET\" or \"HEAD\""),
    ] {
        let error = serde_json::from_value::<Target>(serde_json::json!({ key: word })).unwrap_err();
        let wanted = format!("{key} is {word:?}; use {choices}");
        assert!(error.to_string().contains(&wanted), "{error}");
    }
    let error = serde_json::from_value::<Target>(serde_json::json!({ "urll": "" })).unwrap_err();
    assert!(
        error.to_string().contains("unknown field `urll`"),
        "{error}"
    );
    // What is written is read again.
    let template = serde_json::to_value(Target::template()).unwrap();
    let read: Target = serde_json::from_value(template).unwrap();
    assert_eq!(read, Target::template());
}
