//! Login records of real databases, from their table to ClickHouse, through kills of the agent.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

#[path = "../../agent/src/sources/security/polled/sql/tests/servers.rs"]
mod servers;

use std::fs;

use crmscope_tests::{Stack, now_ms, wait_for};
use servers::{Engine, Server};

/// Times an agent is killed at.
const KILLS: u64 = 6;

/// Rows that appear between two kills.
const ROWS: u64 = 300;

fn insert(server: &Server, round: u64) {
    let at = match server.engine {
        Engine::PostgreSql => "clock_timestamp()",
        Engine::MariaDb => "UTC_TIMESTAMP(6)",
    };
    // A row each, so that the agent meets the table while it grows.
    let rows = (0..ROWS).map(|row| {
        format!(
            "INSERT INTO logins (at, who) VALUES ({at}, 'user-{round}-{row}, \"<b>o''brien</b>')"
        )
    });
    server.run(&rows.collect::<Vec<_>>().join(";\n"));
}

/// Bytes of the security lane in the agent's spool.
fn spooled(stack: &Stack) -> u64 {
    let folder = stack.path("crm-db-01.state/spool/security");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| Some(entry.metadata().ok()?.len()));
    sizes.sum()
}

fn each_login_is_stored_once_through_kills(engine: Engine) {
    let Some(mut server) = Server::start(engine) else {
        return;
    };
    let kind = match engine {
        Engine::PostgreSql => {
            server.run(
                "CREATE TABLE logins (id bigserial PRIMARY KEY, at timestamptz, who text);
                 CREATE INDEX ON logins (at); GRANT SELECT ON logins TO reader",
            );
            "postgresql"
        }
        Engine::MariaDb => {
            server.run(
                "CREATE TABLE logins (id bigint AUTO_INCREMENT PRIMARY KEY, at datetime(6), who text, INDEX (at));
                 GRANT SELECT ON crm.logins TO reader@localhost",
            );
            server.run("GRANT SELECT ON crm.logins TO reader@'127.0.0.1'");
            "mysql"
        }
    };
    let mut stack = Stack::start();
    let auth = stack.path("auth.log");
    fs::write(&auth, "").unwrap();
    let sources = format!(
        "[sources.security]\njournal = false\nauth_logs = [{auth:?}]\nauth_log_zone = \"+00:00\"\n\
         [[sources.sql.databases]]\nname = \"crm\"\nkind = \"{kind}\"\nhost = \"127.0.0.1\"\nport = {}\n\
         database = \"crm\"\nuser = \"reader\"\npassword_file = {:?}\nserver_ca_file = {:?}\n\
         query = \"SELECT id, at, who FROM logins WHERE at >= {{cursor}} ORDER BY at LIMIT {{limit}}\"\n\
         cursor = \"at\"\nkey = \"id\"\ninterval_ms = 1000\nlimit = 50\nservice = \"crm\"\nevent = \"app_login\"\n\
         [sources.sql.databases.fields]\ntime = \"at\"\nuser = \"who\"\n",
        server.port,
        server.path("password"),
        server.path("server.pem"),
    );
    let mut agent = stack.start_agent("crm-db-01", &sources);
    stack.wait_number(
        "the first beat",
        "SELECT count() FROM heartbeats",
        |beats| beats > 0,
    );
    // The place of the first poll is kept before the first row.
    insert(&server, 0);
    stack.wait_number(
        "first rows",
        "SELECT count() FROM security_events",
        |count| count > 0,
    );
    for round in 1..=KILLS {
        let between = round % 2 == 1;
        if between {
            // Nobody acknowledges: what is polled stays in the spool until the kill.
            stack.collector.as_mut().unwrap().freeze(true);
        }
        let before = spooled(&stack);
        insert(&server, round);
        if between {
            wait_for("rows in the spool", || match spooled(&stack) {
                now if now > before => Ok(()),
                now => Err(format!("{now} bytes, as before")),
            });
        }
        agent.kill();
        if between {
            stack.collector.as_mut().unwrap().freeze(false);
        }
        agent = stack.start_configured_agent("crm-db-01", &stack.path("crm-db-01.toml"));
    }
    // Another source of the lane, whose position is its own.
    let line = "2026-11-25T09:35:36.000000+00:00 web sshd[42]: Failed password for root from 203.0.113.9 port 4000 ssh2\n";
    let now = stack
        .query::<String>("SELECT formatDateTime(now('UTC'), '%FT%T')")
        .unwrap()
        .remove(0);
    fs::write(&auth, line.replace("2026-11-25T09:35:36", &now)).unwrap();
    stack.wait_number(
        "the line of the log",
        "SELECT count() FROM security_events WHERE kind = 'ssh_login'",
        |count| count == 1,
    );
    insert(&server, KILLS + 1);
    let all = (KILLS + 2) * ROWS;
    let stored = "SELECT count() FROM security_events WHERE service = 'crm' AND kind = 'app_login'";
    stack.wait_number("every login", stored, |count| count >= all);
    assert!(agent.terminate().success());
    agent = stack.start_configured_agent("crm-db-01", &stack.path("crm-db-01.toml"));
    insert(&server, KILLS + 2);
    stack.wait_number("more of them", stored, |count| count >= all + ROWS);
    assert_eq!(stack.number(stored), all + ROWS);
    let users = "SELECT uniqExact(user) FROM security_events WHERE service = 'crm'";
    assert_eq!(stack.number(users), all + ROWS);
    let named = "SELECT count() FROM security_events WHERE user = 'user-3-299, \"<b>o''brien</b>'";
    assert_eq!(stack.number(named), 1);
    let ssh = "SELECT count() FROM security_events WHERE kind = 'ssh_login'";
    assert_eq!(stack.number(ssh), 1);
    // What is away is a state of its own source.
    let stopped_ms = now_ms();
    server.stop();
    let failing = format!(
        "SELECT sum(failures) FROM source_raw WHERE source = 'sql' AND ts > fromUnixTimestamp64Milli({stopped_ms})"
    );
    stack.wait_number("the state", &failing, |count| count > 0);
    wait_for("the reason", || {
        let log = agent.log();
        log.contains("no connection to 127.0.0.1")
            .then_some(())
            .ok_or(log)
    });
    assert!(agent.terminate().success());
    let (code, proof) = stack.ledger(&[]);
    assert_eq!(code, 0, "{proof}");
}

#[test]
fn each_login_in_postgresql_is_stored_once_through_kills() {
    each_login_is_stored_once_through_kills(Engine::PostgreSql);
}

#[test]
fn each_login_in_mariadb_is_stored_once_through_kills() {
    each_login_is_stored_once_through_kills(Engine::MariaDb);
}
