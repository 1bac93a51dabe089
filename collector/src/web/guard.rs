//! Against DNS rebinding: a browser may be led here by a name that another site controls, and
//! then only the Host header tells.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::middleware::Next;
use axum::response::Response;

use super::{Shared, harden};
use crate::error::{Code, Error};

/// Names this server answers to.
#[derive(Debug)]
pub(super) struct Hosts {
    listen: IpAddr,
    allowed: Vec<String>,
}

impl Hosts {
    pub(super) fn new(listen: SocketAddr, allowed: &[String]) -> Self {
        Self {
            listen: listen.ip(),
            allowed: allowed
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
        }
    }

    /// Whether a Host header is ours. An address is: rebinding needs a name.
    fn allows(&self, header: &str) -> bool {
        let name = match header.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => header.split(':').next().unwrap_or_default(),
        }
        .to_ascii_lowercase();
        match name.parse::<IpAddr>() {
            Ok(address) => !self.listen.is_loopback() || address.is_loopback(),
            Err(_) => name == "localhost" || self.allowed.contains(&name),
        }
    }
}

pub(super) async fn check(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    use axum::response::IntoResponse as _;
    let header = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    if header.is_some_and(|header| shared.guard.allows(header)) {
        return harden(next.run(request).await);
    }
    let text = "this name is not one of the collector's; add it to web.allowed_hosts";
    harden(Error::new(Code::InvalidArgument, text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_localhost_and_allowed_names_are_answered() {
        let allowed = ["Crm.Example".to_owned()];
        let local = Hosts::new(SocketAddr::from(([127, 0, 0, 1], 8080)), &allowed);
        for host in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:1",
            "[::1]:8080",
            "crm.example",
        ] {
            assert!(local.allows(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "10.0.0.1",
            "localhost.evil.example",
            "[",
            "127.0.0.1.x",
        ] {
            assert!(!local.allows(host), "{host}");
        }
        let open = Hosts::new(SocketAddr::from(([0, 0, 0, 0], 8080)), &[]);
        assert!(open.allows("10.0.0.1:8080") && !open.allows("evil.example"));
    }
}
