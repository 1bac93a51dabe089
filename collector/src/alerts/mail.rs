//! Mail to people, by SMTP.
//!
//! Promises: nothing that a host calls itself becomes a header, a receiver or a line of its own; a repetition
//! has the same Message-ID; a password goes only where TLS or `allow_plaintext` protects it. Every mail has
//! a connection of its own: mails are rare. Leaves delivery beyond the server to the server.

use std::fmt::Write as _;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls as Protection, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use super::config::{self, Config, ConfigError, Tls, mailbox, secret};
use super::failure::{Failure, chain};
use super::notification::{Incident, LISTED_MAX, Notification, Phase, key};
use super::text::{LABEL_MAX_BYTES, SENTENCE_MAX_BYTES, one_line, time};
use super::webhook::LABELS_MAX;

/// Longest subject, bytes: what a list of mails shows.
const SUBJECT_MAX_BYTES: usize = 150;

/// The receivers, and the way to them.
#[derive(Debug)]
pub(super) struct Mail {
    config: config::Mail,
    from: Mailbox,
    to: Vec<Mailbox>,
    timeout: Duration,
}

impl Mail {
    pub(super) fn new(config: &Config) -> Result<Option<Self>, ConfigError> {
        let mail = &config.mail;
        if !mail.is_on() {
            return Ok(None);
        }
        let to = mail.to.iter().map(|address| mailbox("to", address));
        Ok(Some(Self {
            from: mailbox("from", &mail.from)?,
            to: to.collect::<Result<_, _>>()?,
            timeout: Duration::from_millis(config.timeout_ms),
            config: mail.clone(),
        }))
    }

    pub(super) async fn send(&self, notification: &Notification) -> Result<(), Failure> {
        let place = format!("{}:{}", self.config.host, self.config.port);
        let fail = |reason: String| Failure::for_now(&format!("{place}: {reason}"));
        let message = message(notification, &self.from, &self.to).map_err(&fail)?;
        let transport = self.transport().map_err(&fail)?;
        // lettre's own timeout is for each step.
        match tokio::time::timeout(self.timeout, transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let reason = format!("{place}: {}", chain(&error));
                Err(if is_permanent(&error) {
                    Failure::for_good(&reason)
                } else {
                    Failure::for_now(&reason)
                })
            }
            Err(_) => {
                let waited_ms = self.timeout.as_millis();
                Err(fail(format!(
                    "not taken within {waited_ms} ms (alerts.timeout_ms)"
                )))
            }
        }
    }

    fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
        let host = &self.config.host;
        let parameters = || TlsParameters::new(host.clone()).map_err(|error| chain(&error));
        let tls = match self.config.tls {
            Tls::None => Protection::None,
            Tls::Starttls => Protection::Required(parameters()?),
            Tls::Tls => Protection::Wrapper(parameters()?),
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(self.config.port)
            .timeout(Some(self.timeout))
            .tls(tls);
        let password = secret("mail.password_file", &self.config.password_file);
        if let Some(password) = password.map_err(|error| error.to_string())? {
            transport = transport.credentials(Credentials::new(self.config.user.clone(), password));
        }
        Ok(transport.build())
    }
}

/// Whether the server would refuse the same again. A login it refuses may be put right by a new password.
fn is_permanent(error: &Error) -> bool {
    let about_login = error.status().is_some_and(|code| {
        let code: u16 = code.into();
        matches!(code, 530 | 534 | 535 | 538)
    });
    error.is_permanent() && !about_login
}

fn message(notification: &Notification, from: &Mailbox, to: &[Mailbox]) -> Result<Message, String> {
    let domain = from.email.domain();
    let subject = format!("[crmscope] {}", notification.headline());
    let mut message = Message::builder()
        .from(from.clone())
        .subject(one_line(&subject, SUBJECT_MAX_BYTES))
        .message_id(Some(format!("<{}@{domain}>", notification.key())))
        .header(ContentType::TEXT_PLAIN);
    for receiver in to {
        message = message.to(receiver.clone());
    }
    if notification.phase == Phase::Resolved {
        // Where the same incidents began together, programs show both as one thread.
        let ids = notification.incidents.iter().map(|one| one.incident_id);
        let began = format!(
            "<{}@{domain}>",
            key(ids, Phase::Firing, notification.target)
        );
        message = message.in_reply_to(began.clone()).references(began);
    }
    message
        .body(body(notification))
        .map_err(|error| error.to_string())
}

