//! An org on loopback: tokens, lists in pages, files.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::super::super::tests::server::Request;
use super::*;

pub(super) const CSV: &str = "text/csv";

/// The secret of the app.
pub(super) const SECRET: &str = "Fixture+Secret/1=";

/// An event log file that is there.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) id: String,
    pub(super) of: &'static str,
    pub(super) interval: &'static str,
    pub(super) created_ms: i64,
    pub(super) date_ms: i64,
    pub(super) text: String,
}

/// What happens to the next request whose path ends so.
pub(super) type Fault = (String, Reply);

#[derive(Default)]
pub(super) struct State {
    pub(super) files: Vec<Served>,
    pub(super) faults: Vec<Fault>,
    /// The same, each time.
    pub(super) broken: Vec<Fault>,
    /// Ids and names of users.
    pub(super) users: Vec<(&'static str, &'static str)>,
    /// What is answered instead of them.
    pub(super) nameless: Option<Reply>,
    /// Queries for them.
    pub(super) user_queries: Vec<String>,
    /// The token that is taken.
    pub(super) token: String,
    pub(super) tokens: usize,
    /// Files of a page.
    pub(super) page: usize,
    /// Queries so far.
    pub(super) queries: Vec<String>,
}

pub(super) struct Service {
    pub(super) server: Server,
    pub(super) state: Arc<Mutex<State>>,
    folder: tempfile::TempDir,
}

impl Service {
    pub(super) fn start() -> Self {
        Self::with(Server::start)
    }

    pub(super) fn with(
        start: impl FnOnce(Box<dyn Fn(&Request) -> Reply + Send + Sync>) -> Server,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("id"), "3MVG9fixture.Key\n").unwrap();
        std::fs::write(folder.path().join("secret"), SECRET).unwrap();
        let state = Arc::new(Mutex::new(State {
            page: 2000,
            ..State::default()
        }));
        let answering = Arc::clone(&state);
        let handler = move |request: &Request| answer(&mut answering.lock().unwrap(), request);
        Self {
            server: start(Box::new(handler)),
            state,
            folder,
        }
    }

    pub(super) fn secret(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn add(&self, file: Served) {
        self.state.lock().unwrap().files.push(file);
    }

    pub(super) fn fault(&self, path_end: &str, reply: Reply) {
        let fault = (path_end.to_owned(), reply);
        self.state.lock().unwrap().faults.push(fault);
    }

    pub(super) fn breaks(&self, path_end: &str, reply: Reply) {
        let fault = (path_end.to_owned(), reply);
        self.state.lock().unwrap().broken.push(fault);
    }

    /// How often a file was asked for.
    pub(super) fn asked_for(&self, id: &str) -> usize {
        let path = format!("/services/data/v62.0/sobjects/EventLogFile/{id}/LogFile");
        self.server.requests(&path).len()
    }

    pub(super) fn clear_faults(&self) {
        self.state.lock().unwrap().faults.clear();
    }
}

