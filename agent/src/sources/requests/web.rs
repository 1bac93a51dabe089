//! How a request looks to rules: W3C's names, the Elastic Common Schema's, and our own.
//!
//! Pure. Texts are as logged, escapes included. The client's program and the page it came from are not
//! parsed for counting; they are looked for only in lines that a rule may match, and only where the
//! format says where they stand: the combined format and its like, Envoy's, and JSON by usual names.

use std::borrow::Cow;

use serde_json::Value;

use super::config::Format;
use super::line::{Line, Request};
use super::network::{Network, Prefixes};
use super::route::{self, METHODS};
use crate::rules::{Record, RuleSet};

/// What a line holds beside what is counted.
#[derive(Debug, Default)]
struct Extra<'a> {
    referer: Cow<'a, str>,
    agent: Cow<'a, str>,
    host: Cow<'a, str>,
}

/// A request, its texts as rules and people read them.
#[derive(Debug)]
pub(super) struct WebLine<'a> {
    time_ms: i64,
    line: Cow<'a, str>,
    target: Cow<'a, str>,
    pub(super) method: &'static str,
    sent_method: Cow<'a, str>,
    status: u16,
    bytes: u64,
    pub(super) address: String,
    extra: Extra<'a>,
}

/// What of a request is its target, also where it is no request.
pub(super) fn target_of<'a>(request: &Request<'a>) -> &'a [u8] {
    match (route::target_of(request).target, *request) {
        (Some(target), _) | (None, Request::Parts { target, .. }) => target,
        (None, Request::Line(line)) => line,
    }
}

impl<'a> WebLine<'a> {
    pub(super) fn of(format: Format, line: &'a [u8], parsed: &Line<'a>) -> Self {
        let text = String::from_utf8_lossy(line);
        let extra = if line.first() == Some(&b'{') {
            of_object(line)
        } else if matches!(format, Format::Iis | Format::Haproxy | Format::Odoo) {
            Extra::default()
        } else {
            of_quoted(line)
        };
        let site = String::from_utf8_lossy(parsed.site);
        let sent_method = match parsed.request {
            Request::Line(line) => line.split(|&byte| byte == b' ').next().unwrap_or_default(),
            Request::Parts { method, .. } => method,
        };
        let whole = Prefixes {
            ipv4: 32,
            ipv6: 128,
        };
        let network = Network::of(parsed.client, whole);
        let address = match network == Network::UNKNOWN {
            true => String::new(),
            false => network.to_string(),
        };
        Self {
            time_ms: parsed.time_ms,
            line: text,
            target: String::from_utf8_lossy(target_of(&parsed.request)),
            method: METHODS[usize::from(route::target_of(&parsed.request).method)],
            sent_method: String::from_utf8_lossy(sent_method),
            status: parsed.status,
            bytes: parsed.response_bytes,
            address: address.split('/').next().unwrap_or_default().to_owned(),
            extra: Extra {
                host: if site.is_empty() { extra.host } else { site },
                ..extra
            },
        }
    }

    /// As rules see it.
    pub(super) fn record<'r>(&'r self, service: &'r str, set: &'r RuleSet) -> Record<'r> {
        let mut record = Record::of(&self.line, false);
        record.happened(self.time_ms, set.clock());
        let target = self.target.split('#').next().unwrap_or_default();
        let (stem, query) = target.split_once('?').unwrap_or((target, ""));
        record.text(&["cs-uri", "c-uri", "url.original"], target);
        record.text(&["cs-uri-stem", "c-uri-stem", "url.path"], stem);
        record.text(&["cs-uri-query", "c-uri-query", "url.query"], query);
        let name = stem.rsplit('/').next().unwrap_or_default();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        record.text(
            &["cs-uri-extension", "c-uri-extension", "url.extension"],
            extension,
        );
        record.text(
            &["cs-method", "method", "http.request.method"],
            &self.sent_method,
        );
        record.number(
            &["sc-status", "http.response.status_code"],
            self.status.into(),
        );
        record.number(&["sc-bytes", "http.response.body.bytes"], self.bytes);
        record.text(&["c-ip", "source_address", "source.ip"], &self.address);
        record.text(&["cs-host", "url.domain"], &self.extra.host);
        record.text(
            &["cs-user-agent", "c-useragent", "user_agent.original"],
            &self.extra.agent,
        );
        record.text(
            &["cs-referer", "cs-referrer", "http.request.referrer"],
            &self.extra.referer,
        );
        record.text(&["kind", "event.action"], "web_request");
        record.text(&["event.category"], "web");
        record.text(&["service", "process.name"], service);
        record.text(&["host.name"], set.host());
        record.text(&["message"], &self.line);
        record
    }

    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// What people read of it: status, path without ids, and the client's program.
    pub(super) fn detail(&self) -> String {
        const PATH_MAX_BYTES: usize = 120;
        let mut plain = Vec::new();
        let mut path = String::new();
        route::template(route::path(self.target.as_bytes(), &mut plain), &mut path);
        let cut = |text: &str| {
            let text = crmscope_proto::payload::truncate(text, PATH_MAX_BYTES);
            text.replace(char::is_control, "?")
        };
        let mut detail = format!("{} {}", self.status, cut(&path));
        if !matches!(&*self.extra.agent, "" | "-") {
            detail = format!("{detail} \"{}\"", cut(&self.extra.agent));
        }
        detail
    }
}

/// `"request" 200 10 "referer" "agent"`; Envoy has the client's addresses in the place of the referer.
fn of_quoted(line: &[u8]) -> Extra<'_> {
    let mut texts = Vec::new();
    let mut rest = line;
    while texts.len() < 3
        && let Some(open) = memchr::memchr(b'"', rest)
    {
        rest = &rest[open + 1..];
        let mut end = 0;
        // Apache writes a quotation mark as `\"`.
        while end < rest.len() && rest[end] != b'"' {
            end += if rest[end] == b'\\' { 2 } else { 1 };
        }
        let end = end.min(rest.len());
        texts.push(String::from_utf8_lossy(&rest[..end]));
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    let envoy = line.first() == Some(&b'[');
    let mut texts = texts.into_iter().skip(1);
    let referer = texts.next().filter(|_| !envoy).unwrap_or_default();
    Extra {
        referer,
        agent: texts.next().unwrap_or_default(),
        host: Cow::default(),
    }
}

/// Usual names in JSON, and Caddy's headers.
fn of_object(line: &[u8]) -> Extra<'static> {
    let Ok(object) = serde_json::from_slice::<Value>(line) else {
        return Extra::default();
    };
    let header = |name: &str| object.pointer(&format!("/request/headers/{name}/0"));
    let text = |names: &[&str], header: Option<&Value>| {
        let found = names.iter().find_map(|name| object.get(name));
        let text = found.or(header).and_then(Value::as_str).unwrap_or_default();
        Cow::Owned(text.to_owned())
    };
    Extra {
        referer: text(
            &["http_referer", "referer", "referrer", "request_Referer"],
            header("Referer"),
        ),
        agent: text(
            &[
                "http_user_agent",
                "user_agent",
                "userAgent",
                "request_User-Agent",
            ],
            header("User-Agent"),
        ),
        host: text(&["http_host", "host", "RequestHost"], None),
    }
}
