//! Who is asking, and what they may do.
//!
//! Picture: a request shows a token, a session's cookie, or comes from a proxy that knows the user;
//! [`identify`] says who it is, [`viewer`] and [`operator`] let in. Promises: on a loopback address
//! without tokens and proxy everybody is operator, everywhere else nobody is anybody without showing
//! something; secrets are compared in constant time and never told; who guesses has to wait; a page of
//! another site changes nothing ([`same_origin`]).

mod attempts;
pub(super) mod config;
mod network;
mod origin;
mod proxy;
mod sessions;
pub(super) mod tokens;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use serde::Serialize;

use self::attempts::Attempts;
pub(super) use self::config::Role;
pub(super) use self::origin::same_origin;
use self::proxy::Proxy;
pub(super) use self::sessions::LASTS;
use self::sessions::Sessions;
use self::tokens::{Tokens, digest};
use super::Shared;
use super::api::{Code, Fault};
use super::config::Config;
use super::listener::Client;
use crate::ingest::auth::TokenError;

/// The cookie of a session.
pub(super) const COOKIE_NAME: &str = "crmscope_session";
/// What a proxy adds to requests that it passes on.
const PASSED_ON: [&str; 5] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
];
/// Longest token that is looked at, bytes.
const TOKEN_MAX_BYTES: usize = 1024;

/// How somebody is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum How {
    /// Of this machine, where nothing has to be shown.
    Loopback,
    /// By a token, or a session that began with one.
    Token,
    /// By a proxy.
    Proxy,
}

/// Somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) how: How,
}

/// Who a request is from, as far as it shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Visitor {
    pub(super) identity: Option<Identity>,
    /// Known by what a browser sends of itself.
    by_cookie: bool,
    /// What was shown and is no good.
    refused: Option<Fault>,
}

impl Visitor {
    fn of(identity: Identity) -> Self {
        Self {
            identity: Some(identity),
            ..Self::default()
        }
    }

    /// Why what was shown is no good.
    pub(super) fn refused(&self) -> Option<Fault> {
        self.refused.clone()
    }

