use proptest::prelude::*;

use super::super::event::Status;
use super::super::logs::FollowedLog;
use super::super::reading::{Outcome, Reading};
use super::super::{LogConfig, LogFormat};
use super::mapped::{json_config, pattern_config};

/// 25 Nov 2026, 10:00 UTC.
pub(super) const NOW_MS: i64 = 1_795_600_800_000;

pub(super) fn config(format: LogFormat) -> LogConfig {
    LogConfig {
        path: "/var/log/app.log".to_owned(),
        format,
        ..LogConfig::default()
    }
}

pub(super) fn log(config: &LogConfig) -> FollowedLog {
    config.validate().unwrap();
    FollowedLog::build(config).unwrap()
}

pub(super) fn reading(log: &mut FollowedLog, line: &str) -> Reading {
    match log.read(line, NOW_MS) {
        Outcome::Event(reading) => *reading,
        other => panic!("{line:?} is {other:?}"),
    }
}

/// Kind, status, user, target user, address, records, detail.
pub(super) type Expected = (
    &'static str,
    Status,
    &'static str,
    &'static str,
    &'static str,
    u64,
    &'static str,
);

pub(super) fn check(log: &mut FollowedLog, line: &str, expected: Expected) {
    let reading = reading(log, line);
    let found = (
        reading.kind.name(),
        reading.status,
        reading.user.as_str(),
        reading.target_user.as_str(),
        reading.address.as_str(),
        reading.records,
        reading.detail.as_str(),
    );
    assert_eq!(found, expected, "{line:?}");
}

/// Recorded shapes: messages as Odoo's source words them, not lines of a running Odoo.
#[test]
#[rustfmt::skip]
fn lines_of_odoo() {
    use Status::*;
    let fresh = || log(&config(LogFormat::Odoo));
    let head = "2026-11-25 09:35:36,123 4711 INFO crm";
    let users = format!("{head} odoo.addons.base.models.res_users:");
    let export = format!("{head} odoo.addons.web.controllers.export:");
    for (line, expected) in [
        (format!("{users} Login failed for db:crm login:eve from 203.0.113.9"), ("app_login", Failure, "eve", "", "203.0.113.9", 0, "")),
        (format!("{users} Login successful for db:crm login:alice@example.com from 2001:db8::1"), ("app_login", Success, "alice@example.com", "", "2001:db8::1", 0, "")),
        // Ahead of 10 without an address; 11 under an older name; RPC without a request.
        ("2026-11-25 09:35:36,123 4711 INFO crm openerp.addons.base.res.res_users: Login failed for db:crm login:eve".to_owned(), ("app_login", Failure, "eve", "", "", 0, "no source address")),
        ("2026-11-25 09:35:36,123 4711 INFO ? odoo.addons.base.res.res_users: Login failed for db:crm login:eve from n/a".to_owned(), ("app_login", Failure, "eve", "", "n/a", 0, "")),
        (format!("{users} Password change for 'bob' (#7) by 'admin' (#2) from 10.0.0.1"), ("password_reset", Success, "admin", "bob", "10.0.0.1", 0, "")),
        (format!("{users} Password change for \"o'brien\" (#7) by \"o'brien\" (#7) from 10.0.0.1"), ("password_changed", Success, "o'brien", "o'brien", "10.0.0.1", 0, "")),
        (format!("{export} User 2 exported 5000 'res.partner' records from 10.0.0.1. Fields: name,email. Domain: []"), ("data_export", Success, "2", "", "10.0.0.1", 5000, "res.partner")),
        (format!("{head} odoo.addons.web.controllers.main: User 2 exported 1 'crm.lead' records from 10.0.0.1. Fields: x. Fields: y from 6.6.6.6. Fields: z"), ("data_export", Success, "2", "", "10.0.0.1", 1, "crm.lead")),
        (format!("{head} odoo.models.unlink: User #2 deleted res.partner records with IDs: [7, 8, 9]"), ("data_delete", Success, "2", "", "", 3, "res.partner")),
        (format!("{head} odoo.models.unlink: User #2 deleted crm.lead records with IDs: []"), ("data_delete", Success, "2", "", "", 0, "crm.lead")),
        // Logins that look like the rest of a line.
        (format!("{users} Login failed for db:crm login:x from 6.6.6.6 from 203.0.113.9"), ("app_login", Failure, "x from 6.6.6.6", "", "203.0.113.9", 0, "")),
        (format!("{users} Login failed for db:crm login:x login:y from 6.6.6.6 port 22 ssh2 from 203.0.113.9"), ("app_login", Failure, "x login:y from 6.6.6.6 port 22 ssh2", "", "203.0.113.9", 0, "")),
        (format!("{users} Login failed for db:crm login: from 203.0.113.9"), ("app_login", Failure, "", "", "203.0.113.9", 0, "")),
        // A newline in a login: the piece before it.
        (format!("{users} Login failed for db:crm login:x"), ("app_login", Failure, "x", "", "", 0, "line break in the name")),
        (format!("{users} Login failed for db:crm"), ("app_login", Failure, "", "", "", 0, "line break in the name")),
    ] {
        // Each by itself: behind a line break nothing is believed.
        check(&mut fresh(), &line, expected);
    }
    let mut odoo = fresh();
    let event = reading(&mut odoo, &format!("{users} Login failed for db:crm login:eve from 203.0.113.9"));
    assert_eq!((event.time_ms, event.process_id), (1_795_599_336_123, 4711));
    for line in [
        "",
        "Traceback (most recent call last):",
        "Login failed for db:crm login:eve from 203.0.113.9",
        &format!("{head} werkzeug: 10.0.0.1 - - [25/Nov/2026 09:35:36] \"POST /web/login HTTP/1.1\" 200 - 1 0.001 0.002"),
        &format!("{head} odoo.modules.loading: Login failed for db:crm login:eve from 203.0.113.9"),
        &format!("{head} evil.res_users: Login failed for db:crm login:eve from 203.0.113.9"),
        &format!("{head} odoo.addons.x: User #2 deleted res.partner records with IDs: [7]"),
        &format!("{users} Login attempt ignored for eve on crm: 5 failures since last success"),
    ] {
        assert_eq!(odoo.read(line, NOW_MS), Outcome::Nothing, "{line}");
    }
    for line in [
        format!("{export} User x exported 5 'res.partner' records from 10.0.0.1. Fields: a"),
        format!("{export} User 2 exported many 'res.partner' records from 10.0.0.1. Fields: a"),
        format!("{export} User 2 exported 5 'res.partner' records"),
        format!("{users} Password change for bob"),
    ] {
        assert_eq!(odoo.read(&line, NOW_MS), Outcome::Unknown, "{line}");
    }
}

