//! Tokens that people and programs show.
//!
//! Promises: kept as digests only; comparing takes the same time whichever matches, or none.

use std::sync::{PoisonError, RwLock};

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::config::{Role, TokenConfig};
use crate::ingest::auth::{self, TokenError};

/// SHA-256 of a token or a session's id.
pub(super) type Digest = [u8; 32];

/// What a secret is known by.
pub(super) fn digest(secret: &[u8]) -> Digest {
    Sha256::digest(secret).into()
}

/// A token that is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) digest: Digest,
}

/// All that are.
#[derive(Debug)]
pub(in crate::web) struct Tokens {
    config: Vec<TokenConfig>,
    valid: RwLock<Vec<Token>>,
}

impl Tokens {
    /// Reads every file; each may hold several, one a line.
    ///
    /// # Errors
    /// When one cannot be used.
    pub(in crate::web) fn load(config: &[TokenConfig]) -> Result<Self, TokenError> {
        Ok(Self {
            config: config.to_vec(),
            valid: RwLock::new(read(config)?),
        })
    }

    /// Reads them again; the old ones stay when one cannot be used.
    ///
    /// # Errors
    /// When one cannot be used.
    pub(in crate::web) fn reload(&self) -> Result<usize, TokenError> {
        let tokens = read(&self.config)?;
        let count = tokens.len();
        *self.valid.write().unwrap_or_else(PoisonError::into_inner) = tokens;
        Ok(count)
    }

    /// Whether there are any.
    pub(super) const fn is_empty(&self) -> bool {
        self.config.is_empty()
    }

    /// The token of this digest.
    pub(super) fn find(&self, shown: &Digest) -> Option<Token> {
        let valid = self.valid.read().unwrap_or_else(PoisonError::into_inner);
        let none = (Choice::from(0), 0_u64);
        let places = (0_u64..).zip(valid.iter());
        let (found, place) = places.fold(none, |(found, place), (at, token)| {
            let same = token.digest.ct_eq(shown);
            let at =
                <u64 as subtle::ConditionallySelectable>::conditional_select(&place, &at, same);
            (found | same, at)
        });
        let token = usize::try_from(place).ok().and_then(|at| valid.get(at));
        token.filter(|_| bool::from(found)).cloned()
    }
}

fn read(config: &[TokenConfig]) -> Result<Vec<Token>, TokenError> {
    let mut tokens = Vec::new();
    for one in config {
        for secret in auth::read("web.tokens.token_file", &one.token_file)? {
            tokens.push(Token {
                name: one.name.clone(),
                role: one.role,
                digest: digest(&secret),
            });
        }
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_digest_until_it_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let one = |name: &str, role, text: &str| {
            let token_file = directory.path().join(name);
            std::fs::write(&token_file, text).unwrap();
            let name = name.to_owned();
            TokenConfig {
                name,
                role,
                token_file,
            }
        };
        let config = [
            one("a", Role::Viewer, "token-of-a-0000001\n"),
            one(
                "b",
                Role::Operator,
                "token-of-b-0000001\ntoken-of-b-0000002\n",
            ),
        ];
        let tokens = Tokens::load(&config).unwrap();
        let found = |text: &str| {
            let token = tokens.find(&digest(text.as_bytes()));
            token.map(|token| (token.name, token.role))
        };
        assert_eq!(
            found("token-of-a-0000001"),
            Some(("a".to_owned(), Role::Viewer))
        );
        assert_eq!(
            found("token-of-b-0000002"),
            Some(("b".to_owned(), Role::Operator))
        );
        assert_eq!(found("token-of-c-0000001"), None);
        std::fs::write(directory.path().join("a"), "short").unwrap();
        let error = tokens.reload().unwrap_err().to_string();
        assert!(
            error.starts_with("web.tokens.token_file ") && !error.contains("short"),
            "{error}"
        );
        assert!(found("token-of-a-0000001").is_some());
        std::fs::write(directory.path().join("a"), "token-of-a-0000009").unwrap();
        assert_eq!(tokens.reload().unwrap(), 3);
        assert_eq!(found("token-of-a-0000001"), None);
        assert!(!format!("{tokens:?}").contains("token-of"));
    }
}
