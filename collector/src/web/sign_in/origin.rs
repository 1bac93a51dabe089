//! Against requests that a page of another site makes in somebody's name.

use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Visitor;
use crate::web::api::{Code, Fault};

/// Refuses what changes something and may come from another site's page.
pub(in crate::web) async fn same_origin(
    visitor: Visitor,
    request: Request,
    next: Next,
) -> Response {
    if matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    ) {
        return next.run(request).await;
    }
    match check(request.method(), request.headers(), visitor.by_cookie) {
        Ok(()) => next.run(request).await,
        Err(fault) => fault.into_response(),
    }
}

fn check(method: &Method, headers: &HeaderMap, by_cookie: bool) -> Result<(), Fault> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // A page can send other types without being asked whether it may.
    let is_json = text(CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json")
    });
    if !is_json && *method != Method::DELETE {
        let text = "send a JSON document with content-type: application/json";
        return Err(Fault::new(Code::InvalidArgument, text));
    }
    let site = headers
        .get("sec-fetch-site")
        .map(axum::http::HeaderValue::as_bytes);
    let is_foreign_site = site.is_some_and(|site| site != b"same-origin" && site != b"none");
    let origin = headers.get(ORIGIN);
    // A proxy that ends TLS changes the scheme, and not the name.
    let is_foreign_origin = origin.is_some_and(|origin| {
        let authority = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.split_once("://"));
        !authority
            .is_some_and(|(_, name)| text(HOST).is_some_and(|host| name.eq_ignore_ascii_case(host)))
    });
    // Browsers send one of them with whatever changes something; programs show a token.
    let is_untold = by_cookie && site.is_none() && origin.is_none();
    if is_foreign_site || is_foreign_origin || is_untold {
        let text = "the request does not come from a page of this collector: origin and host differ; a proxy in front must pass the header host on, and web.allowed_hosts must have the name";
        return Err(Fault::new(Code::PermissionDenied, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(
        method: Method,
        pairs: &[(&'static str, &str)],
        by_cookie: bool,
    ) -> Result<(), Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        check(&method, &headers, by_cookie).map_err(|fault| fault.code)
    }

    #[test]
    fn another_site_changes_nothing() {
        let (json, host) = (
            ("content-type", "application/json; charset=utf-8"),
            ("host", "c:8080"),
        );
        let own = ("origin", "http://c:8080");
        let denied = Err(Code::PermissionDenied);
        assert_eq!(checked(Method::POST, &[json, host, own], true), Ok(()));
        assert_eq!(
            checked(
                Method::POST,
                &[json, host, ("origin", "https://C:8080")],
                true
            ),
            Ok(())
        );
        assert_eq!(checked(Method::POST, &[json, host], false), Ok(()));
        assert_eq!(checked(Method::POST, &[json, host], true), denied);
        for foreign in ["http://evil", "http://c", "null", "http://c:8080.evil", ""] {
            let got = checked(Method::POST, &[json, host, ("origin", foreign)], false);
            assert_eq!(got, denied, "{foreign}");
        }
        let site = |site| checked(Method::DELETE, &[host, ("sec-fetch-site", site)], true);
        assert_eq!(site("same-origin"), Ok(()));
        assert_eq!(site("same-site"), denied);
        assert_eq!(site("cross-site"), denied);
        let form = ("content-type", "text/plain");
        assert_eq!(
            checked(Method::POST, &[form, host, own], true),
            Err(Code::InvalidArgument)
        );
        assert_eq!(
            checked(Method::POST, &[host, own], true),
            Err(Code::InvalidArgument)
        );
    }
}
