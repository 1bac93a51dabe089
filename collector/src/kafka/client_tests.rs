use std::path::PathBuf;

use super::*;
use crate::kafka::config::{Mechanism, Protocol};

#[test]
fn what_exactness_stands_on_is_the_same_in_every_client() {
    let config = Config {
        brokers: vec!["a:1".to_owned(), "b:2".to_owned()],
        allow_plaintext: true,
        queue_max_bytes: 1 << 20,
        client: [("socket.timeout.ms".to_owned(), 5000.into())].into(),
        ..Config::default()
    };
    config.validate().unwrap();
    let client = producer(&config).unwrap();
    let native = client.create_native_config().unwrap();
    for (key, value) in [
        ("bootstrap.servers", "a:1,b:2"),
        ("acks", "-1"),
        ("enable.idempotence", "true"),
        ("enable.gapless.guarantee", "true"),
        ("message.timeout.ms", "0"),
        ("compression.type", "zstd"),
        ("queue.buffering.max.kbytes", "2048"),
        ("allow.auto.create.topics", "false"),
        ("socket.timeout.ms", "5000"),
    ] {
        let got = native.get(key);
        // Topic settings cannot be read back; what was set is looked at instead.
        let got = got.unwrap_or_else(|_| client.get(key).unwrap_or_default().to_owned());
        let got = if got == "all" { "-1".to_owned() } else { got };
        assert_eq!(got, value, "{key}");
    }
    for client in [group_consumer(&config), reader(&config)] {
        let client = client.unwrap();
        client.create_native_config().unwrap();
        for (key, value) in [
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
            ("group.id", "crmscope-writer"),
        ] {
            assert_eq!(client.get(key), Some(value), "{key}");
        }
    }
}

#[test]
fn secrets_do_not_show() {
    let directory = tempfile::tempdir().unwrap();
    let password = directory.path().join("password");
    std::fs::write(&password, "hush-hush\n").unwrap();
    let config = Config {
        brokers: vec!["a:1".to_owned()],
        security_protocol: Protocol::SaslSsl,
        sasl_mechanism: Mechanism::ScramSha512,
        sasl_username: "crmscope".to_owned(),
        sasl_password_file: password,
        ssl_ca_file: PathBuf::new(),
        ..Config::default()
    };
    config.validate().unwrap();
    let client = producer(&config).unwrap();
    assert_eq!(client.get("sasl.password"), Some("hush-hush"));
    for text in [format!("{config:?}"), format!("{client:?}")] {
        assert!(!text.contains("hush-hush"), "{text}");
    }
}

#[test]
fn a_flood_of_lines_is_bounded_and_counted() {
    let observer = Observer::new("test");
    let start = Instant::now();
    for _ in 0..LINES_MAX {
        assert_eq!(observer.admit(start), Some(0));
    }
    for _ in 0..7 {
        assert_eq!(observer.admit(start + LINES_INTERVAL / 2), None);
    }
    assert_eq!(observer.admit(start + LINES_INTERVAL), Some(7));
    assert_eq!(observer.admit(start + LINES_INTERVAL), Some(0));
}
