//! HTTP to services: one connection a request, with TLS but for this host.
//!
//! Promises that a head is bounded by 64 KiB and a body by what the caller says, that redirects are
//! answers and are not followed, that a body whose end cannot be told from a broken connection is
//! refused, and that secrets get into no error. Deadlines are the caller's, except that
//! [`Answer::part`] bounds its own waiting.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, RETRY_AFTER, TRANSFER_ENCODING, USER_AGENT,
};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::connect::{Stream, TrustCache, is_local, quoted, tcp};

/// What the agent calls itself.
const AGENT: &str = concat!("crmscope-agent/", env!("CARGO_PKG_VERSION"));

/// Bytes of a head.
const HEAD_MAX_BYTES: usize = 64 * 1024;

/// Longest that a server may make the agent wait before it asks again.
const RETRY_AFTER_MAX_S: u64 = 3600;

/// Longest code of an error.
const CODE_MAX_BYTES: usize = 64;

/// Longest path with its query.
const PATH_MAX_BYTES: usize = 8 * 1024;

/// Where a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    host: String,
    port: u16,
    tls: bool,
    authority: String,
}

impl Place {
    /// Of a setting: `https://` and a host, or `http://` on this host.
    pub(super) fn parse(key: &str, url: &str) -> Result<Self, String> {
        // What was written there may hold a secret, and is not repeated.
        let wrong = || {
            format!(
                "{key} is no address of a service; use https and a host alone, such as \"https://crm.example.com\""
            )
        };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let bare = authority.host();
        let host = bare
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = host.unwrap_or(bare);
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str() != bare => return Err(wrong()),
            None => [80, 443][usize::from(tls)],
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        if url.len() > 256 || host.is_empty() || authority.as_str().contains('@') || path != "/" {
            return Err(wrong());
        }
        if !tls && !is_local(host) {
            return Err(format!(
                "{key} is at another host by http, and secrets would travel in the clear; use https"
            ));
        }
        if tls && rustls::pki_types::ServerName::try_from(host).is_err() {
            return Err(wrong());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            tls,
            authority: authority.as_str().to_owned(),
        })
    }
}

/// What is asked.
pub(super) struct Ask<'a> {
    /// Path and query.
    pub(super) path: &'a str,
    pub(super) bearer: Option<&'a str>,
    /// Sent as a form, by POST; without one it is a GET.
    pub(super) form: Option<String>,
    pub(super) accept: &'static str,
}

/// A service, and whom it is trusted by.
pub(super) struct Site {
    place: Place,
    trust: TrustCache,
}

/// Moves bytes of a connection as long as the answer lives.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer whose body is still to come.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The server asks not to come again before.
    pub(super) retry_after: Option<Duration>,
    /// Without its parameters, in lower case.
    pub(super) content_type: String,
    body: Incoming,
    _driver: Driver,
}

/// An answer that came to its end.
pub(super) struct Whole {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

impl Site {
    pub(super) fn new(place: Place, ca_file: Option<std::path::PathBuf>) -> Self {
        Self {
            place,
            trust: TrustCache::new(ca_file),
        }
    }

    /// Sends a request and takes the head of its answer.
    pub(super) async fn ask(&mut self, ask: Ask<'_>) -> Result<Answer, String> {
        let request = self.request(ask)?;
        let stream = tcp(&self.place.host, self.place.port).await?;
        let stream: Stream = if self.place.tls {
            let host = &self.place.host;
            Box::new(self.trust.handshake(host, &[b"http/1.1"], stream).await?)
        } else {
            Box::new(stream)
        };
        let authority = &self.place.authority;
        let broken = |error: hyper::Error| format!("no answer from {authority}: {}", cause(&error));
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_MAX_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        // What ends it is told by the body too.
        let driver = Driver(tokio::task::spawn_local(async move {
            let _ = connection.await;
        }));
        let response = sender.send_request(request).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        let text = |name: HeaderName| head.headers.get(name).and_then(|one| one.to_str().ok());
        let content_type = text(CONTENT_TYPE).unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        if text(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(format!(
                "{authority} sends a packed body that nobody asked for"
            ));
        }
        if !is_framed(&head.headers, &body) {
            return Err(format!(
                "{authority} sends a body without a length, whose end cannot be told from a broken connection"
            ));
        }
        Ok(Answer {
            status: head.status.as_u16(),
            retry_after: text(RETRY_AFTER).and_then(wait),
            content_type: content_type.to_ascii_lowercase(),
            body,
            _driver: driver,
        })
    }

    /// Sends a request and takes its whole answer, with a body of at most so many bytes.
    pub(super) async fn whole(&mut self, ask: Ask<'_>, max_bytes: usize) -> Result<Whole, String> {
        let answer = self.ask(ask).await?;
        Ok(Whole {
            status: answer.status,
            retry_after: answer.retry_after,
            content_type: answer.content_type.clone(),
            body: answer.whole(max_bytes).await?,
        })
    }

