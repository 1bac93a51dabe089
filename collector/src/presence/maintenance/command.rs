//! What people ask of maintenance: add, list, cancel, audit.
//!
//! Promises: of several changes all are made or none. Leaves to [`super::request`] what cannot be meant,
//! and the words to [`super::show`].

use crmscope_proto::Id;

use super::request::{RequestError, WINDOWS_MAX, cancel, window};
use super::show;
use super::store::{self, Change, Kind};
use super::window::{Standing, Window};
use super::zone::Zones;
use crate::cli::{AddArguments, MaintenanceAction, parse_duration};
use crate::presence::hosts;
use crate::reconcile::moment;
use crate::schema::queries::SERVICE_IS_KNOWN;
use crate::storage::Storage;

/// Does what is asked, and gives what to show.
///
/// # Errors
/// With what is wrong with it; then nothing is changed.
pub async fn run(
    storage: &Storage,
    action: &MaintenanceAction,
    (user, now_ms): (&str, i64),
) -> Result<String, RequestError> {
    let mut zones = Zones::default();
    match action {
        MaintenanceAction::Add(arguments) => {
            let changes = add(storage, arguments, (user, now_ms)).await?;
            Ok(changes.iter().map(show::sentence).collect())
        }
        MaintenanceAction::Cancel { windows, at } => {
            let changes = end(storage, windows, at.as_deref(), (user, now_ms)).await?;
            Ok(changes.iter().map(show::sentence).collect())
        }
        MaintenanceAction::List { json, past } => {
            let after_ms = if *past { 0 } else { now_ms };
            let mut windows = store::windows(storage, after_ms).await?;
            zones.load(windows.iter().map(|change| &change.window));
            if !past {
                let is_over = |of: &Change| {
                    let zone = zones.get(&of.window.zone);
                    zone.is_some_and(|zone| of.window.standing(zone, now_ms) == Standing::Over)
                };
                windows.retain(|change| !is_over(change));
            }
            Ok(match json {
                true => show::list_json(&windows, &zones, now_ms),
                false => show::list(&windows, &zones, now_ms),
            })
        }
        MaintenanceAction::Audit { json, last } => {
            let changes = store::audit(storage, *last).await?;
            Ok(match json {
                true => show::audit_json(&changes),
                false => show::audit(&changes),
            })
        }
    }
}

/// Ends windows, and gives what that made of them.
///
/// # Errors
/// With what is wrong with it; then nothing is changed.
pub async fn end(
    storage: &Storage,
    windows: &[String],
    at: Option<&str>,
    (user, now_ms): (&str, i64),
) -> Result<Vec<Change>, RequestError> {
    let at_ms = match at {
        None => now_ms,
        Some(at) => time(storage, "--at", at, now_ms).await?,
    };
    let (mut changes, mut zones) = (Vec::new(), Zones::default());
    let known = store::windows(storage, 0).await?;
    for text in windows {
        let id = Id::parse(text).ok();
        let found = known.iter().find(|one| Some(one.window.window_id) == id);
        let found = found.ok_or_else(|| RequestError::Window(text.clone()))?;
        let window = &found.window;
        if !changes
            .iter()
            .any(|one: &Change| one.window.window_id == window.window_id)
        {
            changes.push(cancel(window, at_ms, &mut zones, (user, now_ms))?);
        }
    }
    store::write(storage, &changes, now_ms).await?;
    Ok(changes)
}

/// Adds windows, one for each host, group and service, and gives them.
///
/// # Errors
/// With what is wrong with it; then nothing is changed.
pub async fn add(
    storage: &Storage,
    arguments: &AddArguments,
    (user, now_ms): (&str, i64),
) -> Result<Vec<Change>, RequestError> {
    let changes = asked(storage, arguments, &mut Zones::default(), (user, now_ms)).await?;
    store::write(storage, &changes, now_ms).await?;
    Ok(changes)
}

