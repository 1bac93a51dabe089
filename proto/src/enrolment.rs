//! Enrolment: what a token looks like, and how a certificate names an agent.
//!
//! Promises that a secret never shows when a token is printed for a log. Leaves who may have a
//! token, and what it is worth, to the collector.

use std::fmt;

use crate::identity::{IdentityError, check_agent_id};

/// What every token begins with, so that scanners for secrets can find one.
const PREFIX: &str = "crmscope1";
/// What stands where a token pins no authority.
const NO_PIN: &str = "system";
/// Names of agents in certificates, as SPIFFE ids: <https://github.com/spiffe/spiffe>.
const AGENT_URI: &str = "spiffe://crmscope/agent/";

/// Random bytes of a secret.
pub const SECRET_BYTES: usize = 32;
/// Random bytes of a token's id.
pub const TOKEN_ID_BYTES: usize = 8;

/// The token with which an agent asks for its first certificate:
/// `crmscope1_<id>_<secret>_<SHA-256 of the authority's certificate, or "system">`, in hexadecimal
/// digits. The id may be shown; the secret may not.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolmentToken {
    id: String,
    secret: String,
    authority_sha256: Option<[u8; 32]>,
}

/// Text that is no enrolment token. Says nothing of what it holds.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "an enrolment token is one line that begins with {PREFIX}_, as `crmscope-collector token create` prints it"
)]
pub struct TokenError;

impl EnrolmentToken {
    /// Of an id, a secret and the authority that the agent is to believe.
    #[must_use]
    pub fn new(
        id: [u8; TOKEN_ID_BYTES],
        secret: [u8; SECRET_BYTES],
        authority_sha256: Option<[u8; 32]>,
    ) -> Self {
        Self {
            id: hexadecimal(&id),
            secret: hexadecimal(&secret),
            authority_sha256,
        }
    }

    /// Reads a token.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let parts: Vec<&str> = text.trim().split('_').collect();
        let [PREFIX, id, secret, pin] = parts.as_slice() else {
            return Err(TokenError);
        };
        check_digits(id, TOKEN_ID_BYTES)?;
        check_digits(secret, SECRET_BYTES)?;
        let authority_sha256 = match *pin {
            NO_PIN => None,
            digits => Some(bytes(digits)?),
        };
        Ok(Self {
            id: (*id).to_owned(),
            secret: (*secret).to_owned(),
            authority_sha256,
        })
    }

    /// Which token it is.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What shows that one has it.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// SHA-256 of the certificate that stands above the collector's; without it the agent needs an
    /// authority of its own, or the system's.
    #[must_use]
    pub const fn authority_sha256(&self) -> Option<[u8; 32]> {
        self.authority_sha256
    }

    /// The whole token, with its secret: for the one who asked for it.
    #[must_use]
    pub fn reveal(&self) -> String {
        let pin = match &self.authority_sha256 {
            Some(digest) => hexadecimal(digest),
            None => NO_PIN.to_owned(),
        };
        format!("{PREFIX}_{}_{}_{pin}", self.id, self.secret)
    }
}

impl fmt::Debug for EnrolmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolmentToken")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The name of an agent in certificates of the collector's own authority.
///
/// # Errors
/// When it is no agent id.
pub fn agent_uri(agent_id: &str) -> Result<String, IdentityError> {
    check_agent_id(agent_id)?;
    Ok(format!("{AGENT_URI}{agent_id}"))
}

fn hexadecimal(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn check_digits(text: &str, bytes: usize) -> Result<(), TokenError> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() == 2 * bytes && text.bytes().all(is_digit) {
        Ok(())
    } else {
        Err(TokenError)
    }
}

fn bytes(text: &str) -> Result<[u8; 32], TokenError> {
    check_digits(text, 32)?;
    let mut bytes = [0; 32];
    for (position, byte) in bytes.iter_mut().enumerate() {
        let digits = text.get(2 * position..2 * position + 2);
        let digits = digits.ok_or(TokenError)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| TokenError)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text_and_hides_its_secret() {
        for pin in [None, Some([7; 32])] {
            let token = EnrolmentToken::new([1; 8], [0xab; 32], pin);
            let text = token.reveal();
            assert_eq!(
                EnrolmentToken::parse(&format!("{text}\n")),
                Ok(token.clone())
            );
            assert!(!format!("{token:?}").contains("abab"), "{token:?}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_repeated() {
        let good = EnrolmentToken::new([1; 8], [2; 32], Some([3; 32])).reveal();
        for bad in [
            String::new(),
            "crmscope1".to_owned(),
            good.replace("crmscope1", "crmscope2"),
            good.replacen("0101", "0x01", 1),
            good.to_uppercase(),
            format!("{good}_"),
            good[..good.len() - 1].to_owned(),
            good.replace("0303", "03é3"),
        ] {
            let error = EnrolmentToken::parse(&bad).unwrap_err();
            assert!(!error.to_string().contains("0202"), "{bad}");
        }
    }

    #[test]
    fn only_agents_have_names() {
        assert_eq!(agent_uri("a-1").unwrap(), "spiffe://crmscope/agent/a-1");
        assert!(agent_uri("../a").is_err());
    }
}
