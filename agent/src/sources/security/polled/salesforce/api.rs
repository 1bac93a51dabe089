//! What is asked of an org: tokens, lists of event log files, and files.
//!
//! Owns the token, which stays in memory and gets into no error; of answers that refuse, only words
//! that are error codes, and messages about the query itself, are told. Paths that the org names
//! (the next page) are followed only within its API.

use serde::Deserialize;
use tokio::time::timeout;

use super::super::connect::quoted;
use super::super::engine::PollError;
use super::super::http::{Answer, Ask, Place, Site, code, encoded};
use super::super::secret;
use super::super::sql::written;
use super::config::Org;
use super::record::{EventType, user_id};
use crate::sources::tail::calendar::rfc3339;

/// Bytes of an answer in JSON: a page of files has some 700 KiB.
const JSON_MAX_BYTES: usize = 8 * 1024 * 1024;

/// Bytes of an answer that refuses.
const REFUSAL_MAX_BYTES: usize = 64 * 1024;

/// Pages of one list.
const PAGES_MAX: usize = 100;

/// Files of one list: the oldest. What is behind them is for the next poll.
const FILES_MAX: usize = 16_384;

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

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
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
enum Subject {
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

/// The way to an org.
pub(super) struct Api {
    site: Site,
    token: Option<String>,
}

impl Api {
    pub(super) fn new(org: &Org) -> Self {
        // The config was validated.
        let place = Place::parse("instance_url", &org.instance_url);
        let place = place.expect("the config was validated");
        Self {
            site: Site::new(place, org.server_ca_file.clone()),
            token: None,
        }
    }

    /// Files that were made from a moment on, in the order in which they were made: the oldest, where
    /// there are more than [`FILES_MAX`].
    pub(super) async fn list(&mut self, org: &Org, from_ms: i64) -> Result<Vec<LogFile>, Fault> {
        let types: Vec<&str> = org.event_types.iter().map(|of| of.word()).collect();
        let query = format!(
            "SELECT Id, EventType, LogDate, CreatedDate FROM EventLogFile \
             WHERE Interval = '{}' AND EventType IN ('{}') AND CreatedDate >= {} ORDER BY CreatedDate, Id",
            org.files.word(),
            types.join("', '"),
            moment(from_ms)
        );
        let mut path = Some(format!(
            "/services/data/{}/query?q={}",
            org.api_version,
            encoded(&query)
        ));
        let mut files = Vec::new();
        for _ in 0..PAGES_MAX {
            let Some(asked) = path.take() else {
                break;
            };
            let page = self.json(org, &asked, Subject::List).await?;
            let (listed, next) = read_page(&page, &org.event_types)?;
            files.extend(listed);
            // They come in order.
            if files.len() >= FILES_MAX {
                files.truncate(FILES_MAX);
                break;
            }
            path = next;
        }
        if files.is_empty() && path.is_some() {
            let error = "the org lists pages without end and without files";
            return Err(Fault::from(error.to_owned()));
        }
        files.sort_by(|left: &LogFile, right| {
            (left.created_ms, &left.id).cmp(&(right.created_ms, &right.id))
        });
        Ok(files)
    }

    /// Whether there are files of the other interval.
    pub(super) async fn has_others(&mut self, org: &Org, from_ms: i64) -> Result<bool, Fault> {
        let query = format!(
            "SELECT Id, EventType, LogDate, CreatedDate FROM EventLogFile WHERE Interval = '{}' AND EventType = '{}' AND CreatedDate >= {} LIMIT 1",
            org.files.other().word(),
            EventType::Login.word(),
            moment(from_ms)
        );
        let path = format!(
            "/services/data/{}/query?q={}",
            org.api_version,
            encoded(&query)
        );
        let page = self.json(org, &path, Subject::List).await?;
        Ok(!read_page(&page, &[EventType::Login])?.0.is_empty())
    }

    /// Names of users by their ids ([`user_id`]), [`USERS_MAX`] of them at most. Of whom the org does not
    /// tell, there is none.
    pub(super) async fn user_names(
        &mut self,
        org: &Org,
        ids: &[String],
    ) -> Result<Vec<(String, String)>, Fault> {
        let query = format!(
            "SELECT Id, Username FROM User WHERE Id IN ('{}')",
            ids.join("','")
        );
        let path = format!(
            "/services/data/{}/query?q={}",
            org.api_version,
            encoded(&query)
        );
        let body = self.json(org, &path, Subject::Users).await?;
        read_users(&body).map_err(Fault::File)
    }

