//! A page of the login history, and refusals. Pure.

use serde::Deserialize;
use serde_json::Value;

use super::super::connect::quoted;
use super::super::http::code;
use crate::sources::tail::calendar::rfc3339;

/// Longest token of a next page, bytes.
const AFTER_MAX_BYTES: usize = 1024;

/// Longest id of an attempt, bytes.
const ID_MAX_BYTES: usize = 128;

/// A page.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) results: Vec<Value>,
    paging: Option<Paging>,
}

#[derive(Debug, Deserialize)]
struct Paging {
    next: Option<Next>,
}

#[derive(Debug, Deserialize)]
struct Next {
    after: String,
}

/// Why a request is refused.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Refusal {
    pub(super) category: String,
    pub(super) policy_name: String,
}

/// What tells an attempt from others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Attempt {
    pub(super) at_ms: i64,
    pub(super) id: String,
}

impl Page {
    /// The error says what is wrong with the answer.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| {
            let error = error.to_string();
            format!("the login history cannot be read: {}", quoted(&error))
        })
    }

    /// What the next page is asked for with; `None` on the last one.
    pub(super) fn after(&self) -> Result<Option<&str>, String> {
        let after = self.paging.as_ref().and_then(|paging| paging.next.as_ref());
        let after = after
            .map(|next| &*next.after)
            .filter(|after| !after.is_empty());
        if after.is_some_and(|after| after.len() > AFTER_MAX_BYTES) {
            return Err("the token of the next page is too long".to_owned());
        }
        Ok(after)
    }
}

impl Attempt {
    /// `None` where an attempt does not tell when it was, or which one it is.
    pub(super) fn of(record: &Value) -> Option<Self> {
        let id = match record.get("id")? {
            Value::String(id) => id.clone(),
            Value::Number(id) => id.to_string(),
            _ => return None,
        };
        let fits = (1..=ID_MAX_BYTES).contains(&id.len());
        let at_ms = rfc3339(record.get("loginAt")?.as_str()?.as_bytes())?;
        fits.then_some(Self { at_ms, id })
    }
}

impl Refusal {
    /// Of a body that may be anything.
    pub(super) fn read(body: &[u8]) -> Self {
        let mut refusal: Self = serde_json::from_slice(body).unwrap_or_default();
        for text in [&mut refusal.category, &mut refusal.policy_name] {
            *text = code(std::mem::take(text));
        }
        refusal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_as_documented() {
        let page = Page::read(include_bytes!("fixtures/logins_first.json")).unwrap();
        assert_eq!(page.after(), Ok(Some("NDg2MTAyNTUwMw")));
        let attempts: Vec<_> = page.results.iter().map(Attempt::of).collect();
        assert_eq!(
            attempts[0],
            Some(Attempt {
                at_ms: 1_795_601_533_544,
                id: "4862485159".to_owned()
            })
        );
        let page = Page::read(include_bytes!("fixtures/logins_last.json")).unwrap();
        assert_eq!(page.after(), Ok(None));
    }

    #[test]
    fn what_is_no_page_or_attempt_is_refused() {
        for body in ["", "<html>", "{}", "[]", "{\"results\":7}"] {
            assert!(Page::read(body.as_bytes()).is_err(), "{body}");
        }
        // What does not fit is repeated by the parser.
        let hostile = "\u{1b}[2J\u{202e}x".repeat(12_000);
        let hostile = serde_json::json!({"results": hostile}).to_string();
        let error = Page::read(hostile.as_bytes()).unwrap_err();
        assert!(
            error.contains("\\u{1b}[2J") && error.len() < 1000,
            "{error}"
        );
        assert!(error.is_ascii() && !error.contains('\u{1b}'), "{error}");
        let long = format!(
            "{{\"results\":[],\"paging\":{{\"next\":{{\"after\":\"{}\"}}}}}}",
            "x".repeat(2000)
        );
        assert!(Page::read(long.as_bytes()).unwrap().after().is_err());
        for record in [
            r#"{"loginAt":"2026-11-25T09:35:36Z"}"#,
            r#"{"id":"1"}"#,
            r#"{"id":"","loginAt":"2026-11-25T09:35:36Z"}"#,
            r#"{"id":[],"loginAt":"2026-11-25T09:35:36Z"}"#,
            r#"{"id":"1","loginAt":"yesterday"}"#,
            "7",
        ] {
            let record = serde_json::from_str(record).unwrap();
            assert_eq!(Attempt::of(&record), None, "{record}");
        }
        let refusal = Refusal::read(br#"{"category":"RATE_LIMITS","policyName":"a b\u001b"}"#);
        assert_eq!(
            (&*refusal.category, &*refusal.policy_name),
            ("RATE_LIMITS", "")
        );
    }
}
