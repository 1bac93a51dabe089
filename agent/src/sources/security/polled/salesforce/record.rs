//! What the records of event log files mean, by their columns. Pure.
//!
//! Columns are found by name, whatever their order: Salesforce adds some with its releases.

use std::collections::HashMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::csv::Record;
use crate::sources::security::{Fields, KindOf, LogConfig, LogFormat};

/// Columns of whose record it is: name, id in either form.
const USER: [&str; 3] = ["USER_NAME", "USER_ID_DERIVED", "USER_ID"];

/// The same of who acts as that user.
const DELEGATED: [&str; 3] = [
    "DELEGATED_USER_NAME",
    "DELEGATED_USER_ID_DERIVED",
    "DELEGATED_USER_ID",
];

/// Up to here every whole number is one of floating point: 2^53.
const ROWS_MAX: f64 = 9_007_199_254_740_992.0;

/// Types of event log files that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EventType {
    /// Attempts to log in.
    Login,
    /// What administrators did as somebody else.
    LoginAs,
    /// Ends of sessions.
    Logout,
    /// Reports that were run; those that were exported are events, with their rows.
    Report,
    /// Reports that were exported.
    ReportExport,
    /// Batches of the Bulk API: queries and deletions.
    BulkApi,
    /// Jobs of the Bulk API 2.0: queries and deletions.
    BulkApi2,
}

impl EventType {
    /// What is read where nothing is configured. Exports that `Report` has are in `ReportExport`
    /// too, without their rows.
    pub(super) const USUAL: [Self; 5] = [
        Self::Login,
        Self::LoginAs,
        Self::ReportExport,
        Self::BulkApi,
        Self::BulkApi2,
    ];

    /// Salesforce's word for it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Login => "Login",
            Self::LoginAs => "LoginAs",
            Self::Logout => "Logout",
            Self::Report => "Report",
            Self::ReportExport => "ReportExport",
            Self::BulkApi => "BulkApi",
            Self::BulkApi2 => "BulkApi2",
        }
    }
}

/// The mapping of what [`Columns::words`] gives.
pub(super) fn mapping(service: &str) -> LogConfig {
    let some = |name: &str| Some(name.to_owned());
    let kinds = ["app_login", "app_logout", "data_export", "data_delete"];
    LogConfig {
        format: LogFormat::Json,
        service: some(service),
        kinds: kinds
            .map(|kind| KindOf {
                value: kind.to_owned(),
                kind: kind.to_owned(),
            })
            .to_vec(),
        fields: Fields {
            time: some("time"),
            user: some("user"),
            target_user: some("target_user"),
            source_address: some("source_address"),
            outcome: some("outcome"),
            kind: some("kind"),
            method: some("method"),
            service: None,
            records: some("records"),
            detail: some("detail"),
        },
        ..LogConfig::default()
    }
}

/// Ids of users that a record does not name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unnamed {
    pub(super) user: Option<String>,
    pub(super) target_user: Option<String>,
}

impl Unnamed {
    /// Those there are.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        let ids = [&self.user, &self.target_user].into_iter();
        ids.filter_map(Option::as_deref)
    }
}

/// The head of a file.
#[derive(Debug)]
pub(super) struct Columns {
    names: Vec<String>,
    places: HashMap<String, usize>,
    /// Places in the order of names.
    sorted: Vec<usize>,
}

impl Columns {
    /// Of the first record; the error says what it lacks.
    pub(super) fn of(head: Record) -> Result<Self, String> {
        let mut names = head.fields;
        if let Some(first) = names.first_mut()
            && let Some(bare) = first.strip_prefix('\u{feff}')
        {
            *first = bare.trim_matches('"').to_owned();
        }
        let mut places = HashMap::new();
        for (place, name) in names.iter().enumerate() {
            places.entry(name.clone()).or_insert(place);
        }
        for name in ["EVENT_TYPE", "TIMESTAMP"] {
            if !places.contains_key(name) {
                return Err(format!("it has no column {name}"));
            }
        }
        let mut sorted: Vec<usize> = (0..names.len()).collect();
        sorted.sort_by(|left, right| names[*left].cmp(&names[*right]));
        Ok(Self {
            names,
            places,
            sorted,
        })
    }

