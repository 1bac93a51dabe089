//! Why a stream ends.

use tonic::Status;

use crate::error::{Code, Error};

/// The agent's end is gone.
pub(super) struct Gone;

/// It ends by the collector's will: a word for the counter, and what the agent is told.
pub(super) struct End(pub(super) &'static str, pub(super) Error);

/// Whether the connection broke, rather than a message.
pub(super) fn is_gone(status: &Status) -> bool {
    use tonic::Code::{Cancelled, Unavailable, Unknown};
    matches!(status.code(), Cancelled | Unavailable | Unknown)
}

/// A frame that is no message, or one that is too large.
pub(super) fn unreadable(status: &Status) -> End {
    End(
        "frame",
        Error::new(
            Code::InvalidArgument,
            format!("a message cannot be read: {}", status.message()),
        ),
    )
}

/// Nothing of the stream is under way, and the collector leaves.
pub(super) fn shutdown() -> End {
    let text = "the collector is shutting down; everything received is acknowledged";
    End("shutdown", Error::new(Code::Unavailable, text))
}

/// The stream is old enough, and nothing of it is under way.
pub(super) fn max_age() -> End {
    let text = "the stream has reached ingest.connection_max_age_ms; everything received is acknowledged: connect anew";
    End("max_age", Error::new(Code::Aborted, text))
}

/// Nobody would store what is sent.
pub(super) fn writer_gone() -> End {
    let text = "the collector is stopping";
    End("stopping", Error::new(Code::Unavailable, text))
}

/// The log did not take a batch; what comes behind it would make a gap.
pub(super) fn refused(reason: String) -> End {
    End("log", Error::new(Code::Unavailable, reason))
}