fn body(notification: &Notification) -> String {
    let kind = notification.kind;
    let mut text = String::new();
    let _ = writeln!(text, "{}\n", notification.headline());
    let _ = writeln!(
        text,
        "Kind: {} ({})",
        kind.name(),
        notification.severity().name()
    );
    let _ = writeln!(text, "Incidents: {}", notification.incidents.len());
    for incident in notification.incidents.iter().take(LISTED_MAX) {
        let _ = write!(text, "\n{}", paragraph(incident));
    }
    let more = notification.incidents.len().saturating_sub(LISTED_MAX);
    if more > 0 {
        let _ = writeln!(text, "\nand {more} more");
    }
    text
}

fn paragraph(incident: &Incident) -> String {
    let host = one_line(&incident.agent_id, LABEL_MAX_BYTES);
    let mut text = format!("{}\n", if host.is_empty() { "many hosts" } else { &host });
    let _ = writeln!(
        text,
        "  {}",
        one_line(&incident.summary, SENTENCE_MAX_BYTES)
    );
    let _ = writeln!(text, "  began {}", time(incident.began_ms));
    if let Some(ended_ms) = incident.ended_ms {
        let _ = writeln!(text, "  ended {}", time(ended_ms));
    }
    for (name, value) in incident.labels.iter().take(LABELS_MAX) {
        let (name, value) = (
            one_line(name, LABEL_MAX_BYTES),
            one_line(value, LABEL_MAX_BYTES),
        );
        let _ = writeln!(text, "  {name}: {value}");
    }
    let _ = writeln!(text, "  incident {}", incident.incident_id);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::tests::{hostile, notification};
    use crate::alerts::{Kind, Target};

    fn written(notification: &Notification) -> String {
        let from = "crmscope <crmscope@example.org>".parse().unwrap();
        let to = [
            "ops@example.org".parse().unwrap(),
            "b@example.org".parse().unwrap(),
        ];
        let message = message(notification, &from, &to).unwrap();
        String::from_utf8(message.formatted()).unwrap()
    }

    fn headers(mail: &str) -> Vec<&str> {
        let (head, _) = mail.split_once("\r\n\r\n").unwrap();
        let lines = head.split("\r\n").filter(|line| !line.starts_with(' '));
        lines.map(|line| line.split_once(':').unwrap().0).collect()
    }

    #[test]
    fn a_mail_says_what_and_its_end_answers_its_beginning() {
        let firing = notification(Target::Mail, Phase::Firing, 2);
        let mail = written(&firing);
        assert!(
            mail.contains("Subject: [crmscope] FIRING: host silent: 2: web-000, web-001\r\n"),
            "{mail}"
        );
        assert!(
            mail.contains("\r\nTo: ops@example.org, b@example.org\r\n"),
            "{mail}"
        );
        let id = format!("<{}@example.org>", firing.key());
        assert!(mail.contains(&format!("Message-ID: {id}\r\n")), "{mail}");
        assert!(mail.contains("web-001 was not heard for 40 s."), "{mail}");
        let end = written(&notification(Target::Mail, Phase::Resolved, 2));
        assert!(end.contains(&format!("In-Reply-To: {id}\r\n")), "{end}");
        assert!(end.contains("  ended 2023-11-14T22:14:20.000Z"), "{end}");
    }

    #[test]
    fn nothing_that_a_host_says_becomes_a_header_or_a_line() {
        let mut one = notification(Target::Mail, Phase::Firing, 1);
        let plain = headers(&written(&one)).join(" ");
        one.incidents = vec![hostile(Kind::HostSilent).into()];
        let mail = written(&one);
        assert_eq!(headers(&mail).join(" "), plain, "{mail}");
        assert!(headers(&mail).iter().all(|name| *name != "Bcc"), "{mail}");
        let text = body(&one);
        assert!(
            text.lines()
                .all(|line| !line.starts_with("Bcc") && !line.starts_with('.')),
            "{text}"
        );
        let subject = mail
            .lines()
            .find(|line| line.starts_with("Subject:"))
            .unwrap();
        assert!(subject.len() < 400, "{subject}");
    }

    #[test]
    fn many_are_counted_and_some_are_listed() {
        let text = body(&notification(Target::Mail, Phase::Firing, 200));
        assert!(text.contains("Incidents: 200\n"), "{text}");
        assert!(text.ends_with("\nand 150 more\n"), "{text}");
        assert_eq!(text.matches("  incident ").count(), LISTED_MAX);
    }
}