    /// How many there are.
    pub(super) const fn count(&self) -> usize {
        self.names.len()
    }

    /// A value that is not empty.
    fn value<'a>(&self, record: &'a Record, name: &str) -> Option<&'a str> {
        let place = *self.places.get(name)?;
        let value = record.fields.get(place)?;
        (!value.is_empty()).then_some(value)
    }

    fn first<'a>(&self, record: &'a Record, names: &[&str]) -> Option<&'a str> {
        names.iter().find_map(|name| self.value(record, name))
    }

    /// What tells a record from others of its type: the same in a file that was made anew, with
    /// columns in another order, and with new ones that are empty.
    pub(super) fn identity(&self, kind: EventType, record: &Record) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        add(kind.word());
        for &place in &self.sorted {
            let value = record.fields.get(place).map_or("", String::as_str);
            if !value.is_empty() {
                add(&self.names[place]);
                add(value);
            }
        }
        hash.finalize().into()
    }

    /// What all records of one impersonation on one day share, where this is one that has a session.
    pub(super) fn session(&self, kind: EventType, record: &Record, day: i64) -> Option<[u8; 32]> {
        if kind != EventType::LoginAs {
            return None;
        }
        let names = ["DELEGATED_USER_ID", "USER_ID", "SESSION_KEY"];
        let mut hash = Sha256::new();
        hash.update(day.to_le_bytes());
        for name in names {
            let value = self.value(record, name)?;
            hash.update((value.len() as u64).to_le_bytes());
            hash.update(value);
        }
        Some(hash.finalize().into())
    }

    /// Users of whom a record has only an id. Logins have names, exports have not.
    pub(super) fn unnamed(&self, kind: EventType, record: &Record) -> Unnamed {
        let id = |[name, derived, id]: [&str; 3]| {
            let named = self.value(record, name).is_some();
            let id = self.first(record, &[derived, id]).and_then(user_id);
            id.filter(|_| !named).map(str::to_owned)
        };
        match kind {
            EventType::LoginAs => Unnamed {
                user: id(DELEGATED),
                target_user: id(USER),
            },
            _ => Unnamed {
                user: id(USER),
                target_user: None,
            },
        }
    }

    /// A user's name, else the id. Of an account the name is written as the org has it, whatever was
    /// typed: names of users there know no capitals.
    fn person(&self, record: &Record, [name, derived, id]: [&str; 3]) -> Option<String> {
        let id = self.first(record, &[derived, id]);
        match self.value(record, name) {
            Some(name) if id.is_some() => Some(name.to_lowercase()),
            Some(name) => Some(name.to_owned()),
            None => id.map(str::to_owned),
        }
    }

    /// The record as an object.
    pub(super) fn object(&self, record: &Record) -> Value {
        let names = self.names.iter().cloned();
        let values = record.fields.iter().cloned().map(Value::String);
        Value::Object(names.zip(values).collect::<Map<_, _>>())
    }

    /// What a record says, in the words of [`mapping`]. What is no event has no kind.
    pub(super) fn words(&self, kind: EventType, record: &Record) -> Value {
        let value = |name: &str| self.value(record, name);
        let first = |names: &[&str]| self.first(record, names);
        let mut words = Map::new();
        let mut say = |name: &str, said: Option<&str>| {
            words.insert(name.to_owned(), json!(said));
        };
        let user = self.person(record, USER);
        say("user", user.as_deref());
        let addresses = ["SOURCE_IP", "CLIENT_IP"].into_iter().filter_map(value);
        // An address of Salesforce's own is told as "Salesforce.com IP".
        let mut addresses = addresses.filter(|text| text.parse::<IpAddr>().is_ok());
        say("source_address", addresses.next());
        let derived = value("TIMESTAMP_DERIVED").map(str::to_owned);
        let time = derived.or_else(|| value("TIMESTAMP").and_then(dashed));
        say("time", Some(time.as_deref().unwrap_or_default()));
        let operation = value("OPERATION_TYPE").unwrap_or_default().to_lowercase();
        let bulk = match operation.as_str() {
            "query" | "queryall" => Some("data_export"),
            "delete" | "harddelete" => Some("data_delete"),
            _ => None,
        };
        match kind {
            EventType::Login => {
                let status = value("LOGIN_STATUS");
                let good = status == Some("LOGIN_NO_ERROR");
                let agent = value("BROWSER_TYPE");
                say("kind", Some("app_login"));
                say("method", value("LOGIN_TYPE"));
                say(
                    "outcome",
                    status.map(|_| if good { "success" } else { "failure" }),
                );
                // Of a login that succeeds the client alone: it is what a new one is told by.
                let reason = status.filter(|_| !good).into_iter().chain(agent);
                say("detail", Some(&reason.collect::<Vec<_>>().join(" ")));
            }
            EventType::LoginAs => {
                say("kind", Some("app_login"));
                say("method", Some("LoginAs"));
                say("outcome", Some("success"));
                say("target_user", user.as_deref());
                say("user", self.person(record, DELEGATED).as_deref());
                say("detail", value("URI"));
            }
            EventType::Logout => {
                say("kind", Some("app_logout"));
                say("outcome", Some("success"));
                say("detail", value("BROWSER_TYPE"));
            }
            EventType::Report => {
                let origin = value("ORIGIN").unwrap_or_default();
                let exported = origin.to_lowercase().contains("export");
                say("kind", exported.then_some("data_export"));
                say("method", Some("Report"));
                say("outcome", Some("success"));
                let rows = first(&["ROW_COUNT", "NUMBER_EXPORTED_ROWS"]).and_then(rows);
                say("records", rows.as_deref());
                say(
                    "detail",
                    first(&["NAME", "REPORT_ID_DERIVED", "REPORT_ID", "URI"]),
                );
            }
            EventType::ReportExport => {
                say("kind", Some("data_export"));
                say("method", Some("ReportExport"));
                say("outcome", Some("success"));
                say("detail", first(&["REPORT_DESCRIPTION", "URI"]));
            }
            EventType::BulkApi => {
                say("kind", bulk);
                say("method", Some("BulkApi"));
                say("outcome", value("SUCCESS"));
                let rows = value("ROWS_PROCESSED").and_then(rows);
                say("records", rows.as_deref());
                say("detail", value("ENTITY_TYPE"));
            }
            EventType::BulkApi2 => {
                // A job is told at each of its steps.
                let status = value("JOB_STATUS").unwrap_or_default().to_lowercase();
                let outcome = match status.as_str() {
                    "jobcomplete" | "complete" | "completed" => Some("success"),
                    "failed" | "aborted" => Some("failure"),
                    _ => None,
                };
                say("kind", bulk.filter(|_| outcome.is_some()));
                say("method", Some("BulkApi2"));
                say("outcome", outcome);
                let rows = first(&["RECORDS_PROCESSED", "ROWS_PROCESSED"]).and_then(rows);
                say("records", rows.as_deref());
                say("detail", value("ENTITY_TYPE"));
            }
        }
        Value::Object(words)
    }
}

