//! What is computed and not asked of ClickHouse in one query: availability, the ledger, the hosts.
//!
//! Promises: the same functions as behind the commands of the same names, and the same figures.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use clap::ValueEnum as _;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::fault::{Code, Fault};
use super::moment::{Moment, Unit};
use super::parameter::{Kind, Parameter, Value};
use super::queries::{Pairs, pairs};
use super::question::{DAYS_MAX, values};
use crate::clock::now_ms;
use crate::error::Error;
use crate::ledger;
use crate::presence::availability::{By, Shown, Step};
use crate::presence::maintenance::RequestError;
use crate::presence::{evidence, hosts, show};
use crate::web::Shared;

/// Longest that a report may take: it asks several questions of every host.
const PATIENCE: Duration = Duration::from_secs(60);

const BY: &[&str] = &["host", "group", "all", "service"];
const STEPS: &[&str] = &["none", "minute", "hour", "day", "month"];
const LANES: &[&str] = &["all", "metrics", "requests", "security", "presence"];
const FLAG: &[&str] = &["true", "false"];

fn text(name: &str, description: &str) -> Parameter {
    let default = Value::Text(String::new());
    Parameter::of_report(name, "String", Kind::Text, Some(default), description)
}

fn word(name: &str, words: &'static [&'static str], default: &str, description: &str) -> Parameter {
    let default = Value::Text(default.to_owned());
    Parameter::of_report(
        name,
        "String",
        Kind::Word(words),
        Some(default),
        description,
    )
}

fn moment(name: &str, default: Moment, description: &str) -> Parameter {
    let (kind, default) = (
        Kind::Moment(Unit::Seconds),
        Value::Moment(default, Unit::Seconds),
    );
    Parameter::of_report(name, "DateTime('UTC')", kind, Some(default), description)
}

/// Of `GET /availability`.
pub(super) fn availability_parameters() -> Vec<Parameter> {
    vec![
        moment(
            "from",
            Moment::Ago(86_400),
            "the time; default the last day",
        ),
        moment("to", Moment::Ago(0), "the time; default now"),
        word(
            "by",
            BY,
            "host",
            "each host, hosts together by group or all, or services",
        ),
        text("agent", "one agent; default '', all of them"),
        text(
            "service",
            "one service, with by=service; default '', all of them",
        ),
        word(
            "step",
            STEPS,
            "none",
            "in steps of the zone's calendar; default none, all of the time at once",
        ),
        Parameter::of_report(
            "zone",
            "String",
            Kind::Text,
            Some(Value::Text("UTC".to_owned())),
            "whose days and months, such as Europe/Berlin; default UTC",
        ),
        word(
            "intervals",
            FLAG,
            "false",
            "with every interval and its evidence; default false",
        ),
    ]
}

/// Of `GET /ledger`.
pub(super) fn ledger_parameters() -> Vec<Parameter> {
    vec![
        text("agent", "one agent; default '', all of them"),
        word("lane", LANES, "all", "one lane; default all"),
        moment(
            "since",
            Moment::At(0),
            "from the first batch that was received since then; default 0, all",
        ),
    ]
}

/// Of `GET /hosts`.
pub(super) fn hosts_parameters() -> Vec<Parameter> {
    vec![text("agent", "one agent; default '', all of them")]
}

/// Values by name.
struct Given {
    parameters: Vec<Parameter>,
    values: Vec<Value>,
    now_ms: i64,
}

impl Given {
    fn read(what: &str, parameters: Vec<Parameter>, given: Pairs) -> Result<Self, Fault> {
        let values = values(what, &parameters, &[], &pairs(given)?)?;
        Ok(Self {
            parameters,
            values,
            now_ms: now_ms(),
        })
    }

    fn value(&self, name: &str) -> Option<&Value> {
        let at = self.parameters.iter().position(|one| one.name == name);
        at.and_then(|at| self.values.get(at))
    }

