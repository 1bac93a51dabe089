//! Enrolment tokens: who may have a first certificate.
//!
//! The judging is pure; [`create`], [`revoke`] and the service ask ClickHouse.

use std::time::Duration;

use crmscope_proto::check_agent_id;
use crmscope_proto::enrolment::{EnrolmentToken, SECRET_BYTES, TOKEN_ID_BYTES};
use subtle::ConstantTimeEq as _;

use super::store::{self, TokenRow, Uses, hexadecimal};
use crate::error::{Code, Error};
use crate::presence::hosts::check_label;
use crate::storage::Storage;
use crate::tls::files::sha256;

/// Longest that a token may be good, and so how long a secret lies about.
pub const LIFETIME_MAX: Duration = Duration::from_secs(90 * 86_400);
/// Most agents of one token.
pub const AGENTS_MAX: u32 = 100_000;

/// Why a token lets nobody in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is none with this id and secret; which of them is wrong is not said.
    Unknown,
    Expired,
    Revoked,
    /// It is for one other agent.
    OtherAgent,
    /// As many agents as may use it did.
    UsedUp(u32),
    /// The agent's name belongs to another key.
    Taken(String),
}

impl Refusal {
    /// A word for the counter.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::OtherAgent => "other_agent",
            Self::UsedUp(_) => "used_up",
            Self::Taken(_) => "taken",
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Unknown => Code::Unauthenticated,
            _ => Code::PermissionDenied,
        };
        let text = match refusal {
            Refusal::Unknown => {
                "the enrolment token is not one of this installation's: make one with `crmscope-collector token create`".to_owned()
            }
            Refusal::Expired => {
                "the enrolment token has expired: make another one with `crmscope-collector token create`".to_owned()
            }
            Refusal::Revoked => "the enrolment token was revoked".to_owned(),
            Refusal::OtherAgent => "the enrolment token is for another agent".to_owned(),
            Refusal::UsedUp(agents) => format!(
                "the enrolment token was used by as many agents as may use it, {agents}: make another one with `crmscope-collector token create`"
            ),
            Refusal::Taken(agent) => format!(
                "agent {agent} has a certificate for another key; where this installation is to take its place, use a token that was made for it: `crmscope-collector token create --agent {agent}`"
            ),
        };
        Self::new(code, text)
    }
}

/// Whether a token may be used at all; everything but [`Refusal::Unknown`] is told to who has its secret.
pub(super) fn judge<'a>(
    row: Option<&'a TokenRow>,
    secret: &str,
    agent_id: &str,
    now_ms: i64,
) -> Result<&'a TokenRow, Refusal> {
    let shown = hexadecimal(&sha256(secret.as_bytes()));
    // Something is compared in any case, so that time does not tell which ids there are.
    let stored = row.map_or_else(|| "0".repeat(64), |row| row.secret_sha256.clone());
    let is_right = bool::from(stored.as_bytes().ct_eq(shown.as_bytes()));
    let row = row.filter(|_| is_right).ok_or(Refusal::Unknown)?;
    if row.revoked_ms != 0 {
        return Err(Refusal::Revoked);
    }
    if row.expires_ms <= now_ms {
        return Err(Refusal::Expired);
    }
    if !row.agent_id.is_empty() && row.agent_id != agent_id {
        return Err(Refusal::OtherAgent);
    }
    Ok(row)
}

/// Whether it may be used once more, by this agent with this key.
pub(super) fn judge_uses(row: &TokenRow, uses: Uses, agent_id: &str) -> Result<(), Refusal> {
    if uses.other_agents >= u64::from(row.agents_max) {
        return Err(Refusal::UsedUp(row.agents_max));
    }
    // A token for this agent alone replaces its key, once.
    let taken = match row.agent_id.is_empty() {
        true => uses.other_keys,
        false => uses.other_keys_of_token,
    };
    if taken > 0 {
        return Err(match row.agent_id.is_empty() {
            true => Refusal::Taken(agent_id.to_owned()),
            false => Refusal::UsedUp(1),
        });
    }
    Ok(())
}

/// What a token is to be good for.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Only this agent.
    pub agent: Option<String>,
    /// Role of the hosts that use it.
    pub role: String,
    /// Their group.
    pub group: String,
    /// How many agents.
    pub agents_max: u32,
    /// How long.
    pub lifetime: Duration,
    /// SHA-256 of the authority that stands above the collector's certificate.
    pub authority_sha256: Option<[u8; 32]>,
}