/// A number of rows, also as `12.0` and `1.2E6`; none where it is no whole number from 0 on.
fn rows(text: &str) -> Option<String> {
    if let Ok(rows) = text.parse::<u64>() {
        return Some(rows.to_string());
    }
    let rows: f64 = text.parse().ok()?;
    let whole = (0.0..=ROWS_MAX).contains(&rows) && rows.fract() == 0.0;
    whole.then(|| format!("{:.0}", rows.abs()))
}

/// The id of a user as it is asked for: what is behind 15 characters repeats them for those who know no
/// capitals.
pub(super) fn user_id(text: &str) -> Option<&str> {
    let fits = matches!(text.len(), 15 | 18)
        && text.starts_with("005")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fits { text.get(..15) } else { None }
}

/// `20231218054831.655`, which is UTC, as other times are written.
fn dashed(text: &str) -> Option<String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    Some(format!(
        "{}-{}-{}T{}:{}:{}.{fraction}Z",
        &whole[..4],
        &whole[4..6],
        &whole[6..8],
        &whole[8..10],
        &whole[10..12],
        &whole[12..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str, line: &str) -> (Columns, Record) {
        let record = |text: &str| Record {
            fields: text.split(',').map(str::to_owned).collect(),
            odd: false,
        };
        (Columns::of(record(head)).unwrap(), record(line))
    }

    fn said(kind: EventType, head: &str, line: &str) -> Vec<(String, String)> {
        let (columns, record) = read(
            &format!("EVENT_TYPE,TIMESTAMP,{head}"),
            &format!("X,20231218054831.655,{line}"),
        );
        let Value::Object(words) = columns.words(kind, &record) else {
            return Vec::new();
        };
        let said = words.into_iter();
        let said = said.filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())));
        let mut said: Vec<_> = said.filter(|(name, _)| name != "time").collect();
        said.sort();
        said
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn each_type_says_what_it_can() {
        assert_eq!(
            said(
                EventType::Login,
                "USER_NAME,CLIENT_IP,SOURCE_IP,LOGIN_STATUS,LOGIN_TYPE,BROWSER_TYPE",
                "ada@x.example,Salesforce.com IP,192.0.2.7,LOGIN_ERROR_INVALID_PASSWORD,i,curl/8"
            ),
            pairs(&[
                ("detail", "LOGIN_ERROR_INVALID_PASSWORD curl/8"),
                ("kind", "app_login"),
                ("method", "i"),
                ("outcome", "failure"),
                ("source_address", "192.0.2.7"),
                ("user", "ada@x.example"),
            ])
        );
        assert_eq!(
            said(
                EventType::LoginAs,
                "USER_ID_DERIVED,DELEGATED_USER_NAME,CLIENT_IP,URI",
                "0055j00000AT6I1AAL,root@x.example,192.0.2.7,/home"
            ),
            pairs(&[
                ("detail", "/home"),
                ("kind", "app_login"),
                ("method", "LoginAs"),
                ("outcome", "success"),
                ("source_address", "192.0.2.7"),
                ("target_user", "0055j00000AT6I1AAL"),
                ("user", "root@x.example"),
            ])
        );
        let bulk = "USER_ID,OPERATION_TYPE,ROWS_PROCESSED,SUCCESS,ENTITY_TYPE";
        for (line, kind) in [
            ("u,query,1500,1,Contact", Some("data_export")),
            ("u,queryAll,1500,1,Contact", Some("data_export")),
            ("u,hardDelete,1500,1,Contact", Some("data_delete")),
            ("u,insert,1500,1,Contact", None),
        ] {
            let said = said(EventType::BulkApi, bulk, line);
            let found = said.iter().find(|(name, _)| name == "kind");
            assert_eq!(found.map(|(_, kind)| &**kind), kind, "{line}");
            assert!(said.contains(&("records".to_owned(), "1500".to_owned())));
        }
        let job = "USER_ID,OPERATION_TYPE,RECORDS_PROCESSED,JOB_STATUS";
        let kind = |line: &str| {
            let said = said(EventType::BulkApi2, job, line);
            said.iter().any(|(name, _)| name == "kind")
        };
        assert!(kind("u,query,7.0,JobComplete") && kind("u,query,7,Failed"));
        assert!(!kind("u,query,7,InProgress") && !kind("u,upsert,7,JobComplete"));
        let report = "USER_ID,ORIGIN,ROW_COUNT";
        let kind = |line: &str| {
            said(EventType::Report, report, line)
                .iter()
                .any(|(name, _)| name == "kind")
        };
        assert!(kind("u,ReportExported,20") && !kind("u,ReportRunFromLightning,20"));
    }

    #[test]
    fn rows_are_whole_numbers_however_they_are_written() {
        for (text, expected) in [
            ("0", Some("0")),
            ("48211", Some("48211")),
            ("12.0", Some("12")),
            ("1E6", Some("1000000")),
            ("1.2e3", Some("1200")),
            ("-0.0", Some("0")),
            ("-1", None),
            ("12.5", None),
            ("1e300", None),
            ("inf", None),
            ("NaN", None),
            ("many", None),
        ] {
            assert_eq!(rows(text).as_deref(), expected, "{text}");
        }
        // What tells no number is an event all the same.
        let bulk = "USER_ID,OPERATION_TYPE,ROWS_PROCESSED,SUCCESS";
        let said = said(EventType::BulkApi, bulk, "u,query,-1,1");
        assert!(said.iter().all(|(name, _)| name != "records"), "{said:?}");
        assert!(said.iter().any(|(name, _)| name == "kind"), "{said:?}");
    }

    #[test]
    fn users_without_a_name_are_known_by_their_ids() {
        let unnamed = |kind, head: &str, line: &str| {
            let head = format!("EVENT_TYPE,TIMESTAMP,{head}");
            let (columns, record) = read(&head, &format!("X,20231218054831.655,{line}"));
            let unnamed = columns.unnamed(kind, &record);
            (unnamed.user, unnamed.target_user)
        };
        let some = |text: &str| Some(text.to_owned());
        let (ada, root) = ("0055j00000AT6I1", "0055j00000AT6I9AAL");
        for (kind, head, line, expected) in [
            (EventType::BulkApi, "USER_ID", ada, (some(ada), None)),
            (
                EventType::Login,
                "USER_ID,USER_NAME",
                "0055j00000AT6I1,ada@x.example",
                (None, None),
            ),
            (EventType::BulkApi, "USER_ID", "", (None, None)),
            (EventType::BulkApi, "USER_ID", "'x' OR Id !=", (None, None)),
            (
                EventType::BulkApi,
                "USER_ID",
                "00D5j00000DgAYG",
                (None, None),
            ),
            (
                EventType::LoginAs,
                "USER_ID,DELEGATED_USER_ID",
                "0055j00000AT6I1,0055j00000AT6I9AAL",
                (some(&root[..15]), some(ada)),
            ),
        ] {
            assert_eq!(unnamed(kind, head, line), expected, "{line}");
        }
        // Names of accounts are written alike; what was typed for none is left as it was typed.
        let head = "USER_NAME,USER_ID";
        let user = |line| {
            let said = said(EventType::Login, head, line);
            said.into_iter()
                .find(|(name, _)| name == "user")
                .map(|(_, user)| user)
        };
        assert_eq!(user("Ada@X.example,0055j00000AT6I1"), some("ada@x.example"));
        assert_eq!(user("Nobody,"), some("Nobody"));
    }

    #[test]
    fn an_impersonation_of_another_day_is_another() {
        let head = "EVENT_TYPE,TIMESTAMP,DELEGATED_USER_ID,USER_ID,SESSION_KEY";
        let (columns, record) = read(head, "LoginAs,1,a,b,c");
        let session = |day| columns.session(EventType::LoginAs, &record, day);
        assert!(session(1).is_some() && session(1) == session(1));
        assert_ne!(session(1), session(2));
    }

    #[test]
    fn a_record_is_the_same_in_another_order_of_columns() {
        let (left, one) = read("EVENT_TYPE,TIMESTAMP,A,B", "Login,1,x,y");
        let (right, two) = read("B,NEW,TIMESTAMP,A,EVENT_TYPE", "y,,1,x,Login");
        let (_, three) = read("B,NEW,TIMESTAMP,A,EVENT_TYPE", "x,,1,y,Login");
        let first = left.identity(EventType::Login, &one);
        assert_eq!(first, right.identity(EventType::Login, &two));
        assert_ne!(first, right.identity(EventType::Login, &three));
        assert_ne!(first, left.identity(EventType::Logout, &one));
    }

    #[test]
    fn heads_without_a_time_are_no_files_of_events() {
        let head = |text: &str| Record {
            fields: text.split(',').map(str::to_owned).collect(),
            odd: false,
        };
        assert!(
            Columns::of(head("<html>"))
                .unwrap_err()
                .contains("EVENT_TYPE")
        );
        assert!(Columns::of(head("\u{feff}\"EVENT_TYPE\",TIMESTAMP")).is_ok());
        assert_eq!(
            dashed("20231218054831.655").as_deref(),
            Some("2023-12-18T05:48:31.655Z")
        );
        assert_eq!(dashed("20231218"), None);
    }
}
