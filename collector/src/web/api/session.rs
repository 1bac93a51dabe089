//! `/api/v1/session`: who somebody is, and signing in and out with a browser.

use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::header::{HOST, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::fault::{Code, Fault};
use super::queries::{self, Body};
use crate::web::Shared;
use crate::web::listener::Client;
use crate::web::sign_in::{COOKIE_NAME, How, Identity, LASTS, Role, Visitor};

/// Who is signed in.
#[derive(Debug, Serialize)]
struct Session {
    signed_in: bool,
    name: Option<String>,
    role: Option<Role>,
    how: Option<How>,
    version: &'static str,
    /// Of the times in answers.
    zone: &'static str,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    token: String,
}

fn session(identity: Option<Identity>) -> Session {
    let signed_in = identity.is_some();
    let (role, how) = match &identity {
        Some(identity) => (Some(identity.role), Some(identity.how)),
        None => (None, None),
    };
    Session {
        signed_in,
        name: identity.map(|identity| identity.name),
        role,
        how,
        version: env!("CARGO_PKG_VERSION"),
        zone: "UTC",
    }
}

/// `GET /session`.
pub(super) async fn show(visitor: Visitor) -> Response {
    Json(session(visitor.identity)).into_response()
}

/// `POST /session`.
pub(super) async fn begin(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(Client(peer)): ConnectInfo<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let shown: Shown = serde_json::from_slice(&queries::body(body)?).map_err(|_| {
        Fault::parameter("token", "write {\"token\": \"…\"} with one of web.tokens")
    })?;
    let secure = must_be_secure(&headers, shared.doors.is_loopback)?;
    let (id, identity) = shared.doors.begin(&shown.token, &headers, peer.ip())?;
    let seconds = LASTS.as_secs();
    let cookie = format!(
        "{COOKIE_NAME}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{}",
        if secure { "; Secure" } else { "" }
    );
    Ok(([(SET_COOKIE, cookie)], Json(session(Some(identity)))).into_response())
}

/// Whether the cookie is for TLS only. A browser drops such a cookie where there is none, so that
/// signing in would seem to do nothing.
fn must_be_secure(headers: &HeaderMap, is_loopback: bool) -> Result<bool, Fault> {
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    match origin.map(|origin| origin.starts_with("https://")) {
        Some(false) if !(is_loopback && origin.is_some_and(is_here)) => {
            let host = headers.get(HOST).and_then(|host| host.to_str().ok());
            let text = format!(
                "{} is reached without TLS, and a cookie would cross the network readable: open the \
                 page through a proxy that ends TLS, or send authorization: Bearer <token>",
                host.unwrap_or("the collector")
            );
            Err(Fault::new(Code::InvalidArgument, text))
        }
        is_tls => Ok(!is_loopback || is_tls == Some(true)),
    }
}

/// Whether a page's address is of this machine.
fn is_here(origin: &str) -> bool {
    let authority = origin.strip_prefix("http://").unwrap_or_default();
    let name = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let address = name.parse::<std::net::IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// `DELETE /session`.
pub(super) async fn end(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    shared.doors.end(&headers);
    let cookie = format!("{COOKIE_NAME}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_crosses_no_network_readable() {
        let asked = |origin: Option<&str>, is_loopback| {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            must_be_secure(&headers, is_loopback).map_err(|fault| fault.code)
        };
        assert_eq!(asked(Some("http://127.0.0.1:8080"), true), Ok(false));
        assert_eq!(asked(Some("https://crm.example"), true), Ok(true));
        assert_eq!(asked(None, true), Ok(false));
        assert_eq!(asked(None, false), Ok(true));
        assert_eq!(asked(Some("https://crm.example"), false), Ok(true));
        assert_eq!(asked(Some("http://[::1]:8080"), true), Ok(false));
        // Also where a proxy without TLS stands before a loopback address.
        for is_loopback in [false, true] {
            let refused = asked(Some("http://crm.example"), is_loopback);
            assert_eq!(refused, Err(Code::InvalidArgument));
        }
    }
}
