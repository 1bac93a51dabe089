//! What an org's answers say: files, names, and why something is refused. Pure.
//!
//! Promises that of answers that refuse only words that are error codes, and messages about the query
//! itself, are told, and that a next page lies within the org's API.

use std::time::Duration;

use serde::Deserialize;

use super::super::connect::quoted;
use super::super::engine::PollError;
use super::super::http::code;
use super::record::{EventType, user_id};
use crate::sources::tail::calendar::rfc3339;

/// Users of one query, whose ids stand in its address.
pub(super) const USERS_MAX: usize = 200;

/// Longest name of a user, bytes. Salesforce's own bound is 80 characters.
const NAME_MAX_BYTES: usize = 256;

/// Longest path to a next page.
const NEXT_MAX_BYTES: usize = 1024;

/// When the org's limit of requests is reached, the time until it is asked again, s.
const LIMIT_WAIT_S: u64 = 900;

/// An event log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogFile {
    pub(super) created_ms: i64,
    pub(super) id: String,
    pub(super) of: EventType,
    /// The hour or day of its events.
    pub(super) date_ms: i64,
}

/// Why something was not read.
#[derive(Debug)]
pub(super) enum Fault {
    /// Only what was asked for, a file or names: others can be read.
    File(String),
    /// The file is not there any more.
    Gone,
    /// The org, or the way there.
    Org(PollError),
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self::Org(message.into())
    }
}

/// A page of a list.
#[derive(Debug, Deserialize)]
struct Page {
    done: bool,
    #[serde(rename = "nextRecordsUrl")]
    next: Option<String>,
    records: Vec<Listed>,
}

/// A file as the org lists it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    event_type: String,
    log_date: String,
    created_date: String,
}

#[derive(Deserialize)]
struct Users {
    records: Vec<User>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct User {
    id: String,
    username: String,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    List,
    File,
    Users,
}

/// Why a request is refused, in the two shapes there are.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Refusal {
    #[serde(alias = "errorCode")]
    error: String,
    message: String,
}

/// Files of a page, and where the next one is.
pub(super) fn read_page(
    body: &[u8],
    types: &[EventType],
) -> Result<(Vec<LogFile>, Option<String>), String> {
    let page: Page = serde_json::from_slice(body).map_err(|error| {
        let error = error.to_string();
        format!("the org's list of files cannot be read: {}", quoted(&error))
    })?;
    let mut files = Vec::with_capacity(page.records.len());
    for listed in page.records {
        let wrong = |what: &str, text: &str| {
            format!("the org lists a file whose {what} is {}", quoted(text))
        };
        let id = listed.id;
        let is_id =
            (15..=18).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_id {
            return Err(wrong("Id", &id));
        }
        let of = types.iter().find(|of| of.word() == listed.event_type);
        let time =
            |name: &str, text: &str| rfc3339(text.as_bytes()).ok_or_else(|| wrong(name, text));
        files.push(LogFile {
            created_ms: time("CreatedDate", &listed.created_date)?,
            date_ms: time("LogDate", &listed.log_date)?,
            of: *of.ok_or_else(|| wrong("EventType", &listed.event_type))?,
            id,
        });
    }
    let next = match page.next {
        None if page.done => None,
        Some(next) => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte);
            let fits = next.starts_with("/services/data/")
                && next.len() <= NEXT_MAX_BYTES
                && next.bytes().all(plain)
                && !next.contains("..")
                && !next.contains("//");
            if !fits {
                return Err(format!(
                    "the org's next page is at {}, which is not within its API",
                    quoted(&next)
                ));
            }
            Some(next)
        }
        None => return Err("the org's list of files has an end that is none".to_owned()),
    };
    Ok((files, next))
}

/// Ids and names of users.
pub(super) fn read_users(body: &[u8]) -> Result<Vec<(String, String)>, String> {
    let users: Users = serde_json::from_slice(body).map_err(|error| {
        let error = error.to_string();
        format!("names of users cannot be read: {}", quoted(&error))
    })?;
    let users = users.records.into_iter().filter_map(|user| {
        let fits = (1..=NAME_MAX_BYTES).contains(&user.username.len());
        let id = user_id(&user.id).filter(|_| fits)?;
        Some((id.to_owned(), user.username.to_lowercase()))
    });
    Ok(users.take(USERS_MAX).collect())
}

