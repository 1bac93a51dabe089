use std::net::SocketAddr;
use std::path::PathBuf;

use super::*;

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("collector.toml");
    std::fs::write(&path, text).unwrap();
    (directory, path)
}

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let (_directory, path) = file(text);
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(&path), environment).map_err(|error| error.to_string())
}

#[test]
fn the_example_lists_every_key_with_its_default() {
    let path = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/collector.example.toml"
    ));
    let example = Config::load(Some(path), []).unwrap();
    assert_eq!(example, Config::default());
    let text = std::fs::read_to_string(path).unwrap();
    let given: toml::Value = toml::from_str(&text).unwrap();
    let mut given = settings::keys(&serde_json::to_value(given).unwrap());
    let mut known = settings::keys(&serde_json::to_value(Config::default()).unwrap());
    given.sort();
    known.sort();
    assert_eq!(given, known);
}

#[test]
fn the_objectives_of_the_example_can_be_used() {
    let example = include_str!("../../collector.example.toml");
    let (_, tables) = example.split_once("tables such as\n").unwrap();
    let (tables, _) = tables.split_once("objectives = []").unwrap();
    // Keys and tables; the rest are sentences.
    let lines = tables.lines().filter_map(|line| line.strip_prefix("# "));
    let is_toml = |line: &&str| line.starts_with("[[") || line.contains(" = ");
    let text: Vec<&str> = lines.filter(is_toml).collect();
    let config = load(&text.join("\n"), &[]).unwrap();
    let [requests, availability] = config.objectives.as_slice() else {
        panic!("{:?}", config.objectives);
    };
    assert_eq!(requests.quiet_requests, Some(60));
    assert_eq!(availability.kind, objectives::Measure::Availability);
    assert_eq!(availability.quiet_minutes, Some(15));
    let told = load(&text.join("\n").replace("quiet_m", "quite_m"), &[]).unwrap_err();
    assert!(told.contains("quiet_minutes"), "{told}");
}