/// Windows as they are asked for.
async fn asked(
    storage: &Storage,
    arguments: &AddArguments,
    zones: &mut Zones,
    (user, now_ms): (&str, i64),
) -> Result<Vec<Change>, RequestError> {
    let at = |what, text: &Option<String>| optional(storage, what, text.clone(), now_ms);
    let from_ms = at("--from", &arguments.from).await?.unwrap_or(now_ms);
    let to_ms = at("--to", &arguments.to).await?;
    let until_ms = at("--until", &arguments.until).await?;
    let window = window(arguments, (from_ms, to_ms, until_ms), (user, now_ms))?;
    let zone = zones.zone(&window.zone)?;
    let whom = whom(storage, arguments).await?;
    let known = store::windows(storage, now_ms).await?.len();
    if known + whom.len() > WINDOWS_MAX {
        return Err(RequestError::Many(known));
    }
    let is_retroactive = window.is_retroactive(zone, window.from_ms, now_ms);
    let change = |[agent_id, host_group, service]: [String; 3]| Change {
        kind: Kind::Added,
        changed_ms: now_ms,
        changed_by: window.made_by.clone(),
        is_retroactive,
        window: Window {
            window_id: Id(fastrand::u128(..).to_be_bytes()),
            agent_id,
            host_group,
            service,
            ..window.clone()
        },
    };
    Ok(whom.into_iter().map(change).collect())
}

/// Agent, group and service of each window; all empty for all hosts and services.
async fn whom(
    storage: &Storage,
    arguments: &AddArguments,
) -> Result<Vec<[String; 3]>, RequestError> {
    if arguments.all {
        return Ok(vec![Default::default()]);
    }
    let known = hosts::expected(storage, "").await?;
    let mut whom = Vec::new();
    for agent in &arguments.hosts {
        if !known.iter().any(|host| host.agent_id == *agent) {
            return Err(RequestError::Agent(agent.clone()));
        }
        whom.push([agent.clone(), String::new(), String::new()]);
    }
    for group in &arguments.groups {
        if group.is_empty() || !known.iter().any(|host| host.host_group == *group) {
            return Err(RequestError::Group(group.clone()));
        }
        whom.push([String::new(), group.clone(), String::new()]);
    }
    for service in &arguments.services {
        if !is_known(storage, service).await? {
            return Err(RequestError::Service(service.clone()));
        }
        whom.push([String::new(), String::new(), service.clone()]);
    }
    whom.sort();
    whom.dedup();
    Ok(whom)
}

/// Whether the service was ever probed, or asked by anybody whose requests are logged.
async fn is_known(storage: &Storage, service: &str) -> Result<bool, RequestError> {
    #[derive(serde::Deserialize)]
    struct Row {
        known: u8,
    }
    let bind = |query: clickhouse::query::Query| query.param("service", service);
    let rows: Vec<Row> = storage
        .rows("known services", SERVICE_IS_KNOWN, bind)
        .await?;
    Ok(!service.is_empty() && rows.iter().any(|row| row.known != 0))
}

async fn optional(
    storage: &Storage,
    what: &'static str,
    text: Option<String>,
    now_ms: i64,
) -> Result<Option<i64>, RequestError> {
    match text {
        None => Ok(None),
        Some(text) => time(storage, what, &text, now_ms).await.map(Some),
    }
}

/// A moment, how long ago, or how long from now, such as `in 2h`; Unix ms.
async fn time(
    storage: &Storage,
    what: &'static str,
    text: &str,
    now_ms: i64,
) -> Result<i64, RequestError> {
    let (text, sign) = match text.trim().strip_prefix("in ") {
        Some(length) => (length.trim(), 1),
        None => (text.trim(), -1),
    };
    let far = || RequestError::Time {
        what,
        value: text.to_owned(),
    };
    if text == "now" {
        return Ok(now_ms);
    }
    let seconds = match parse_duration(text) {
        Ok(length) => i64::try_from(length.as_secs()).map(|seconds| (now_ms, seconds * sign)),
        Err(_) if sign > 0 => return Err(far()),
        Err(_) => i64::try_from(moment(storage, text).await?).map(|seconds| (0, seconds)),
    };
    let (since_ms, seconds) = seconds.map_err(|_| far())?;
    let ms = seconds
        .checked_mul(1000)
        .and_then(|ms| ms.checked_add(since_ms));
    // 0 stands for none in the table.
    ms.filter(|&ms| ms > 0).ok_or_else(far)
}
