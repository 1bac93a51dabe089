//! A document for a program of the operator's own.
//!
//! Owns version 1 of the document: fields are added to it, never changed or removed. Promises that a
//! repetition has the same bytes and the same `Idempotency-Key`. Any answer of 2xx means that it was taken.

use bytes::Bytes;
use hyper::Uri;
use serde_json::{Value, json};

use super::config::{Config, ConfigError, uri};
use super::failure::Failure;
use super::http::Poster;
use super::notification::{Incident, LISTED_MAX, Notification, key};
use super::text::{LABEL_MAX_BYTES, SENTENCE_MAX_BYTES, one_line, time};

/// Most labels of an incident that are told.
pub(super) const LABELS_MAX: usize = 32;

/// The program.
pub(super) struct Webhook {
    poster: Poster,
    uri: Uri,
}

impl Webhook {
    pub(super) fn new(config: &Config) -> Result<Option<Self>, ConfigError> {
        let webhook = &config.webhook;
        if !webhook.is_on() {
            return Ok(None);
        }
        let token_file = webhook.token_file.clone();
        Ok(Some(Self {
            poster: Poster::new(config.timeout_ms, "webhook.token_file", token_file)?,
            uri: uri("webhook.url", &webhook.url)?,
        }))
    }

    pub(super) async fn send(&self, notification: &Notification) -> Result<(), Failure> {
        let document = Bytes::from(document(notification).to_string());
        let key = notification.key();
        self.poster.post(&self.uri, Some(&key), document).await
    }
}

/// Version 1.
fn document(notification: &Notification) -> Value {
    let incident = |incident: &Incident| {
        let labels = incident
            .labels
            .iter()
            .take(LABELS_MAX)
            .map(|(name, value)| {
                let name = one_line(name, LABEL_MAX_BYTES);
                (name, Value::from(one_line(value, LABEL_MAX_BYTES)))
            });
        json!({
            "incident_id": incident.incident_id.to_string(),
            "key": key([incident.incident_id], notification.phase, notification.target),
            "agent_id": one_line(&incident.agent_id, LABEL_MAX_BYTES),
            "labels": labels.collect::<serde_json::Map<_, _>>(),
            "began_at": time(incident.began_ms),
            "ended_at": incident.ended_ms.map(time),
            "summary": one_line(&incident.summary, SENTENCE_MAX_BYTES),
        })
    };
    let listed = notification.incidents.iter().take(LISTED_MAX);
    json!({
        "version": 1,
        "key": notification.key(),
        "phase": notification.phase.name(),
        "kind": notification.kind.name(),
        "severity": notification.severity().name(),
        "headline": notification.headline(),
        "summary": notification.summary(),
        "count": notification.incidents.len(),
        "incidents": listed.map(|one| incident(one)).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::notification::Phase;
    use crate::alerts::tests::{hostile, notification};
    use crate::alerts::{Kind, Target};

    #[test]
    fn the_document_has_what_its_version_says() {
        let one = notification(Target::Webhook, Phase::Resolved, 1);
        let document = document(&one);
        let want = json!({
            "version": 1,
            "key": one.key(),
            "phase": "resolved",
            "kind": "host_silent",
            "severity": "critical",
            "headline": "RESOLVED: host silent: web-000",
            "summary": "web-000 was not heard for 40 s.",
            "count": 1,
            "incidents": [{
                "incident_id": "00000000-0000-0000-0000-000000000000",
                "key": one.key(),
                "agent_id": "web-000",
                "labels": {"group": "crm", "role": "web"},
                "began_at": "2023-11-14T22:13:20.000Z",
                "ended_at": "2023-11-14T22:14:20.000Z",
                "summary": "web-000 was not heard for 40 s.",
            }],
        });
        assert_eq!(document, want);
    }

    #[test]
    fn many_are_counted_and_some_are_listed() {
        let many = document(&notification(Target::Webhook, Phase::Firing, 200));
        assert_eq!(many["count"], 200);
        assert_eq!(many["incidents"].as_array().unwrap().len(), LISTED_MAX);
        assert_eq!(many["incidents"][0]["ended_at"], Value::Null);
    }

    #[test]
    fn hostile_text_stays_text() {
        let mut one = notification(Target::Webhook, Phase::Firing, 1);
        one.incidents = vec![hostile(Kind::HostSilent).into()];
        let text = document(&one).to_string();
        assert!(!text.contains(char::is_control), "{text}");
        assert!(text.len() < 16 * 1024, "{}", text.len());
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["count"], 1);
        assert_eq!(read["phase"], "firing");
        let labels = read["incidents"][0]["labels"].as_object().unwrap();
        assert!(labels.len() <= LABELS_MAX);
    }
}