    /// The body of a file.
    pub(super) async fn file(&mut self, org: &Org, id: &str) -> Result<Answer, Fault> {
        let path = format!(
            "/services/data/{}/sobjects/EventLogFile/{id}/LogFile",
            org.api_version
        );
        let answer = self.get(org, &path, Subject::File).await?;
        // What pages of proxies and errors have. Of files it is not documented.
        if ["text/html", "application/json", "application/xml"].contains(&&*answer.content_type) {
            return Err(Fault::File(format!(
                "it comes as {}, which is no CSV; see whether something stands between the agent and the org",
                quoted(&answer.content_type)
            )));
        }
        Ok(answer)
    }

    async fn json(&mut self, org: &Org, path: &str, of: Subject) -> Result<Vec<u8>, Fault> {
        let answer = self.get(org, path, of).await?;
        if answer.content_type != "application/json" {
            return Err(Fault::from(format!(
                "the org answers with {}, which is no JSON; see instance_url, and whether something stands in between",
                quoted(&answer.content_type)
            )));
        }
        let body = timeout(org.deadline(), answer.whole(JSON_MAX_BYTES)).await;
        Ok(body.unwrap_or_else(|_| Err(late(org)))?)
    }

    /// A good answer; with a new token where the old one is not taken any more.
    async fn get(&mut self, org: &Org, path: &str, of: Subject) -> Result<Answer, Fault> {
        let accept = match of {
            Subject::File => "text/csv",
            Subject::List | Subject::Users => "application/json",
        };
        let had = self.token.is_some();
        if !had {
            self.token = Some(self.fetch_token(org).await?);
        }
        let mut answer = self.ask(org, path, accept).await?;
        if answer.status == 401 && had {
            self.token = Some(self.fetch_token(org).await?);
            answer = self.ask(org, path, accept).await?;
        }
        if answer.status == 200 {
            return Ok(answer);
        }
        let (status, retry_after) = (answer.status, answer.retry_after);
        if status == 401 {
            self.token = None;
        }
        let body = timeout(org.deadline(), answer.whole(REFUSAL_MAX_BYTES)).await;
        let refusal = read_refusal(&body.ok().and_then(Result::ok).unwrap_or_default());
        Err(judge(status, &refusal, retry_after, of))
    }

    async fn ask(&mut self, org: &Org, path: &str, accept: &'static str) -> Result<Answer, Fault> {
        let ask = Ask {
            path,
            bearer: self.token.as_deref(),
            form: None,
            accept,
        };
        let answer = timeout(org.deadline(), self.site.ask(ask)).await;
        Ok(answer.unwrap_or_else(|_| Err(late(org)))?)
    }

    /// By the client credentials flow.
    async fn fetch_token(&mut self, org: &Org) -> Result<String, Fault> {
        let file = org.client_id_file.as_deref();
        let id = secret::of("client_id", file, org.client_id_variable.as_deref())?;
        let file = org.client_secret_file.as_deref();
        let variable = org.client_secret_variable.as_deref();
        let secret = secret::of("client_secret", file, variable)?;
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            encoded(&id),
            encoded(&secret)
        );
        let ask = Ask {
            path: "/services/oauth2/token",
            bearer: None,
            form: Some(form),
            accept: "application/json",
        };
        let answer = timeout(org.deadline(), self.site.whole(ask, REFUSAL_MAX_BYTES)).await;
        let answer = answer.unwrap_or_else(|_| Err(late(org)))?;
        if answer.status == 200
            && let Ok(token) = serde_json::from_slice::<Token>(&answer.body)
            && (1..=4096).contains(&token.access_token.len())
            && token
                .access_token
                .bytes()
                .all(|byte| byte.is_ascii_graphic())
        {
            return Ok(token.access_token);
        }
        Err(Fault::Org(PollError {
            message: refused_token(answer.status, &read_refusal(&answer.body)),
            retry_after: answer.retry_after,
        }))
    }
}

fn late(org: &Org) -> String {
    format!(
        "no answer from the org within {} ms; see the network, or raise deadline_ms",
        org.deadline_ms
    )
}

/// As a literal of SOQL.
fn moment(ms: i64) -> String {
    let text = written(ms.saturating_mul(1000));
    format!("{}T{}Z", &text[..10], &text[11..23])
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

fn refused_token(status: u16, refusal: &Refusal) -> String {
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
fn judge(
    status: u16,
    refusal: &Refusal,
    retry_after: Option<std::time::Duration>,
    of: Subject,
) -> Fault {
    let named = named(status, refusal);
    let code = refusal.error.as_str();
    let limited = status == 429 || code == "REQUEST_LIMIT_EXCEEDED";
    if limited {
        let wait = retry_after.unwrap_or(std::time::Duration::from_secs(LIMIT_WAIT_S));
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

    #[test]
    fn moments_are_literals() {
        assert_eq!(moment(1_795_599_336_001), "2026-11-25T09:35:36.001Z");
        assert_eq!(moment(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(moment(i64::MAX).len(), 24);
    }
}