/// The reason of a refusal, where it tells one.
pub(super) fn read_refusal(body: &[u8]) -> Refusal {
    let list = serde_json::from_slice::<Vec<Refusal>>(body).ok();
    let first = list.and_then(|list| list.into_iter().next());
    let refusal = first.or_else(|| serde_json::from_slice(body).ok());
    let mut refusal = refusal.unwrap_or_default();
    refusal.error = code(refusal.error);
    refusal
}

fn named(status: u16, refusal: &Refusal) -> String {
    if refusal.error.is_empty() {
        format!("status {status}")
    } else {
        format!("status {status}, {}", refusal.error)
    }
}

pub(super) fn refused_token(status: u16, refusal: &Refusal) -> String {
    let remedy = match refusal.error.as_str() {
        "invalid_client_id" | "invalid_client" | "invalid_client_credentials" => {
            "see that client_id and client_secret are those of the app"
        }
        "invalid_grant" | "unsupported_grant_type" => {
            "enable the client credentials flow of the app, with a user to run as"
        }
        "invalid_request" => "use the org's own address (My Domain) as instance_url",
        _ => "see the app's settings, and that instance_url is the org's own address (My Domain)",
    };
    format!(
        "the org gives no token ({}); {remedy}",
        named(status, refusal)
    )
}

