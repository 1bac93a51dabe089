//! A target as it is run: what [`Target`] says, parsed and checked. Pure.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use hyper::Uri;
use hyper::header::HeaderValue;
use regex::bytes::{Regex, RegexBuilder};

use super::config::{Kind, Method, Status, Target};
use super::place::{Place, is_domain, unbracketed};

/// What the agent calls itself where the target does not say.
const USER_AGENT: &str = concat!("crmscope-agent/", env!("CARGO_PKG_VERSION"));

/// Memory that an expression may take.
const REGEX_MAX_BYTES: usize = 1024 * 1024;

/// Longest text in a target.
const TEXT_MAX_BYTES: usize = 2048;

/// One kind's way of asking.
#[derive(Clone, Debug)]
pub(super) enum Check {
    Http(Box<HttpCheck>),
    Tcp(Place),
    Dns(DnsCheck),
}

#[derive(Clone, Debug)]
pub(super) struct HttpCheck {
    pub(super) place: Place,
    /// Name in the handshake and in the certificate; `None` without TLS.
    pub(super) tls_name: Option<String>,
    pub(super) server_ca_file: Option<PathBuf>,
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: Uri,
    pub(super) host: HeaderValue,
    pub(super) user_agent: HeaderValue,
    /// Lowest and highest, of each.
    pub(super) statuses: Vec<(u16, u16)>,
    pub(super) body: Option<Expected>,
}

/// What a body must hold.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    Text(String),
    Match(Regex),
}

impl Expected {
    pub(super) fn is_in(&self, body: &[u8]) -> bool {
        match self {
            Self::Text(text) => memchr::memmem::find(body, text.as_bytes()).is_some(),
            Self::Match(regex) => regex.is_match(body),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DnsCheck {
    pub(super) domain: String,
    pub(super) server: Option<SocketAddr>,
    pub(super) expect: Option<IpAddr>,
}

impl Target {
    /// The target as it is run.
    pub(super) fn check(&self) -> Result<Check, String> {
        if self.service.is_empty()
            || self.service.len() > 128
            || self.service.contains(char::is_control)
        {
            return Err(format!(
                "service is {:?}; use 1 to 128 bytes without control characters",
                self.service
            ));
        }
        let kind = self
            .kind
            .ok_or("kind is missing; use \"http\", \"tcp\" or \"dns\"")?;
        if let Some(key) = self.foreign_key(kind) {
            return Err(format!(
                "{key} means nothing for kind \"{}\"; remove it or change the kind",
                kind.word()
            ));
        }
        match kind {
            Kind::Http => Ok(Check::Http(Box::new(self.http()?))),
            Kind::Tcp => {
                let address = self.address.as_deref();
                let place = address.and_then(Place::parse).ok_or(
                    "address is missing or wrong; use host and port, such as \"db-01:22\" or \"[2001:db8::1]:22\"",
                )?;
                Ok(Check::Tcp(place))
            }
            Kind::Dns => self.dns().map(Check::Dns),
        }
    }

    fn foreign_key(&self, kind: Kind) -> Option<&'static str> {
        let keys = [
            (Kind::Http, "url", self.url.is_some()),
            (Kind::Http, "method", self.method.is_some()),
            (Kind::Http, "expect_status", self.expect_status.is_some()),
            (Kind::Http, "expect_body", self.expect_body.is_some()),
            (
                Kind::Http,
                "expect_body_regex",
                self.expect_body_regex.is_some(),
            ),
            (Kind::Http, "host", self.host.is_some()),
            (Kind::Http, "user_agent", self.user_agent.is_some()),
            (Kind::Http, "server_ca_file", self.server_ca_file.is_some()),
            (Kind::Tcp, "address", self.address.is_some()),
            (Kind::Dns, "domain", self.domain.is_some()),
            (Kind::Dns, "server", self.server.is_some()),
            (Kind::Dns, "expect_address", self.expect_address.is_some()),
        ];
        keys.into_iter()
            .find(|&(of, _, given)| given && of != kind)
            .map(|(_, key, _)| key)
    }

    fn http(&self) -> Result<HttpCheck, String> {
        const URL: &str = "url is missing or wrong; use one such as \"https://crm.example.com/login\", without a user in it";
        let url = self.url.as_deref().filter(|url| fits(url)).ok_or(URL)?;
        let uri: Uri = url.parse().map_err(|_| URL)?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(URL.to_owned()),
        };
        let authority = uri.authority().ok_or(URL)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(URL.to_owned());
        }
        let port = match authority.port() {
            Some(port) => port.as_str().parse().map_err(|_| URL)?,
            // What stands behind the host and is no port.
            None if authority.as_str() != authority.host() => return Err(URL.to_owned()),
            None => [80, 443][usize::from(tls)],
        };
        let place = Place {
            host: unbracketed(authority.host()).to_owned(),
            port,
        };
        let host = self.host.as_deref().unwrap_or(authority.as_str());
        let tls_name = match self.host.as_deref() {
            Some(host) => {
                let host: hyper::http::uri::Authority = host.parse().map_err(|_| {
                    format!("host is {host:?}; use a name such as \"crm.example.com\"")
                })?;
                unbracketed(host.host()).to_owned()
            }
            None => place.host.clone(),
        };
        if tls && rustls::pki_types::ServerName::try_from(tls_name.as_str()).is_err() {
            return Err(format!("{tls_name:?} cannot be the name of a certificate"));
        }
        if self.server_ca_file.is_some() && !tls {
            return Err("server_ca_file means nothing for a url of http; use https".to_owned());
        }
        if let Some(path) = self
            .server_ca_file
            .as_ref()
            .filter(|path| !path.is_absolute())
        {
            return Err(format!(
                "server_ca_file is {path:?}; use an absolute path of a file in PEM"
            ));
        }
        let method = self.method.unwrap_or(Method::Get);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(HttpCheck {
            tls_name: tls.then_some(tls_name),
            server_ca_file: self.server_ca_file.clone(),
            path: path.parse().map_err(|_| URL)?,
            host: header("host", host)?,
            user_agent: header(
                "user_agent",
                self.user_agent.as_deref().unwrap_or(USER_AGENT),
            )?,
            statuses: self.statuses()?,
            body: self.expected_body(method)?,
            method,
            place,
        })
    }