    fn text(&self, name: &str) -> &str {
        match self.value(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    fn seconds(&self, name: &str) -> u64 {
        match self.value(name) {
            Some(Value::Moment(moment, _)) => (moment.ms(self.now_ms) / 1000).unsigned_abs(),
            _ => 0,
        }
    }

    fn told(&self) -> Map<String, Json> {
        let both = self.parameters.iter().zip(&self.values);
        both.map(|(one, value)| (one.name.clone(), value.told(self.now_ms)))
            .collect()
    }
}

/// What an error of a report means. Its sentences name arguments of the command, which are parameters
/// here.
pub(super) fn fault(error: &anyhow::Error) -> Fault {
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return fault.clone();
    }
    let storage =
        error
            .downcast_ref::<Error>()
            .or_else(|| match error.downcast_ref::<RequestError>() {
                Some(RequestError::Storage(error)) => Some(error),
                _ => None,
            });
    match storage {
        Some(error) => {
            tracing::warn!(%error, "a report of the API failed");
            // What ClickHouse says may name what whoever asks may not see.
            let code = Fault::from(error.clone()).code;
            Fault::new(
                code,
                "ClickHouse did not give the report; the collector's log says why",
            )
        }
        None => {
            let text = error.to_string().replace("--", "");
            Fault::new(Code::InvalidArgument, text)
        }
    }
}

/// Waits for a turn and for the report, not for ever.
pub(super) async fn within<T>(
    shared: &Shared,
    report: impl Future<Output = anyhow::Result<T>>,
) -> Result<T, Fault> {
    let _turn = shared.api.reports.enter().await.inspect_err(|_| {
        shared.api.metrics.refused.inc();
    })?;
    match tokio::time::timeout(PATIENCE, report).await {
        Ok(done) => done.map_err(|error| fault(&error)),
        Err(_) => {
            let seconds = PATIENCE.as_secs();
            tracing::warn!(seconds, "a report of the API took too long");
            let text = format!("the report takes more than {seconds} s; ask for less");
            Err(Fault::new(Code::InvalidArgument, text))
        }
    }
}

/// Rows as they are told, with what was asked.
fn rows(parameters: &Map<String, Json>, rows: &[impl Serialize], now_ms: i64) -> Response {
    axum::Json(json!({ "parameters": parameters, "rows": rows, "asked_ms": now_ms }))
        .into_response()
}

/// `GET /availability`.
pub(super) async fn availability(
    State(shared): State<Arc<Shared>>,
    pairs: Pairs,
) -> Result<Response, Fault> {
    let given = Given::read("availability", availability_parameters(), pairs)?;
    let asked = evidence::Asked {
        from: given.seconds("from"),
        to: given.seconds("to"),
        now_ms: given.now_ms,
    };
    if asked.from >= asked.to.min(given.now_ms.unsigned_abs() / 1000 + 1) {
        let text = "from must be before to and now: nothing is known of that time yet";
        return Err(Fault::parameter("from", text));
    }
    if asked.to - asked.from > DAYS_MAX.unsigned_abs() * 86_400 {
        let text = format!("from and to are more than {DAYS_MAX} days apart; ask for less");
        return Err(Fault::parameter("from", text));
    }
    let question = show::Question {
        agent: given.text("agent").to_owned(),
        service: given.text("service").to_owned(),
        asked,
        by: By::from_str(given.text("by"), false).unwrap_or_default(),
        step: Step::from_str(given.text("step"), false).ok(),
        zone: given.text("zone").to_owned(),
        shown: Shown {
            intervals: given.text("intervals") == "true",
            json: true,
        },
    };
    let most = shared.api.limits.answer_bytes;
    let mut text = String::new();
    let out = |more: &str| {
        let what =
            "the report is larger than is allowed; ask for less time, one agent or longer steps";
        anyhow::ensure!(
            text.len() + more.len() <= most,
            Fault::new(Code::InvalidArgument, what)
        );
        text.push_str(more);
        Ok(())
    };
    let report = show::answer(&shared.api.storage, &question, |_, _, _| {}, out);
    within(&shared, report).await?;
    // One document a line, as the command prints them.
    let documents: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let parameters = Json::Object(given.told());
    let body = format!(
        "{{\"parameters\":{parameters},\"rows\":[{}],\"asked_ms\":{}}}\n",
        documents.join(","),
        given.now_ms
    );
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// `GET /ledger`.
pub(super) async fn ledger(
    State(shared): State<Arc<Shared>>,
    pairs: Pairs,
) -> Result<Response, Fault> {
    let given = Given::read("ledger", ledger_parameters(), pairs)?;
    let question = ledger::Question {
        agent: given.text("agent").to_owned(),
        lane: Some(given.text("lane"))
            .filter(|lane| *lane != "all")
            .map(str::to_owned),
        from: given.seconds("since"),
    };
    let asked = async { Ok(ledger::accounts(&shared.api.storage, &question).await?) };
    let accounts = within(&shared, asked).await?;
    let is_whole = accounts.iter().all(ledger::Account::is_whole);
    let document = json!({
        "parameters": given.told(),
        "whole": is_whole,
        "rows": accounts,
        "asked_ms": given.now_ms,
    });
    Ok(axum::Json(document).into_response())
}

/// `GET /hosts`.
pub(super) async fn hosts(
    State(shared): State<Arc<Shared>>,
    pairs: Pairs,
) -> Result<Response, Fault> {
    let given = Given::read("hosts", hosts_parameters(), pairs)?;
    let asked = async { Ok(hosts::list(&shared.api.storage, given.text("agent")).await?) };
    let listed = within(&shared, asked).await?;
    Ok(rows(&given.told(), &listed, given.now_ms))
}
