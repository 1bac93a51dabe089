//! nginx's variables, and how a `log_format` is written.

use super::Words;
use super::field::Field;
use super::program::{Builder, Shape};

pub(super) const WORDS: Words = Words {
    time: "$time_local, $time_iso8601 or $msec",
    zone: "$time_local, $time_iso8601 or $msec",
    status: "$status",
    request: "\"$request\"",
    method: "$request_method",
    target: "$request_uri",
    nearest,
};

/// Less alike names are not offered.
const SIMILARITY_MIN: f64 = 0.85;

/// Variables with a meaning.
const KNOWN: [(&str, Field, Shape); 20] = [
    ("body_bytes_sent", Field::BodyBytes, Shape::Word),
    ("bytes_sent", Field::SentBytes, Shape::Word),
    ("document_uri", Field::Target, Shape::Target),
    ("host", Field::Site, Shape::Word),
    ("http_host", Field::Site, Shape::Wild),
    ("msec", Field::EpochSeconds, Shape::Word),
    ("remote_addr", Field::Client, Shape::Word),
    ("request", Field::Request, Shape::Wild),
    ("request_method", Field::Method, Shape::Word),
    ("request_time", Field::LatencySeconds, Shape::Word),
    ("request_uri", Field::Target, Shape::Target),
    ("server_name", Field::Site, Shape::Word),
    ("status", Field::Status, Shape::Word),
    ("time_iso8601", Field::TimeIso, Shape::Fixed(25)),
    ("time_local", Field::TimeLocal, Shape::Fixed(26)),
    ("upstream_addr", Field::Ignored, Shape::List),
    (
        "upstream_response_time",
        Field::UpstreamSeconds,
        Shape::List,
    ),
    ("upstream_response_length", Field::Ignored, Shape::List),
    ("upstream_status", Field::Ignored, Shape::List),
    ("uri", Field::Target, Shape::Target),
];

/// Variables that are read over, and hold the server's own words.
const SERVER_WORDS: [&str; 26] = [
    "binary_remote_addr",
    "connection",
    "connection_requests",
    "connection_time",
    "connections_active",
    "content_length",
    "gzip_ratio",
    "hostname",
    "https",
    "nginx_version",
    "pid",
    "pipe",
    "proxy_host",
    "proxy_port",
    "realip_remote_addr",
    "remote_port",
    "request_completion",
    "request_id",
    "request_length",
    "scheme",
    "server_addr",
    "server_port",
    "server_protocol",
    "ssl_cipher",
    "ssl_protocol",
    "upstream_cache_status",
];

/// Upstream variables that are lists.
const SERVER_LISTS: [&str; 5] = [
    "upstream_bytes_received",
    "upstream_bytes_sent",
    "upstream_connect_time",
    "upstream_header_time",
    "upstream_queue_time",
];

/// Reads a pattern.
pub(super) fn read(pattern: &str, builder: &mut Builder) -> Result<(), String> {
    let mut rest = pattern;
    while let Some(dollar) = rest.find('$') {
        builder.literal(&rest.as_bytes()[..dollar]);
        let position = pattern.len() - rest.len() + dollar;
        let after = &rest[dollar + 1..];
        let (name, behind) = match after.strip_prefix('{') {
            Some(inside) => inside.split_once('}').ok_or_else(|| {
                format!("`${{` at byte {} of the pattern has no `}}`", position + 1)
            })?,
            None => {
                let end = after
                    .find(|character: char| character != '_' && !character.is_ascii_alphanumeric())
                    .unwrap_or(after.len());
                after.split_at(end)
            }
        };
        if name.is_empty() {
            return Err(format!(
                "`$` at byte {} of the pattern names no variable; nginx's log_format has no way to write a `$` itself",
                position + 1
            ));
        }
        rest = behind;
        variable(name, position, builder);
    }
    builder.literal(rest.as_bytes());
    Ok(())
}

fn variable(name: &str, position: usize, builder: &mut Builder) {
    let shown = format!("${name}");
    if let Some(&(_, field, shape)) = KNOWN.iter().find(|(known, ..)| *known == name) {
        builder.field(&shown, field, shape);
        return;
    }
    let shape = if SERVER_WORDS.contains(&name) {
        Shape::Word
    } else if SERVER_LISTS.contains(&name) {
        Shape::List
    } else {
        builder.unknown.push((shown.clone(), position));
        Shape::Wild
    };
    builder.field(&shown, Field::Ignored, shape);
}

/// The known variable that is most like an unknown one.
fn nearest(name: &str) -> Option<&'static str> {
    let name = name.trim_start_matches('$');
    KNOWN
        .iter()
        .filter(|(_, field, _)| *field != Field::Ignored)
        .map(|(known, ..)| (strsim::jaro_winkler(name, known), *known))
        .filter(|(likeness, _)| *likeness >= SIMILARITY_MIN)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, known)| known)
}
