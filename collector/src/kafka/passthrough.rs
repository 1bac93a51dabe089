//! `[kafka.client]`: settings that go to librdkafka as they are.
//!
//! Promises that none of them takes away what exactness stands on, or carries a secret: such a
//! name is refused with the reason. A name or value that librdkafka does not know is refused with
//! its own words.

use std::collections::BTreeMap;

use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use serde_json::Value;

/// Most settings; more are a mistake.
const SETTINGS_MAX: usize = 200;

/// A setting that is not passed on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    /// It is crmscope's own affair.
    #[error("kafka.client.{key} cannot be set: {reason}")]
    Reserved {
        /// Name.
        key: String,
        /// Why, and what to do instead.
        reason: &'static str,
    },
    /// librdkafka does not take it.
    #[error("kafka.client.{key}: {reason}; the names are librdkafka's, see its CONFIGURATION.md")]
    Unknown {
        /// Name.
        key: String,
        /// librdkafka's words.
        reason: String,
    },
    /// Neither text nor number nor yes or no.
    #[error("kafka.client.{key} is no text, number or boolean")]
    Type {
        /// Name.
        key: String,
    },
    /// Too many.
    #[error("kafka.client has {got} settings, the limit is {SETTINGS_MAX}")]
    Many {
        /// How many.
        got: usize,
    },
}

const ACKS: &str =
    "an ack to an agent follows acks=all, and a weaker one could lose what was acknowledged";
const IDEMPOTENCE: &str = "without the idempotent producer a retry could repeat or reorder records";
const OFFSETS: &str = "the writer commits offsets itself, with the range it intends; anything else would repeat or skip records";
const TIMEOUT: &str = "a record that is given up in the middle makes a gap, and what an agent sends again behind a gap is taken for a duplicate; records are tried until they are in the log";
const ORDER: &str = "an agent's batches of a lane must reach their partition in order";
const PARTITIONER: &str = "every collector must put an agent's batches into the same partition, or batches sent again could be counted twice";
const AUTO_CREATE: &str = "a topic that creates itself has the broker's partitions and replicas; use `crmscope-collector topics apply`";
const SIZE: &str = "it must fit the largest batch and the topics' max.message.bytes";
const QUEUE: &str = "use kafka.queue_max_bytes, which bounds what waits";
const SECRET: &str = "secrets do not stand in the configuration; use kafka.sasl_password_file, or a key file that only this user may read";
const OWN: &str = "use the key of [kafka] that is for it";
const CALLBACK: &str = "it is set by the program, not by text";
const LOG: &str = "logs go through [log]";

