//! Tokens, enrolments and refused agents in ClickHouse.

use std::fmt::Write as _;

use clickhouse::query::Query;
use serde::Deserialize;

use crate::error::Error;
use crate::storage::Storage;
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

const TOKENS: &str = include_str!("../../../deploy/clickhouse/identity/tokens.sql");
const USES: &str = include_str!("../../../deploy/clickhouse/identity/uses.sql");
const CERTIFICATES: &str = include_str!("../../../deploy/clickhouse/identity/certificates.sql");

/// The type of `enrolment_tokens.change`.
const TOKEN_CHANGE: &str = "Enum8('created' = 1, 'revoked' = 2)";
/// The type of `enrolments.kind`.
const KIND: &str = "Enum8('asked' = 1, 'enrolled' = 2, 'renewed' = 3)";
/// The type of `certificate_changes.change`.
const CERTIFICATE_CHANGE: &str = "Enum8('revoked' = 1, 'allowed' = 2)";

/// A token as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct TokenRow {
    pub(super) token_id: String,
    pub(super) secret_sha256: String,
    pub(super) agent_id: String,
    pub(super) role: String,
    pub(super) host_group: String,
    pub(super) agents_max: u32,
    pub(super) created_ms: i64,
    pub(super) created_by: String,
    pub(super) expires_ms: i64,
    pub(super) revoked_ms: i64,
    pub(super) agents: u64,
}

/// Who else a token and an agent are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Uses {
    pub(super) other_agents: u64,
    pub(super) other_keys: u64,
    pub(super) other_keys_of_token: u64,
}

/// What happened to the certificates of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// All are refused.
    Revoked = 1,
    /// Those made since are good.
    Allowed = 2,
}

/// The last change of an agent's certificates.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct CertificateRow {
    pub(super) agent_id: String,
    pub(super) change: Change,
    pub(super) changed_ms: i64,
    pub(super) changed_by: String,
    pub(super) note: String,
}

/// What is written down of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Asked = 1,
    Enrolled = 2,
    Renewed = 3,
}

/// A certificate, or the wish for one.
#[derive(Clone, Debug)]
pub(super) struct Enrolment<'a> {
    pub(super) agent_id: &'a str,
    pub(super) kind: Kind,
    pub(super) token_id: &'a str,
    pub(super) key_sha256: &'a str,
    pub(super) expires_ms: i64,
    pub(super) peer: &'a str,
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// One token, or all where `token` is empty.
pub(super) async fn tokens(storage: &Storage, token: &str) -> Result<Vec<TokenRow>, Error> {
    storage
        .caught_up(&["enrolment_tokens", "enrolments"])
        .await?;
    let bind = |query: Query| query.param("token", token);
    storage.rows("enrolment tokens", TOKENS, bind).await
}

pub(super) async fn uses(
    storage: &Storage,
    asked: &Enrolment<'_>,
    since_ms: i64,
) -> Result<Uses, Error> {
    // Of two that ask for the last place of a token, each has to see the other.
    storage.caught_up(&["enrolments"]).await?;
    let since_ms = since_ms.to_string();
    let bind = |query: Query| {
        query
            .param("token", asked.token_id)
            .param("agent", asked.agent_id)
            .param("key", asked.key_sha256)
            .param("since_ms", &since_ms)
    };
    let rows: Vec<Uses> = storage.rows("enrolments", USES, bind).await?;
    Ok(rows.into_iter().next().unwrap_or_default())
}

pub(super) async fn certificates(storage: &Storage) -> Result<Vec<CertificateRow>, Error> {
    storage.caught_up(&["certificate_changes"]).await?;
    storage
        .rows("refused certificates", CERTIFICATES, |query| query)
        .await
}

pub(super) async fn write_enrolment(
    storage: &Storage,
    enrolment: &Enrolment<'_>,
    now_ms: i64,
) -> Result<(), Error> {
    let mut native = Block::new(1, 256);
    let string = |native: &mut Block, name, text: &str| {
        native.string(name, std::iter::once(text.as_bytes()));
    };
    string(&mut native, "agent_id", enrolment.agent_id);
    native.datetime_ms("happened_at", std::iter::once(now_ms));
    native.enum8("kind", KIND, std::iter::once(enrolment.kind as i8));
    string(&mut native, "token_id", enrolment.token_id);
    string(&mut native, "key_sha256", enrolment.key_sha256);
    native.i64("expires_ms", std::iter::once(enrolment.expires_ms));
    string(&mut native, "peer", enrolment.peer);
    storage
        .insert(&insert("enrolments", 1, native, now_ms))
        .await
}

/// Writes that tokens were made or are not good any more.
pub(super) async fn write_tokens(
    storage: &Storage,
    tokens: &[TokenRow],
    is_revoked: bool,
    (user, now_ms): (&str, i64),
) -> Result<(), Error> {
    let each = || tokens.iter();
    let mut native = Block::new(tokens.len(), 256);
    native.string("token_id", each().map(|token| token.token_id.as_bytes()));
    let change = if is_revoked { 2 } else { 1 };
    native.enum8("change", TOKEN_CHANGE, each().map(|_| change));
    native.datetime_ms("changed_at", each().map(|_| now_ms));
    native.string("changed_by", each().map(|_| user.as_bytes()));
    let secrets = each().map(|token| token.secret_sha256.as_bytes());
    native.string("secret_sha256", secrets);
    native.string("agent_id", each().map(|token| token.agent_id.as_bytes()));
    native.text("role", each().map(|token| token.role.as_str()));
    native.text("host_group", each().map(|token| token.host_group.as_str()));
    native.u32("agents_max", each().map(|token| token.agents_max));
    native.i64("expires_ms", each().map(|token| token.expires_ms));
    let rows = tokens.len();
    storage
        .insert(&insert("enrolment_tokens", rows, native, now_ms))
        .await
}

/// Writes that certificates of agents are refused, or good again.
pub(super) async fn write_certificates(
    storage: &Storage,
    agents: &[String],
    (change, note): (Change, &str),
    (user, now_ms): (&str, i64),
) -> Result<(), Error> {
    let each = || agents.iter();
    let mut native = Block::new(agents.len(), 128);
    native.string("agent_id", each().map(String::as_bytes));
    native.enum8("change", CERTIFICATE_CHANGE, each().map(|_| change as i8));
    native.datetime_ms("changed_at", each().map(|_| now_ms));
    native.string("changed_by", each().map(|_| user.as_bytes()));
    native.string("note", each().map(|_| note.as_bytes()));
    let rows = agents.len();
    storage
        .insert(&insert("certificate_changes", rows, native, now_ms))
        .await
}

fn insert(table: &'static str, rows: usize, native: Block, now_ms: i64) -> Insert {
    let origin = Origin::Journal(now_ms.unsigned_abs());
    let mut insert = Insert::new(table, &origin, rows, native);
    insert.token = format!("{}-{:016x}", insert.token, fastrand::u64(..));
    insert
}
