//! Polling real databases. What is mocked here is nothing: servers run as they are installed.

mod databases;
mod servers;

use std::time::{Duration, Instant};

use crmscope_proto::catalog::SourceMetric;

use self::servers::{Engine, Server};
use super::super::tests::harness::Harness;
use super::*;

/// Longest wait: machines are shared.
const PATIENCE: Duration = Duration::from_secs(90);

impl Harness<SqlPoller> {
    fn new(databases: Vec<Database>) -> Self {
        let config = Config {
            databases,
            ..Config::default()
        };
        assert_eq!(config.validate(), Ok(()));
        Self::of(config.databases)
    }

    fn again(databases: Vec<Database>, checkpoint: &[u8]) -> Self {
        Self::resumed(databases, checkpoint)
    }
}

/// The query of most tests.
fn logins(server: &Server) -> Database {
    let text = |text: &str| Some(text.to_owned());
    Database {
        name: "crm".to_owned(),
        kind: match server.engine {
            Engine::PostgreSql => Kind::PostgreSql,
            Engine::MariaDb => Kind::MySql,
        },
        host: "127.0.0.1".to_owned(),
        port: Some(server.port),
        database: "crm".to_owned(),
        user: "reader".to_owned(),
        password_file: Some(server.path("password")),
        tls: true,
        server_ca_file: Some(server.path("server.pem")),
        interval_ms: 1000,
        query: "SELECT id, at, who, source, ok, info FROM logins WHERE at >= {cursor} ORDER BY at LIMIT {limit}"
            .to_owned(),
        cursor: "at".to_owned(),
        key: "id".to_owned(),
        from: Start::Ago(3_600_000),
        service: "crm".to_owned(),
        event: text("app_login"),
        kinds: Vec::new(),
        outcome: None,
        conditions: Vec::new(),
        fields: crate::sources::security::Fields {
            time: text("at"),
            user: text("who"),
            source_address: text("source"),
            outcome: text("ok"),
            detail: text("info"),
            ..crate::sources::security::Fields::default()
        },
        ..Database::template()
    }
}

/// What makes sense, as little as possible.
fn good() -> Database {
    Database {
        host: "127.0.0.1".to_owned(),
        name: "crm".to_owned(),
        database: "crm".to_owned(),
        user: "reader".to_owned(),
        cursor: "at".to_owned(),
        key: "id".to_owned(),
        service: "crm".to_owned(),
        query: "SELECT at FROM t WHERE at >= {cursor} LIMIT {limit}".to_owned(),
        event: Some("app_login".to_owned()),
        kinds: Vec::new(),
        outcome: None,
        conditions: Vec::new(),
        fields: crate::sources::security::Fields {
            time: Some("at".to_owned()),
            ..crate::sources::security::Fields::default()
        },
        ..Database::template()
    }
}

#[test]
fn what_makes_no_sense_is_named() {
    let error = |change: fn(&mut Database)| {
        let mut database = good();
        change(&mut database);
        let databases = vec![database];
        let config = Config {
            databases,
            ..Config::default()
        };
        config.validate().err().unwrap_or_default()
    };
    assert_eq!(error(|_| {}), "");
    for (change, named) in [
        ((|one| one.name.clear()) as fn(&mut Database), "name is"),
        (|one| one.user = "a\0b".to_owned(), "user is"),
        (|one| one.interval_ms = 10, "interval_ms is 10; use 1000 to"),
        (|one| one.limit = 1, "limit is 1"),
        (|one| one.query = "DELETE FROM t".to_owned(), "SELECT"),
        (|one| one.event = None, "event is missing"),
        (
            |one| one.event = Some("login".to_owned()),
            "kind is \"login\"",
        ),
        (|one| one.zone = "Berlin".to_owned(), "zone is"),
        (|one| one.zone = "local".to_owned(), "lookback is"),
        (|one| one.fields.time = None, "time is not told"),
        (
            |one| {
                one.tls = false;
                one.host = "db-01".to_owned();
            },
            "in the clear",
        ),
        (
            |one| {
                one.cursor_kind = CursorKind::Integer;
                one.from = Start::Ago(1000);
            },
            "from is a time",
        ),
    ] {
        let error = error(change);
        assert!(error.contains(named), "{named}: {error}");
    }
    let twice = Config {
        databases: vec![good(), good()],
        ..Config::default()
    };
    assert!(twice.validate().unwrap_err().contains("two have the name"));
}

#[test]
fn with_others_beside_it_a_database_remembers_less() {
    let database = good();
    let position = full_position("at", 1);
    let remembered = |sharers| {
        let poller = SqlPoller::new(&database, Some(&position), sharers);
        let window = poller.window.unwrap();
        serde_json::to_string(&window.save()).unwrap().len()
    };
    let alone = remembered(1);
    assert!(alone > SEEN_MAX * 21, "{alone}");
    // The newest of it, which is what is left to be told from what comes late.
    assert!(
        remembered(16) < ROWS_MAX / 16 * 22 + 200,
        "{}",
        remembered(16)
    );
}
