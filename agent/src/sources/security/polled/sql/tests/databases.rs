//! The same promises on each kind of database.

use std::io::Write as _;
use std::process::{Child, Stdio};

use super::*;

/// Runs a test on each kind that is installed.
macro_rules! on_each {
    ($($name:ident;)+) => {
        mod postgresql { $(
            #[test]
            fn $name() {
                if let Some(server) = super::Server::start(super::Engine::PostgreSql) {
                    super::$name(server);
                }
            }
        )+ }
        mod mariadb { $(
            #[test]
            fn $name() {
                if let Some(server) = super::Server::start(super::Engine::MariaDb) {
                    super::$name(server);
                }
            }
        )+ }
    };
}

on_each! {
    rows_are_read_once_in_pages_late_ones_too_and_through_restarts;
    odd_rows_and_changes_of_the_schema_are_states;
    who_may_write_is_refused_and_nothing_is_written;
    one_that_is_slow_or_away_holds_up_no_other;
    numbers_are_cursors_too;
    logins_of_espocrm_are_read_as_shipped;
}

/// A moment so many seconds ago, in the words of the database.
fn ago(server: &Server, seconds: u32) -> String {
    match server.engine {
        Engine::PostgreSql => format!("clock_timestamp() - interval '{seconds} seconds'"),
        Engine::MariaDb => format!("UTC_TIMESTAMP(6) - INTERVAL {seconds} SECOND"),
    }
}

fn make_table(server: &Server) {
    server.run(match server.engine {
        Engine::PostgreSql => {
            "CREATE TABLE logins (id bigserial PRIMARY KEY, at timestamptz, who text, source inet, ok boolean, info text);
             CREATE INDEX ON logins (at); GRANT SELECT ON logins TO reader"
        }
        Engine::MariaDb => {
            "CREATE TABLE logins (id bigint AUTO_INCREMENT PRIMARY KEY, at datetime(6), who longtext, source varchar(64), ok boolean, info text, INDEX (at)) CHARSET utf8mb4;
             GRANT SELECT ON crm.logins TO reader@'127.0.0.1'; GRANT SELECT ON crm.logins TO reader@localhost"
        }
    });
}

