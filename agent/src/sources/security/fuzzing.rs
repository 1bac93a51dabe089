//! What the fuzzer of security logs calls: any bytes as lines of every kind of log, with what must
//! hold whatever the bytes are.

use super::journal::EntrySink as _;
use super::logs::FollowedLog;
use super::logs::sink::LogSink;
use super::sink::Sink;
use super::{Fields, LogConfig, LogFormat};
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
            let mut sink = Sink {
                held: &mut held,
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
            let Some(log) = followed(kind - 2) else {
                return;
            };
            let mut sink = LogSink {
                held: &mut held,
                logs: &mut [vec![log]],
                now_ms: NOW_MS,
                path: "/log".to_owned(),
                log: 0,
                counts: LineCounts::default(),
            };
            for line in &lines {
                sink.line(0, line);
            }
        }
    }
    assert!(held.len() <= lines.len(), "a line gives one event at most");
    for row in &held {
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