#[test]
fn the_environment_goes_before_the_file() {
    let text = "[ingest]\nlisten = \"127.0.0.1:1\"\n[writer]\nflush_interval_ms = 5\n";
    let config = load(
        text,
        &[
            ("CRMSCOPE_COLLECTOR__INGEST__LISTEN", "127.0.0.1:0"),
            (
                "CRMSCOPE_COLLECTOR__WEB__ALLOWED_HOSTS",
                "a.example,b.example",
            ),
            ("CRMSCOPE_COLLECTOR__CLICKHOUSE__MIGRATE", "false"),
            (
                "CRMSCOPE_COLLECTOR__ALERTS__ALERTMANAGER__URLS",
                "http://a:9093,http://b:9093",
            ),
            ("CRMSCOPE_AGENT__INGEST__X", "another program's"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(config.ingest.listen, SocketAddr::from(([127, 0, 0, 1], 0)));
    assert_eq!(config.writer.flush_interval_ms, 5);
    assert_eq!(config.web.allowed_hosts, ["a.example", "b.example"]);
    assert!(!config.clickhouse.migrate);
    assert_eq!(config.alerts.alertmanager.urls.len(), 2);
}

#[test]
fn kafka_can_be_set_in_the_environment_too() {
    let set = [
        ("CRMSCOPE_COLLECTOR__KAFKA__BROKERS", "a:1,b:2"),
        ("CRMSCOPE_COLLECTOR__KAFKA__ALLOW_PLAINTEXT", "true"),
        ("CRMSCOPE_COLLECTOR__KAFKA__PARTITIONS__METRICS", "3"),
        (
            "CRMSCOPE_COLLECTOR__KAFKA__CLIENT__SOCKET__KEEPALIVE__ENABLE",
            "true",
        ),
        ("CRMSCOPE_COLLECTOR__ROLES__REPLICAS", "3"),
    ];
    let config = load("", &set).unwrap();
    assert_eq!(config.kafka.brokers, ["a:1", "b:2"]);
    assert_eq!(config.kafka.partitions.metrics, 3);
    assert_eq!(config.roles.replicas, 3);
    let client = kafka::client::admin(&config.kafka).unwrap();
    assert_eq!(client.get("socket.keepalive.enable"), Some("true"));
}

#[test]
fn an_unknown_key_names_its_place_and_the_nearest() {
    let error = load("[writer]\nflush_intervall = 5\n", &[]).unwrap_err();
    assert!(
        error.contains("collector.toml: unknown key `writer.flush_intervall`"),
        "{error}"
    );
    assert!(
        error.contains("did you mean `writer.flush_interval_ms`?"),
        "{error}"
    );
    let error = load("", &[("CRMSCOPE_COLLECTOR__INGEST__TOKENFILE", "x")]).unwrap_err();
    assert!(
        error.contains("CRMSCOPE_COLLECTOR__INGEST__TOKENFILE"),
        "{error}"
    );
    assert!(
        error.contains("CRMSCOPE_COLLECTOR__INGEST__TOKEN_FILE"),
        "{error}"
    );
}

#[test]
fn wrong_values_say_where_and_what() {
    for (text, want) in [
        (
            "[writer]\nflush_interval_ms = 0\n",
            "writer.flush_interval_ms is 0; it must be 1 to 60000",
        ),
        (
            "[writer]\nflush_interval_ms = \"x\"\n",
            "writer.flush_interval_ms",
        ),
        (
            "[ingest]\nlisten = \"0.0.0.0:7070\"\n",
            "ingest.allow_plaintext = true",
        ),
        (
            "[web]\nlisten = \"0.0.0.0:80\"\n",
            "web.allow_plaintext = true",
        ),
        (
            "[web]\nlisten = \"0.0.0.0:80\"\nallow_plaintext = true\n",
            "add [[web.tokens]] with name, role and token_file, or [web.proxy]",
        ),
        (
            "[[web.tokens]]\nname = \"a\"\ntoken_file = \"/no/such\"\n",
            "web.tokens.token_file /no/such",
        ),
        (
            "[[web.tokens]]\nnmae = \"a\"\n",
            "did you mean `web.tokens[].name`?",
        ),
        (
            "[[web.tokens]]\ntoken_file = \"/no/such\"\n",
            "web.tokens has the name \"\"",
        ),
        (
            "[web.proxy]\nuser_header = \"x-user\"\n",
            "web.proxy.trusted is empty",
        ),
        (
            "[web.proxy]\nuser_header = \"x user\"\n",
            "web.proxy.user_header is \"x user\"",
        ),
        (
            "[web.proxy]\nuser_header = \"x-user\"\ntrusted = [\"proxy\"]\n",
            "web.proxy.trusted has \"proxy\"",
        ),
        (
            "[web.proxy]\noperators = [\"a\"]\n",
            "web.proxy.user_header is empty",
        ),
        (
            "[web.clickhouse]\npassword_file = \"/no/such\"\n",
            "web.clickhouse.user is empty",
        ),
        (
            "[web.clickhouse]\nuser = \"a\"\npassword_file = \"/no/such\"\n",
            "web.clickhouse.password_file /no/such",
        ),
        (
            "[web.api]\nqueries_max = 0\n",
            "web.api.queries_max is 0; it must be 1 to 256",
        ),
        ("[log]\nfilter = \"a=b=c\"\n", "log.filter"),
        ("[clickhouse]\nurl = \"http://u:p@h\"\n", "clickhouse.url"),
        (
            "[clickhouse]\ncluster = \"{cluster}\"\n",
            "clickhouse.cluster is \"{cluster}\"",
        ),
        (
            "[clickhouse]\nread_cluster = \"a`b\"\n",
            "clickhouse.read_cluster is",
        ),
        (
            "[clickhouse]\ninsert_quorum = \"0\"\n",
            "clickhouse.insert_quorum is \"0\"",
        ),
        (
            "[clickhouse]\nurl = \"http://ch.example:8123\"\n",
            "clickhouse.allow_plaintext",
        ),
        (
            "[clickhouse.tls]\nca_file = \"/a\"\n",
            "clickhouse.tls.ca_file is set",
        ),
        (
            "[clickhouse]\nurl = \"https://ch\"\n[clickhouse.tls]\nkey_file = \"/a\"\n",
            "certificate_file and key_file go together",
        ),
        (
            "[ingest]\nlisten = \"0.0.0.0:7070\"\n",
            "ingest.tls.certificate_file",
        ),
        (
            "[ingest.tls]\nkey_file = \"/a\"\n",
            "ingest.tls.key_file is set and ingest.tls.certificate_file is not",
        ),
        (
            "[ingest.tls]\ncertificate_file = \"/a\"\nkey_file = \"/a\"\n",
            "nobody to sign those of agents",
        ),
        (
            "[ingest.tls]\nclient_ca_file = \"/a\"\n",
            "ingest.tls.client_ca_file is set",
        ),
        (
            "[ingest.tls]\nidentities = [\"{agent_id}\"]\n",
            "ingest.tls.identities",
        ),
        (
            "[ingest.quota]\nburst_bytes = 5\n",
            "ingest.quota.burst_bytes is 5",
        ),
        (
            "[web.tls]\ncertificate_file = \"/a\"\n",
            "web.tls.certificate_file is set and web.tls.key_file is not",
        ),
        (
            "[clickhouse]\npassword_file = \"/no/such\"\n",
            "clickhouse.password_file /no/such",
        ),
        (
            "[agent_settings]\nbatch_interval_ms = 5\n",
            "agent_settings.batch_interval_ms: intervals.batch_ms is 5; it must be",
        ),
        (
            "[[agent_settings.sets]]\nname = \"a\"\nfile = \"a.toml\"\n",
            "agent_settings.sets: a: the file",
        ),
        (
            "[[agent_settings.sets]]\nname = \"a\"\nfiel = \"/a.toml\"\n",
            "did you mean `agent_settings.sets[].file`?",
        ),
        ("[ingest\n", "collector.toml: "),
        (
            "[alerts.webhook]\nurl = \"example.org\"\n",
            "alerts.webhook.url has an address that cannot be used",
        ),
        (
            "[alerts.mail]\nhots = \"x\"\n",
            "did you mean `alerts.mail.host`?",
        ),
        ("[roles]\nreplicas = 2\n", "kafka.brokers is empty"),
        ("[roles]\nwriter = false\n", "roles.writer is false"),
        (
            "[kafka]\nbrokers = [\"kafka\"]\n",
            "kafka.brokers has \"kafka\"",
        ),
        ("[kafka]\ncompression = \"gzip\"\n", "kafka.compression"),
        (
            "[kafka.client]\n\"enable.idempotence\" = false\n",
            "kafka.client.enable.idempotence cannot be set",
        ),
        (
            "[kafka.client]\nsocket.tiemout.ms = 5\n",
            "kafka.client.socket.tiemout.ms: No such configuration property",
        ),
    ] {
        let error = load(text, &[]).unwrap_err();
        assert!(error.contains(want), "{text}: {error}");
    }
    let error = Config::load(Some(Path::new("/no/such.toml")), []).unwrap_err();
    assert!(error.to_string().contains("/no/such.toml"));
}
