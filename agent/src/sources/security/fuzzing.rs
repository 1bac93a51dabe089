//! What the fuzzer of security logs calls: any bytes as lines of every kind of log, with what must
//! hold whatever the bytes are.

use crmscope_proto::payload::SecurityRow;

use super::journal::EntrySink as _;
pub use super::journal::fuzzing::watch as watch_journal;
use super::logs::FollowedLog;
use super::logs::config::{Condition, KindOf};
use super::logs::sink::LogSink;
pub use super::polled::sql::read_messages as read_database;
use super::polled::{hubspot, salesforce};
use super::rules::Asking;
use super::sink::Sink;
use super::{Fields, LogConfig, LogFormat};
use crate::fuzzing::is_printable;
use crate::rules::Rules;
use crate::sources::line_counts::LineCounts;
use crate::sources::tail::LineSink as _;
use crate::sources::tail::zone::Zone;

/// 23 Nov 2026, 02:30 UTC.
const NOW_MS: i64 = 1_795_401_000_000;

/// Kinds of logs, auditd's and those of applications.
fn followed(choice: u8) -> Option<FollowedLog> {
    let format = match choice % 5 {
        0 => return Some(FollowedLog::audit()),
        1 => LogFormat::Odoo,
        2 => LogFormat::SuiteCrm,
        3 => LogFormat::Json,
        _ => LogFormat::Regex,
    };
    let mapped = matches!(format, LogFormat::Json | LogFormat::Regex);
    let config = LogConfig {
        path: "/log".to_owned(),
        format,
        service: Some("fuzz".to_owned()),
        kind: mapped.then(|| "app_login".to_owned()),
        outcome: mapped.then(|| "failure".to_owned()),
        pattern: (format == LogFormat::Regex).then(|| {
            r"^(?P<time>\S+) login of (?P<user>.*) from (?P<source_address>\S+)$".to_owned()
        }),
        fields: match format {
            LogFormat::Json => Fields {
                time: Some("time".to_owned()),
                user: Some("user".to_owned()),
                source_address: Some("client.address".to_owned()),
                ..Fields::default()
            },
            _ => Fields::default(),
        },
        ..LogConfig::default()
    };
    FollowedLog::build(&config).ok()
}

/// Reads lines: the first byte chooses the kind of log.
///
/// # Panics
/// When a line gives more than one event, or an event has a text beyond its bound.
pub fn read(data: &[u8]) {
    let Some((&choice, log)) = data.split_first() else {
        return;
    };
    let lines: Vec<&[u8]> = log.split(|&byte| byte == b'\n').collect();
    let mut held = Vec::new();
    match choice % 7 {
        kind @ (0 | 1) => {
            let rules = Rules::default();
            let mut sink = Sink {
                held: &mut held,
                asking: Asking::of(&rules),
                zone: &Zone::Fixed(0),
                now_ms: NOW_MS,
                path: "/log".to_owned(),
                counts: LineCounts::default(),
            };
            for line in &lines {
                match kind {
                    0 => sink.line(0, line),
                    _ => drop(sink.entry(line)),
                }
            }
        }
        kind => {
            if let Some(log) = followed(kind - 2) {
                read_lines(log, &lines, &mut held);
            }
        }
    }
    check(&held, lines.len());
}

/// A log as the user describes it: the first byte chooses JSON or a regular expression and its other
/// keys, the first line says the fields or the expression, the other lines are the log.
///
/// # Panics
/// As [`read`], and when what is refused is so with a text that obeys a terminal.
pub fn read_configured(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let mut lines: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    let Ok(said) = std::str::from_utf8(lines.remove(0)) else {
        return;
    };
    let is_set = |bit: u8| choice & (1 << bit) != 0;
    let own = |bit: u8, value: &str| is_set(bit).then(|| value.to_owned());
    let mut config = LogConfig {
        path: "/log".to_owned(),
        format: if is_set(0) {
            LogFormat::Regex
        } else {
            LogFormat::Json
        },
        service: Some("fuzz".to_owned()),
        kind: own(1, "app_login"),
        outcome: own(2, "failure"),
        zone: own(3, "+02:00"),
        ..LogConfig::default()
    };
    if is_set(0) {
        config.pattern = Some(said.to_owned());
    } else {
        let mut paths = said.split(',');
        let mut next = || {
            paths
                .next()
                .filter(|path| !path.is_empty())
                .map(str::to_owned)
        };
        config.fields = Fields {
            time: next(),
            user: next(),
            target_user: next(),
            source_address: next(),
            outcome: next(),
            kind: next(),
            method: next(),
            service: next(),
            records: next(),
            detail: next(),
        };
    }
    if is_set(4) {
        config.kinds = vec![KindOf {
            value: "export".to_owned(),
            kind: "data_export".to_owned(),
        }];
    }
    if is_set(5) {
        config.conditions = vec![Condition {
            field: "type".to_owned(),
            values: vec!["audit".to_owned()],
        }];
    }
    if let Err(error) = config.validate() {
        assert!(is_printable(&error), "{error:?}");
        return;
    }
    let log = FollowedLog::build(&config).expect("it was validated");
    let mut held = Vec::new();
    read_lines(log, &lines, &mut held);
    check(&held, lines.len());
}

fn read_lines(log: FollowedLog, lines: &[&[u8]], held: &mut Vec<SecurityRow>) {
    let rules = Rules::default();
    let mut sink = LogSink {
        held,
        asking: Asking::of(&rules),
        logs: &mut [vec![log]],
        now_ms: NOW_MS,
        path: "/log".to_owned(),
        log: 0,
        counts: LineCounts::default(),
    };
    for line in lines {
        sink.line(0, line);
    }
}

/// Any bytes as what services answer.
///
/// # Panics
/// When something does not hold that must.
pub fn read_services(data: &[u8]) {
    salesforce::read_answers(data);
    hubspot::read_pages(data);
}

/// What holds of the events of so many lines.
fn check(held: &[SecurityRow], lines: usize) {
    assert!(held.len() <= lines, "a line gives one event at most");
    for row in held {
        let event = &row.event;
        for text in [
            &event.user,
            &event.target_user,
            &event.detail,
            &event.source_address,
        ] {
            assert!(text.len() <= 1024, "{} bytes", text.len());
        }
        assert!(event.count >= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_log_can_be_built_and_reads_lines_of_the_others() {
        let log = include_bytes!("fixtures/audit.log");
        for choice in 0..7 {
            assert!(choice > 4 || followed(choice).is_some(), "{choice}");
            let data: Vec<u8> = [choice].iter().chain(log).copied().collect();
            read(&data);
        }
    }
}