fn answer(state: &mut State, request: &Request) -> Reply {
    let fault = state
        .faults
        .iter()
        .position(|(end, _)| request.path.ends_with(&**end));
    if let Some(fault) = fault {
        return state.faults.remove(fault).1;
    }
    let broken = state.broken.iter();
    let mut broken = broken.filter(|(end, _)| request.path.ends_with(&**end));
    if let Some((_, reply)) = broken.next() {
        return reply.clone();
    }
    if request.path == "/services/oauth2/token" {
        assert!(request.line.starts_with("POST "), "{}", request.line);
        let right = "grant_type=client_credentials&client_id=3MVG9fixture.Key&client_secret=Fixture%2BSecret%2F1%3D";
        if request.body != right {
            return Reply::refusal(
                400,
                r#"{"error":"invalid_client","error_description":"invalid client credentials"}"#,
            );
        }
        state.tokens += 1;
        state.token = format!("00D5j00000DgAYG!AQEAQFixture.Token_{}", state.tokens);
        let text = include_str!("../fixtures/token.json");
        return Reply::json(text.replace("00D5j00000DgAYG!AQEAQFixture.Token_1", &state.token));
    }
    if request.headers.get("authorization") != Some(&format!("Bearer {}", state.token)) {
        return Reply::refusal(
            401,
            r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#,
        );
    }
    if let Some(id) = request
        .path
        .strip_prefix("/services/data/v62.0/sobjects/EventLogFile/")
    {
        let id = id.strip_suffix("/LogFile").unwrap();
        let found = state.files.iter().find(|file| file.id == id);
        return match found {
            Some(file) => Reply::Chunks(CSV, file.text.clone().into_bytes(), 777),
            None => Reply::refusal(404, r#"[{"message":"gone","errorCode":"NOT_FOUND"}]"#),
        };
    }
    let query = request.query.get("q");
    if let Some(query) = query.filter(|query| query.contains(" FROM User ")) {
        state.user_queries.push(query.clone());
        return state
            .nameless
            .clone()
            .unwrap_or_else(|| users(state, query));
    }
    if let Some(query) = query {
        state.queries.push(query.clone());
        return list(state, state.queries.len() - 1, 0);
    }
    let place = request
        .path
        .strip_prefix("/services/data/v62.0/query/01g5j00000KqXyZAAV-");
    let (query, offset) = place.and_then(|place| place.split_once('-')).unwrap();
    list(state, query.parse().unwrap(), offset.parse().unwrap())
}

/// Users that a query is for.
fn users(state: &State, query: &str) -> Reply {
    let asked = state.users.iter();
    let asked = asked.filter(|(id, _)| query.contains(&format!("'{}'", &id[..15])));
    let records: Vec<_> = asked
        .map(|(id, name)| serde_json::json!({"attributes": {"type": "User"}, "Id": id, "Username": name}))
        .collect();
    let page = serde_json::json!({"totalSize": records.len(), "done": true, "records": records});
    Reply::json(page.to_string())
}

/// Files that a query is for, from one on.
fn list(state: &State, number: usize, offset: usize) -> Reply {
    let query = &state.queries[number];
    let from = query.split("CreatedDate >= ").nth(1).unwrap();
    let from = from.split_whitespace().next().unwrap();
    let from_ms = crate::sources::tail::calendar::rfc3339(from.as_bytes()).unwrap();
    let fits = |file: &&Served| {
        query.contains(&format!("Interval = '{}'", file.interval))
            && query.contains(&format!("'{}'", file.of))
            && file.created_ms >= from_ms
    };
    let files: Vec<_> = state.files.iter().filter(fits).collect();
    let shown = files.iter().skip(offset).take(state.page);
    let records = shown.map(|file| {
        serde_json::json!({
            "attributes": {
                "type": "EventLogFile",
                "url": format!("/services/data/v62.0/sobjects/EventLogFile/{}", file.id)
            },
            "Id": file.id,
            "EventType": file.of,
            "LogDate": written_ms(file.date_ms),
            "Interval": file.interval,
            "Sequence": 1,
            "CreatedDate": written_ms(file.created_ms),
            "LogFileLength": file.text.len(),
        })
    });
    let records: Vec<_> = records.collect();
    let next = offset + records.len();
    let mut page = serde_json::json!({
        "totalSize": files.len(),
        "done": next >= files.len(),
        "records": records
    });
    if next < files.len() {
        let next = format!("/services/data/v62.0/query/01g5j00000KqXyZAAV-{number}-{next}");
        page["nextRecordsUrl"] = next.into();
    }
    Reply::json(page.to_string())
}

/// As Salesforce writes times.
pub(super) fn written_ms(ms: i64) -> String {
    let text = super::super::super::sql::written(ms * 1000);
    format!("{}T{}+0000", &text[..10], &text[11..23])
}

/// Head of the files that [`line`] makes lines for.
pub(super) const HEAD: &str = "\"EVENT_TYPE\",\"TIMESTAMP\",\"USER_NAME\",\"SOURCE_IP\",\"LOGIN_STATUS\",\"TIMESTAMP_DERIVED\"\n";

/// A login that succeeded.
pub(super) fn line(user: &str, at_ms: i64) -> String {
    let text = written_ms(at_ms).replace("+0000", "Z");
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let user = user.replace('"', "\"\"");
    format!(
        "\"Login\",\"{}.{}\",\"{user}\",\"192.0.2.7\",\"LOGIN_NO_ERROR\",\"{text}\"\n",
        &digits[..14],
        &digits[14..]
    )
}

/// An hourly file of logins.
pub(super) fn logins(number: u32, created_ms: i64, date_ms: i64, lines: &[String]) -> Served {
    Served {
        id: format!("0AT5j{number:010}GAN"),
        of: "Login",
        interval: "Hourly",
        created_ms,
        date_ms,
        text: format!("{HEAD}{}", lines.concat()),
    }
}
