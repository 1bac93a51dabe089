//! Why a connection is over, and what follows from it.

use std::fmt;
use std::time::Duration;

use crmscope_proto::limits::PAUSE_METADATA;
use crmscope_proto::payload::truncate;
use tonic::{Code, Status};

use crate::identity;

/// Longest text of a collector that is shown, bytes.
const TEXT_MAX_BYTES: usize = 1024;
/// Longest pause that a refusal can ask for.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub(super) enum Ended {
    /// Something on this host is wrong: the token file, the URL.
    Setup(String),
    /// Nobody answers.
    Unreachable(String),
    /// The collector closed the stream, or it broke.
    Closed(Status),
}

impl Ended {
    /// Whether only a person can mend it.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Setup(_) => true,
            Self::Unreachable(_) => false,
            Self::Closed(status) => {
                matches!(
                    status.code(),
                    Code::Unauthenticated | Code::PermissionDenied | Code::FailedPrecondition
                )
            }
        }
    }

    /// Whether the collector only wants the agent to connect anew: the stream is old enough, and
    /// everything it received is acknowledged.
    pub(super) fn moves_on(&self) -> bool {
        matches!(self, Self::Closed(status) if status.code() == Code::Aborted)
    }

    /// Whether the connection broke, rather than that somebody said something on it.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self, Self::Closed(status) if std::error::Error::source(status).is_some())
    }

    /// How long the collector asks to be left alone.
    pub(super) fn pause(&self) -> Option<Duration> {
        let Self::Closed(status) = self else {
            return None;
        };
        let pause_ms = status.metadata().get(PAUSE_METADATA)?.to_str().ok()?;
        let pause = Duration::from_millis(pause_ms.parse().ok()?);
        Some(pause.min(PAUSE_MAX))
    }
}

/// A stranger's text without anything that does more than stand there.
fn shown(text: &str) -> String {
    let text = truncate(text, TEXT_MAX_BYTES);
    text.chars()
        .flat_map(|c| {
            let is_plain = matches!(c, '\'' | '"');
            let escaped = (!is_plain).then(|| c.escape_debug());
            is_plain
                .then_some(c)
                .into_iter()
                .chain(escaped.into_iter().flatten())
        })
        .collect()
}

impl From<identity::Fault> for Ended {
    fn from(fault: identity::Fault) -> Self {
        match fault {
            identity::Fault::Setup(what) => Self::Setup(what),
            identity::Fault::Unreachable(what) => Self::Unreachable(what),
            identity::Fault::Refused(status) => Self::Closed(status),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(what) | Self::Unreachable(what) => f.write_str(what),
            Self::Closed(status) => {
                let code = status.code().description();
                write!(f, "{code}: {}", shown(status.message()))?;
                // Where the connection broke, what it broke of: an alert of TLS, say.
                let mut cause = std::error::Error::source(status);
                while let Some(error) = cause {
                    write!(f, ": {}", shown(&error.to_string()))?;
                    cause = error.source();
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_may_ask_for_a_pause_within_bounds() {
        let refusal = |pause: &str| {
            let mut status = Status::resource_exhausted("full");
            status
                .metadata_mut()
                .insert(PAUSE_METADATA, pause.parse().unwrap());
            Ended::Closed(status).pause()
        };
        assert_eq!(refusal("1500"), Some(Duration::from_millis(1500)));
        assert_eq!(refusal("99999999999"), Some(PAUSE_MAX));
        for nonsense in ["", "-1", "soon", "1.5", "99999999999999999999999"] {
            assert_eq!(refusal(nonsense), None, "{nonsense:?}");
        }
        assert_eq!(Ended::Closed(Status::unavailable("")).pause(), None);
        assert_eq!(Ended::Unreachable(String::new()).pause(), None);
    }

    #[test]
    fn only_aborted_moves_on() {
        assert!(Ended::Closed(Status::aborted("old")).moves_on());
        assert!(!Ended::Closed(Status::unavailable("stopping")).moves_on());
        assert!(!Ended::Setup("aborted".to_owned()).moves_on());
    }

    #[test]
    fn a_collectors_text_is_shown_as_text_with_what_it_comes_from() {
        let mut status = Status::unknown("it's \u{1b}[31m\"so\"");
        status.set_source(std::sync::Arc::new(std::io::Error::other("alert\n")));
        let ended = Ended::Closed(status);
        assert!(ended.is_broken());
        let text = ended.to_string();
        assert!(text.contains("it's \\u{1b}[31m\"so\""), "{text}");
        assert!(text.ends_with(r"alert\n"), "{text}");
    }
}