    /// Who it is, at least with this role.
    fn with(&self, role: Role) -> Result<&Identity, Fault> {
        if let Some(fault) = &self.refused {
            return Err(fault.clone());
        }
        match &self.identity {
            Some(identity) if identity.role >= role => Ok(identity),
            Some(identity) => Err(Fault::new(
                Code::PermissionDenied,
                format!(
                    "{} may look, and not change anything: sign in as an operator",
                    identity.name
                ),
            )),
            None => Err(Fault::new(
                Code::Unauthenticated,
                "sign in: send authorization: Bearer <token>, or POST the token to /api/v1/session",
            )),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// What decides who somebody is.
#[derive(Debug)]
pub(super) struct Doors {
    /// Nothing has to be shown.
    pub(super) is_open: bool,
    /// Only this machine can come.
    pub(super) is_loopback: bool,
    pub(super) tokens: Tokens,
    proxy: Option<Proxy>,
    sessions: Sessions,
    attempts: Attempts,
    failures: Counter,
}

impl Doors {
    pub(super) fn new(
        config: &Config,
        listen: SocketAddr,
        registry: &mut Registry,
    ) -> Result<Self, TokenError> {
        let failures = Counter::default();
        registry.register(
            "web_sign_in_failures",
            "Wrong tokens that were shown to the pages and the API",
            failures.clone(),
        );
        let tokens = Tokens::load(&config.tokens)?;
        let proxy = Proxy::new(&config.proxy);
        let is_loopback = listen.ip().is_loopback();
        Ok(Self {
            is_open: is_loopback && tokens.is_empty() && proxy.is_none(),
            is_loopback,
            tokens,
            proxy,
            sessions: Sessions::default(),
            attempts: Attempts::default(),
            failures,
        })
    }

    /// Who holds a token, and what it is known by.
    ///
    /// # Errors
    /// When it is wrong, or the address has to wait.
    fn shown(&self, token: &str, peer: IpAddr) -> Result<tokens::Token, Fault> {
        let now = Instant::now();
        if let Some(wait) = self.attempts.wait(peer, now) {
            let text = "too many wrong tokens came from this address; wait, then try again";
            let fault = Fault::new(Code::ResourceExhausted, text);
            return Err(fault.retry_after(wait.as_secs() + 1));
        }
        let found = match token.len() {
            0..=TOKEN_MAX_BYTES => self.tokens.find(&digest(token.as_bytes())),
            _ => None,
        };
        found.ok_or_else(|| {
            self.attempts.note(peer, now);
            self.failures.inc();
            tracing::warn!(%peer, "a wrong token was shown");
            let text = "the token is not one of web.tokens";
            Fault::new(Code::Unauthenticated, text)
        })
    }

    /// Who has to wait for wrong tokens: a proxy must not for all that come through it.
    fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let proxy = self.proxy.as_ref();
        proxy.map_or(peer, |proxy| proxy.client(peer, headers))
    }

    /// Begins a session, and gives its id and whose it is.
    ///
    /// # Errors
    /// When the token is no good.
    pub(super) fn begin(
        &self,
        token: &str,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<(String, Identity), Fault> {
        let token = self.shown(token, self.client(headers, peer))?;
        let id = self.sessions.begin(token.digest, Instant::now());
        let id = id.map_err(|error| {
            let text = format!("the system has no random numbers: {error}");
            Fault::new(Code::Internal, text)
        })?;
        Ok((id, of_token(token)))
    }

    /// Ends the session of a request, where it has one.
    pub(super) fn end(&self, headers: &HeaderMap) {
        for id in cookies(headers) {
            self.sessions.end(id);
        }
    }

    fn visitor(&self, headers: &HeaderMap, peer: IpAddr) -> Visitor {
        if self.is_open {
            if PASSED_ON.iter().any(|name| headers.contains_key(*name)) {
                let text = "the request came through a proxy, so it may be of another machine: add [[web.tokens]] or [web.proxy]";
                return Visitor {
                    refused: Some(Fault::new(Code::Unauthenticated, text)),
                    ..Visitor::default()
                };
            }
            return Visitor::of(Identity {
                name: "local".to_owned(),
                role: Role::Operator,
                how: How::Loopback,
            });
        }
        // What stands in authorization may be for the proxy, whose word goes first.
        let proxy = self.proxy.as_ref();
        let proxied = proxy.and_then(|proxy| proxy.identity(peer, headers));
        let shown = headers.get(AUTHORIZATION).filter(|_| proxied.is_none());
        if let Some(shown) = shown
            && !self.tokens.is_empty()
        {
            let token = shown.to_str().ok().and_then(bearer);
            let text = "authorization must be of the form: Bearer <token>";
            let known = token
                .ok_or_else(|| Fault::new(Code::Unauthenticated, text))
                .and_then(|token| self.shown(token, self.client(headers, peer)));
            return match known {
                Ok(token) => Visitor::of(of_token(token)),
                Err(fault) => Visitor {
                    refused: Some(fault),
                    ..Visitor::default()
                },
            };
        }
        let now = Instant::now();
        let mut sessions = cookies(headers).filter_map(|id| self.sessions.token(id, now));
        if let Some(token) = sessions.find_map(|digest| self.tokens.find(&digest)) {
            return Visitor {
                by_cookie: true,
                ..Visitor::of(of_token(token))
            };
        }
        Visitor {
            by_cookie: proxied.is_some(),
            identity: proxied,
            refused: None,
        }
    }
}

fn of_token(token: tokens::Token) -> Identity {
    Identity {
        name: token.name,
        role: token.role,
        how: How::Token,
    }
}

fn bearer(text: &str) -> Option<&str> {
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Values of the session's cookie; a few at most, as a browser may have several by path.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    const COOKIES_MAX: usize = 4;
    let texts = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';'));
    pairs
        .filter_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='))
        .take(COOKIES_MAX)
}

/// The address a request came from.
pub(super) fn peer(request: &Request) -> IpAddr {
    let info = request.extensions().get::<ConnectInfo<Client>>();
    info.map_or(IpAddr::from([0, 0, 0, 0]), |info| info.0.0.ip())
}

/// Notes who asks.
pub(super) async fn identify(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    let visitor = shared.doors.visitor(request.headers(), peer(&request));
    request.extensions_mut().insert(visitor);
    next.run(request).await
}

/// Lets in whoever may look.
pub(super) async fn viewer(visitor: Visitor, request: Request, next: Next) -> Response {
    match visitor.with(Role::Viewer) {
        Ok(_) => next.run(request).await,
        Err(fault) => fault.into_response(),
    }
}

/// Lets in whoever may change something.
pub(super) async fn operator(visitor: Visitor, request: Request, next: Next) -> Response {
    match visitor.with(Role::Operator) {
        Ok(_) => next.run(request).await,
        Err(fault) => fault.into_response(),
    }
}