/// Names that are refused. A `*` at the end stands for the rest.
const RESERVED: &[(&str, &str)] = &[
    ("acks", ACKS),
    ("request.required.acks", ACKS),
    ("enable.idempotence", IDEMPOTENCE),
    ("enable.gapless.guarantee", TIMEOUT),
    ("enable.auto.commit", OFFSETS),
    ("auto.commit.enable", OFFSETS),
    ("auto.commit.interval.ms", OFFSETS),
    ("enable.auto.offset.store", OFFSETS),
    ("offset.store.*", OFFSETS),
    (
        "auto.offset.reset",
        "where nothing is committed the writer begins with the oldest record, and an offset that is gone is an error rather than a silent gap",
    ),
    (
        "isolation.level",
        "the log has no transactions, and every record in it counts",
    ),
    (
        "transactional.id",
        "exactness does not stand on transactions, and a shared id would fence collectors out",
    ),
    ("transaction.timeout.ms", "the log has no transactions"),
    ("message.timeout.ms", TIMEOUT),
    ("delivery.timeout.ms", TIMEOUT),
    ("retries", TIMEOUT),
    ("message.send.max.retries", TIMEOUT),
    ("max.in.flight*", ORDER),
    ("queuing.strategy", ORDER),
    ("partitioner", PARTITIONER),
    ("msg_order_cmp", ORDER),
    ("allow.auto.create.topics", AUTO_CREATE),
    ("message.max.bytes", SIZE),
    ("message.copy.max.bytes", CALLBACK),
    ("fetch.message.max.bytes", SIZE),
    ("max.partition.fetch.bytes", SIZE),
    ("queue.buffering.max.messages", QUEUE),
    ("queue.buffering.max.kbytes", QUEUE),
    ("group.id", "use kafka.group"),
    (
        "group.instance.id",
        "two collectors of one configuration would fence one another",
    ),
    (
        "group.protocol",
        "take-over stands on the classic protocol, in which a commit of a member that lost its partition is refused",
    ),
    (
        "group.remote.assignor",
        "take-over stands on the classic protocol",
    ),
    (
        "partition.assignment.strategy",
        "the writer's take-over is written for one strategy",
    ),
    ("bootstrap.servers", "use kafka.brokers"),
    ("metadata.broker.list", "use kafka.brokers"),
    (
        "client.id",
        "it is crmscope-collector, so that a broker's operator can tell who connects",
    ),
    ("compression.*", "use kafka.compression"),
    ("security.protocol", OWN),
    ("sasl.mechanism", OWN),
    ("sasl.mechanisms", OWN),
    ("sasl.username", OWN),
    ("sasl.password", SECRET),
    ("sasl.oauthbearer.*", "OAUTHBEARER is not offered"),
    ("sasl.kerberos.*", "GSSAPI is not built in"),
    ("enable.sasl.oauthbearer*", "OAUTHBEARER is not offered"),
    ("ssl.ca.location", OWN),
    ("ssl.certificate.location", OWN),
    ("ssl.key.location", OWN),
    ("ssl.key.password", SECRET),
    ("ssl.key.pem", SECRET),
    ("ssl.certificate.pem", "use kafka.ssl_certificate_file"),
    ("ssl.ca.pem", "use kafka.ssl_ca_file"),
    ("ssl.keystore.*", SECRET),
    ("ssl.truststore.*", SECRET),
    (
        "plugin.library.paths",
        "code is not loaded by configuration",
    ),
    ("ssl.engine.location", "code is not loaded by configuration"),
    ("ssl.providers", "code is not loaded by configuration"),
    ("interceptors", CALLBACK),
    ("opaque", CALLBACK),
    ("default_topic_conf", CALLBACK),
    ("log.queue", LOG),
    ("log_level", LOG),
    ("log.thread.name", LOG),
    (
        "statistics.interval.ms",
        "statistics are the collector's own, at /metrics",
    ),
    (
        "test.mock.*",
        "it replaces the brokers by ones that forget everything",
    ),
    ("enabled_events", CALLBACK),
    (
        "delivery.report.only.error",
        "an ack to an agent follows the report of success",
    ),
    ("dr_cb", CALLBACK),
    ("dr_msg_cb", CALLBACK),
];

/// Checks the settings.
///
/// # Errors
/// Names the first one that is not passed on.
pub fn check(settings: &BTreeMap<String, Value>) -> Result<(), Refusal> {
    let flat = flatten(settings)?;
    if flat.len() > SETTINGS_MAX {
        return Err(Refusal::Many { got: flat.len() });
    }
    for (key, value) in &flat {
        if let Some(reason) = reserved(key) {
            let key = key.clone();
            return Err(Refusal::Reserved { key, reason });
        }
        let mut alone = ClientConfig::new();
        alone.set(key, value);
        if let Err(error) = alone.create_native_config() {
            let reason = match error {
                KafkaError::ClientConfig(_, description, _, _) => description,
                error => error.to_string(),
            };
            let key = key.clone();
            return Err(Refusal::Unknown { key, reason });
        }
    }
    Ok(())
}

/// The settings by librdkafka's names: dots in a name may have been read as tables within tables.
///
/// # Errors
/// When a value is a list or nothing.
pub fn flatten(settings: &BTreeMap<String, Value>) -> Result<BTreeMap<String, String>, Refusal> {
    let mut flat = BTreeMap::new();
    for (key, value) in settings {
        flatten_into(key, value, &mut flat)?;
    }
    Ok(flat)
}

