//! Places to connect to, as settings name them. Pure.

/// Where to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Place {
    /// Host and port, such as `db-01:22` or `[::1]:22`.
    pub(super) fn parse(address: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        let port = port.parse().ok().filter(|&port| port > 0)?;
        let inner = unbracketed(host);
        let right = if inner.len() < host.len() {
            inner.parse::<std::net::Ipv6Addr>().is_ok()
        } else {
            is_domain(host)
        };
        right.then(|| Self {
            host: inner.to_owned(),
            port,
        })
    }
}

/// An address of IPv6 without the brackets that URLs have around it.
pub(super) fn unbracketed(host: &str) -> &str {
    let inner = host.strip_prefix('[');
    inner
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(host)
}

/// Whether the name can be put into a question of DNS, addresses of IPv4 included.
pub(super) fn is_domain(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}
