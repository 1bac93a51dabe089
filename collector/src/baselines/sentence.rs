//! A verdict in a sentence. What strangers wrote is cut and escaped. Pure.

use super::exports::Exported;
use super::judge::{Detector, Reason, Verdict};
use crate::correlation::finding::shown;
use crate::presence::availability::time;

/// What a finding of a detector is called.
pub(super) const fn title(detector: Detector) -> &'static str {
    match detector {
        Detector::UnusualVolume => "Unusual number of events",
        Detector::ExportVolume => "Unusual export volume",
        Detector::NewNetwork => "Login from a new network",
        Detector::NewClient => "Login by a new client",
        Detector::UnusualHour => "Login at an unusual hour",
        Detector::UnusualLogin => "Unusual login",
    }
}

/// What was seen of a user, and beside what it is unusual; `zone` is whose hours they are.
pub(super) fn sentence(user: &str, zone: &str, verdict: &Verdict) -> String {
    let title = title(verdict.detector);
    let user = shown(user);
    let hour = time(verdict.hour_ms);
    let subject = shown(&verdict.subject);
    match &verdict.reason {
        Reason::Volume(deviation) => format!(
            "{title}: {} of {subject} by user {user} in the hour from {hour} UTC; in {} at this hour of the week the median is {}, so that is {:.1} robust deviations more.",
            count(verdict.counted.exports, "event"),
            count(deviation.weeks.into(), "week"),
            deviation.median,
            deviation.deviations,
        ),
        Reason::Exports { usual, days } => {
            let largest = match usual.total {
                Exported {
                    records: 0,
                    exports: 0,
                } => format!("of this user there is none in the {days} days before"),
                total => format!(
                    "this user's largest hour in {days} days is {}, and all together are {}",
                    exported(usual.largest),
                    exported(total)
                ),
            };
            format!(
                "{title}: {} by user {user} in the hour from {hour} UTC; {largest}.",
                exported(verdict.counted)
            )
        }
        Reason::New { known, days } => {
            let (word, what) = match verdict.detector {
                Detector::NewNetwork => ("from", "network"),
                _ => ("by", "client"),
            };
            format!(
                "{title}: user {user} logged in {word} {subject}; known are {} on {} with logins.",
                count(*known as u64, what),
                count(*days as u64, "day")
            )
        }
        Reason::Hour {
            local,
            probability,
            days,
        } => format!(
            "{title}: user {user} logged in at {:02}:00 to {:02}:00 ({zone}); on {} with logins, {:.2} % of them are at about that hour.",
            local.hour,
            (local.hour + 1) % 24,
            count(*days as u64, "day"),
            probability * 100.0
        ),
        Reason::Several(why) => {
            let why: Vec<&str> = why.iter().map(|detector| short(*detector)).collect();
            format!(
                "{title}: user {user} logged in {} in the hour from {hour} UTC.",
                why.join(" and ")
            )
        }
    }
}

const fn short(detector: Detector) -> &'static str {
    match detector {
        Detector::NewNetwork => "from a new network",
        Detector::NewClient => "by a new client",
        Detector::UnusualHour => "at an unusual hour",
        _ => "in an unusual way",
    }
}

fn exported(of: Exported) -> String {
    match of.records {
        0 => count(of.exports, "export"),
        records => format!(
            "{} with {}",
            count(of.exports, "export"),
            count(records, "record")
        ),
    }
}

pub(super) fn count(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}