    fn statuses(&self) -> Result<Vec<(u16, u16)>, String> {
        let Some(statuses) = &self.expect_status else {
            return Ok(vec![(200, 399)]);
        };
        if statuses.is_empty() || statuses.len() > 32 {
            return Err("expect_status is empty or too long; use 1 to 32".to_owned());
        }
        let range = |status: &Status| {
            let wrong = || {
                format!(
                    "expect_status has {status:?}; use codes such as 200 or classes such as \"2xx\""
                )
            };
            let code = match status {
                Status::Code(code) => u16::try_from(*code).map_err(|_| wrong())?,
                Status::Text(text) => match text.strip_suffix("xx") {
                    Some(class) => {
                        let class: u16 = class.parse().map_err(|_| wrong())?;
                        let class = Some(class).filter(|class| (1..=5).contains(class));
                        let first = class.ok_or_else(wrong)? * 100;
                        return Ok((first, first + 99));
                    }
                    None => text.parse().map_err(|_| wrong())?,
                },
            };
            if (100..=599).contains(&code) {
                Ok((code, code))
            } else {
                Err(wrong())
            }
        };
        statuses.iter().map(range).collect()
    }

    fn expected_body(&self, method: Method) -> Result<Option<Expected>, String> {
        let expected = match (&self.expect_body, &self.expect_body_regex) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err("expect_body and expect_body_regex are both set; use one".to_owned());
            }
            (Some(text), None) if !fits(text) => {
                return Err(format!(
                    "expect_body is empty or longer than {TEXT_MAX_BYTES} bytes"
                ));
            }
            (Some(text), None) => Expected::Text(text.clone()),
            (None, Some(pattern)) if !fits(pattern) => {
                return Err(format!(
                    "expect_body_regex is empty or longer than {TEXT_MAX_BYTES} bytes"
                ));
            }
            (None, Some(pattern)) => RegexBuilder::new(pattern)
                .size_limit(REGEX_MAX_BYTES)
                .dfa_size_limit(REGEX_MAX_BYTES)
                .build()
                .map(Expected::Match)
                .map_err(|error| format!("expect_body_regex cannot be used: {error}"))?,
        };
        if method == Method::Head {
            return Err("method is HEAD, which has no body to expect; use GET".to_owned());
        }
        Ok(Some(expected))
    }

    fn dns(&self) -> Result<DnsCheck, String> {
        let domain = self.domain.as_deref().unwrap_or_default();
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        if !is_domain(domain) {
            return Err(
                "domain is missing or wrong; use a name such as \"crm.example.com\"".to_owned(),
            );
        }
        let server = match &self.server {
            Some(server) => Some(server.parse().map_err(|_| {
                format!("server is {server:?}; use address and port, such as \"192.0.2.53:53\"")
            })?),
            None => None,
        };
        let expect = match &self.expect_address {
            Some(address) => Some(address.parse().map_err(|_| {
                format!("expect_address is {address:?}; use one address, such as \"192.0.2.7\"")
            })?),
            None => None,
        };
        Ok(DnsCheck {
            domain: domain.to_owned(),
            server,
            expect,
        })
    }
}

fn fits(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_MAX_BYTES
}

fn header(key: &str, text: &str) -> Result<HeaderValue, String> {
    let value = HeaderValue::from_str(text).ok();
    value
        .filter(|value| !value.is_empty() && value.len() <= 256)
        .ok_or_else(|| format!("{key} is {text:?}; use 1 to 256 printable characters"))
}
