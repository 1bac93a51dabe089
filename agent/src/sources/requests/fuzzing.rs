//! What the fuzzer of access logs calls: from any bytes to a batch, with what must hold whatever
//! the bytes are.

use crmscope_proto::Lane;
use crmscope_proto::payload::{Contents, open, seal};
use crmscope_proto::v1::Batch;

use super::aggregate::Aggregator;
use super::configured::Configured;
use super::formats::{Reading, parser};
use super::{
    Config, Fields, Format, LINE_MAX_AGE_MS, LatencyUnit, LogConfig, TIMESTAMP_MAX_FUTURE_MS,
};
use crate::fuzzing::is_printable;

/// 23 Nov 2026, 02:30 UTC.
const NOW_MS: i64 = 1_795_401_000_000;

const PATTERN: &str = "$remote_addr [$time_iso8601] \"$request\" $status $bytes_sent $request_time \"$http_user_agent\"";

/// Reads a log: the first byte chooses the format, lines follow.
///
/// # Panics
/// When a request is not counted once, or the batch of the counts does not open as it was.
pub fn count(data: &[u8]) {
    let Some((&choice, log)) = data.split_first() else {
        return;
    };
    let format = Format::ALL[usize::from(choice) % Format::ALL.len()];
    let config = LogConfig {
        pattern: (format == Format::Custom).then(|| PATTERN.to_owned()),
        ..LogConfig::new("/log", format)
    };
    count_lines(&config, log);
}

/// A log as the user describes it: the first byte chooses a pattern or fields, the first line says
/// them, the other lines are the log.
///
/// # Panics
/// As [`count`], and when a pattern that is refused is so with a text that obeys a terminal.
pub fn count_configured(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let end = memchr::memchr(b'\n', data).unwrap_or(data.len());
    let (said, log) = data.split_at(end);
    let Ok(said) = std::str::from_utf8(said) else {
        return;
    };
    let log_config = match choice % 2 {
        0 => LogConfig {
            pattern: Some(said.to_owned()),
            ..LogConfig::new("/log", Format::Custom)
        },
        _ => LogConfig {
            fields: Some(fields(said)),
            latency_unit: Some(match choice / 2 % 4 {
                0 => LatencyUnit::S,
                1 => LatencyUnit::Ms,
                2 => LatencyUnit::Us,
                _ => LatencyUnit::Ns,
            }),
            ..LogConfig::new("/log", Format::Json)
        },
    };
    let config = Config {
        logs: vec![log_config.clone()],
        ..Config::default()
    };
    match config.validate() {
        Ok(()) => count_lines(&log_config, log),
        Err(error) => assert!(is_printable(&error), "{error:?}"),
    }
}

/// Paths in the order of the fields; none where two commas meet.
fn fields(said: &str) -> Fields {
    let mut paths = said
        .split(',')
        .map(|path| Some(path.to_owned()).filter(|path| !path.is_empty()));
    let mut next = || paths.next().flatten();
    Fields {
        time: next(),
        request: next(),
        method: next(),
        target: next(),
        status: next(),
        bytes: next(),
        latency: next(),
        upstream: next(),
        client: next(),
        site: next(),
    }
}

/// Counts the lines of a log.
fn count_lines(config: &LogConfig, log: &[u8]) {
    let mut parser = parser(config);
    let mut aggregator = Aggregator::new(&Config::default(), fastrand::Rng::with_seed(0));
    let service = aggregator.service("fuzz");
    let routes = Configured::new(["/files/*", "/account/{account}"].into_iter());
    let mut counted = 0;
    for line in log.split(|&byte| byte == b'\n') {
        if parser.has_header() {
            parser.learn(line);
        }
        if let Ok(Reading::Request(request)) = parser.parse(line)
            && (-TIMESTAMP_MAX_FUTURE_MS..=LINE_MAX_AGE_MS)
                .contains(&NOW_MS.saturating_sub(request.time_ms))
            && aggregator.ready()
        {
            aggregator.count(service, &routes, &request, NOW_MS);
            counted += 1;
        }
    }
    let mut contents = Contents::default();
    aggregator.drain(NOW_MS, &mut contents);
    let sum = |requests: u64, row: u64| requests + row;
    let rows = contents.requests.iter().map(|row| row.requests);
    assert_eq!(rows.fold(0, sum), counted, "by route");
    let rows = contents.clients.iter().map(|row| row.requests);
    assert_eq!(rows.fold(0, sum), counted, "by network");
    let envelope = Batch {
        agent_id: "fuzz".to_owned(),
        lane: Lane::Requests.into(),
        ..Batch::default()
    };
    if let Ok(batch) = seal(&contents, envelope) {
        assert_eq!(open(&batch).as_ref(), Ok(&contents));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_lines_count_once_in_every_format() {
        let log = include_bytes!("fixtures/hostile.log");
        for choice in 0..u8::try_from(Format::ALL.len()).unwrap() {
            let data: Vec<u8> = [choice].iter().chain(log).copied().collect();
            count(&data);
        }
    }
}
