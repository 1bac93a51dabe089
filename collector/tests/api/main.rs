//! The API on the real engine: what is answered, what is refused, and that nothing asked is more than a
//! value.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

mod injection;
mod openapi;
mod questions;
mod readonly;
mod sign_in;

use common::agent::connect;
use common::rows::{batch, contents};
use common::{Collector, Engine};
use crmscope_proto::Lane;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const AGENT: &str = "crm-web-01";

/// An answer as it came.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Code and parameter of an error.
    fn error(&self) -> (String, Option<String>) {
        let error = &self.json()["error"];
        let text = |name: &str| error[name].as_str().map(str::to_owned);
        (text("code").unwrap(), text("parameter"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find_map(|line| {
            line.split_once(": ")
                .filter(|(of, _)| of.eq_ignore_ascii_case(name))
        });
        line.map(|(_, value)| value)
    }
}

/// A request with headers and a body.
async fn ask(
    collector: &Collector,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    let mut socket = tokio::net::TcpStream::connect(collector.web).await.unwrap();
    let mut text = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
        collector.web
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let is_chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    assert!(!is_chunked, "{head}");
    Reply {
        status: status.unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

async fn get(collector: &Collector, path: &str) -> Reply {
    ask(collector, "GET", path, &[], "").await
}

/// Ten rows of each lane, settled.
async fn filled(collector: &Collector) {
    collector.ready().await;
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    for lane in [
        Lane::Metrics,
        Lane::Requests,
        Lane::Security,
        Lane::Presence,
    ] {
        agent
            .send(&batch(AGENT, lane, 1, &contents(lane, 1, 2)))
            .await
            .unwrap();
        agent.acked(lane, 1).await.unwrap();
    }
}

/// A text as a part of a query string.
fn encoded(text: &str) -> String {
    let bytes = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    bytes.collect()
}

async fn started(engine: &Engine) -> Collector {
    let collector = Collector::start(engine);
    filled(&collector).await;
    collector
}
