//! Who may connect: bearer tokens out of a file.
//!
//! Promises: tokens never show in a log or an error; comparing takes as long for a wrong token as
//! for a right one of the same length. Several tokens may be valid at once, so that they can be
//! replaced one host after the other. Leaves which agent a token belongs to: it is one for all.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use subtle::ConstantTimeEq;
use tonic::metadata::MetadataMap;

/// The setting that names the agents' file.
const KEY: &str = "ingest.token_file";
/// Shorter ones could be guessed.
const TOKEN_MIN_BYTES: usize = 16;
/// More are a mistake, and every wrong guess is compared with all of them.
const TOKENS_MAX: usize = 64;

/// A token file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Cannot be read.
    #[error(
        "{key} {path}: {error}; make one with: umask 077; head -c 24 /dev/urandom | base64 > {path}"
    )]
    Read {
        /// The setting that names the file.
        key: &'static str,
        /// Path.
        path: PathBuf,
        /// What happened.
        error: std::io::Error,
    },
    /// Holds none.
    #[error("{key} {path} has no token in it; one a line, lines that begin with # are ignored")]
    Empty {
        /// The setting that names the file.
        key: &'static str,
        /// Path.
        path: PathBuf,
    },
    /// Too short.
    #[error(
        "{key} {path}, line {line}: a token has at least {TOKEN_MIN_BYTES} characters, printable and without spaces"
    )]
    Token {
        /// The setting that names the file.
        key: &'static str,
        /// Path.
        path: PathBuf,
        /// Line.
        line: usize,
    },
    /// Too many.
    #[error("{key} {path} has {got} tokens, the limit is {TOKENS_MAX}")]
    Many {
        /// The setting that names the file.
        key: &'static str,
        /// Path.
        path: PathBuf,
        /// How many.
        got: usize,
    },
}

/// Why a stream is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No token was shown.
    Missing,
    /// Not as `Bearer …`.
    Malformed,
    /// Not one of ours.
    Wrong,
}

impl Refusal {
    /// A short word for the counter.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Wrong => "wrong",
        }
    }

    /// The sentence for the agent.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Missing => "no token: send metadata authorization = \"Bearer <token>\"",
            Self::Malformed => "the authorization metadata is not of the form \"Bearer <token>\"",
            Self::Wrong => {
                "the token is not one of the collector's: compare the agent's token file with ingest.token_file"
            }
        }
    }
}

/// The valid tokens.
#[derive(Clone)]
pub struct Tokens {
    path: PathBuf,
    tokens: Arc<RwLock<Vec<Vec<u8>>>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    /// None at all: where no agent connects.
    #[must_use]
    pub fn none() -> Self {
        Self {
            path: PathBuf::new(),
            tokens: Arc::default(),
        }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn load(path: &Path) -> Result<Self, TokenError> {
        Ok(Self {
            path: path.to_owned(),
            tokens: Arc::new(RwLock::new(read(KEY, path)?)),
        })
    }

    /// Reads the file again; the old tokens stay when it cannot be used.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn reload(&self) -> Result<usize, TokenError> {
        if self.path.as_os_str().is_empty() {
            return Ok(0);
        }
        let tokens = read(KEY, &self.path)?;
        let count = tokens.len();
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = tokens;
        Ok(count)
    }

    /// Checks what a stream shows.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check(&self, metadata: &MetadataMap) -> Result<(), Refusal> {
        let shown = metadata.get("authorization").ok_or(Refusal::Missing)?;
        let text = shown.to_str().map_err(|_| Refusal::Malformed)?;
        let (scheme, token) = text.split_once(' ').ok_or(Refusal::Malformed)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refusal::Malformed);
        }
        let shown = token.trim().as_bytes();
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        // Every token is compared, whichever matches.
        let matching = tokens.iter().fold(subtle::Choice::from(0), |any, token| {
            any | token.ct_eq(shown)
        });
        if bool::from(matching) {
            Ok(())
        } else {
            Err(Refusal::Wrong)
        }
    }
}

/// The tokens of a file, one a line; `key` is the setting that names it.
pub(crate) fn read(key: &'static str, path: &Path) -> Result<Vec<Vec<u8>>, TokenError> {
    let path = path.to_owned();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return Err(TokenError::Read { key, path, error }),
    };
    let mut tokens = Vec::new();
    for (line, token) in text.lines().map(str::trim).enumerate() {
        if token.is_empty() || token.starts_with('#') {
            continue;
        }
        if token.len() < TOKEN_MIN_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Token {
                key,
                path,
                line: line + 1,
            });
        }
        tokens.push(token.as_bytes().to_vec());
    }
    match tokens.len() {
        0 => Err(TokenError::Empty { key, path }),
        got if got > TOKENS_MAX => Err(TokenError::Many { key, path, got }),
        _ => Ok(tokens),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "0123456789abcdef";

    fn tokens(text: &str) -> (tempfile::TempDir, Result<Tokens, TokenError>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, text).unwrap();
        let tokens = Tokens::load(&path);
        (directory, tokens)
    }

    fn shown(text: &str) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        metadata.insert("authorization", text.parse().unwrap());
        metadata
    }

    #[test]
    fn only_a_whole_token_lets_in() {
        let (directory, tokens) = tokens(&format!("# old\n{GOOD}\n\nfedcba9876543210\r\n"));
        let tokens = tokens.unwrap();
        assert_eq!(tokens.check(&MetadataMap::new()), Err(Refusal::Missing));
        for (text, want) in [
            (format!("Bearer {GOOD}"), Ok(())),
            ("bearer fedcba9876543210".to_owned(), Ok(())),
            (GOOD.to_owned(), Err(Refusal::Malformed)),
            (format!("Basic {GOOD}"), Err(Refusal::Malformed)),
            ("Bearer 0123456789abcde".to_owned(), Err(Refusal::Wrong)),
            ("Bearer ".to_owned(), Err(Refusal::Wrong)),
            (format!("Bearer {GOOD}x"), Err(Refusal::Wrong)),
        ] {
            assert_eq!(tokens.check(&shown(&text)), want, "{text}");
        }
        std::fs::write(directory.path().join("token"), "short").unwrap();
        assert!(tokens.reload().is_err());
        assert_eq!(tokens.check(&shown(&format!("Bearer {GOOD}"))), Ok(()));
        std::fs::write(directory.path().join("token"), "another-token-0001").unwrap();
        assert_eq!(tokens.reload().unwrap(), 1);
        assert_eq!(
            tokens.check(&shown(&format!("Bearer {GOOD}"))),
            Err(Refusal::Wrong)
        );
    }

    #[test]
    fn a_bad_file_is_told_with_its_line_and_without_its_content() {
        let (_directory, error) = tokens("# fine\nsecret\n");
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("line 2") && !text.contains("secret"),
            "{text}"
        );
        let (_directory, error) = tokens("\n# nothing\n");
        assert!(matches!(error, Err(TokenError::Empty { .. })));
    }

    #[test]
    fn tokens_do_not_show_when_printed() {
        let (_directory, tokens) = tokens(GOOD);
        assert!(!format!("{:?}", tokens.unwrap()).contains(GOOD));
    }
}
