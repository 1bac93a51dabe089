use super::*;

fn refused(change: impl FnOnce(&mut Config)) -> String {
    let mut config = Config {
        brokers: vec!["kafka-1.example:9092".to_owned()],
        allow_plaintext: true,
        ..Config::default()
    };
    config.validate().unwrap();
    change(&mut config);
    config.validate().unwrap_err().to_string()
}

#[test]
fn topics_are_named_after_their_lanes() {
    let config = Config {
        topic_prefix: "staging.".to_owned(),
        ..Config::default()
    };
    assert_eq!(config.topic(Lane::Metrics), "staging.crmscope.metrics.v1");
    assert_eq!(
        Config::default().topic(Lane::Security),
        "crmscope.security.v1"
    );
    for lane in Lane::BY_URGENCY {
        assert_eq!(config.lane_of(&config.topic(lane)), Some(lane));
    }
    assert_eq!(config.lane_of("crmscope.metrics.v1"), None);
    assert!(!config.is_on());
}

#[test]
fn wrong_values_say_where_and_what() {
    for broker in [
        "",
        "kafka",
        "kafka:",
        "kafka:0",
        "kafka:99999",
        ":9092",
        "a:1,b:2",
        "ssl://a:1",
        "u@a:1",
    ] {
        let error = refused(|config| config.brokers.push(broker.to_owned()));
        assert!(error.contains("host:port"), "{broker}: {error}");
    }
    for broker in ["10.0.0.1:9092", "[::1]:9092", "kafka.crm.svc:65535"] {
        check_broker(broker).unwrap();
    }
    let error = refused(|config| config.topic_prefix = "a b".to_owned());
    assert!(error.contains("kafka.topic_prefix"), "{error}");
    let error = refused(|config| config.allow_plaintext = false);
    assert!(error.contains("kafka-1.example:9092"), "{error}");
    let local = Config {
        brokers: vec!["127.0.0.1:9092".to_owned(), "[::1]:9092".to_owned()],
        ..Config::default()
    };
    local.validate().unwrap();
    let error = refused(|config| config.group.clear());
    assert!(error.contains("kafka.group"), "{error}");
    let error = refused(|config| config.partitions.metrics = 0);
    assert!(
        error.contains("kafka.partitions.metrics is 0; it must be 1 to 4096"),
        "{error}"
    );
    let error = refused(|config| config.min_insync_replicas = 4);
    assert!(
        error.contains("kafka.min_insync_replicas is 4; it must be 1 to 3"),
        "{error}"
    );
    for key in ["replication_factor", "retention_hours", "queue_max_bytes"] {
        let error = refused(|config| match key {
            "replication_factor" => config.replication_factor = 0,
            "retention_hours" => config.retention_hours = 0,
            _ => config.queue_max_bytes = 0,
        });
        assert!(error.contains(&format!("kafka.{key} is 0")), "{error}");
    }
    let error = refused(|config| {
        config.client.insert("acks".to_owned(), 1.into());
    });
    assert!(error.contains("kafka.client.acks cannot be set"), "{error}");
}

#[test]
fn security_settings_must_fit_one_another() {
    let directory = tempfile::tempdir().unwrap();
    let password = directory.path().join("password");
    let empty = directory.path().join("empty");
    std::fs::write(&password, "hush-hush\n").unwrap();
    std::fs::write(&empty, "\n").unwrap();
    let sasl = |config: &mut Config| {
        config.security_protocol = Protocol::SaslSsl;
        config.sasl_mechanism = Mechanism::ScramSha512;
        config.sasl_username = "crmscope".to_owned();
        config.sasl_password_file = password.clone();
    };
    let mut whole = Config::default();
    sasl(&mut whole);
    whole.validate().unwrap();
    assert_eq!(whole.sasl_password().unwrap().as_deref(), Some("hush-hush"));

    type Change<'a> = &'a dyn Fn(&mut Config);
    let cases: [(&str, Change<'_>); 10] = [
        ("kafka.security_protocol: sasl_", &|c| {
            sasl(c);
            c.security_protocol = Protocol::Ssl;
        }),
        ("kafka.sasl_mechanism", &|c| {
            sasl(c);
            c.sasl_mechanism = Mechanism::None;
        }),
        ("kafka.sasl_username", &|c| {
            sasl(c);
            c.sasl_username.clear();
        }),
        ("kafka.sasl_password_file: a sasl", &|c| {
            sasl(c);
            c.sasl_password_file = PathBuf::new();
        }),
        ("kafka.sasl_password_file /no/such", &|c| {
            sasl(c);
            c.sasl_password_file = "/no/such".into();
        }),
        ("is empty", &|c| {
            sasl(c);
            c.sasl_password_file.clone_from(&empty);
        }),
        ("kafka.security_protocol: ssl_", &|c| {
            c.ssl_ca_file.clone_from(&password);
        }),
        ("kafka.ssl_ca_file /no/such", &|c| {
            c.security_protocol = Protocol::Ssl;
            c.ssl_ca_file = "/no/such".into();
        }),
        ("kafka.ssl_key_file", &|c| {
            c.security_protocol = Protocol::Ssl;
            c.ssl_certificate_file.clone_from(&password);
        }),
        ("kafka.ssl_certificate_file", &|c| {
            c.security_protocol = Protocol::Ssl;
            c.ssl_key_file.clone_from(&password);
        }),
    ];
    for (want, change) in cases {
        let error = refused(change);
        assert!(error.contains(want), "{want}: {error}");
        assert!(!error.contains("hush-hush"), "{error}");
    }
}