fn flatten_into(
    key: &str,
    value: &Value,
    flat: &mut BTreeMap<String, String>,
) -> Result<(), Refusal> {
    let text = match value {
        Value::Object(table) => {
            for (inner, value) in table {
                flatten_into(&format!("{key}.{inner}"), value, flat)?;
            }
            return Ok(());
        }
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        Value::Array(_) | Value::Null => {
            return Err(Refusal::Type {
                key: key.to_owned(),
            });
        }
    };
    flat.insert(key.to_owned(), text);
    Ok(())
}

fn reserved(key: &str) -> Option<&'static str> {
    let matches = |name: &str| match name.strip_suffix('*') {
        Some(begin) => key.starts_with(begin),
        None => key == name,
    };
    let found = RESERVED.iter().find(|(name, _)| matches(name));
    found.map(|(_, reason)| *reason).or_else(|| {
        // Callbacks are addresses in memory; no text can be one.
        (key.ends_with("_cb") || key.ends_with(".cb")).then_some(CALLBACK)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(key: &str, value: impl Into<Value>) -> BTreeMap<String, Value> {
        BTreeMap::from([(key.to_owned(), value.into())])
    }

    #[test]
    fn what_breaks_exactness_is_refused_by_name() {
        for key in [
            "acks",
            "request.required.acks",
            "enable.idempotence",
            "enable.gapless.guarantee",
            "enable.auto.commit",
            "auto.commit.enable",
            "enable.auto.offset.store",
            "isolation.level",
            "auto.offset.reset",
            "message.timeout.ms",
            "delivery.timeout.ms",
            "retries",
            "message.send.max.retries",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "group.id",
            "group.instance.id",
            "bootstrap.servers",
            "metadata.broker.list",
            "client.id",
            "transactional.id",
            "allow.auto.create.topics",
            "message.max.bytes",
            "partitioner",
            "queue.buffering.max.messages",
            "queue.buffering.max.kbytes",
            "sasl.password",
            "ssl.key.password",
            "ssl.key.pem",
            "ssl.keystore.password",
            "compression.codec",
            "compression.type",
            "test.mock.num.brokers",
            "statistics.interval.ms",
            "partitioner_cb",
        ] {
            let error = check(&set(key, "hush-hush")).unwrap_err();
            assert!(matches!(error, Refusal::Reserved { .. }), "{key}: {error}");
            let text = error.to_string();
            assert!(
                text.contains(&format!("kafka.client.{key} cannot")),
                "{text}"
            );
            assert!(!text.contains("hush-hush"), "{text}");
        }
    }

    #[test]
    fn what_librdkafka_does_not_know_is_refused_in_its_words() {
        let text = check(&set("socket.keepalive.enabel", true))
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("kafka.client.socket.keepalive.enabel"),
            "{text}"
        );
        assert!(text.contains("No such configuration property"), "{text}");
        let text = check(&set("socket.timeout.ms", "soon"))
            .unwrap_err()
            .to_string();
        assert!(text.contains("kafka.client.socket.timeout.ms"), "{text}");
        let error = check(&set("debug", Value::Array(Vec::new()))).unwrap_err();
        assert!(matches!(error, Refusal::Type { .. }), "{error}");
    }

    #[test]
    fn names_may_be_tables() {
        let nested = serde_json::json!({"keepalive": {"enable": true}, "timeout": {"ms": 5000}});
        let settings = set("socket", nested);
        check(&settings).unwrap();
        let want = [
            ("socket.keepalive.enable", "true"),
            ("socket.timeout.ms", "5000"),
        ];
        let want = want.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(flatten(&settings).unwrap(), BTreeMap::from(want));
        let refused = check(&set("enable", serde_json::json!({"idempotence": false})));
        assert!(matches!(refused, Err(Refusal::Reserved { .. })));
    }
}
