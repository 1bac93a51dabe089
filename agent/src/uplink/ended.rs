//! Why a connection is over, and what follows from it.

use std::fmt;
use std::time::Duration;

use crmscope_proto::limits::PAUSE_METADATA;
use tonic::{Code, Status};

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

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(what) | Self::Unreachable(what) => f.write_str(what),
            Self::Closed(status) => write!(
                f,
                "{}: {}",
                status.code().description(),
                status.message().escape_debug()
            ),
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
}
