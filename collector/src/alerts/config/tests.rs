//! What a section may and may not say.

use std::path::PathBuf;

use super::*;

fn secret_file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, text).unwrap();
    (directory, path)
}

fn webhook(url: &str, token_file: PathBuf) -> Config {
    let url = url.to_owned();
    Config {
        webhook: Webhook { url, token_file },
        ..Config::default()
    }
}

fn mail(change: impl FnOnce(&mut Mail)) -> Config {
    let mut mail = Mail {
        host: "smtp.example.org".to_owned(),
        from: "crmscope <crmscope@example.org>".to_owned(),
        to: vec!["ops@example.org".to_owned()],
        ..Mail::default()
    };
    change(&mut mail);
    Config {
        mail,
        ..Config::default()
    }
}

#[test]
fn there_are_no_alerts_without_a_target() {
    assert!(!Config::default().is_on());
    assert!(Config::default().validate().is_ok());
    assert!(webhook("https://example.org/hook", PathBuf::new()).is_on());
    let config = mail(|_| ());
    assert!(config.is_on() && config.validate().is_ok());
    let mut config = Config::default();
    config.alertmanager.urls = vec!["http://am-1.example:9093/prefix/".to_owned()];
    assert!(config.is_on() && config.validate().is_ok());
}

#[test]
fn what_cannot_be_right_is_refused_with_the_reason() {
    let (_directory, secret) = secret_file("hunter2\n");
    let (_other, empty) = secret_file("\n");
    let no_file = PathBuf::new;
    for (config, want) in [
        (webhook("example.org", no_file()), "alerts.webhook.url"),
        (
            webhook("ftp://example.org/", no_file()),
            "does not begin with http",
        ),
        (
            webhook("https://u:p@example.org/", no_file()),
            "use the token file",
        ),
        (webhook("", secret.clone()), "webhook.url is empty"),
        (webhook("https://example.org/", empty), "holds no secret"),
        (
            webhook("https://example.org/", "/no/such".into()),
            "alerts.webhook.token_file /no/such",
        ),
        (
            webhook("http://example.org/", secret.clone()),
            "alerts.allow_plaintext = true",
        ),
        (
            webhook("http://10.0.0.1:80/", secret.clone()),
            "would go to 10.0.0.1 without TLS",
        ),
        (mail(|mail| mail.to.clear()), "at least one receiver"),
        (
            mail(|mail| mail.to.push("ops".to_owned())),
            "alerts.mail.to has \"ops\"",
        ),
        (
            mail(|mail| mail.to.push("a@b\r\nBcc: c@d".to_owned())),
            "alerts.mail.to",
        ),
        (mail(|mail| mail.from = String::new()), "alerts.mail.from"),
        (
            mail(|mail| mail.host = "a b".to_owned()),
            "alerts.mail.host",
        ),
        (mail(|mail| mail.host.clear()), "alerts.mail.host: is empty"),
        (mail(|mail| mail.user = "u".to_owned()), "belong together"),
        (
            mail(|mail| mail.password_file = secret.clone()),
            "belong together",
        ),
        (
            mail(|mail| {
                (mail.user, mail.password_file) = ("u".to_owned(), secret.clone());
                mail.tls = Tls::None;
            }),
            "mail.tls = \"starttls\"",
        ),
        (
            Config {
                timeout_ms: 0,
                ..Config::default()
            },
            "alerts.timeout_ms is 0",
        ),
        (
            Config {
                retry_initial_ms: 60_001,
                ..Config::default()
            },
            "it must be 1 to 60000",
        ),
        (
            Config {
                pending_max: 0,
                ..Config::default()
            },
            "alerts.pending_max is 0",
        ),
    ] {
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
        assert!(
            !error.contains("hunter2") && !error.contains("u:p"),
            "{error}"
        );
    }
}

#[test]
fn a_secret_may_go_where_it_is_protected() {
    let (_directory, secret) = secret_file("hunter2\n");
    for url in [
        "http://localhost:1/",
        "http://127.0.0.1:1/",
        "http://[::1]:1/",
        "https://example.org/",
    ] {
        assert!(webhook(url, secret.clone()).validate().is_ok(), "{url}");
    }
    let mut config = webhook("http://example.org/", secret.clone());
    config.allow_plaintext = true;
    assert!(config.validate().is_ok());
    let config = mail(|mail| (mail.user, mail.password_file) = ("u".to_owned(), secret));
    assert!(config.validate().is_ok());
}
