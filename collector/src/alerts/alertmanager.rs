//! Prometheus' Alertmanager, by its API version 2.
//!
//! Promises that an alert has the same labels when it is firing and when it is resolved, so that the one
//! ends the other; that what is firing is told again before it lapses; and that every Alertmanager of a
//! cluster is told, as it wants it. Taken means that one of them took it: they tell each other, and the
//! rest is told with the next refresh. Leaves grouping to Alertmanager: an incident is an alert.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hyper::Uri;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::config::{Config, ConfigError, uri};
use super::failure::Failure;
use super::http::Poster;
use super::notification::{Incident, Notification};
use super::text::{LABEL_MAX_BYTES, SENTENCE_MAX_BYTES, one_line, time};
use super::webhook::LABELS_MAX;
use crate::clock::now_ms;

/// Alerts in one document of a refresh.
const REFRESHED_AT_ONCE: usize = 500;
/// What is not told again for so many refreshes lapses, as with Prometheus: a minute and five.
const LAPSES_AFTER_REFRESHES: i64 = 5;

/// The Alertmanagers.
pub(super) struct Alertmanager {
    poster: Poster,
    uris: Vec<Uri>,
    lapses_after_ms: i64,
}

impl Alertmanager {
    pub(super) fn new(config: &Config) -> Result<Option<Self>, ConfigError> {
        let alertmanager = &config.alertmanager;
        if alertmanager.urls.is_empty() {
            return Ok(None);
        }
        let key = "alertmanager.urls";
        let endpoint = |url: &String| {
            uri(key, url)?;
            uri(key, &format!("{}/api/v2/alerts", url.trim_end_matches('/')))
        };
        let token_file = alertmanager.token_file.clone();
        let refresh_ms = i64::try_from(alertmanager.refresh_ms).unwrap_or(i64::MAX);
        Ok(Some(Self {
            poster: Poster::new(config.timeout_ms, "alertmanager.token_file", token_file)?,
            uris: alertmanager
                .urls
                .iter()
                .map(endpoint)
                .collect::<Result<_, _>>()?,
            lapses_after_ms: refresh_ms.saturating_mul(LAPSES_AFTER_REFRESHES),
        }))
    }

    pub(super) async fn send(&self, notification: &Notification) -> Result<(), Failure> {
        self.tell(&notification.incidents).await
    }

    /// Tells again what is firing.
    pub(super) async fn refresh(&self, firing: &[Arc<Incident>]) -> Result<(), Failure> {
        for some in firing.chunks(REFRESHED_AT_ONCE) {
            self.tell(some).await?;
        }
        Ok(())
    }

    async fn tell(&self, incidents: &[Arc<Incident>]) -> Result<(), Failure> {
        let document = Bytes::from(document(incidents, now_ms(), self.lapses_after_ms).to_string());
        let mut posts = JoinSet::new();
        for uri in self.uris.clone() {
            let (poster, document) = (self.poster.clone(), document.clone());
            posts.spawn(async move { poster.post(&uri, None, document).await });
        }
        let mut taken = false;
        let mut worst: Option<Failure> = None;
        while let Some(ended) = posts.join_next().await {
            match ended {
                Ok(Ok(())) => taken = true,
                Ok(Err(failure)) => {
                    if self.uris.len() > 1 {
                        tracing::warn!(reason = %failure, "an Alertmanager did not take alerts");
                    }
                    // It is given up when nobody would ever take it.
                    if worst.as_ref().is_none_or(|worst| worst.is_permanent) {
                        worst = Some(failure);
                    }
                }
                Err(error) => worst = Some(Failure::for_now(&error.to_string())),
            }
        }
        match worst {
            Some(failure) if !taken => Err(failure),
            _ => Ok(()),
        }
    }
}

/// The alerts as of now.
fn document(incidents: &[Arc<Incident>], now_ms: i64, lapses_after_ms: i64) -> Value {
    let alert = |incident: &Arc<Incident>| {
        // Alertmanager wants a start before the end, and takes an end to come for an alert that goes on.
        let starts_ms = incident.began_ms.min(now_ms.saturating_sub(1));
        let ends_ms = match incident.ended_ms {
            Some(ended_ms) => ended_ms.clamp(starts_ms.saturating_add(1), now_ms),
            None => now_ms.saturating_add(lapses_after_ms),
        };
        json!({
            "labels": labels(incident),
            "annotations": {"summary": one_line(&incident.summary, SENTENCE_MAX_BYTES)},
            "startsAt": time(starts_ms),
            "endsAt": time(ends_ms),
        })
    };
    Value::from(incidents.iter().map(alert).collect::<Vec<_>>())
}

