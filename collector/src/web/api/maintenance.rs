//! `/api/v1/maintenance`: the windows, and adding and cancelling them.
//!
//! Leaves what may be meant to [`crate::presence::maintenance`], and its arguments to the command of
//! the same name: one place says which go together.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use clap::{Args, Command, FromArgMatches as _};
use serde::Deserialize;
use serde_json::{Value as Document, json};

use super::fault::{Code, Fault};
use super::moment::{Moment, Unit};
use super::parameter::{Kind, Parameter, TEXT_MAX_BYTES, Value};
use super::queries::{self, Body, Name, Pairs, pairs};
use super::question::values;
use super::reports;
use crate::cli::{AddArguments, MaintenanceAction, parse_duration};
use crate::clock::now_ms;
use crate::presence::maintenance::store::Change;
use crate::presence::maintenance::{RequestError, command, show};
use crate::web::Shared;
use crate::web::sign_in::Visitor;

/// Hosts, groups and services of one request.
pub(super) const NAMES_MAX: usize = 1000;

/// A window as it is asked for; the words are those of `maintenance add`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    hosts: Vec<String>,
    groups: Vec<String>,
    services: Vec<String>,
    all: bool,
    from: Option<String>,
    to: Option<String>,
    #[serde(rename = "for")]
    length: Option<String>,
    repeat: Option<String>,
    at: Option<String>,
    zone: Option<String>,
    until: Option<String>,
    note: String,
}

/// From when on a window ends.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct End {
    at: Option<String>,
}

impl Asked {
    fn arguments(&self) -> Result<AddArguments, Fault> {
        let names = self.hosts.len() + self.groups.len() + self.services.len();
        if names > NAMES_MAX {
            let text = format!("{names} hosts, groups and services, {NAMES_MAX} are allowed");
            return Err(Fault::new(Code::InvalidArgument, text));
        }
        for (name, time) in [
            ("from", &self.from),
            ("to", &self.to),
            ("until", &self.until),
        ] {
            check_time(name, time.as_deref())?;
        }
        let named = [
            ("host", &self.hosts),
            ("group", &self.groups),
            ("service", &self.services),
        ];
        let lists = named
            .iter()
            .flat_map(|(name, of)| of.iter().map(move |one| (*name, one)));
        let once = [
            ("from", &self.from),
            ("to", &self.to),
            ("for", &self.length),
            ("repeat", &self.repeat),
            ("at", &self.at),
            ("zone", &self.zone),
            ("until", &self.until),
        ];
        let once = once
            .iter()
            .filter_map(|(name, of)| Some((*name, of.as_ref()?)));
        let note = std::iter::once(("note", &self.note));
        // With `=`, a value is a value whatever it begins with.
        let mut line: Vec<String> = lists
            .chain(once)
            .chain(note)
            .map(|(name, value)| format!("--{name}={value}"))
            .collect();
        if self.all {
            line.push("--all".to_owned());
        }
        let command = AddArguments::augment_args(Command::new("maintenance").no_binary_name(true));
        let matches = command.disable_help_flag(true).try_get_matches_from(line);
        let read = matches.and_then(|matches| AddArguments::from_arg_matches(&matches));
        read.map_err(|error| {
            let text = error.to_string();
            let told: Vec<&str> = text
                .lines()
                .take_while(|line| !line.is_empty())
                .map(str::trim)
                .collect();
            let told = told.join(" ").replace("--", "");
            let told = told.strip_prefix("error: ").unwrap_or(&told);
            Fault::new(
                Code::InvalidArgument,
                told.chars().take(500).collect::<String>(),
            )
        })
    }
}

/// A moment, how long ago, or `in 2h`: what is none of them need not be asked of ClickHouse.
fn check_time(name: &str, text: Option<&str>) -> Result<(), Fault> {
    let Some(text) = text else { return Ok(()) };
    let length = text.strip_prefix("in ").unwrap_or(text);
    let is_moment = !text.starts_with('-') && Moment::parse(text, Unit::Seconds).is_some();
    if is_moment || parse_duration(length).is_ok() {
        return Ok(());
    }
    let what = "a moment such as 2026-11-29T10:00:00Z, how long ago, such as 2h, or \"in 2h\"";
    Err(Fault::parameter(name, format!("{name}: it must be {what}")))
}

fn fault(error: RequestError) -> Fault {
    reports::fault(&error.into())
}

fn read<T: Default + for<'a> Deserialize<'a>>(body: &[u8]) -> Result<T, Fault> {
    let wrong = |error: serde_json::Error| {
        let text = format!("the document cannot be read: {error}");
        Fault::new(Code::InvalidArgument, text)
    };
    match body.is_empty() {
        true => Ok(T::default()),
        false => serde_json::from_slice(body).map_err(wrong),
    }
}

