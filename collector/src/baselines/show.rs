//! What is known of users, as the command line shows it. What strangers wrote is escaped.

use std::fmt::Write as _;

use super::config::Config;
use super::exports::{self, EXPORT};
use super::feed::Feed;
use super::history::{DAY_MS, HOUR_MS, Past};
use super::judge::Usually;
use super::metrics::Metrics;
use super::origins::{KNOWN_MIN, Seen};
use crate::correlation::finding::shown;
use crate::error::{Code, Error};
use crate::presence::availability::time;
use crate::presence::maintenance::zone::Zones;
use crate::storage::Storage;

/// Users that are listed.
const USERS_MAX: usize = 1_000;
/// Networks and clients that are listed of a user.
const ORIGINS_MAX: usize = 50;

/// Users of whom something is known, the latest first.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn users(storage: &Storage) -> Result<String, Error> {
    let feed = Feed {
        storage: storage.clone(),
    };
    let mut text = format!("{:<19} {:<19} user\n", "first (UTC)", "last (UTC)");
    for known in feed.known("", USERS_MAX).await? {
        let (first, last) = (time(known.first_ms), time(known.last_ms));
        let _ = writeln!(text, "{first:<19} {last:<19} {}", shown(&known.user));
    }
    Ok(text)
}

/// What is known of a user now; none where nothing is.
///
/// # Errors
/// When ClickHouse does not answer, or the zone is not known.
pub async fn user(
    storage: &Storage,
    config: &Config,
    user: &str,
    now_ms: i64,
) -> Result<Option<String>, Error> {
    let mut zones = Zones::default();
    let zone = zones
        .zone(&config.zone)
        .map_err(|error| Error::new(Code::InvalidArgument, error.to_string()))?;
    let feed = Feed {
        storage: storage.clone(),
    };
    let Some(known) = feed.known(user, 1).await?.into_iter().next() else {
        return Ok(None);
    };
    let hour_ms = now_ms.div_euclid(HOUR_MS) * HOUR_MS;
    let from_ms = hour_ms - i64::from(config.history_days) * DAY_MS;
    let users = [(known.user_hash, user)];
    let histories = feed
        .histories(&users, (from_ms, hour_ms + HOUR_MS), &Metrics::default())
        .await?;
    let history = histories.into_iter().next().unwrap_or_default();
    let past = Past::new(
        hour_ms,
        config.history_days,
        config.settle_hours,
        config.quarantine_days,
        &history.told,
    );
    let usually = Usually::of(config, zone, &history, &past);
    let mut text = format!(
        "User {}: first seen {} UTC, last {} UTC. Known are {} days, up to {} hours ago; {} times in them are in quarantine.\n",
        shown(user),
        time(known.first_ms),
        time(known.last_ms),
        config.history_days,
        config.settle_hours,
        history.told.len()
    );
    origins(&mut text, "Networks", &usually.networks);
    origins(&mut text, "Clients", &usually.clients);
    let _ = writeln!(
        text,
        "\nHours with logins, {} days ({}; % of all; . is an unusual one)\n         {}",
        usually.hours.days(),
        config.zone,
        (0..24).fold(String::new(), |line, hour| format!("{line}{hour:>5}"))
    );
    for (name, weekend) in [("working", false), ("weekend", true)] {
        let _ = write!(text, "{name:<9}");
        for hour in 0..24 {
            // 5 January 1970 was a Monday, 3 January a Saturday.
            let day = if weekend { 2 } else { 4 };
            let local = super::history::Local { day, hour };
            let percent = usually.hours.probability(local) * 100.0;
            let _ = match usually.hours.is_unusual(&config.unusual_hour, local) {
                true => write!(text, "{:>5}", "."),
                false => write!(text, "{percent:>5.1}"),
            };
        }
        text.push('\n');
    }
    let exported = history.activity.iter();
    let exported = exported.filter(|of| of.kind == EXPORT && !of.failed);
    let days = config.export_volume.days;
    let usual = exports::usual(&past.within(days), exported);
    let _ = writeln!(
        text,
        "\nExports in {days} days: {} with {} records; largest hour {} exports, {} records",
        usual.total.exports, usual.total.records, usual.largest.exports, usual.largest.records
    );
    Ok(Some(text))
}

fn origins(text: &mut String, what: &str, seen: &Seen) {
    let _ = writeln!(
        text,
        "\n{what}, {} (the next is a new one with probability {:.2})",
        seen.origins.len(),
        seen.novelty()
    );
    let mut all: Vec<_> = seen.origins.iter().collect();
    all.sort_by(|(_, a), (_, b)| b.weight.total_cmp(&a.weight));
    for (name, known) in all.into_iter().take(ORIGINS_MAX) {
        let state = if known.weight >= KNOWN_MIN {
            "known"
        } else {
            "forgotten"
        };
        let _ = writeln!(
            text,
            "  {:>3} days, weight {:>5.2}, {state:<9}  {}",
            known.days.len(),
            known.weight,
            shown(name)
        );
    }
}
