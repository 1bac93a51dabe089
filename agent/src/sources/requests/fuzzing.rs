//! What the fuzzer of access logs calls: from any bytes to a batch, with what must hold whatever
//! the bytes are.

use crmscope_proto::Lane;
use crmscope_proto::payload::{Contents, open, seal};
use crmscope_proto::v1::Batch;

use super::aggregate::Aggregator;
use super::configured::Configured;
use super::formats::{Reading, parser};
use super::{Config, Format, LINE_MAX_AGE_MS, LogConfig, TIMESTAMP_MAX_FUTURE_MS};

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
    let mut parser = parser(&config);
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