    fn request(&self, ask: Ask<'_>) -> Result<Request<Full<Bytes>>, String> {
        let unusable = |what: &str| format!("the request cannot be made: {what}");
        if !ask.path.starts_with('/') || ask.path.len() > PATH_MAX_BYTES {
            return Err(unusable("its path"));
        }
        let mut request = Request::builder()
            .uri(ask.path)
            .header(HOST, &self.place.authority)
            .header(USER_AGENT, HeaderValue::from_static(AGENT))
            .header(ACCEPT, HeaderValue::from_static(ask.accept))
            .header(CONNECTION, HeaderValue::from_static("close"));
        if let Some(bearer) = ask.bearer {
            let value = HeaderValue::try_from(format!("Bearer {bearer}"));
            let mut value = value.map_err(|_| unusable("its token"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if ask.form.is_some() {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            request = request.method(Method::POST).header(CONTENT_TYPE, form);
        }
        request
            .body(Full::from(ask.form.unwrap_or_default()))
            .map_err(|_| unusable("its head"))
    }
}

/// Whether the end of the body is told.
fn is_framed(headers: &HeaderMap, body: &Incoming) -> bool {
    let chunked = headers.get_all(TRANSFER_ENCODING).iter().next_back();
    body.is_end_stream()
        || body.size_hint().exact().is_some()
        || chunked.is_some_and(|last| last.as_bytes().to_ascii_lowercase().ends_with(b"chunked"))
}

/// Seconds of `Retry-After`, bounded. Dates are not read: clocks differ.
fn wait(text: &str) -> Option<Duration> {
    let seconds: u64 = text.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_MAX_S)))
}

impl Answer {
    /// The whole body, which has at most so many bytes.
    pub(super) async fn whole(mut self, max_bytes: usize) -> Result<Vec<u8>, String> {
        let mut whole = Vec::new();
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| broke_off(&error))?;
            let Some(data) = frame.data_ref() else {
                continue;
            };
            if whole.len() + data.len() > max_bytes {
                return Err(format!("the answer has more than {max_bytes} bytes"));
            }
            whole.extend_from_slice(data);
        }
        Ok(whole)
    }

    /// The next bytes of the body; none at its end.
    pub(super) async fn part(&mut self, patience: Duration) -> Result<Option<Bytes>, String> {
        loop {
            let Ok(frame) = timeout(patience, self.body.frame()).await else {
                return Err(format!(
                    "nothing came for {} ms in the middle of the body",
                    patience.as_millis()
                ));
            };
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(broke_off(&error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

fn broke_off(error: &hyper::Error) -> String {
    format!("the answer broke off: {}", cause(error))
}

/// An error and what is behind it, as text that does nothing.
fn cause(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {}", quoted(&source.to_string())),
        None => error.to_string(),
    }
}

/// A service's code for an error, which is a word; empty where it is anything else.
pub(super) fn code(text: String) -> String {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let fits = text.len() <= CODE_MAX_BYTES && text.bytes().all(word);
    if fits { text } else { String::new() }
}

/// A text as part of a query or a form.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_https_or_on_this_host() {
        for url in [
            "https://acme.my.salesforce.com",
            "https://acme.my.salesforce.com/",
            "https://acme.example:8443",
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:80",
        ] {
            assert!(Place::parse("url", url).is_ok(), "{url}");
        }
        for (url, named) in [
            ("", "url is no address"),
            ("acme.my.salesforce.com", "url is no address"),
            ("ftp://acme", "url is no address"),
            ("http://acme.my.salesforce.com", "in the clear"),
            ("http://192.0.2.1", "in the clear"),
            ("https://user:secret@acme", "url is no address"),
            ("http://user:secret@acme", "url is no address"),
            ("https://acme/secret", "url is no address"),
            ("https://acme?token=secret", "url is no address"),
            ("secret", "url is no address"),
            ("https://acme:99999", "url is no address"),
            ("https://a b", "url is no address"),
        ] {
            let error = Place::parse("url", url).unwrap_err();
            assert!(error.contains(named), "{url}: {error}");
            assert!(
                !error.contains("secret@") && !error.contains("user"),
                "{error}"
            );
            assert!(
                !error.contains("=secret") && !error.contains("\"secret"),
                "{error}"
            );
            assert!(!error.contains("/secret"), "{error}");
        }
        let place = Place::parse("url", "https://[2001:db8::1]:8443").unwrap();
        assert_eq!((&*place.host, place.port), ("2001:db8::1", 8443));
    }

    #[test]
    fn waits_are_bounded_and_texts_encoded() {
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("99999999"), Some(Duration::from_secs(3600)));
        for text in ["-1", "", "Wed, 25 Nov 2026 10:00:00 GMT", "1e9"] {
            assert_eq!(wait(text), None, "{text}");
        }
        assert_eq!(encoded("a b+c='é'&\n"), "a%20b%2Bc%3D%27%C3%A9%27%26%0A");
    }
}
