//! The receivers that are configured, one of each kind.

use super::alertmanager::Alertmanager;
use super::config::{Config, ConfigError};
use super::failure::Failure;
use super::mail::Mail;
use super::notification::{Notification, Target};
use super::webhook::Webhook;

/// Who is told.
pub(super) struct Receivers {
    pub(super) alertmanager: Option<Alertmanager>,
    webhook: Option<Webhook>,
    mail: Option<Mail>,
}

impl Receivers {
    pub(super) fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            alertmanager: Alertmanager::new(config)?,
            webhook: Webhook::new(config)?,
            mail: Mail::new(config)?,
        })
    }

    pub(super) fn targets(&self) -> Vec<Target> {
        let targets = [
            self.alertmanager.is_some().then_some(Target::Alertmanager),
            self.webhook.is_some().then_some(Target::Webhook),
            self.mail.is_some().then_some(Target::Mail),
        ];
        targets.into_iter().flatten().collect()
    }

    pub(super) async fn send(&self, notification: &Notification) -> Result<(), Failure> {
        let target = notification.target;
        match (target, &self.alertmanager, &self.webhook, &self.mail) {
            (Target::Alertmanager, Some(alertmanager), ..) => alertmanager.send(notification).await,
            (Target::Webhook, _, Some(webhook), _) => webhook.send(notification).await,
            (Target::Mail, .., Some(mail)) => mail.send(notification).await,
            _ => Err(Failure::for_good(&format!("there is no {}", target.name()))),
        }
    }
}