/// With the incident's id: a late end of one must not end the next of the same host.
fn labels(incident: &Incident) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> = incident
        .labels
        .iter()
        .take(LABELS_MAX)
        .map(|(name, value)| (label_name(name), one_line(value, LABEL_MAX_BYTES)))
        .collect();
    // Last, so that no label of a host takes their places.
    for (name, value) in [
        ("alertname", incident.kind.name()),
        ("kind", incident.kind.name()),
        ("severity", incident.severity().name()),
        ("incident_id", &incident.incident_id.to_string()),
        ("agent_id", &one_line(&incident.agent_id, LABEL_MAX_BYTES)),
    ] {
        labels.insert(name.to_owned(), value.to_owned());
    }
    // An empty label is none.
    labels.retain(|_, value| !value.is_empty());
    labels
}

/// A name as Prometheus has it: `[a-zA-Z_][a-zA-Z0-9_]*`, without the two underscores of its own labels.
fn label_name(name: &str) -> String {
    let name = one_line(name, LABEL_MAX_BYTES);
    let fitting = |character: char| {
        if character.is_ascii_alphanumeric() {
            character
        } else {
            '_'
        }
    };
    let name: String = name.chars().map(fitting).collect();
    let name = name.trim_start_matches('_');
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        name.to_owned()
    } else {
        format!("label_{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::notification::Phase;
    use crate::alerts::tests::{hostile, notification};
    use crate::alerts::{Kind, Target};

    #[test]
    fn an_alert_has_the_same_labels_when_it_is_over() {
        let now_ms = 1_700_000_100_000;
        let of = |phase| {
            document(
                &notification(Target::Alertmanager, phase, 1).incidents,
                now_ms,
                300_000,
            )
        };
        let (firing, resolved) = (of(Phase::Firing), of(Phase::Resolved));
        let labels = json!({
            "alertname": "host_silent",
            "kind": "host_silent",
            "severity": "critical",
            "agent_id": "web-000",
            "incident_id": "00000000-0000-0000-0000-000000000000",
            "group": "crm",
            "role": "web",
        });
        assert_eq!(firing[0]["labels"], labels);
        assert_eq!(resolved[0]["labels"], labels);
        assert_eq!(
            firing[0]["annotations"]["summary"],
            "web-000 was not heard for 40 s."
        );
        assert_eq!(firing[0]["startsAt"], "2023-11-14T22:13:20.000Z");
        assert_eq!(firing[0]["endsAt"], "2023-11-14T22:20:00.000Z");
        assert_eq!(resolved[0]["startsAt"], firing[0]["startsAt"]);
        assert_eq!(resolved[0]["endsAt"], "2023-11-14T22:14:20.000Z");
    }

    #[test]
    fn clocks_that_are_off_make_no_alert_that_is_refused_or_goes_on() {
        let mut incident = hostile(Kind::Flapping);
        for (began_ms, ended_ms) in [
            (5_000, 4_000),
            (5_000, 5_000),
            (20_000, 30_000),
            (i64::MAX, i64::MIN),
        ] {
            (incident.began_ms, incident.ended_ms) = (began_ms, Some(ended_ms));
            let alerts = document(&[Arc::new(incident.clone())], 10_000, 300_000);
            let at = |key: &str| alerts[0][key].as_str().unwrap().to_owned();
            assert!(at("startsAt") < at("endsAt"), "{alerts}");
            assert!(at("endsAt") <= time(10_000), "{alerts}");
        }
    }

    #[test]
    fn labels_of_hosts_are_renamed_and_take_no_place_of_ours() {
        for (name, want) in [
            ("group", "group"),
            ("a.b/c-d", "a_b_c_d"),
            ("__name__", "name__"),
            ("9lives", "label_9lives"),
            ("", "label_"),
            ("größe\n", "gr__e"),
        ] {
            assert_eq!(label_name(name), want);
        }
        let incident = hostile(Kind::HostSilent);
        let labels = labels(&incident);
        assert_eq!(labels["severity"], "critical");
        assert_eq!(labels["alertname"], "host_silent");
        assert!(labels.len() <= LABELS_MAX + 5);
        for (name, value) in &labels {
            assert!(
                !value.is_empty() && !value.contains(char::is_control),
                "{name}: {value:?}"
            );
        }
    }
}