/// A client that waits within a transaction.
fn begin(server: &Server, sql: &str) -> Child {
    let mut command = server.client("crm");
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let input = child.stdin.as_mut().unwrap();
    writeln!(input, "BEGIN; {sql};").unwrap();
    input.flush().unwrap();
    let open = match server.engine {
        Engine::PostgreSql => {
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'admin' AND state = 'idle in transaction'"
        }
        Engine::MariaDb => {
            "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_rows_modified > 0"
        }
    };
    let end = Instant::now() + PATIENCE;
    while server.run(open).trim() != "1" {
        assert!(Instant::now() < end, "the transaction did not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

fn commit(mut client: Child) {
    let mut input = client.stdin.take().unwrap();
    writeln!(input, "COMMIT;").unwrap();
    drop(input);
    assert!(client.wait().unwrap().success());
}

fn rows_are_read_once_in_pages_late_ones_too_and_through_restarts(server: Server) {
    make_table(&server);
    // Of second 40 there are more than a page holds.
    for (count, seconds) in [(700, 50), (1500, 40), (600, 30)] {
        let at = ago(&server, seconds);
        let at = match server.engine {
            Engine::PostgreSql => format!("date_trunc('second', {at})"),
            Engine::MariaDb => format!("CAST({at} AS DATETIME(0))"),
        };
        let rows = format!("({at}, 'user', '192.0.2.7', true)");
        let rows = vec![rows; count].join(", ");
        server.run(&format!(
            "INSERT INTO logins (at, who, source, ok) VALUES {rows}"
        ));
    }
    let mut config = logins(&server);
    config.limit = 500;
    let mut harness = Harness::new(vec![config.clone()]);
    harness.until("all rows", |harness| {
        harness.contents.security.len() >= 2800
    });
    harness.settled();
    assert_eq!(
        (harness.contents.security.len(), harness.ids().len()),
        (2800, 2800)
    );
    let row = harness.of_user("user");
    assert_eq!(row.event.source_address, "192.0.2.7");
    assert_eq!(
        (row.event.status_id, &*row.kind, &*row.service),
        (1, "app_login", "crm")
    );

    // A transaction that began first, and is not committed while others come.
    let insert = |who: &str, seconds| {
        let at = ago(&server, seconds);
        format!(
            "INSERT INTO logins (at, who, source, ok) VALUES ({at}, '{who}', '192.0.2.8', false)"
        )
    };
    let late = begin(&server, &insert("late", 10));
    server.run(&insert("early", 0));
    harness.until("the other", |harness| harness.users().contains(&"early"));
    assert!(!harness.users().contains(&"late"));
    let checkpoint = harness.checkpoint();
    commit(late);
    harness.until("the late one", |harness| harness.users().contains(&"late"));
    harness.settled();
    assert_eq!(
        (harness.contents.security.len(), harness.ids().len()),
        (2802, 2802)
    );

    // Killed before what followed was stored: it is read again, and nothing else is.
    drop(harness);
    let mut again = Harness::again(vec![config.clone()], &checkpoint);
    again.until("the late one again", |harness| {
        harness.users().contains(&"late")
    });
    again.settled();
    assert_eq!(again.users(), ["late"]);
    // An orderly stop: nothing is read again.
    let checkpoint = again.checkpoint();
    drop(again);
    server.run(&insert("new", 0));
    let mut last = Harness::again(vec![config], &checkpoint);
    last.until("the new one", |harness| {
        !harness.contents.security.is_empty()
    });
    last.settled();
    assert_eq!(last.users(), ["new"]);
}

fn odd_rows_and_changes_of_the_schema_are_states(server: Server) {
    make_table(&server);
    let mut harness = Harness::new(vec![logins(&server)]);
    harness.settled();
    let insert = |who: &str, info: &str| {
        let at = ago(&server, 1);
        format!(
            "INSERT INTO logins (at, who, source, ok, info) VALUES ({at}, {who}, NULL, NULL, {info})"
        )
    };
    server.run(&insert(
        "'x from 6.6.6.6 port 22'",
        "'a''); DROP TABLE logins; --'",
    ));
    server.run(&insert("'\"},{\"user\":\"admin'", "NULL"));
    // A value of 40 MB, of which as much is taken as an event holds.
    server.run(&insert("repeat('h', 40000000)", "NULL"));
    server.run(&insert("NULL", "'nobody'"));
    harness.until("four rows", |harness| harness.contents.security.len() >= 4);
    harness.settled();
    assert_eq!(harness.contents.security.len(), 4);
    let row = harness.of_user("x from 6.6.6.6 port 22");
    assert_eq!((&*row.event.source_address, row.event.status_id), ("", 0));
    assert_eq!(row.event.detail, "a'); DROP TABLE logins; --");
    harness.of_user("\"},{\"user\":\"admin");
    let longest = harness.users().into_iter().map(str::len).max();
    assert_eq!(longest, Some(256));
    assert_eq!(harness.of_user("").event.detail, "nobody");

    // A column of another name: nothing is read, and the state says so.
    server.run("ALTER TABLE logins RENAME COLUMN who TO login");
    server.run(&insert("'meanwhile'", "NULL").replace("who", "login"));
    harness.fails("the database refuses");
    assert!(
        harness.state.as_ref().unwrap_err().contains("who"),
        "{:?}",
        harness.state
    );
    server.run("ALTER TABLE logins RENAME COLUMN login TO who");
    harness.until("what came meanwhile", |harness| {
        harness.users().contains(&"meanwhile")
    });
    harness.settled();
    assert_eq!(harness.contents.security.len(), 5);

    // A row that waits for its time, and does not drag the cursor there.
    let at = match server.engine {
        Engine::PostgreSql => "now() + interval '1 year'",
        Engine::MariaDb => "UTC_TIMESTAMP(6) + INTERVAL 1 YEAR",
    };
    server.run(&format!(
        "INSERT INTO logins (at, who) VALUES ({at}, 'prophet')"
    ));
    harness.fails("ahead of this host's clock");
    server.run(&insert("'after the prophet'", "NULL"));
    harness.until("others", |harness| {
        harness.users().contains(&"after the prophet")
    });
    assert!(!harness.users().contains(&"prophet"));
    server.run("DELETE FROM logins WHERE who = 'prophet'");

    // Queries that cannot be followed.
    let wrong = |change: fn(&mut Database)| {
        let mut config = logins(&server);
        change(&mut config);
        vec![config]
    };
    for (change, named) in [
        (
            (|one| one.cursor = "moment".to_owned()) as fn(&mut Database),
            "no column \"moment\" for cursor",
        ),
        (
            |one| one.key = "number".to_owned(),
            "no column \"number\" for key",
        ),
        (
            |one| one.fields.user = Some("person".to_owned()),
            "no column \"person\" for fields.user",
        ),
        (
            |one| one.key = "source".to_owned(),
            "a row has no \"source\"",
        ),
        (
            |one| {
                one.cursor = "who".to_owned();
                one.query = one
                    .query
                    .replace("at >= {cursor} ORDER BY at", "{cursor} <> '' ORDER BY at");
            },
            "is not a timestamp",
        ),
        (
            |one| one.query = one.query.replace("ORDER BY at", "ORDER BY at DESC"),
            "out of order",
        ),
        (
            |one| {
                one.from = Start::Now;
                one.query = one
                    .query
                    .replace("at >= {cursor}", "{cursor} <> '' AND at < {cursor}");
            },
            "before its cursor",
        ),
    ] {
        let mut harness = Harness::new(wrong(change));
        harness.fails(named);
    }
    assert_eq!(harness.count(SourceMetric::Unparsed), 0);
}

fn who_may_write_is_refused_and_nothing_is_written(server: Server) {
    make_table(&server);
    let mut wrong = logins(&server);
    std::fs::write(server.path("wrong"), "guess").unwrap();
    wrong.password_file = Some(server.path("wrong"));
    Harness::new(vec![wrong]).fails("the database refuses");
    let mut foreign = logins(&server);
    foreign.server_ca_file = Some(server.path("other.pem"));
    Harness::new(vec![foreign]).fails("no TLS with 127.0.0.1");
    // Without TLS on loopback, and by a socket.
    let mut plain = logins(&server);
    plain.tls = false;
    Harness::new(vec![plain]).settled();
    let mut socket = logins(&server);
    socket.host = match server.engine {
        Engine::PostgreSql => server.folder.path().display().to_string(),
        Engine::MariaDb => server.path("socket").display().to_string(),
    };
    Harness::new(vec![socket]).settled();

    match server.engine {
        Engine::PostgreSql => server.run(
            "GRANT INSERT ON logins TO reader; GRANT USAGE ON SEQUENCE logins_id_seq TO reader;
             CREATE FUNCTION login() RETURNS boolean LANGUAGE sql AS 'INSERT INTO logins (who) VALUES (''forged''); SELECT true'",
        ),
        Engine::MariaDb => server.run(
            "GRANT INSERT, EXECUTE ON crm.* TO reader@'127.0.0.1';
             GRANT INSERT, EXECUTE ON crm.* TO reader@localhost;
             DELIMITER //
             CREATE FUNCTION login() RETURNS boolean MODIFIES SQL DATA BEGIN INSERT INTO logins (who) VALUES ('forged'); RETURN true; END //
             DELIMITER ;
             SELECT 1",
        ),
    };
    Harness::new(vec![logins(&server)]).fails("may write");
    let mut writer = logins(&server);
    writer.allow_writer = true;
    Harness::new(vec![writer.clone()]).settled();
    writer.query = "SELECT id, at, who, source, login() AS ok, info FROM (SELECT 1 AS id, {cursor} AS at, '' AS who, '' AS source, '' AS info) t LIMIT {limit}".to_owned();
    writer.from = Start::Ago(10_000);
    let mut harness = Harness::new(vec![writer]);
    harness.fails("the database refuses");
    let error = harness.state.clone().unwrap_err().to_lowercase();
    assert!(
        error.contains("read-only") || error.contains("read only"),
        "{error}"
    );
    assert_eq!(server.run("SELECT count(*) FROM logins").trim(), "0");
    if server.engine == Engine::PostgreSql {
        server.run("ALTER ROLE reader SUPERUSER");
        Harness::new(vec![logins(&server)]).fails("as a superuser");
    }
}

fn one_that_is_slow_or_away_holds_up_no_other(mut server: Server) {
    make_table(&server);
    let mut slow = logins(&server);
    slow.name = "slow".to_owned();
    slow.deadline_ms = 2000;
    let sleep = match server.engine {
        Engine::PostgreSql => "(SELECT true FROM pg_sleep(600))",
        Engine::MariaDb => "(SELECT SLEEP(600))",
    };
    slow.query = format!(
        "SELECT id, at, who, source, {sleep} AS ok, info FROM logins WHERE at >= {{cursor}} ORDER BY at LIMIT {{limit}}"
    );
    let mut away = logins(&server);
    away.name = "away".to_owned();
    away.port = Some(9);
    let good = logins(&server);
    let insert = |server: &Server, who: &str| {
        let at = ago(server, 1);
        server.run(&format!(
            "INSERT INTO logins (at, who) VALUES ({at}, '{who}')"
        ));
    };
    insert(&server, "first");
    let mut harness = Harness::new(vec![slow, away, good]);
    harness.until("the good one", |harness| harness.users().contains(&"first"));
    harness.fails("away: no connection to 127.0.0.1:9");
    harness.fails("slow: ");
    insert(&server, "second");
    harness.until("more of it", |harness| harness.users().contains(&"second"));
    // The database goes, and comes back.
    server.stop();
    harness.fails("crm: ");
    server.start_again();
    insert(&server, "third");
    harness.until("more of it", |harness| harness.users().contains(&"third"));
    assert_eq!(harness.contents.security.len(), 3);
}

fn numbers_are_cursors_too(server: Server) {
    make_table(&server);
    let at = ago(&server, 1);
    let insert = |who: &str| format!("INSERT INTO logins (at, who) VALUES ({at}, '{who}')");
    server.run(&insert("before"));
    let mut config = logins(&server);
    config.query = config
        .query
        .replace("at >= {cursor} ORDER BY at", "id >= {cursor} ORDER BY id");
    config.cursor = "id".to_owned();
    config.cursor_kind = CursorKind::Integer;
    config.lookback = 100;
    config.from = Start::Now;
    let mut harness = Harness::new(vec![config.clone()]);
    harness.settled();
    assert!(harness.users().is_empty(), "it begins with what comes");
    let late = begin(&server, &insert("late"));
    server.run(&insert("early"));
    harness.until("one", |harness| harness.users() == ["early"]);
    commit(late);
    harness.until("both", |harness| harness.users() == ["early", "late"]);
    config.from = Start::Beginning;
    let mut all = Harness::new(vec![config]);
    all.until("all", |harness| harness.users().len() == 3);
    all.settled();
    assert_eq!(all.users(), ["before", "late", "early"]);
}

/// The file that is shipped, on a table as EspoCRM makes it.
fn logins_of_espocrm_are_read_as_shipped(server: Server) {
    let (double, boolean, grants) = match server.engine {
        Engine::PostgreSql => ("double precision", "boolean", ["reader"].as_slice()),
        Engine::MariaDb => (
            "double",
            "tinyint(1)",
            ["reader@localhost", "reader@'127.0.0.1'"].as_slice(),
        ),
    };
    server.run(&format!(
        "CREATE TABLE auth_log_record (id varchar(17) PRIMARY KEY, deleted {boolean} DEFAULT false,
         username varchar(100), ip_address varchar(45), created_at timestamp NULL, is_denied {boolean} NOT NULL DEFAULT false,
         denial_reason varchar(255), request_time {double}, request_url varchar(255), request_method varchar(15),
         authentication_method varchar(255), portal_id varchar(17), user_id varchar(17), auth_token_id varchar(17));
         CREATE INDEX request_time ON auth_log_record (request_time)"
    ));
    for role in grants {
        server.run(&format!("GRANT SELECT ON auth_log_record TO {role}"));
    }
    let text = include_str!("../../../../../../../deploy/agent/espocrm.toml");
    let shipped: toml::Value = toml::from_str(text).unwrap();
    let shipped = serde_json::to_value(&shipped["sources"]["sql"]).unwrap();
    let shipped: Config = serde_json::from_value(shipped).unwrap();
    assert_eq!(shipped.validate(), Ok(()));
    let mut database = shipped.databases.into_iter().next().unwrap();
    let here = logins(&server);
    (database.kind, database.host, database.port) = (here.kind, here.host, here.port);
    (database.database, database.user) = (here.database, here.user);
    (database.password_file, database.interval_ms) = (here.password_file, 1000);
    let mut harness = Harness::new(vec![database]);
    harness.settled();
    let now_s = f64::from(u32::try_from(crate::clock::wall_ms() / 1000).unwrap()) + 0.123_456;
    for (id, user, denied, reason) in [
        ("6747a1b2c3d4e5f60", "admin", "false", "NULL"),
        ("6747a1b2c3d4e5f61", "admin", "true", "'CREDENTIALS'"),
        (
            "6747a1b2c3d4e5f62",
            "x'' from 6.6.6.6",
            "true",
            "'INACTIVE_USER'",
        ),
    ] {
        server.run(&format!(
            "INSERT INTO auth_log_record (id, username, ip_address, is_denied, denial_reason, request_time, authentication_method)
             VALUES ('{id}', '{user}', '2001:db8::7', {denied}, {reason}, {now_s}, 'Espo')"
        ));
    }
    harness.until("three", |harness| harness.contents.security.len() >= 3);
    harness.settled();
    let rows = harness.contents.security.iter();
    let told = rows.map(|row| {
        let event = &row.event;
        assert_eq!(
            (&*event.source_address, &*row.service),
            ("2001:db8::7", "espocrm")
        );
        assert_eq!((&*row.kind, &*row.method), ("app_login", "Espo"));
        assert!((event.time_ms - crate::clock::wall_ms()).abs() < 600_000);
        (&*event.user, event.status_id, &*event.detail)
    });
    let mut told: Vec<_> = told.collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("admin", 1, ""),
            ("admin", 2, "CREDENTIALS"),
            ("x' from 6.6.6.6", 2, "INACTIVE_USER")
        ]
    );
}
