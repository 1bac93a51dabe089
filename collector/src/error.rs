//! What can go wrong towards a client, in one short list, mapped once to gRPC and once to HTTP.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Kinds of failure, by what the client should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Show a valid token.
    Unauthenticated,
    /// Who this is is known, and may not.
    PermissionDenied,
    /// Do not send this again.
    InvalidArgument,
    /// Another version is needed.
    FailedPrecondition,
    /// Come back later: too many are here.
    ResourceExhausted,
    /// Come back later: something behind the collector is away, or the collector is leaving.
    Unavailable,
    /// Connect anew: nothing is wrong.
    Aborted,
    /// Be quicker.
    DeadlineExceeded,
    /// A bug or a broken environment.
    Internal,
}

impl Code {
    const fn to_grpc(self) -> tonic::Code {
        match self {
            Self::Unauthenticated => tonic::Code::Unauthenticated,
            Self::PermissionDenied => tonic::Code::PermissionDenied,
            Self::InvalidArgument => tonic::Code::InvalidArgument,
            Self::FailedPrecondition => tonic::Code::FailedPrecondition,
            Self::ResourceExhausted => tonic::Code::ResourceExhausted,
            Self::Unavailable => tonic::Code::Unavailable,
            Self::Aborted => tonic::Code::Aborted,
            Self::DeadlineExceeded => tonic::Code::DeadlineExceeded,
            Self::Internal => tonic::Code::Internal,
        }
    }

    const fn to_http(self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::InvalidArgument => StatusCode::BAD_REQUEST,
            Self::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::Aborted => StatusCode::SERVICE_UNAVAILABLE,
            Self::DeadlineExceeded => StatusCode::REQUEST_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A failure with its text.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{message}")]
pub struct Error {
    /// What the client should do.
    pub code: Code,
    /// What happened, and to what.
    pub message: String,
}

impl Error {
    /// A failure.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        Self::new(error.code.to_grpc(), error.message)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.code.to_http(), format!("{}\n", self.message)).into_response()
    }
}
