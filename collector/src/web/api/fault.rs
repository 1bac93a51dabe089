//! What a question to the API can fail with, in one form: a code, a sentence, and the parameter.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::{self, Error};

/// Kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    /// Ask something else.
    InvalidArgument,
    /// Sign in.
    Unauthenticated,
    /// Ask somebody with more rights.
    PermissionDenied,
    /// There is none of this name.
    NotFound,
    /// Not with this method.
    MethodNotAllowed,
    /// Come back later: too much is asked at once.
    ResourceExhausted,
    /// Come back later: something behind the collector is away.
    Unavailable,
    /// A bug or a broken environment.
    Internal,
}

impl Code {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::InvalidArgument => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A failure as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// The parameter that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameter: Option<String>,
    /// When to come back, s.
    #[serde(skip)]
    pub(crate) retry_after: Option<u64>,
}

impl Fault {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        let retry_after = matches!(code, Code::ResourceExhausted | Code::Unavailable).then_some(1);
        Self {
            code,
            message: message.into(),
            parameter: None,
            retry_after,
        }
    }

    /// A parameter that cannot be used.
    pub(crate) fn parameter(name: &str, message: impl Into<String>) -> Self {
        Self {
            parameter: Some(name.chars().take(64).collect()),
            ..Self::new(Code::InvalidArgument, message)
        }
    }

    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let code = match error.code {
            error::Code::InvalidArgument | error::Code::FailedPrecondition => Code::InvalidArgument,
            error::Code::Unauthenticated => Code::Unauthenticated,
            error::Code::PermissionDenied => Code::PermissionDenied,
            error::Code::ResourceExhausted => Code::ResourceExhausted,
            error::Code::Unavailable | error::Code::Aborted | error::Code::DeadlineExceeded => {
                Code::Unavailable
            }
            error::Code::Internal => Code::Internal,
        };
        Self::new(code, error.message)
    }
}

#[derive(Serialize)]
struct Document {
    error: Fault,
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.code.status(), self.retry_after);
        let mut response = (status, Json(Document { error: self })).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// For a path that is none.
pub(crate) async fn no_such_path() -> Fault {
    let text = "there is no such path; /api/v1/openapi.json lists them";
    Fault::new(Code::NotFound, text)
}

/// For a method that the path does not have; the router adds `Allow`.
pub(crate) async fn no_such_method() -> Response {
    let text = "the path does not have this method; the header allow says which it has";
    Fault::new(Code::MethodNotAllowed, text).into_response()
}
