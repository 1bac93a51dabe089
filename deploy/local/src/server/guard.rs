//! Who may ask: the `Host` and `Origin` of a request, and its credentials.
//!
//! The engine reads files and URLs on behalf of any query, so a page in a browser must not reach
//! it: neither by a name that resolves to loopback (DNS rebinding) nor from another site.

use base64::Engine as _;
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use subtle::ConstantTimeEq as _;

use super::fault::{Fault, code};
use super::request::Request;

/// A user name and password that every query must carry.
#[derive(Clone)]
pub struct Credentials {
    /// The only user.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Credentials {{ user: {:?}, password: … }}", self.user)
    }
}

/// Refuses what did not name this server as its own machine does, or as `allowed_hosts` say.
pub(super) fn check_host(headers: &HeaderMap, allowed_hosts: &[String]) -> Result<(), String> {
    let host = headers
        .get(HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    if !is_allowed(host, allowed_hosts) {
        return Err(format!(
            "Host {host:?} is refused: this server answers to 127.0.0.1, localhost and [::1]; add others with --allowed-host\n"
        ));
    }
    if let Some(origin) = headers.get(ORIGIN) {
        let origin = origin.to_str().unwrap_or("");
        let authority = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        if !authority.is_some_and(|authority| is_allowed(authority, allowed_hosts)) {
            return Err(format!(
                "Origin {origin:?} is refused: only pages of this machine may ask\n"
            ));
        }
    }
    Ok(())
}

fn is_allowed(authority: &str, allowed_hosts: &[String]) -> bool {
    let name = match authority.rsplit_once(':') {
        Some((name, port))
            if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            name
        }
        _ => authority,
    };
    ["127.0.0.1", "localhost", "[::1]"]
        .into_iter()
        .chain(allowed_hosts.iter().map(String::as_str))
        .any(|allowed| allowed.eq_ignore_ascii_case(name))
}

/// Checks the credentials, wherever ClickHouse's clients put them.
pub(super) fn check_credentials(
    should: Option<&Credentials>,
    request: &Request,
    headers: &HeaderMap,
) -> Result<(), Fault> {
    let Some(should) = should else { return Ok(()) };
    let header = |name: &str| headers.get(name).map(|value| value.as_bytes().to_vec());
    let basic = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
        .and_then(|text| {
            base64::engine::general_purpose::STANDARD
                .decode(text.trim())
                .ok()
        })
        .and_then(|pair| {
            let colon = pair.iter().position(|byte| *byte == b':')?;
            Some((pair[..colon].to_vec(), pair[colon + 1..].to_vec()))
        });
    let (user, password) = if let Some(user) = header("x-clickhouse-user") {
        (user, header("x-clickhouse-key").unwrap_or_default())
    } else if let Some(pair) = basic {
        pair
    } else if let Some(user) = &request.user {
        (
            user.clone().into_bytes(),
            request.password.clone().unwrap_or_default().into_bytes(),
        )
    } else {
        return Err(Fault::new(
            code::REQUIRED_PASSWORD,
            "this server asks for a user and a password",
        ));
    };
    // Both are always compared, so the time tells nothing of which was wrong.
    let user_matches = should.user.as_bytes().ct_eq(&user);
    let password_matches = should.password.as_bytes().ct_eq(&password);
    if bool::from(user_matches & password_matches) {
        Ok(())
    } else {
        Err(Fault::new(
            code::AUTHENTICATION_FAILED,
            format!(
                "{}: Authentication failed: password is incorrect, or there is no user with such name",
                String::from_utf8_lossy(&user)
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_only_to_its_own_names() {
        let extra = ["crm.example".to_owned()];
        for good in [
            "127.0.0.1:8123",
            "LOCALHOST",
            "[::1]:1",
            "[::1]",
            "crm.example:80",
        ] {
            assert!(is_allowed(good, &extra), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil:8123",
            "127.0.0.1:x",
            "evil:127.0.0.1",
            "[::2]",
            "0.0.0.0",
        ] {
            assert!(!is_allowed(bad, &extra), "{bad}");
        }
    }

    #[test]
    fn checks_credentials_in_all_three_places() {
        let should = Credentials {
            user: "u".to_owned(),
            password: "p:w".to_owned(),
        };
        let check = |headers: &[(&'static str, &str)], url: &str| {
            let headers: HeaderMap = headers
                .iter()
                .map(|(name, value)| {
                    (
                        hyper::header::HeaderName::from_static(name),
                        value.parse().unwrap(),
                    )
                })
                .collect();
            let request = Request::parse(url, &headers, false).unwrap();
            check_credentials(Some(&should), &request, &headers).map_err(|fault| fault.code)
        };
        assert_eq!(check(&[], ""), Err(194));
        assert_eq!(check(&[], "user=u&password=p:w"), Ok(()));
        assert_eq!(check(&[("authorization", "Basic dTpwOnc=")], ""), Ok(()));
        assert_eq!(
            check(
                &[("x-clickhouse-user", "u"), ("x-clickhouse-key", "p:w")],
                ""
            ),
            Ok(())
        );
        assert_eq!(
            check(
                &[("x-clickhouse-user", "u"), ("x-clickhouse-key", "p")],
                "user=u&password=p:w"
            ),
            Err(516)
        );
    }
}
