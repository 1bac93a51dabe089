//! Posting a document to a receiver.
//!
//! Promises: no redirect is followed, so a token goes nowhere else; the whole exchange has a deadline; of
//! an answer only the first bytes are read, and only of a refusal. Every post has a connection of its own:
//! posts are rare, and an idle connection that the receiver has closed would look like a failure.
//! An address may hold a secret, so errors name only host and port.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_tls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::config::{ConfigError, secret};
use super::failure::{Failure, chain};

/// As much of a refusal is read to say why.
const ANSWER_MAX_BYTES: usize = 1024;

/// A client that posts, with a bearer token where there is one.
#[derive(Clone, Debug)]
pub(super) struct Poster {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
    token_key: &'static str,
    token_file: PathBuf,
}

impl Poster {
    pub(super) fn new(
        timeout_ms: u64,
        token_key: &'static str,
        token_file: PathBuf,
    ) -> Result<Self, ConfigError> {
        let mut builder = native_tls::TlsConnector::builder();
        builder.min_protocol_version(Some(native_tls::Protocol::Tlsv12));
        let tls = builder
            .build()
            .map_err(|error| ConfigError::Tls(error.to_string()))?;
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(HttpsConnector::from((http, tls.into())));
        Ok(Self {
            client,
            timeout: Duration::from_millis(timeout_ms),
            token_key,
            token_file,
        })
    }

    /// Posts a JSON document; `key` goes along as `Idempotency-Key`.
    pub(super) async fn post(
        &self,
        uri: &Uri,
        key: Option<&str>,
        document: Bytes,
    ) -> Result<(), Failure> {
        let place = uri.authority().map_or("?", |authority| authority.as_str());
        let request = self
            .request(uri, key, document)
            .map_err(|reason| Failure::for_now(&format!("{place}: {reason}")))?;
        match tokio::time::timeout(self.timeout, self.exchange(place, request)).await {
            Ok(ended) => ended,
            Err(_) => {
                let waited_ms = self.timeout.as_millis();
                let reason =
                    format!("{place}: no answer within {waited_ms} ms (alerts.timeout_ms)");
                Err(Failure::for_now(&reason))
            }
        }
    }

    fn request(
        &self,
        uri: &Uri,
        key: Option<&str>,
        document: Bytes,
    ) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::post(uri)
            .header(CONTENT_TYPE, "application/json")
            .header(
                USER_AGENT,
                concat!("crmscope-collector/", env!("CARGO_PKG_VERSION")),
            );
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let token = secret(self.token_key, &self.token_file).map_err(|error| error.to_string())?;
        if let Some(token) = token {
            let unfit =
                "has characters that cannot stand in a header; write the bare token into it";
            let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| format!("alerts.{} {unfit}", self.token_key))?;
            bearer.set_sensitive(true);
            request = request.header(AUTHORIZATION, bearer);
        }
        let document = request.body(Full::new(document));
        document.map_err(|error| error.to_string())
    }

    async fn exchange(&self, place: &str, request: Request<Full<Bytes>>) -> Result<(), Failure> {
        let answer = match self.client.request(request).await {
            Ok(answer) => answer,
            Err(error) => return Err(Failure::for_now(&format!("{place}: {}", chain(&error)))),
        };
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let pause_ms = retry_after_ms(answer.headers(), SystemTime::now());
        let said = beginning(answer.into_body()).await;
        let reason = format!("{place}: {status}: {}", String::from_utf8_lossy(&said));
        if is_permanent(status) {
            return Err(Failure::for_good(&reason));
        }
        Err(Failure::for_now(&reason).after(pause_ms))
    }
}

async fn beginning(mut body: Incoming) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < ANSWER_MAX_BYTES
        && let Some(Ok(frame)) = body.frame().await
    {
        if let Some(data) = frame.data_ref() {
            read.extend_from_slice(&data[..data.len().min(ANSWER_MAX_BYTES - read.len())]);
        }
    }
    read
}

/// Whether the same document would be refused again. Redirects are, as none is followed. A token that
/// ran out, or a route that is not there yet, can be mended while it waits.
fn is_permanent(status: StatusCode) -> bool {
    let is_asked_again = matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS
    );
    !is_asked_again && (status.is_client_error() || status.is_redirection())
}

/// Seconds, or a date.
fn retry_after_ms(headers: &HeaderMap, now: SystemTime) -> Option<i64> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(i64::from(seconds) * 1000);
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let pause = date.duration_since(now).unwrap_or_default();
    Some(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_would_be_refused_again_is_given_up() {
        for (status, permanent) in [
            (400, true),
            (401, false),
            (403, false),
            (404, false),
            (410, true),
            (422, true),
            (302, true),
            (408, false),
            (425, false),
            (429, false),
            (500, false),
            (503, false),
            (100, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_permanent(status), permanent, "{status}");
        }
    }

    #[test]
    fn a_pause_that_is_asked_for_is_seconds_or_a_date_and_bounded() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (value, want) in [
            ("7", Some(7_000)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10_000)),
            ("Sun, 06 Nov 1994 08:49:07 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            assert_eq!(retry_after_ms(&headers, now), want, "{value}");
        }
        assert_eq!(retry_after_ms(&HeaderMap::new(), now), None);
        let failure = Failure::for_now("x").after(Some(i64::MAX));
        assert_eq!(failure.retry_after_ms, Some(300_000));
    }
}
