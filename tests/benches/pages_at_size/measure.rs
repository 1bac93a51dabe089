//! How long an answer takes: at the collector, at ClickHouse, and beside it a bare `SELECT` of as many rows.

use std::time::{Duration, Instant};

use crmscope_tests::load::cpu_seconds;
use crmscope_tests::{Stack, http, http_get};
use serde_json::Value;

use super::questions::{Question, Range};

/// Times of each question.
const RUNS: usize = 21;
/// A question that is slow is asked fewer times, at least [`RUNS_MIN`]: no more is begun after this.
const PATIENCE: Duration = Duration::from_secs(10);
const RUNS_MIN: usize = 5;
/// Steps of a chart, as many as fit into 1,280 px.
const POINTS: u64 = 160;
const STEPS: [u64; 15] = [
    10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 604_800,
];

/// Milliseconds, sorted.
pub(crate) struct Times(Vec<f64>);

impl Times {
    fn of(mut run: impl FnMut()) -> Self {
        // What lies on the disk only is read once, for all.
        run();
        let begun = Instant::now();
        let mut times = Vec::new();
        while times.len() < RUNS && (times.len() < RUNS_MIN || begun.elapsed() < PATIENCE) {
            let one = Instant::now();
            run();
            times.push(one.elapsed().as_secs_f64() * 1_000.0);
        }
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    pub(crate) fn share(&self, share: f64) -> f64 {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        self.0[rank.clamp(1, self.0.len()) - 1]
    }

    pub(crate) fn runs(&self) -> usize {
        self.0.len()
    }
}

/// What came of a question.
pub(crate) struct Line {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) answer_bytes: usize,
    /// CPU time of the engine a run, whatever else the machine does, ms.
    pub(crate) engine_cpu_ms: f64,
    pub(crate) api: Times,
    pub(crate) engine: Times,
    pub(crate) bare: Times,
}

/// The parameters of a panel for a range of so many seconds that ends now.
pub(crate) fn parameters(
    question: &Question,
    seconds: u64,
    agent: &str,
    service: &str,
) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = question
        .parameters
        .iter()
        .map(|(name, value)| {
            let value = match *value {
                "AGENT" => agent,
                "SERVICE" => service,
                other => other,
            };
            ((*name).to_owned(), value.to_owned())
        })
        .collect();
    let mut put = |name: &str, value: String| all.push((name.to_owned(), value));
    let ago = |seconds: u64| format!("-{seconds}s");
    let step = |least: u64| {
        *STEPS
            .iter()
            .find(|step| **step * POINTS >= seconds && **step >= least)
            .unwrap_or(&STEPS[14])
    };
    match question.range {
        Range::Own => {}
        Range::Span => put("from", ago(seconds)),
        Range::Since => put("from_ms", ago(seconds)),
        Range::Lately => put("from", ago(seconds.min(3_600))),
        Range::Steps(least) => {
            put("from", ago(seconds));
            put("step_seconds", step(least).to_string());
        }
        Range::FleetSteps => {
            put("from", ago(seconds));
            let least = if seconds >= 129_600 { 3_600 } else { 60 };
            put("step_seconds", step(least).to_string());
        }
    }
    if matches!(question.range, Range::Steps(_) | Range::FleetSteps) {
        put("limit", "10000".to_owned());
    }
    all
}

/// Asks all three ways.
pub(crate) fn ask(stack: &Stack, question: &Question, given: &[(String, String)]) -> Line {
    let text: Vec<String> = given
        .iter()
        .map(|(name, value)| format!("{name}={}", escaped(value)))
        .collect();
    let path = format!("/api/v1/queries/{}?{}", question.query, text.join("&"));
    let mut last = String::new();
    let api = Times::of(|| {
        let (status, body) = http_get(stack.http_port, &path).unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        last = body;
    });
    let answer: Value = serde_json::from_str(&last).unwrap();
    let (url, sql) = direct(question, &answer);
    let process = stack.clickhouse.as_ref().unwrap().id();
    let before = cpu_seconds(process);
    let engine = Times::of(|| {
        post(stack, &url, &sql);
    });
    let engine_cpu_ms = 1_000.0 * (cpu_seconds(process) - before) / (engine.runs() + 1) as f64;
    let statistics: Value =
        serde_json::from_str(&post(stack, &format!("{url}&default_format=JSON"), &sql)).unwrap();
    let of = |name: &str| statistics["statistics"][name].as_u64().unwrap_or(0);
    let (rows, bytes) = (of("rows_read"), of("bytes_read"));
    let bare = format!(
        "SELECT max(agent) FROM (SELECT cityHash64({}) AS agent FROM crmscope.{} LIMIT {rows})",
        key(question.table),
        question.table
    );
    let bare = Times::of(|| {
        post(stack, "/?database=crmscope", &bare);
    });
    Line {
        rows,
        bytes,
        answer_bytes: last.len(),
        engine_cpu_ms,
        api,
        engine,
        bare,
    }
}

/// A column that every row has.
fn key(table: &str) -> &'static str {
    match table {
        "findings" => "rule_id",
        "incidents" => "incident_id",
        "service_hours" => "service",
        "collector_watch" => "watched_from",
        _ => "agent_id",
    }
}

/// The same question to ClickHouse: the file's SQL, and what the API made of the parameters.
fn direct(question: &Question, answer: &Value) -> (String, String) {
    let file = format!(
        "{}/../deploy/clickhouse/queries/{}.sql",
        env!("CARGO_MANIFEST_DIR"),
        question.query
    );
    let sql = std::fs::read_to_string(file).unwrap();
    let mut url = "/?database=crmscope".to_owned();
    for (name, value) in answer["parameters"].as_object().unwrap() {
        if name == "limit" && !sql.contains("{limit:") || name == "offset" {
            continue;
        }
        let value = match value {
            // A moment; ClickHouse reads Unix seconds.
            Value::String(text) if text.len() >= 20 && text.ends_with('Z') => {
                text.replace('T', " ").trim_end_matches('Z').to_owned()
            }
            Value::String(text) => text.clone(),
            Value::Array(values) => serde_json::to_string(values).unwrap().replace('"', "'"),
            other => other.to_string(),
        };
        url.push_str(&format!("&param_{name}={}", escaped(&value)));
    }
    (url, sql)
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn post(stack: &Stack, path: &str, sql: &str) -> String {
    let (status, body) = http(stack.clickhouse_port, "POST", path, sql).unwrap();
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// The overview, which is made of several questions; it is made anew after a second, so that long is waited between.
pub(crate) fn overview(stack: &Stack) -> Times {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            std::thread::sleep(Duration::from_millis(1_050));
            let begun = Instant::now();
            let (status, body) = http_get(stack.http_port, "/api/v1/overview").unwrap();
            assert_eq!(status, 200, "{body}");
            begun.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    Times(times)
}
