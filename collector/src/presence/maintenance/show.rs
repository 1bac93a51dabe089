//! Windows and their changes in words, as tables and as JSON. Pure.

use std::fmt::Write as _;
use std::ops::Range;

use serde::Serialize;

use super::store::Change;
use super::window::{Whom, Window};
use super::zone::Zones;
use crate::presence::availability::time;

/// Whom a window is for.
fn whom(window: &Window) -> String {
    match window.whom() {
        Whom::All => "all hosts".to_owned(),
        Whom::Group(group) => format!("group {}", group.escape_debug()),
        Whom::Service(service) => format!("service {}", service.escape_debug()),
        Whom::Host(agent) => agent.escape_debug().to_string(),
    }
}

/// When it is, without a cancellation.
fn when(window: &Window) -> String {
    let from = time(window.from_ms);
    let Some(repeat) = &window.repeat else {
        return format!("{from} to {} UTC", time(window.to_ms.unwrap_or(i64::MAX)));
    };
    let mut text = format!(
        "{} {} {} for {}, from {from} UTC on",
        repeat.days,
        repeat.start,
        window.zone.escape_debug(),
        length(repeat.length_minutes)
    );
    if let Some(to_ms) = window.to_ms {
        let _ = write!(text, " until {} UTC", time(to_ms));
    }
    text
}

fn length(minutes: u32) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// What a change made of a window, as a line.
#[must_use]
pub fn sentence(change: &Change) -> String {
    let window = &change.window;
    let mut text = format!("{}: {}, {}", window.window_id, whom(window), when(window));
    if let Some(at_ms) = window.cancelled_ms {
        let _ = write!(text, ", cancelled from {} UTC on", time(at_ms));
    }
    if change.is_retroactive {
        text.push_str(", retroactive");
    }
    let _ = writeln!(text, ": {}", window.note.escape_debug());
    text
}

/// How a window stands, and its next time.
fn standing(window: &Window, zones: &Zones, now_ms: i64) -> (&'static str, Option<Range<i64>>) {
    match zones.get(&window.zone) {
        Some(zone) => (
            window.standing(zone, now_ms).name(),
            window.next(zone, now_ms),
        ),
        None => ("zone_unknown", None),
    }
}

/// Windows as a table.
#[must_use]
pub fn list(windows: &[Change], zones: &Zones, now_ms: i64) -> String {
    let mut text = format!(
        "{:<36} {:<12} {:<11} {:<24} {:<12} when and what for\n",
        "window", "state", "retroactive", "for", "by"
    );
    for change in windows {
        let window = &change.window;
        let (state, next) = standing(window, zones, now_ms);
        let _ = write!(
            text,
            "{:<36} {:<12} {:<11} {:<24} {:<12} {}",
            window.window_id.to_string(),
            state,
            if change.is_retroactive { "yes" } else { "no" },
            whom(window),
            by(&window.made_by),
            when(window)
        );
        if let Some(at_ms) = window.cancelled_ms {
            let _ = write!(text, ", cancelled from {} UTC on", time(at_ms));
        }
        if let Some(next) = next.filter(|_| window.repeat.is_some()) {
            let [from, to] = [next.start, next.end].map(time);
            let _ = write!(text, ", next {from} to {to} UTC");
        }
        let _ = writeln!(text, ": {}", window.note.escape_debug());
    }
    text
}

fn by(user: &str) -> String {
    match user {
        "" => "-".to_owned(),
        user => user.escape_debug().to_string(),
    }
}

/// Changes as a table.
#[must_use]
pub fn audit(changes: &[Change]) -> String {
    let mut text = format!(
        "{:<19} {:<12} {:<9} what it was then\n",
        "when (UTC)", "by", "change"
    );
    for change in changes {
        let _ = write!(
            text,
            "{:<19} {:<12} {:<9} {}",
            time(change.changed_ms),
            by(&change.changed_by),
            change.kind.name(),
            sentence(change)
        );
    }
    text
}

#[derive(Serialize)]
struct Times {
    from_ms: i64,
    to_ms: i64,
}

#[derive(Serialize)]
struct RepeatDocument {
    days: Vec<&'static str>,
    at: String,
    length_minutes: u32,
}

#[derive(Serialize)]
struct Document<'a> {
    window_id: String,
    agent_id: &'a str,
    host_group: &'a str,
    service: &'a str,
    from_ms: i64,
    to_ms: Option<i64>,
    repeat: Option<RepeatDocument>,
    zone: &'a str,
    note: &'a str,
    made_ms: i64,
    made_by: &'a str,
    cancelled_ms: Option<i64>,
    is_retroactive: bool,
}

fn document(change: &Change) -> Document<'_> {
    let window = &change.window;
    Document {
        window_id: window.window_id.to_string(),
        agent_id: &window.agent_id,
        host_group: &window.host_group,
        service: &window.service,
        from_ms: window.from_ms,
        to_ms: window.to_ms,
        repeat: window.repeat.map(|repeat| RepeatDocument {
            days: repeat.days.names().collect(),
            at: repeat.start.to_string(),
            length_minutes: repeat.length_minutes,
        }),
        zone: &window.zone,
        note: &window.note,
        made_ms: window.made_ms,
        made_by: &window.made_by,
        cancelled_ms: window.cancelled_ms,
        is_retroactive: change.is_retroactive,
    }
}

/// Windows as JSON, one a line.
#[must_use]
pub fn list_json(windows: &[Change], zones: &Zones, now_ms: i64) -> String {
    #[derive(Serialize)]
    struct Listed<'a> {
        #[serde(flatten)]
        window: Document<'a>,
        state: &'static str,
        next: Option<Times>,
    }
    let listed = windows.iter().map(|change| {
        let (state, next) = standing(&change.window, zones, now_ms);
        Listed {
            window: document(change),
            state,
            next: next.map(|next| Times {
                from_ms: next.start,
                to_ms: next.end,
            }),
        }
    });
    lines(listed)
}

/// Changes as JSON, one a line.
#[must_use]
pub fn audit_json(changes: &[Change]) -> String {
    #[derive(Serialize)]
    struct Audited<'a> {
        change: &'static str,
        changed_ms: i64,
        changed_by: &'a str,
        #[serde(flatten)]
        window: Document<'a>,
    }
    lines(changes.iter().map(|change| Audited {
        change: change.kind.name(),
        changed_ms: change.changed_ms,
        changed_by: &change.changed_by,
        window: document(change),
    }))
}

fn lines(documents: impl Iterator<Item = impl Serialize>) -> String {
    let mut text = String::new();
    for document in documents {
        // Documents of strings and numbers always have a form in JSON.
        text.push_str(&serde_json::to_string(&document).unwrap_or_default());
        text.push('\n');
    }
    text
}
