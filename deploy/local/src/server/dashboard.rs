//! `GET /dashboard`: one page of our own that draws what the table `crmscope.dashboards` asks.
//!
//! The page is static and asks this same server; it loads nothing from elsewhere, and its policy
//! forbids it to.

use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};

use super::reply::ReplyBody;

const PAGE: &str = include_str!("../../assets/dashboard.html");
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

pub(super) fn page() -> Response<ReplyBody> {
    let mut reply = Response::new(ReplyBody::whole(PAGE));
    let headers = reply.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=UTF-8"),
    );
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply
}
