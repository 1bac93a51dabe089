//! What the fuzzer of rules calls: any bytes as a file of rules, and as the line they are asked about.

use std::path::PathBuf;

use super::load::load_bytes;
use super::{Class, Origin, Record, Surroundings};

/// Reads rules up to the first NUL and asks them about what is behind it, as every class of events.
///
/// # Panics
/// When a refusal has no reason, or does not fit on a line; when a line is held back that a rule
/// matches.
pub fn ask(data: &[u8]) {
    let end = memchr::memchr(0, data).unwrap_or(data.len());
    let surroundings = Surroundings {
        host: "app-01".to_owned(),
        products: vec!["nginx".to_owned(), "odoo".to_owned()],
        reads_access_logs: true,
        ..Surroundings::default()
    };
    let loaded = load_bytes(PathBuf::from("rule.yml"), &data[..end], &surroundings);
    for fault in &loaded.faults {
        assert!(!fault.reason.is_empty() && !fault.reason.contains(char::is_control));
    }
    let Some(set) = loaded.set else {
        return;
    };
    let bytes = data.get(end + 1..).unwrap_or_default();
    let line = String::from_utf8_lossy(bytes);
    for class in Class::ALL {
        let mut record = Record::of(&line, class == Class::Audit);
        let unix_ms = bytes
            .first_chunk()
            .map_or(0, |eight| i64::from_le_bytes(*eight));
        record.happened(unix_ms, set.clock());
        record.text(&["user", "kind", "cs-user-agent"], &line);
        record.text(&["cs-uri", "cs-uri-stem", "cs-uri-query"], &line);
        record.number(&["records", "sc-status"], bytes.len() as u64 % 1000);
        let origin = Origin {
            class,
            product: "nginx",
            service: "sshd",
        };
        let matched = set.evaluate(&origin, &record);
        if class == Class::Web
            && let (Some(matched), Some(sieve)) = (&matched, set.sieve())
        {
            let status = u16::try_from(bytes.len() % 1000).unwrap_or(0);
            let text = line.as_bytes();
            assert!(
                sieve.lets_through(text, text, status, &mut Vec::new()),
                "{matched:?}"
            );
        }
    }
}