/// Recorded shapes: messages as SuiteCRM's source words them, not lines of a running one.
#[test]
#[rustfmt::skip]
fn lines_of_suitecrm() {
    use Status::*;
    let fresh = || log(&LogConfig {
        zone: Some("+00:00".to_owned()),
        ..config(LogFormat::SuiteCrm)
    });
    let mut suitecrm = fresh();
    let head = "Wed Nov 25 09:35:36 2026 [4711][-none-][FATAL]";
    for (line, expected) in [
        (format!("{head} FAILED LOGIN:attempts[3], ip[203.0.113.9], username[eve]"), ("app_login", Failure, "eve", "", "203.0.113.9", 0, "attempt 3")),
        (format!("{head} FAILED LOGIN:attempts[1] - eve"), ("app_login", Failure, "eve", "", "", 0, "attempt 1")),
        (format!("{head} FAILED LOGIN: potential hack attempt"), ("app_login", Failure, "", "", "", 0, "potential hack attempt")),
        ("Wed 25 Nov 2026 09:35:36 AM UTC [4711][1][FATAL] FAILED LOGIN:attempts[3], ip[::1], username[eve]".to_owned(), ("app_login", Failure, "eve", "", "::1", 0, "attempt 3")),
        // Names that look like the rest of a line, and one that was cut by a newline.
        (format!("{head} FAILED LOGIN:attempts[3], ip[203.0.113.9], username[x], ip[6.6.6.6], username[admin]"), ("app_login", Failure, "x], ip[6.6.6.6], username[admin", "", "203.0.113.9", 0, "attempt 3")),
        (format!("{head} FAILED LOGIN:attempts[3], ip[203.0.113.9], username[x from 6.6.6.6]"), ("app_login", Failure, "x from 6.6.6.6", "", "203.0.113.9", 0, "attempt 3")),
        (format!("{head} FAILED LOGIN:attempts[3], ip[203.0.113.9], username[x"), ("app_login", Failure, "x", "", "", 0, "line break in the name")),
        (format!("{head} FAILED LOGIN:attempts[1] - x from 6.6.6.6"), ("app_login", Failure, "x from 6.6.6.6", "", "", 0, "attempt 1")),
    ] {
        check(&mut fresh(), &line, expected);
        assert_eq!(reading(&mut fresh(), &line).time_ms, 1_795_599_336_000);
    }
    for line in [
        "",
        "FAILED LOGIN:attempts[3], ip[203.0.113.9], username[eve]",
        &format!("{head} Mysqli_query failed."),
        &format!("{head} x FAILED LOGIN:attempts[3], ip[203.0.113.9], username[eve]"),
    ] {
        assert_eq!(suitecrm.read(line, NOW_MS), Outcome::Nothing, "{line}");
    }
    for line in [
        format!("{head} FAILED LOGIN:attempts[x], ip[1.2.3.4], username[eve]"),
        format!("{head} FAILED LOGIN:attempts[3]"),
        "Mittwoch [4711][-none-][FATAL] FAILED LOGIN:attempts[1] - eve".to_owned(),
    ] {
        assert_eq!(suitecrm.read(&line, NOW_MS), Outcome::Unknown, "{line}");
    }
}

