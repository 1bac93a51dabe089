//! Requests, calendars and words; times have a file of their own.

#![allow(clippy::single_range_in_vec_init, reason = "one time is what is meant")]

mod times;

use std::time::Duration;

use crmscope_proto::Id;

use super::repeat::{Days, Repeat, TimeOfDay};
use super::request::{RequestError, cancel, window};
use super::store::{Change, Kind};
use super::*;
use crate::cli::AddArguments;

fn utc(date: [u16; 3], hour: u8, minute: u8) -> i64 {
    let [year, month, day] = date;
    let [month, day] = [month, day].map(|part| u8::try_from(part).unwrap());
    let moment = tz::UtcDateTime::new(year.into(), month, day, hour, minute, 0, 0).unwrap();
    moment.unix_time() * 1000
}

fn repeating(days: &str, start: &str, length_minutes: u32, zone: &str) -> Window {
    Window {
        repeat: Some(Repeat {
            days: Days::parse(days).unwrap(),
            start: TimeOfDay::parse(start).unwrap(),
            length_minutes,
        }),
        zone: zone.to_owned(),
        ..Window::default()
    }
}

#[test]
fn a_host_has_the_windows_of_itself_of_its_group_and_of_all() {
    let mut zones = Zones::default();
    zones.zone("UTC").unwrap();
    let of = |agent: &str, group: &str, from_ms: i64, zone: &str| Window {
        agent_id: agent.to_owned(),
        host_group: group.to_owned(),
        from_ms,
        to_ms: Some(from_ms + 10),
        zone: zone.to_owned(),
        ..Window::default()
    };
    let windows = [
        of("a", "", 10, "UTC"),
        of("", "berlin", 20, "UTC"),
        of("", "", 100, "UTC"),
        of("b", "", 50, "Nowhere/Else"),
        Window {
            service: "crm".to_owned(),
            ..of("", "", 70, "UTC")
        },
    ];
    let calendar = Calendar::new(&windows, &zones, &(0..1000));
    assert_eq!(calendar.of("a", "berlin"), [10..30, 100..110]);
    assert_eq!(calendar.of("a", ""), [10..20, 100..110]);
    assert_eq!(calendar.of("b", "berlin"), [20..30, 100..110]);
    assert_eq!(calendar.of("b", "paris"), [100..110]);
    // A service is none of the hosts, and all hosts go with all services.
    assert_eq!(calendar.of_service("crm"), [70..80, 100..110]);
    assert_eq!(calendar.of_service("a"), [100..110]);
    let now = Calendar::new(&windows, &zones, &(25..26));
    assert!(now.has("a", "berlin") && !now.has("a", "") && !now.has("b", "paris"));
}

fn arguments() -> AddArguments {
    AddArguments {
        hosts: vec!["a".to_owned()],
        groups: Vec::new(),
        services: Vec::new(),
        all: false,
        from: None,
        to: None,
        length: Some(Duration::from_secs(7200)),
        repeat: None,
        at: None,
        zone: None,
        until: None,
        note: " a new disk ".to_owned(),
    }
}

#[test]
fn what_could_not_be_meant_is_refused() {
    let asked = arguments();
    let made = window(&asked, (50, None, None), ("eve", 60)).unwrap();
    assert_eq!((made.from_ms, made.to_ms), (50, Some(7_200_050)));
    assert_eq!(
        (made.note.as_str(), made.made_by.as_str()),
        ("a new disk", "eve")
    );
    assert!(made.is_retroactive(&tz::TimeZone::utc(), 50, 60));
    assert!(!made.is_retroactive(&tz::TimeZone::utc(), 50, 50));
    let wrong = |change: fn(&mut AddArguments), times| {
        let mut asked = arguments();
        change(&mut asked);
        window(&asked, times, ("", 60)).unwrap_err()
    };
    let times = (50, None, None);
    assert_eq!(
        wrong(|of| of.note = "a\u{1b}[2J".to_owned(), times),
        RequestError::Note
    );
    assert_eq!(
        wrong(|of| of.note = "  ".to_owned(), times),
        RequestError::Note
    );
    assert_eq!(
        wrong(|of| of.length = None, (50, Some(50), None)),
        RequestError::Backwards
    );
    let long = Duration::from_secs(367 * 86_400);
    let mut asked = arguments();
    asked.length = Some(long);
    assert_eq!(window(&asked, times, ("", 60)), Err(RequestError::Long));
    (asked.repeat, asked.at) = (Some(Days::DAILY), TimeOfDay::from_minutes(5));
    assert_eq!(window(&asked, times, ("", 60)), Err(RequestError::Length));
    asked.length = Some(Duration::from_secs(90));
    assert_eq!(window(&asked, times, ("", 60)), Err(RequestError::Length));
    asked.length = Some(Duration::from_secs(120));
    assert_eq!(
        window(&asked, (50, None, Some(40)), ("", 60)),
        Err(RequestError::Backwards)
    );
    assert_eq!(window(&asked, times, ("", 60)).unwrap().to_ms, None);
    for text in ["", "2:00", "24:00", "02:60", "02-00", "+2:00", "02:00:00"] {
        assert!(TimeOfDay::parse(text).is_err(), "{text}");
    }
    for text in ["", "sat,", "weekly", "sat;sun"] {
        assert!(Days::parse(text).is_err(), "{text}");
    }
    assert_eq!(Days::parse("Sun, sat").unwrap().to_string(), "sat,sun");
    assert_eq!(Days::parse("daily").unwrap().to_string(), "daily");
}