/// What is wrong, and what helps.
pub(super) fn judge(
    status: u16,
    refusal: &Refusal,
    retry_after: Option<Duration>,
    of: Subject,
) -> Fault {
    let named = named(status, refusal);
    let code = refusal.error.as_str();
    let limited = status == 429 || code == "REQUEST_LIMIT_EXCEEDED";
    if limited {
        let wait = retry_after.unwrap_or(Duration::from_secs(LIMIT_WAIT_S));
        return Fault::Org(PollError {
            message: format!(
                "the org's limit of API requests is reached ({named}); it is asked again in {} s: raise interval_ms, or the limit",
                wait.as_secs()
            ),
            retry_after: Some(wait),
        });
    }
    // A token and a move concern all; anything else only what was asked for.
    let concerns_all = matches!(status, 401 | 300..=399);
    match of {
        Subject::File if status == 404 => return Fault::Gone,
        Subject::File if !concerns_all => {
            return Fault::File(format!(
                "the org does not give it ({named}): {}",
                quoted(&refusal.message)
            ));
        }
        Subject::Users if !concerns_all => {
            return Fault::File(format!(
                "the org tells no names of users ({named}), so exports bear their ids; let the app's user see all users (\"View All Users\")"
            ));
        }
        _ => {}
    }
    let message = match (status, code) {
        (401, _) => format!(
            "the org refuses a token that it just gave ({named}); see the app's policies, and whether its user may use the API"
        ),
        (403, _) | (400, "INVALID_TYPE") => format!(
            "the app's user may not read EventLogFile ({named}); give it the permissions \"API Enabled\" and \"View Event Log Files\", in an org with Event Monitoring"
        ),
        (404, _) => format!("the org has no such API ({named}); correct api_version"),
        (300..=399, _) => format!(
            "the org is elsewhere ({named}), and redirects are not followed; use its own address (My Domain) as instance_url"
        ),
        (500.., _) => format!("the org cannot answer now ({named})"),
        _ => format!(
            "the org refuses the query ({named}): {}",
            quoted(&refusal.message)
        ),
    };
    Fault::Org(PollError {
        message,
        retry_after,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[EventType] = &EventType::USUAL;

    fn page(change: impl Fn(&str) -> String) -> Result<(Vec<LogFile>, Option<String>), String> {
        let text = include_str!("fixtures/list_first.json");
        read_page(change(text).as_bytes(), ALL)
    }

    #[test]
    fn pages_are_read_and_lead_nowhere_else() {
        let (files, next) = page(str::to_owned).unwrap();
        assert_eq!(files.len(), 2);
        assert_eq!(files[0].id, "0AT5j00002LqQTxGAN");
        assert_eq!(files[0].of, EventType::Login);
        assert_eq!(
            next.as_deref(),
            Some("/services/data/v62.0/query/01g5j00000KqXyZAAV-2000")
        );
        let path = "/services/data/v62.0/query/01g5j00000KqXyZAAV-2000";
        for elsewhere in [
            "https://evil.example/services/data/",
            "//evil.example/x",
            "/services/data/../../secur/logout",
            "/services/data/v62.0/query/x?y=%0d%0a",
            "/services/oauth2/revoke",
        ] {
            let error = page(|text| text.replace(path, elsewhere)).unwrap_err();
            assert!(error.contains("not within its API"), "{elsewhere}: {error}");
        }
        for (from, to) in [
            ("0AT5j00002LqQTxGAN", "../../../../x"),
            ("0AT5j00002LqQTxGAN", ""),
            ("\"EventType\": \"Login\"", "\"EventType\": \"Elsewhere\""),
            ("2026-11-25T09:31:04.000+0000", "yesterday"),
        ] {
            assert!(page(|text| text.replace(from, to)).is_err(), "{to}");
        }
        // What does not fit is repeated by the parser.
        let hostile = "\u{1b}[2J\u{202e}x".repeat(12_000);
        let hostile = serde_json::json!({"done": true, "records": hostile}).to_string();
        let error = read_page(hostile.as_bytes(), ALL).unwrap_err();
        assert!(
            error.contains("\\u{1b}[2J") && error.len() < 1000,
            "{error}"
        );
        assert!(error.is_ascii() && !error.contains('\u{1b}'), "{error}");
        assert!(read_page(b"<html>", ALL).is_err());
        assert!(read_page(br#"{"done":false,"records":[]}"#, ALL).is_err());
    }

    #[test]
    fn refusals_name_the_remedy_and_no_secret() {
        let text = br#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#;
        let Fault::Org(limit) = judge(403, &read_refusal(text), None, Subject::File) else {
            panic!("of the org");
        };
        assert!(
            limit.message.contains("REQUEST_LIMIT_EXCEEDED"),
            "{}",
            limit.message
        );
        assert_eq!(limit.retry_after.map(|wait| wait.as_secs()), Some(900));
        for (status, body, named) in [
            (
                403,
                "[{\"errorCode\":\"INSUFFICIENT_ACCESS\"}]",
                "View Event Log Files",
            ),
            (
                400,
                "[{\"errorCode\":\"INVALID_TYPE\",\"message\":\"x\"}]",
                "View Event Log Files",
            ),
            (
                400,
                "[{\"errorCode\":\"MALFORMED_QUERY\",\"message\":\"x\\u001b[2J\"}]",
                "\\u{1b}",
            ),
            (
                401,
                "[{\"errorCode\":\"INVALID_SESSION_ID\"}]",
                "INVALID_SESSION_ID",
            ),
            (404, "", "api_version"),
            (302, "", "My Domain"),
            (503, "<html>", "cannot answer"),
            (403, "[{\"errorCode\":\"\\u001b[2J\"}]", "(status 403)"),
        ] {
            let refusal = read_refusal(body.as_bytes());
            let Fault::Org(fault) = judge(status, &refusal, None, Subject::List) else {
                panic!("of the org");
            };
            assert!(fault.message.contains(named), "{status}: {}", fault.message);
            assert!(!fault.message.contains('\u{1b}'));
        }
        let of_file = |status| judge(status, &Refusal::default(), None, Subject::File);
        assert!(matches!(of_file(404), Fault::Gone));
        for status in [400, 403, 410, 500, 503] {
            assert!(matches!(of_file(status), Fault::File(_)), "{status}");
        }
        for status in [301, 302, 401, 429] {
            assert!(matches!(of_file(status), Fault::Org(_)), "{status}");
        }
        let body = br#"{"error":"invalid_client","error_description":"secret hunter2 is wrong"}"#;
        let error = refused_token(401, &read_refusal(body));
        assert!(
            error.contains("client_secret") && !error.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn names_of_users_are_bounded_and_written_alike() {
        let read = |user: serde_json::Value| {
            let users = serde_json::json!({"done": true, "records": [user]});
            read_users(users.to_string().as_bytes()).unwrap()
        };
        let user = |id: &str, name: &str| read(serde_json::json!({"Id": id, "Username": name}));
        let ada = ("0055j00000AT6I1".to_owned(), "ada@x.example".to_owned());
        assert_eq!(user("0055j00000AT6I1AAL", "Ada@X.example"), [ada]);
        assert!(user("00D5j00000DgAYG", "org").is_empty());
        assert!(user("0055j00000AT6I1AAL", "").is_empty());
        assert!(user("0055j00000AT6I1AAL", &"x".repeat(300)).is_empty());
        let hostile = serde_json::json!({"records": "\u{1b}".repeat(100_000)}).to_string();
        let error = read_users(hostile.as_bytes()).unwrap_err();
        assert!(error.len() < 1000 && error.is_ascii() && !error.contains('\u{1b}'));
    }
}
