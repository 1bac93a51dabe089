use rsigma_eval::Event as _;

use super::*;
use crate::rules::LocalClock;

/// The zone of Berlin, for hosts without the data of zones.
const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

/// Sunday 25 Oct 2026, 00:00 UTC: in Berlin, clocks are set back an hour later.
const SUNDAY_MS: i64 = 1_792_886_400_000;

const HOUR_MS: i64 = 3_600_000;

fn at(zone: &str, unix_ms: i64) -> [String; 3] {
    let clock = LocalClock::of(zone).unwrap();
    let mut record = Record::of("", false);
    record.happened(unix_ms, &clock);
    ["@timestamp", "local_time", "local_weekday"].map(|name| {
        let value = record.get_field(name).unwrap();
        value.as_str().unwrap().into_owned()
    })
}

#[test]
fn an_event_has_its_time_in_utc_and_on_local_clocks() {
    for (zone, hours, local, weekday) in [
        (BERLIN, -2, "2026-10-25T00:00:00", "sunday"),
        (BERLIN, -3, "2026-10-24T23:00:00", "saturday"),
        // The hour that is there twice.
        (BERLIN, 0, "2026-10-25T02:00:00", "sunday"),
        (BERLIN, 1, "2026-10-25T02:00:00", "sunday"),
        (BERLIN, 22, "2026-10-25T23:00:00", "sunday"),
        (BERLIN, 23, "2026-10-26T00:00:00", "monday"),
        ("+00:00", 0, "2026-10-25T00:00:00", "sunday"),
        ("-05:30", 0, "2026-10-24T18:30:00", "saturday"),
    ] {
        let found = at(zone, SUNDAY_MS + hours * HOUR_MS);
        assert_eq!(found[1..], [local, weekday], "{zone} {hours}");
    }
    // March's missing hour: 01:59:59 is followed by 03:00.
    let march_ms = 1_774_746_000_000;
    assert_eq!(at(BERLIN, march_ms - 1)[1], "2026-03-29T01:59:59");
    assert_eq!(at(BERLIN, march_ms)[1], "2026-03-29T03:00:00");
    assert_eq!(at(BERLIN, SUNDAY_MS + 7)[0], "2026-10-25T00:00:00.007Z");
    for any in [i64::MIN, -1, i64::MAX] {
        let _ = at(BERLIN, any);
    }
}

#[test]
fn zones_are_the_hosts_offsets_names_or_rules() {
    for zone in ["local", "+02:00", "-0730", "Z", BERLIN] {
        assert!(LocalClock::of(zone).is_some(), "{zone}");
    }
    for zone in [
        "",
        "Nowhere/Town",
        "/etc/localtime",
        ":/etc/localtime",
        "localtime",
        "../../../etc/localtime",
        "Europe",
        "+99:00",
    ] {
        assert!(LocalClock::of(zone).is_none(), "{zone}");
    }
    let config = |zone: &str| Config {
        zone: zone.to_owned(),
        ..Config::default()
    };
    assert_eq!(config("local").validate(), Ok(()));
    let refused = config("Nowhere/Town").validate().unwrap_err();
    assert!(
        refused.contains("rules.zone is \"Nowhere/Town\""),
        "{refused}"
    );
}

/// Whether a rule of these lines matches an event of a moment in Berlin, or of an unknown one.
fn asked(detection: &str, line: &str, unix_ms: Option<i64>) -> bool {
    let detection = format!("  s:\n{detection}\n  condition: s");
    let loaded = loaded(&[("r.yml", &rule("r", "product: linux", &detection))]);
    assert_eq!(loaded.faults, Vec::new(), "{detection}");
    let clock = LocalClock::of(BERLIN).unwrap();
    let mut record = Record::of(line, true);
    if let Some(unix_ms) = unix_ms {
        record.happened(unix_ms, &clock);
    }
    !matches(&loaded.set.unwrap(), Class::Audit, "", &record).is_empty()
}

#[test]
fn rules_ask_for_parts_of_the_time() {
    let line = "type=X msg=audit(1.2:3): local_weekday=monday local_time=2026-10-26T12:00:00";
    for (detection, matches) in [
        ("    local_time|hour: 2", true),
        ("    local_time|hour: [1, 2]", true),
        ("    local_time|hour: 0", false),
        ("    '@timestamp|hour': 0", true),
        ("    '@timestamp|hour': 2", false),
        ("    local_time|minute: 30", true),
        ("    local_time|day: 25", true),
        ("    local_time|month: 10", true),
        ("    local_time|year: 2026", true),
        // A week of the year.
        ("    local_time|week: 43", true),
        ("    local_time|startswith: '2026-10-25T02:'", true),
        ("    local_weekday: Sunday", true),
        // What the line says of it is not asked.
        ("    local_weekday: monday", false),
        ("    local_time|hour: 12", false),
    ] {
        let half_past = SUNDAY_MS + HOUR_MS / 2;
        assert_eq!(
            asked(detection, line, Some(half_past)),
            matches,
            "{detection}"
        );
    }
    // Of an event without a time nothing is known.
    assert!(!asked("    local_time|hour: 2", "", None));
}

/// The engine knows no ranges of parts; that must not pass in silence.
#[test]
fn a_range_of_hours_is_refused() {
    for modifier in ["hour|gte", "gte|hour", "hour|contains", "hour|minute"] {
        let detection = format!("  s:\n    local_time|{modifier}: 20\n  condition: s");
        let loaded = loaded(&[("r.yml", &rule("r", "product: linux", &detection))]);
        let reasons = faults(&loaded);
        assert_eq!(
            (loaded.rules, reasons.len()),
            (0, 1),
            "{modifier}: {reasons:?}"
        );
        assert!(
            reasons[0].2.contains("conflicting modifiers"),
            "{reasons:?}"
        );
    }
    let detection = "  s:\n    local_time|hour: late\n  condition: s";
    let loaded = loaded(&[("r.yml", &rule("r", "product: linux", detection))]);
    assert_eq!(loaded.refused, 1);
}