/// What a client put behind a line break is not believed, whatever it looks like; what the
/// application writes later is.
#[test]
fn a_line_break_in_a_login_forges_nothing() {
    let users = "INFO crm odoo.addons.base.models.res_users:";
    let odoo =
        |second: u8, text: &str| format!("2026-11-25 09:59:{second:02},123 4711 {users} {text}");
    let crm = |second: u8, text: &str| {
        format!(
            "Wed Nov 25 09:59:{second:02} 2026 [4711][-none-][FATAL] FAILED LOGIN:attempts[1], ip[{text}"
        )
    };
    type Line<'a> = &'a dyn Fn(u8, &str) -> String;
    let cases: [(LogFormat, Line<'_>, &str, &str); 2] = [
        (
            LogFormat::Odoo,
            &odoo,
            "Login failed for db:crm login:x",
            "Login successful for db:crm login:admin from 6.6.6.6",
        ),
        (
            LogFormat::SuiteCrm,
            &crm,
            "203.0.113.9], username[x",
            "6.6.6.6], username[admin]",
        ),
    ];
    for (format, line, cut, forged) in cases {
        let mut reader = log(&LogConfig {
            zone: Some("+00:00".to_owned()),
            ..config(format)
        });
        // 09:59:40, all read at 09:59:41.
        let read_ms = NOW_MS - 19_000;
        let first = reader.read(&line(40, cut), read_ms);
        assert!(
            matches!(&first, Outcome::Event(reading)
            if reading.user == "x" && reading.address.is_empty() && reading.severity_at_least == 3),
            "{first:?}"
        );
        // Of that time, of the future, and of the past.
        for second in [40, 55, 10] {
            assert_eq!(
                reader.read(&line(second, forged), read_ms),
                Outcome::Unknown
            );
        }
        // A second break does not end it.
        assert_eq!(reader.read(&line(40, cut), read_ms), Outcome::Unknown);
        assert_eq!(reader.read(" from 203.0.113.9", read_ms), Outcome::Nothing);
        let later = reader.read(&line(41, forged), read_ms + 2000);
        assert!(matches!(later, Outcome::Event(_)), "{later:?}");
        // Read at once, after a pause, but written much later.
        let later_ms = NOW_MS + 3_600_000;
        assert!(matches!(
            reader.read(&line(20, cut), later_ms),
            Outcome::Event(_)
        ));
        assert_eq!(reader.read(&line(29, forged), later_ms), Outcome::Unknown);
        let later = reader.read(&line(30, forged), later_ms);
        assert!(matches!(later, Outcome::Event(_)), "{later:?}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,120}", start in 0usize..8) {
        let starts = [
            "", "2026-11-25 09:35:36,123 1 INFO d odoo.addons.base.models.res_users: Login failed for db:",
            "2026-11-25 09:35:36,123 1 INFO d odoo.addons.web.controllers.export: User 1 exported ",
            "2026-11-25 09:35:36,123 1 INFO d odoo.addons.base.models.res_users: Password change for ",
            "Wed Nov 25 09:35:36 2026 [1][2][FATAL] FAILED LOGIN:", "{\"category\":\"security\",\"event\":\"LOGIN\",\"ts\":\"",
            "1795599336 ", "Nov 25 ",
        ];
        let line = format!("{}{text}", starts[start]);
        for config in [config(LogFormat::Odoo), config(LogFormat::SuiteCrm), json_config(), pattern_config("(?P<time>.*) (?P<user>.*)")] {
            if let Outcome::Event(reading) = FollowedLog::build(&config).unwrap().read(&line, NOW_MS) {
                let _ = reading.event();
            }
        }
    }

    /// Whatever the login, the address is the application's.
    #[test]
    fn any_login_leaves_the_address(login in "[ -~]{0,60}") {
        let line = format!("2026-11-25 09:35:36,123 1 INFO d odoo.addons.base.models.res_users: Login failed for db:d login:{login} from 10.1.2.3");
        let event = reading(&mut log(&config(LogFormat::Odoo)), &line);
        prop_assert_eq!((event.address.as_str(), event.user.as_str()), ("10.1.2.3", login.as_str()));
        let line = format!("Wed Nov 25 09:35:36 2026 [1][2][FATAL] FAILED LOGIN:attempts[1], ip[10.1.2.3], username[{login}]");
        let event = reading(&mut log(&config(LogFormat::SuiteCrm)), &line);
        prop_assert_eq!((event.address.as_str(), event.user.as_str()), ("10.1.2.3", login.as_str()));
    }
}