/// Makes a token. It can be seen only now.
///
/// # Errors
/// When it cannot be meant, or ClickHouse does not take it.
pub async fn create(
    storage: &Storage,
    wish: &Wish,
    (user, now_ms): (&str, i64),
) -> Result<EnrolmentToken, Error> {
    let invalid = |text: String| Error::new(Code::InvalidArgument, text);
    if let Some(agent) = &wish.agent {
        check_agent_id(agent).map_err(|error| invalid(format!("--agent {agent:?}: {error}")))?;
        let changes = store::certificates(storage).await?;
        let is_revoked = |row: &store::CertificateRow| {
            row.agent_id == *agent && row.change == store::Change::Revoked
        };
        if changes.iter().any(is_revoked) {
            return Err(invalid(format!(
                "certificates of agent {agent} are revoked; `crmscope-collector certificate allow {agent}` lets it back in"
            )));
        }
    }
    for (what, label) in [("--role", &wish.role), ("--group", &wish.group)] {
        check_label(what, label).map_err(|error| invalid(error.to_string()))?;
    }
    if wish.agents_max == 0 || wish.agents_max > AGENTS_MAX {
        return Err(invalid(format!("--agents must be 1 to {AGENTS_MAX}")));
    }
    if wish.lifetime.is_zero() || wish.lifetime > LIFETIME_MAX {
        let days = LIFETIME_MAX.as_secs() / 86_400;
        return Err(invalid(format!("--expires must be 1s to {days}d")));
    }
    let (mut id, mut secret) = ([0; TOKEN_ID_BYTES], [0; SECRET_BYTES]);
    for bytes in [id.as_mut_slice(), secret.as_mut_slice()] {
        getrandom::fill(bytes).map_err(|error| Error::new(Code::Internal, error.to_string()))?;
    }
    let token = EnrolmentToken::new(id, secret, wish.authority_sha256);
    let lifetime_ms = i64::try_from(wish.lifetime.as_millis()).unwrap_or(i64::MAX);
    let row = TokenRow {
        token_id: token.id().to_owned(),
        secret_sha256: hexadecimal(&sha256(token.secret().as_bytes())),
        agent_id: wish.agent.clone().unwrap_or_default(),
        role: wish.role.clone(),
        host_group: wish.group.clone(),
        agents_max: wish.agents_max,
        created_ms: now_ms,
        created_by: user.to_owned(),
        expires_ms: now_ms.saturating_add(lifetime_ms),
        revoked_ms: 0,
        agents: 0,
    };
    store::write_tokens(storage, &[row], false, (user, now_ms)).await?;
    Ok(token)
}

/// Ends tokens. What was enrolled by them stays.
///
/// # Errors
/// When one is not there, or ClickHouse does not take it; then none is ended.
pub async fn revoke(
    storage: &Storage,
    tokens: &[String],
    (user, now_ms): (&str, i64),
) -> Result<(), Error> {
    let known = store::tokens(storage, "").await?;
    let mut rows = Vec::new();
    for token in tokens {
        let row = known.iter().find(|row| row.token_id == *token);
        let row = row.ok_or_else(|| {
            let text = format!(
                "there is no enrolment token {token:?}; `crmscope-collector token list` shows those that are there"
            );
            Error::new(Code::InvalidArgument, text)
        })?;
        rows.push(row.clone());
    }
    store::write_tokens(storage, &rows, true, (user, now_ms)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_000_000;

    fn row() -> TokenRow {
        TokenRow {
            token_id: "aa".to_owned(),
            secret_sha256: hexadecimal(&sha256(b"secret")),
            agent_id: String::new(),
            role: String::new(),
            host_group: String::new(),
            agents_max: 2,
            created_ms: 0,
            created_by: String::new(),
            expires_ms: NOW_MS + 1,
            revoked_ms: 0,
            agents: 0,
        }
    }

    fn judged(row: Option<&TokenRow>, secret: &str) -> Result<(), Refusal> {
        judge(row, secret, "web-1", NOW_MS).map(|_| ())
    }

    #[test]
    fn only_a_right_secret_hears_more() {
        let (good, mut other) = (row(), row());
        assert_eq!(judged(Some(&good), "secret"), Ok(()));
        other.revoked_ms = 1;
        assert_eq!(judged(Some(&other), "secret"), Err(Refusal::Revoked));
        // What is wrong with it is nobody's business who does not have it.
        assert_eq!(judged(Some(&other), "guess"), Err(Refusal::Unknown));
        assert_eq!(judged(None, "secret"), Err(Refusal::Unknown));
        let expired = TokenRow {
            expires_ms: NOW_MS,
            ..row()
        };
        assert_eq!(judged(Some(&expired), "secret"), Err(Refusal::Expired));
        let bound = TokenRow {
            agent_id: "web-2".to_owned(),
            ..row()
        };
        assert_eq!(judged(Some(&bound), "secret"), Err(Refusal::OtherAgent));
    }

    #[test]
    fn nobody_takes_the_name_of_an_agent_that_is_there() {
        let uses = |other_agents, other_keys, other_keys_of_token| Uses {
            other_agents,
            other_keys,
            other_keys_of_token,
        };
        let group = row();
        let bound = TokenRow {
            agent_id: "web-1".to_owned(),
            agents_max: 1,
            ..row()
        };
        let judged = |row: &TokenRow, of| judge_uses(row, of, "web-1");
        let taken = Err(Refusal::Taken("web-1".to_owned()));
        assert_eq!(judged(&group, uses(0, 0, 0)), Ok(()));
        assert_eq!(judged(&group, uses(1, 0, 0)), Ok(()));
        assert_eq!(judged(&group, uses(2, 0, 0)), Err(Refusal::UsedUp(2)));
        assert_eq!(judged(&group, uses(0, 1, 0)), taken);
        // A token for the agent takes the place of its key; a second key may not use it again.
        assert_eq!(judged(&bound, uses(0, 1, 0)), Ok(()));
        assert_eq!(judged(&bound, uses(0, 2, 1)), Err(Refusal::UsedUp(1)));
    }
}
