//! What an org, or what stands in between, does wrong: a state with its remedy, and nothing lost.

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use super::super::super::tests::harness::each;
use super::super::super::tests::server::Both;
use super::*;

/// A service with one file, whose login is told once all is well.
fn with_file() -> (Service, Vec<u8>) {
    let service = Service::start();
    let now_ms = crate::clock::wall_ms();
    let file = logins(
        0,
        now_ms,
        now_ms,
        &[line("first", now_ms), line("second", now_ms)],
    );
    let text = file.text.clone().into_bytes();
    service.add(file);
    (service, text)
}

/// Polls that are seldom enough for a state to be seen.
fn seldom(service: &Service) -> Org {
    Org {
        interval_ms: 1500,
        ..config(service)
    }
}

#[test]
fn each_fault_is_named_and_loses_nothing() {
    let (_, text) = with_file();
    let html = || b"<html>Log in</html>".to_vec();
    let limit =
        r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#;
    let refused = r#"[{"message":"no","errorCode":"INSUFFICIENT_ACCESS"}]"#;
    let soon = || vec![("Retry-After", "0".to_owned())];
    let unclosed = [&text[..], b"\"Login\",\"never closed"].concat();
    let half = [&text[..], b"\"Login\",\"half"].concat();
    let cases = vec![
        (
            "/token",
            Reply::refusal(400, r#"{"error":"invalid_client"}"#),
            "see that client_id and client_secret",
        ),
        (
            "/token",
            Reply::Whole(200, "text/html", html(), Vec::new()),
            "gives no token",
        ),
        (
            "/query",
            Reply::refusal(403, refused),
            "View Event Log Files",
        ),
        (
            "/query",
            Reply::refusal(400, r#"[{"errorCode":"INVALID_TYPE"}]"#),
            "View Event Log Files",
        ),
        (
            "/query",
            Reply::Whole(403, "application/json", limit.into(), soon()),
            "limit of API requests",
        ),
        (
            "/query",
            Reply::Whole(429, "text/plain", Vec::new(), soon()),
            "limit of API requests",
        ),
        ("/query", Reply::refusal(503, "{}"), "cannot answer now"),
        ("/query", Reply::refusal(404, "[]"), "correct api_version"),
        (
            "/query",
            Reply::Whole(
                302,
                "text/html",
                html(),
                vec![("Location", "https://evil.example/".to_owned())],
            ),
            "redirects are not followed",
        ),
        (
            "/query",
            Reply::Whole(200, "text/html", html(), Vec::new()),
            "which is no JSON",
        ),
        (
            "/query",
            Reply::Whole(200, "application/json", html(), Vec::new()),
            "cannot be read",
        ),
        (
            "/query",
            Reply::Endless("application/json", vec![b' '; 65_536]),
            "more than 8388608 bytes",
        ),
        ("/query", Reply::Silence, "no answer from the org within"),
        (
            "/query",
            Reply::Unframed("application/json", b"{}".to_vec()),
            "whose end cannot be told",
        ),
        (
            "/LogFile",
            Reply::refusal(403, refused),
            "(Login): the org does not give it (status 403, INSUFFICIENT_ACCESS)",
        ),
        (
            "/LogFile",
            Reply::refusal(503, "<html>"),
            "the org does not give it (status 503)",
        ),
        (
            "/LogFile",
            Reply::Whole(302, "text/html", html(), Vec::new()),
            "redirects are not followed",
        ),
        (
            "/LogFile",
            Reply::Whole(200, "text/html", html(), Vec::new()),
            "which is no CSV",
        ),
        (
            "/LogFile",
            Reply::Whole(200, CSV, html(), Vec::new()),
            "no column EVENT_TYPE",
        ),
        (
            "/LogFile",
            Reply::Whole(200, CSV, Vec::new(), Vec::new()),
            "it is empty",
        ),
        (
            "/LogFile",
            Reply::Cut(CSV, text.clone(), text.len() - 3),
            "broke off",
        ),
        ("/LogFile", Reply::Cut(CSV, text.clone(), 3), "broke off"),
        (
            "/LogFile",
            Reply::Chunks(CSV, unclosed, 7),
            "ends within quotes",
        ),
        ("/LogFile", Reply::Chunks(CSV, half, 7), "ends within"),
        (
            "/LogFile",
            Reply::Endless(CSV, text.clone()),
            "raise file_max_bytes",
        ),
        (
            "/LogFile",
            Reply::Endless(CSV, vec![b'x'; 65_536]),
            "more than 1 MiB",
        ),
        (
            "/LogFile",
            Reply::Slow(CSV, text.clone(), 50),
            "raise file_deadline_ms",
        ),
        (
            "/LogFile",
            Reply::Slow(CSV, text.clone(), 20_000),
            "nothing came for",
        ),
        (
            "/LogFile",
            Reply::Unframed(CSV, text.clone()),
            "whose end cannot be told",
        ),
        (
            "/LogFile",
            Reply::Whole(
                200,
                CSV,
                text.clone(),
                vec![("Content-Encoding", "gzip".to_owned())],
            ),
            "packed body",
        ),
    ];
    each(cases, |(path_end, reply, named)| {
        let (service, _) = with_file();
        let slow = matches!(reply, Reply::Slow(..) | Reply::Silence);
        let dripping = matches!(reply, Reply::Slow(_, _, ..=100));
        let org = Org {
            deadline_ms: if slow { 6000 } else { 20_000 },
            file_deadline_ms: if dripping { 7000 } else { 60_000 },
            file_max_bytes: 2 * 1024 * 1024,
            ..seldom(&service)
        };
        service.fault(path_end, reply);
        let mut harness = Salesforce::of(vec![org]);
        harness.fails(named);
        let error = harness.state.clone().unwrap_err();
        assert!(
            !error.contains(SECRET) && !error.contains("Token_"),
            "{error}"
        );
        assert!(error.starts_with("acme: ") && error.len() < 1000, "{error}");
        harness.until(named, |harness| harness.state.is_ok());
        harness.settled();
        // What an endless file repeated is told as it came.
        if named != "raise file_max_bytes" {
            assert_eq!(harness.users(), ["first", "second"], "{named}");
        }
    });
}

#[test]
fn a_token_that_ended_is_renewed_once() {
    let (service, _) = with_file();
    let mut harness = Salesforce::of(vec![seldom(&service)]);
    harness.settled();
    let now_ms = crate::clock::wall_ms();
    service.state.lock().unwrap().token = "ended".to_owned();
    service.add(logins(1, now_ms + 1, now_ms, &[line("later", now_ms)]));
    harness.until("the next file", |harness| {
        harness.users().contains(&"later")
    });
    harness.settled();
    assert_eq!(service.server.requests("/services/oauth2/token").len(), 2);
    // In the middle, between the list and a file.
    let expired = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
    service.fault("/LogFile", Reply::refusal(401, expired));
    service.add(logins(2, now_ms + 2, now_ms, &[line("last", now_ms)]));
    harness.until("the last file", |harness| harness.users().contains(&"last"));
    harness.settled();
    assert_eq!(service.server.requests("/services/oauth2/token").len(), 3);
    // One that is refused although it is new is a state, not a loop.
    for _ in 0..2 {
        service.fault("/query", Reply::refusal(401, expired));
    }
    harness.fails("refuses a token that it just gave (status 401, INVALID_SESSION_ID)");
    harness.until("all well", |harness| harness.state.is_ok());
    assert_eq!(harness.users(), ["first", "second", "later", "last"]);
}

#[test]
fn a_file_that_is_broken_stops_no_other() {
    let service = Service::start();
    let now_ms = crate::clock::wall_ms();
    service.add(Served {
        text: "<html>".to_owned(),
        ..logins(0, now_ms - 2, now_ms, &[])
    });
    service.add(logins(1, now_ms - 1, now_ms, &[line("good", now_ms)]));
    let mut harness = Salesforce::of(vec![config(&service)]);
    harness.fails("no column EVENT_TYPE");
    harness.until("the other", |harness| harness.users() == ["good"]);
    harness.polled();
    assert!(harness.state.is_err(), "as long as it is there");
    // It is mended: then it is read, and nothing twice.
    service.state.lock().unwrap().files[0] =
        logins(0, now_ms - 2, now_ms, &[line("mended", now_ms)]);
    harness.until("the mended one", |harness| {
        harness.users() == ["good", "mended"]
    });
    harness.settled();
    assert_eq!(harness.users(), ["good", "mended"]);
}

#[test]
fn a_file_of_the_future_waits() {
    let (service, _) = with_file();
    let now_ms = crate::clock::wall_ms();
    service.add(logins(
        9,
        now_ms + 86_400_000,
        now_ms,
        &[line("prophet", now_ms)],
    ));
    let mut harness = Salesforce::of(vec![config(&service)]);
    harness.fails("ahead of this host's clock");
    assert_eq!(harness.users(), ["first", "second"]);
    service.state.lock().unwrap().files.pop();
    service.add(logins(10, now_ms + 1, now_ms, &[line("now", now_ms)]));
    harness.until("others", |harness| harness.users().contains(&"now"));
    harness.settled();
}

#[test]
fn the_limit_is_waited_for() {
    let (service, _) = with_file();
    let limit = r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#;
    // Longer than the usual pause after failures, which is 1.5 to 3 s here.
    let wait = vec![("Retry-After", "4".to_owned())];
    service.fault(
        "/query",
        Reply::Whole(403, "application/json", limit.into(), wait),
    );
    let mut harness = Salesforce::of(vec![seldom(&service)]);
    harness.fails("asked again in 4 s");
    let since = Instant::now();
    harness.until("all well", |harness| harness.users().len() == 2);
    assert!(since.elapsed().as_millis() > 3200, "{:?}", since.elapsed());
}

#[test]
fn tls_is_spoken_with_those_who_are_trusted() {
    if Command::new("openssl").arg("version").output().is_err() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "openssl is missing"
        );
        println!("not run: openssl is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let arguments = format!(
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout {} -out {}",
        at("key"),
        at("pem")
    );
    let made = Command::new("openssl")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let tls = server_config(&folder.path().join("pem"), &folder.path().join("key"));
    let service = Service::with(move |handler| {
        Server::wrapped(
            move |stream| {
                let connection = rustls::ServerConnection::new(Arc::clone(&tls)).unwrap();
                Box::new(rustls::StreamOwned::new(connection, stream)) as Box<dyn Both>
            },
            handler,
        )
    });
    let now_ms = crate::clock::wall_ms();
    service.add(logins(0, now_ms, now_ms, &[line("over TLS", now_ms)]));
    let url = format!("https://127.0.0.1:{}", service.server.port);
    let mut harness = Salesforce::of(vec![config_at(&url, &service)]);
    harness.fails("no TLS with 127.0.0.1");
    assert!(
        service.server.requests("/").is_empty(),
        "nothing is sent to strangers"
    );
    let org = Org {
        server_ca_file: Some(folder.path().join("pem")),
        ..config_at(&url, &service)
    };
    let mut harness = Salesforce::of(vec![org]);
    harness.settled();
    assert_eq!(harness.users(), ["over TLS"]);
}

fn server_config(pem: &Path, key: &Path) -> Arc<rustls::ServerConfig> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let certificates = CertificateDer::pem_file_iter(pem).unwrap();
    let certificates = certificates.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth();
    Arc::new(config.with_single_cert(certificates, key).unwrap())
}