/// Documents, one a line, as a list.
fn listed(lines: &str) -> Result<Vec<Document>, Fault> {
    let documents: Result<_, _> = lines.lines().map(serde_json::from_str).collect();
    documents
        .map_err(|error| Fault::new(Code::Internal, format!("a window is no document: {error}")))
}

/// Of `GET /maintenance`.
pub(super) fn parameters() -> Vec<Parameter> {
    let default = Value::Text("false".to_owned());
    let text = "also windows that are over or cancelled; default false";
    let kind = Kind::Word(&["true", "false"]);
    vec![Parameter::of_report(
        "past",
        "String",
        kind,
        Some(default),
        text,
    )]
}

/// `GET /maintenance`.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    given: Pairs,
) -> Result<Response, Fault> {
    let values = values("maintenance", &parameters(), &[], &pairs(given)?)?;
    let action = MaintenanceAction::List {
        json: true,
        past: values.first() == Some(&Value::Text("true".to_owned())),
    };
    let now_ms = now_ms();
    let asked = command::run(&shared.api.storage, &action, ("", now_ms));
    let asked = async { Ok(asked.await?) };
    let rows = listed(&reports::within(&shared, asked).await?)?;
    Ok(Json(json!({ "rows": rows, "asked_ms": now_ms })).into_response())
}

fn changed(changes: &[Change]) -> Result<Response, Fault> {
    let rows = listed(&show::audit_json(changes))?;
    Ok((StatusCode::CREATED, Json(json!({ "rows": rows }))).into_response())
}

fn name(visitor: &Visitor) -> &str {
    visitor
        .identity
        .as_ref()
        .map_or("", |identity| &identity.name)
}

/// `POST /maintenance`.
pub(super) async fn add(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    body: Body,
) -> Result<Response, Fault> {
    let arguments = read::<Asked>(&queries::body(body)?)?.arguments()?;
    let who = (name(&visitor), now_ms());
    let changes = command::add(&shared.storage, &arguments, who).await;
    changed(&changes.map_err(fault)?)
}

/// `POST /maintenance/<id>/cancel`.
pub(super) async fn cancel(
    State(shared): State<Arc<Shared>>,
    id: Name,
    visitor: Visitor,
    body: Body,
) -> Result<Response, Fault> {
    let (id, end): (String, End) = (queries::name(id)?, read(&queries::body(body)?)?);
    check_time("at", end.at.as_deref())?;
    let shown: String = id.chars().take(TEXT_MAX_BYTES / 4).collect();
    let who = (name(&visitor), now_ms());
    let ended = command::end(&shared.storage, &[shown], end.at.as_deref(), who).await;
    match ended {
        Err(RequestError::Window(id)) => {
            let text =
                format!("there is no window {id:?}; /api/v1/maintenance?past=true lists all");
            Err(Fault::new(Code::NotFound, text))
        }
        ended => changed(&ended.map_err(fault)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(document: &str) -> Result<AddArguments, Fault> {
        read::<Asked>(document.as_bytes())?.arguments()
    }

    #[test]
    fn a_window_is_read_as_the_command_reads_it() {
        let add = asked(r#"{"hosts":["a","--all"],"for":"2h","note":"--zone=x","from":"in 2h"}"#)
            .unwrap();
        assert_eq!(add.hosts, ["a", "--all"]);
        assert!(!add.all && add.zone.is_none());
        assert_eq!(
            (add.note.as_str(), add.from.as_deref()),
            ("--zone=x", Some("in 2h"))
        );
        for (document, want) in [
            ("{}", "required"),
            (
                r#"{"all":true,"hosts":["a"],"for":"1h","note":"x"}"#,
                "cannot be used with",
            ),
            (
                r#"{"all":true,"for":"1h","to":"in 2h","note":"x"}"#,
                "cannot be used with",
            ),
            (r#"{"all":true,"for":"x","note":"x"}"#, "such as 30m"),
            (
                r#"{"all":true,"for":"1h","zone":"UTC","note":"x"}"#,
                "required",
            ),
            (
                r#"{"all":true,"for":"1h","note":"x","from":"soon"}"#,
                "from: it must be",
            ),
            (r#"{"al":true}"#, "unknown field"),
            ("[", "cannot be read"),
        ] {
            let told = asked(document).unwrap_err().message;
            assert!(
                told.contains(want) && !told.contains("--"),
                "{document}: {told}"
            );
        }
        let many = format!(r#"{{"hosts":{:?}}}"#, vec!["a"; NAMES_MAX + 1]);
        assert!(asked(&many).unwrap_err().message.contains("are allowed"));
    }
}
