//! What can be told of a configuration without connecting, and how secrets are read.

use std::path::Path;

use hyper::Uri;
use lettre::message::Mailbox;

use super::{Config, ConfigError, Mail, Tls, Webhook};

/// More receivers of one mail are a mailing list's business, more Alertmanagers a mistake.
const LIST_MAX: u64 = 50;

impl Config {
    /// Whether anybody is notified.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.alertmanager.urls.is_empty() || self.webhook.is_on() || self.mail.is_on()
    }

    /// Checks what can be checked without connecting; everything, also of targets that are off.
    ///
    /// # Errors
    /// Names the first key that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let ranges = [
            ("group_wait_ms", self.group_wait_ms, 0, 600_000),
            ("retry_max_ms", self.retry_max_ms, 1, 3_600_000),
            (
                "retry_initial_ms",
                self.retry_initial_ms,
                1,
                self.retry_max_ms,
            ),
            ("timeout_ms", self.timeout_ms, 10, 120_000),
            ("pending_max", self.pending_max as u64, 1, 1_000_000),
            (
                "alertmanager.refresh_ms",
                self.alertmanager.refresh_ms,
                100,
                600_000,
            ),
            (
                "alertmanager.urls",
                self.alertmanager.urls.len() as u64,
                0,
                LIST_MAX,
            ),
            ("mail.to", self.mail.to.len() as u64, 0, LIST_MAX),
        ];
        let mut ranges = ranges.into_iter();
        if let Some((key, got, min, max)) = ranges.find(|(_, got, min, max)| got < min || got > max)
        {
            return Err(ConfigError::Range { key, got, min, max });
        }
        self.check_alertmanager()?;
        self.check_webhook()?;
        self.check_mail()
    }

    fn check_alertmanager(&self) -> Result<(), ConfigError> {
        let token = secret("alertmanager.token_file", &self.alertmanager.token_file)?;
        for url in &self.alertmanager.urls {
            let uri = uri("alertmanager.urls", url)?;
            self.check_plaintext("alertmanager.token_file", &uri, token.is_some())?;
        }
        if token.is_some() && self.alertmanager.urls.is_empty() {
            return unused(
                "alertmanager.token_file",
                "alertmanager.urls is empty, so it would not be used; add one, or remove it",
            );
        }
        Ok(())
    }

    fn check_webhook(&self) -> Result<(), ConfigError> {
        let token = secret("webhook.token_file", &self.webhook.token_file)?;
        if !self.webhook.is_on() {
            return match token {
                Some(_) => unused(
                    "webhook.token_file",
                    "webhook.url is empty, so it would not be used; set it, or remove the file",
                ),
                None => Ok(()),
            };
        }
        let uri = uri("webhook.url", &self.webhook.url)?;
        self.check_plaintext("webhook.token_file", &uri, token.is_some())
    }

    fn check_plaintext(
        &self,
        key: &'static str,
        uri: &Uri,
        has_secret: bool,
    ) -> Result<(), ConfigError> {
        let host = uri.host().unwrap_or_default();
        let is_plain = uri.scheme_str() != Some("https");
        if has_secret && is_plain && !self.allow_plaintext && !is_loopback(host) {
            return Err(ConfigError::Plaintext {
                key,
                host: host.to_owned(),
                remedy: "https://",
            });
        }
        Ok(())
    }

    fn check_mail(&self) -> Result<(), ConfigError> {
        let mail = &self.mail;
        let password = secret("mail.password_file", &mail.password_file)?;
        if password.is_some() == mail.user.is_empty() {
            return unused(
                "mail.user",
                "user and password_file belong together; set both, or none",
            );
        }
        if !mail.is_on() {
            return if password.is_some() || !mail.from.is_empty() || !mail.to.is_empty() {
                unused(
                    "mail.host",
                    "is empty, so the other keys would not be used; set it, or remove them",
                )
            } else {
                Ok(())
            };
        }
        let host_is_sound = mail
            .host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte));
        if !host_is_sound || mail.port == 0 {
            return unused(
                "mail.host",
                "needs a host name or address, and a port above 0",
            );
        }
        mailbox("from", &mail.from)?;
        for address in &mail.to {
            mailbox("to", address)?;
        }
        if mail.to.is_empty() {
            return unused("mail.to", "is empty; name at least one receiver");
        }
        if password.is_some()
            && mail.tls == Tls::None
            && !self.allow_plaintext
            && !is_loopback(&mail.host)
        {
            return Err(ConfigError::Plaintext {
                key: "mail.password_file",
                host: mail.host.clone(),
                remedy: "mail.tls = \"starttls\" or \"tls\"",
            });
        }
        Ok(())
    }
}

impl Webhook {
    pub(in crate::alerts) const fn is_on(&self) -> bool {
        !self.url.is_empty()
    }
}

impl Mail {
    pub(in crate::alerts) const fn is_on(&self) -> bool {
        !self.host.is_empty()
    }
}

fn unused(key: &'static str, reason: &'static str) -> Result<(), ConfigError> {
    Err(ConfigError::Contradiction { key, reason })
}

pub(in crate::alerts) fn uri(key: &'static str, url: &str) -> Result<Uri, ConfigError> {
    let refuse = |reason| Err(ConfigError::Url { key, reason });
    let Ok(uri) = url.parse::<Uri>() else {
        return refuse("it is no URL");
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return refuse("it does not begin with http:// or https://");
    }
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            refuse("it has a user or password in it; use the token file")
        }
        Some(authority) if !authority.host().is_empty() => Ok(uri),
        _ => refuse("it has no host"),
    }
}

pub(in crate::alerts) fn mailbox(key: &'static str, address: &str) -> Result<Mailbox, ConfigError> {
    let parsed: Result<Mailbox, _> = address.parse();
    parsed.map_err(|error| ConfigError::Address {
        key,
        got: address.to_owned(),
        reason: error.to_string(),
    })
}

/// Reads a secret, where there is one. It is read for each use, so that it can be replaced.
pub(in crate::alerts) fn secret(
    key: &'static str,
    path: &Path,
) -> Result<Option<String>, ConfigError> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let refuse = |reason: String| ConfigError::Secret {
        key,
        path: path.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() || secret.chars().any(char::is_control) {
        return Err(refuse(
            "holds no secret; write it into the only line".to_owned(),
        ));
    }
    Ok(Some(secret.to_owned()))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}
