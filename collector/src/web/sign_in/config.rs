//! Who may look, and who may change something: `[[web.tokens]]` and `[web.proxy]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::http::HeaderName;
use serde::{Deserialize, Serialize};

use super::network::Network;
use super::tokens::Tokens;
use crate::ingest::auth::TokenError;

/// Most tokens; each wrong guess is compared with all.
const TOKENS_MAX: usize = 64;
/// Longest name, bytes.
pub(super) const NAME_MAX_BYTES: usize = 128;

/// What somebody may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at everything.
    #[default]
    Viewer,
    /// And change maintenance.
    Operator,
}

/// An entry of `[[web.tokens]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenConfig {
    /// Whose it is.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// File that holds it.
    pub token_file: PathBuf,
}

/// Section `[web.proxy]`: a proxy in front that knows who somebody is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyConfig {
    /// Header with the user's name; empty: there is no such proxy.
    pub user_header: String,
    /// Header with the role.
    pub role_header: String,
    /// Users who are operators.
    pub operators: Vec<String>,
    /// Addresses and networks of which the headers are believed.
    pub trusted: Vec<String>,
}

impl ProxyConfig {
    /// Whether there is such a proxy.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.user_header.is_empty()
    }
}

/// A section that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Anybody could look.
    #[error(
        "web.listen is {0}, which other machines reach, and nobody is asked to sign in: add [[web.tokens]] with name, role and token_file, or [web.proxy] with user_header and trusted, or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
    /// A token's name.
    #[error(
        "web.tokens has the name {0:?}; each needs one of its own, of 1 to {NAME_MAX_BYTES} bytes, without control characters"
    )]
    Name(String),
    /// Too many.
    #[error("web.tokens has {0} entries, the limit is {TOKENS_MAX}")]
    Many(usize),
    /// A token's file.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Not a header.
    #[error("web.proxy.{key} is {value:?}, which is no name of a header")]
    Header {
        /// Key.
        key: &'static str,
        /// Value.
        value: String,
    },
    /// Not a network.
    #[error("web.proxy.trusted has {0:?}; write an address or a network such as 10.0.0.0/8")]
    Network(String),
    /// Nobody is believed.
    #[error(
        "web.proxy.trusted is empty: name the proxy's address, as anybody else could send the header {0} too"
    )]
    Nobody(String),
    /// Of no use.
    #[error("web.proxy.user_header is empty, so the other keys of [web.proxy] mean nothing")]
    Useless,
}

/// Checks who may sign in at this address.
///
/// # Errors
/// Names the key and the remedy.
pub(in crate::web) fn validate(
    listen: SocketAddr,
    tokens: &[TokenConfig],
    proxy: &ProxyConfig,
) -> Result<(), SignInError> {
    if !listen.ip().is_loopback() && tokens.is_empty() && !proxy.is_on() {
        return Err(SignInError::Open(listen));
    }
    if tokens.len() > TOKENS_MAX {
        return Err(SignInError::Many(tokens.len()));
    }
    for (at, token) in tokens.iter().enumerate() {
        let is_own = tokens[..at].iter().all(|before| before.name != token.name);
        if !is_own || !is_name(&token.name) {
            return Err(SignInError::Name(token.name.clone()));
        }
    }
    Tokens::load(tokens)?;
    if !proxy.is_on() {
        return match *proxy == ProxyConfig::default() {
            true => Ok(()),
            false => Err(SignInError::Useless),
        };
    }
    for (key, value) in [
        ("user_header", &proxy.user_header),
        ("role_header", &proxy.role_header),
    ] {
        if !value.is_empty() && HeaderName::try_from(value.as_str()).is_err() {
            let value = value.clone();
            return Err(SignInError::Header { key, value });
        }
    }
    if proxy.trusted.is_empty() {
        return Err(SignInError::Nobody(proxy.user_header.clone()));
    }
    match proxy
        .trusted
        .iter()
        .find(|text| Network::parse(text).is_none())
    {
        Some(wrong) => Err(SignInError::Network(wrong.clone())),
        None => Ok(()),
    }
}

/// Whether a text can stand for somebody.
pub(super) fn is_name(name: &str) -> bool {
    (1..=NAME_MAX_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
}
