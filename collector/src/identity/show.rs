//! Tokens and refused agents, as people read them.

use serde::Serialize;

use super::store::{self, Change, TokenRow};
use crate::error::{Code, Error};
use crate::presence::availability::time;
use crate::storage::Storage;
use crmscope_proto::check_agent_id;

#[derive(Serialize)]
struct Token<'a> {
    token_id: &'a str,
    state: &'static str,
    agent_id: &'a str,
    role: &'a str,
    host_group: &'a str,
    agents: u64,
    agents_max: u32,
    created_ms: i64,
    created_by: &'a str,
    expires_ms: i64,
}

fn state(row: &TokenRow, now_ms: i64) -> &'static str {
    if row.revoked_ms != 0 {
        "revoked"
    } else if row.expires_ms <= now_ms {
        "expired"
    } else if row.agents >= u64::from(row.agents_max) {
        "used"
    } else {
        "good"
    }
}

/// Every token, or those that are good.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn tokens(
    storage: &Storage,
    (all, json): (bool, bool),
    now_ms: i64,
) -> Result<String, Error> {
    let mut rows = store::tokens(storage, "").await?;
    rows.retain(|row| all || state(row, now_ms) == "good");
    if json {
        let lines = rows.iter().map(|row| {
            let token = Token {
                token_id: &row.token_id,
                state: state(row, now_ms),
                agent_id: &row.agent_id,
                role: &row.role,
                host_group: &row.host_group,
                agents: row.agents,
                agents_max: row.agents_max,
                created_ms: row.created_ms,
                created_by: &row.created_by,
                expires_ms: row.expires_ms,
            };
            serde_json::to_string(&token).unwrap_or_default() + "\n"
        });
        return Ok(lines.collect());
    }
    if rows.is_empty() {
        return Ok(
            "no enrolment token is good; `token create` makes one, --all shows the others\n"
                .to_owned(),
        );
    }
    let mut text = format!(
        "{:<18} {:<8} {:>13}  {:<16}  {}\n",
        "TOKEN", "STATE", "AGENTS", "EXPIRES (UTC)", "FOR"
    );
    for row in &rows {
        let mut whom = match row.agent_id.as_str() {
            "" => "any agent".to_owned(),
            agent => format!("agent {agent}"),
        };
        for (what, label) in [("role", &row.role), ("group", &row.host_group)] {
            if !label.is_empty() {
                whom.push_str(&format!(", {what} {}", label.escape_debug()));
            }
        }
        let agents = format!("{} of {}", row.agents, row.agents_max);
        let expires = time(row.expires_ms);
        text.push_str(&format!(
            "{:<18} {:<8} {agents:>13}  {expires:<16}  {whom}\n",
            row.token_id.escape_debug().to_string(),
            state(row, now_ms),
        ));
    }
    Ok(text)
}

/// Agents whose certificates are refused.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn certificates(storage: &Storage) -> Result<String, Error> {
    let rows = store::certificates(storage).await?;
    if rows.is_empty() {
        return Ok("no certificate was ever revoked\n".to_owned());
    }
    Ok(rows
        .iter()
        .map(|row| {
            let since = time(row.changed_ms);
            let what = match row.change {
                Change::Revoked => format!("revoked since {since} UTC"),
                Change::Allowed => format!("certificates from before {since} UTC are refused"),
            };
            let mut line = format!("{}: {what}", row.agent_id.escape_debug());
            for (before, text) in [(", by ", &row.changed_by), (": ", &row.note)] {
                if !text.is_empty() {
                    line.push_str(&format!("{before}{}", text.escape_debug()));
                }
            }
            line.push('\n');
            line
        })
        .collect())
}

/// Refuses certificates of agents from now on, or lets in those that are made from now on.
///
/// # Errors
/// When a name is none of an agent, or ClickHouse does not take it.
pub async fn change_certificates(
    storage: &Storage,
    agents: &[String],
    (is_revoked, note): (bool, &str),
    by: (&str, i64),
) -> Result<(), Error> {
    for agent in agents {
        check_agent_id(agent)
            .map_err(|error| Error::new(Code::InvalidArgument, format!("{agent:?}: {error}")))?;
    }
    let change = match is_revoked {
        true => Change::Revoked,
        false => Change::Allowed,
    };
    store::write_certificates(storage, agents, (change, note), by).await
}