#[test]
fn a_cancellation_is_of_the_time_after_it_and_may_come_late() {
    let mut zones = Zones::default();
    let once = Window {
        from_ms: 100,
        to_ms: Some(200),
        zone: "UTC".to_owned(),
        ..Window::default()
    };
    let mut at =
        |window: &Window, at_ms, now_ms| cancel(window, at_ms, &mut zones, ("eve", now_ms));
    let now = at(&once, 150, 150).unwrap();
    assert!(!now.is_retroactive);
    assert_eq!(now.window.cancelled_ms, Some(150));
    assert!(at(&once, 120, 150).unwrap().is_retroactive);
    assert!(!at(&once, 50, 90).unwrap().is_retroactive);
    assert_eq!(
        at(&once, 200, 300),
        Err(RequestError::Ended(once.window_id, "over"))
    );
    assert_eq!(
        at(&now.window, 150, 160),
        Err(RequestError::Ended(once.window_id, "cancelled"))
    );
    assert_eq!(
        at(&now.window, 120, 160).unwrap().window.cancelled_ms,
        Some(120)
    );
    // What nobody can work out any more can be ended.
    let lost = Window {
        zone: "Nowhere/Else".to_owned(),
        ..once
    };
    assert!(at(&lost, 150, 150).unwrap().is_retroactive);
}

#[test]
fn windows_are_shown_in_words_that_end_no_line() {
    let mut window = repeating("sat,sun", "02:00", 90, "UTC");
    window.window_id = Id([7; 16]);
    window.host_group = "a\nb".to_owned();
    window.note = "x\u{1b}[2J\ny".to_owned();
    window.from_ms = utc([2026, 6, 1], 0, 0);
    let mut zones = Zones::default();
    zones.zone("UTC").unwrap();
    let change = Change {
        kind: Kind::Added,
        changed_ms: 0,
        changed_by: "eve\n".to_owned(),
        is_retroactive: true,
        window,
    };
    let now_ms = utc([2026, 6, 4], 0, 0);
    let list = show::list(std::slice::from_ref(&change), &zones, now_ms);
    let audit = show::audit(std::slice::from_ref(&change));
    for text in [&list, &audit] {
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains('\u{1b}'));
        assert!(text.contains("group a\\nb"), "{text}");
        assert!(
            text.contains("sat,sun 02:00 UTC for 1 h 30 min, from 2026-06-01 00:00:00 UTC on"),
            "{text}"
        );
    }
    assert!(
        list.contains(", next 2026-06-06 02:00:00 to 2026-06-06 03:30:00 UTC: x"),
        "{list}"
    );
    assert!(audit.contains(", retroactive: x\\u{1b}[2J\\ny"), "{audit}");
    let json: serde_json::Value =
        serde_json::from_str(&show::list_json(&[change], &zones, now_ms)).unwrap();
    assert_eq!(json["repeat"]["days"], serde_json::json!(["sat", "sun"]));
    assert_eq!(
        (&json["state"], &json["is_retroactive"]),
        (&"to_come".into(), &true.into())
    );
    assert_eq!(json["next"]["from_ms"], utc([2026, 6, 6], 2, 0));
    assert_eq!(json["to_ms"], serde_json::Value::Null);
}
