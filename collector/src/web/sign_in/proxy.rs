//! A proxy in front that knows who somebody is, and says so in headers.
//!
//! Promises: headers of anybody but the trusted addresses mean nothing.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::config::{ProxyConfig, Role, is_name};
use super::network::Network;
use super::{How, Identity};

/// Where proxies note from whom they have a request, the last at the end.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The proxy.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    user_header: HeaderName,
    role_header: Option<HeaderName>,
    operators: Vec<String>,
    trusted: Vec<Network>,
}

impl Proxy {
    /// `None` where there is none, or the section cannot be used, which starting refuses.
    pub(super) fn new(config: &ProxyConfig) -> Option<Self> {
        let header = |name: &str| HeaderName::try_from(name).ok();
        Some(Self {
            user_header: header(&config.user_header)?,
            role_header: header(&config.role_header),
            operators: config.operators.clone(),
            trusted: config
                .trusted
                .iter()
                .filter_map(|text| Network::parse(text))
                .collect(),
        })
    }

    /// From where a request came: the address before the last trusted one. Only what trusted proxies
    /// wrote is believed, and that is at the end; the rest of the header anybody may have written.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let is_trusted =
            |address: IpAddr| self.trusted.iter().any(|network| network.contains(address));
        let mut client = peer;
        let values = headers.get_all(FORWARDED_FOR).iter().rev();
        let texts = values.map(|value| value.to_str().unwrap_or_default());
        for text in texts.flat_map(|text| text.rsplit(',')) {
            if !is_trusted(client) {
                break;
            }
            let Ok(address) = text.trim().parse() else {
                break;
            };
            client = address;
        }
        client
    }

    /// Who the proxy says that it is.
    pub(super) fn identity(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Identity> {
        if !self.trusted.iter().any(|network| network.contains(peer)) {
            return None;
        }
        let name = only(headers, &self.user_header).filter(|name| is_name(name))?;
        let told = self.role_header.as_ref().and_then(|of| only(headers, of));
        // Proxies often tell all groups of a user in one header.
        let is_told = told.is_some_and(|roles| {
            let mut roles = roles.split(',');
            roles.any(|role| role.trim().eq_ignore_ascii_case("operator"))
        });
        let is_operator = is_told || self.operators.iter().any(|one| one == name);
        Some(Identity {
            name: name.to_owned(),
            role: if is_operator {
                Role::Operator
            } else {
                Role::Viewer
            },
            how: How::Proxy,
        })
    }
}

/// A header's value, where it came once: of two, one may be a stranger's.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value: &HeaderValue = values.next()?;
    match values.next() {
        None => value.to_str().ok().map(str::trim),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_proxy_is_believed() {
        let proxy = Proxy::new(&ProxyConfig {
            user_header: "X-User".to_owned(),
            role_header: "X-Groups".to_owned(),
            operators: vec!["ann".to_owned()],
            trusted: vec!["10.0.0.0/8".to_owned()],
        })
        .unwrap();
        let asked = |peer: &str, pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            let identity = proxy.identity(peer.parse().unwrap(), &headers);
            identity.map(|identity| (identity.name, identity.role))
        };
        let (viewer, operator) = (Role::Viewer, Role::Operator);
        let is = |name: &str, role| Some((name.to_owned(), role));
        assert_eq!(asked("10.1.1.1", &[("x-user", "bob")]), is("bob", viewer));
        assert_eq!(asked("10.1.1.1", &[("x-user", "ann")]), is("ann", operator));
        let groups = [("x-user", "bob"), ("x-groups", "staff, Operator")];
        assert_eq!(asked("10.1.1.1", &groups), is("bob", operator));
        assert_eq!(asked("11.1.1.1", &groups), None);
        assert_eq!(
            asked("10.1.1.1", &[("x-user", "bob"), ("x-user", "ann")]),
            None
        );
        assert_eq!(asked("10.1.1.1", &[("x-user", " ")]), None);
        assert_eq!(asked("10.1.1.1", &[]), None);
        assert!(Proxy::new(&ProxyConfig::default()).is_none());
    }

    #[test]
    fn a_client_is_who_the_last_trusted_proxy_saw() {
        let proxy = Proxy::new(&ProxyConfig {
            user_header: "X-User".to_owned(),
            trusted: vec!["10.0.0.0/8".to_owned()],
            ..ProxyConfig::default()
        })
        .unwrap();
        let told = |peer: &str, values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(FORWARDED_FOR, value.parse().unwrap());
            }
            proxy.client(peer.parse().unwrap(), &headers).to_string()
        };
        for (peer, values, client) in [
            ("10.1.1.1", &["203.0.113.7"][..], "203.0.113.7"),
            // What comes before was written by the client, to look like others.
            ("10.1.1.1", &["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
            (
                "10.1.1.1",
                &["198.51.100.1", "203.0.113.7, 10.1.1.2"],
                "203.0.113.7",
            ),
            ("10.1.1.1", &["2001:db8::7"], "2001:db8::7"),
            ("10.1.1.1", &[], "10.1.1.1"),
            ("10.1.1.1", &["unknown"], "10.1.1.1"),
            ("10.1.1.1", &["198.51.100.1, unknown, 10.1.1.2"], "10.1.1.2"),
            // Nobody asked this one.
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
        ] {
            assert_eq!(told(peer, values), client, "{peer} {values:?}");
        }
    }
}
