//! `crmscope-collector topics` on a real broker of Apache Kafka, also over TLS with a login, and
//! with a certificate of the client.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crmscope_local::kafka::{Cluster, Settings};
use crmscope_tests::process::binary;
use crmscope_tests::{gate, wait_for};

const LANES: [&str; 4] = ["security", "presence", "requests", "metrics"];

fn config(directory: &Path, name: &str, cluster: &Cluster, more: &str) -> PathBuf {
    let path = directory.join(name);
    let text = format!(
        "[roles]\nwriter = false\n\
         [kafka]\nbrokers = [{:?}]\nreplication_factor = 1\nmin_insync_replicas = 1\n{more}\n",
        cluster.bootstrap()
    );
    fs::write(&path, text).unwrap();
    path
}

/// Exit code and both outputs.
fn topics(config: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(binary("crmscope-collector"))
        .arg("--config")
        .arg(config)
        .arg("topics")
        .args(arguments)
        .output()
        .unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.code(), text)
}

/// Applies until the broker, which has just begun to serve, answers in time.
fn apply(config: &Path) -> String {
    wait_for("the topics to be applied", || {
        match topics(config, &["apply"]) {
            (Some(0), text) => Ok(text),
            (code, text) => Err(format!("{code:?} {text}")),
        }
    })
}

#[test]
fn topics_are_made_once_and_partitions_never_change() {
    if !gate::kafka() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let cluster = Cluster::start(&path.join("kafka"), 1).unwrap();
    let plain = config(path, "plain.toml", &cluster, "");
    let (code, text) = topics(&plain, &["show"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("run `crmscope-collector topics apply`"),
        "{text}"
    );

    // Two at once, then once more: one of them made each topic, and nothing else changes.
    let both: Vec<String> = std::thread::scope(|scope| {
        let each = [0, 1].map(|_| scope.spawn(|| apply(&plain)));
        each.into_iter().map(|one| one.join().unwrap()).collect()
    });
    println!("{}\n{}", both[0], both[1]);
    let again = apply(&plain);
    assert!(
        !again.contains("created") && !again.contains("changed"),
        "{again}"
    );
    let (code, text) = topics(&plain, &["show", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    for lane in LANES {
        assert!(text.contains(&format!("\"crmscope.{lane}.v1\"")), "{text}");
    }

    // What differs is shown, then changed; partitions are refused with the way out.
    let other = config(
        path,
        "other.toml",
        &cluster,
        "retention_hours = 5\n[kafka.partitions]\nmetrics = 9",
    );
    let (code, text) = topics(&other, &["show"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("crmscope.security.v1: differs: retention.ms: 604800000 -> 18000000"),
        "{text}"
    );
    let (code, text) = topics(&other, &["apply"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("changed: retention.ms"), "{text}");
    assert!(text.contains("set kafka.partitions.metrics = 8"), "{text}");
    let (code, text) = topics(&other, &["show"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(!text.contains("retention.ms"), "{text}");
    // The other collectors' wish is restored, and the topic is what it was.
    apply(&plain);
    assert_eq!(topics(&plain, &["show"]).0, Some(0));
}

#[test]
fn logins_and_tls_pass_through() {
    if !gate::kafka() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let mut settings = Settings::new(1);
    settings.tls = true;
    settings.sasl = Some(("crmscope".to_owned(), "hush-hush-1".to_owned()));
    let cluster = Cluster::start_with(&path.join("kafka"), settings).unwrap();
    fs::write(path.join("right"), "hush-hush-1\n").unwrap();
    fs::write(path.join("wrong"), "hush-hush-2\n").unwrap();
    let with = |mechanism: &str, password: &str| {
        let more = format!(
            "security_protocol = \"sasl_ssl\"\nsasl_mechanism = {mechanism:?}\nsasl_username = \"crmscope\"\n\
             sasl_password_file = {:?}\nssl_ca_file = {:?}",
            path.join(password),
            cluster.certificate().unwrap(),
        );
        config(
            path,
            &format!("{mechanism}-{password}.toml"),
            &cluster,
            &more,
        )
    };
    apply(&with("SCRAM-SHA-512", "right"));
    let again = apply(&with("PLAIN", "right"));
    assert!(!again.contains("created"), "{again}");
    let (code, text) = topics(&with("PLAIN", "wrong"), &["show"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("asking Kafka for topic"), "{text}");
    assert!(!text.contains("hush-hush"), "{text}");
}

#[test]
fn a_certificate_of_the_client_passes_through() {
    if !gate::kafka() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (certificate, key) = (path.join("client.pem"), path.join("client.key"));
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args(["-subj", "/CN=crmscope-collector", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl, which makes the certificate");
    assert!(made.status.success(), "{made:?}");
    let mut settings = Settings::new(1);
    settings.tls = true;
    settings.properties = [
        ("ssl.client.auth", "required".to_owned()),
        ("ssl.truststore.type", "PEM".to_owned()),
        ("ssl.truststore.location", certificate.display().to_string()),
    ]
    .map(|(key, value)| (format!("listener.name.clients.{key}"), value))
    .to_vec();
    let cluster = Cluster::start_with(&path.join("kafka"), settings).unwrap();
    let trust = format!(
        "security_protocol = \"ssl\"\nssl_ca_file = {:?}\n",
        cluster.certificate().unwrap()
    );
    let known = format!("{trust}ssl_certificate_file = {certificate:?}\nssl_key_file = {key:?}\n");
    apply(&config(path, "known.toml", &cluster, &known));
    let stranger = config(path, "stranger.toml", &cluster, &trust);
    let (code, text) = topics(&stranger, &["show"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("asking Kafka for topic"), "{text}");
}
