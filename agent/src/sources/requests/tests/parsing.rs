use proptest::prelude::*;

use super::super::formats::nginx::Nginx;
use super::super::formats::{LineParser as _, Reading};
use super::super::line::{Line, Request};
use super::super::route::{self, METHODS, target_of};

/// What a line says, if it is one of nginx's.
fn parse<'a>(line: &'a [u8], nginx: &'a mut Nginx) -> Option<Line<'a>> {
    match nginx.parse(line) {
        Ok(Reading::Request(line)) => Some(line),
        Ok(Reading::Other) | Err(_) => None,
    }
}

fn template(target: &[u8], scratch: &mut Vec<u8>, out: &mut String) {
    route::template(route::path(target, scratch), out);
}

#[test]
fn lines_are_read_field_by_field() {
    let mut times = Nginx::default();
    let head = r#"1.2.3.4 - a\x22 200 [x] [23/Nov/2025:02:23:40 +0130] "GET / HTTP/1.1" 200 6"#;
    for (tail, latency_us) in [
        ("", None),
        (r#" "-" "curl""#, None),
        (r#" "-" "curl" 0.001"#, Some(1000)),
        (r#" "-" "curl" 12.345 12.340"#, Some(12_345_000)),
        (r#" "-" "curl" 0.001 -"#, Some(1000)),
        (r#" "-" "curl" "10.0.0.1, rt=9.000" 0.002"#, Some(2000)),
        (r#" "-" "curl" rt=0.003 uct="0.000" urt="-""#, Some(3000)),
        (r#" "-" "curl" host=crm request_time="0.004""#, Some(4000)),
        (r#" "-" "rt=5.000 0.005" -"#, None),
        (r#" "-" "curl" 17"#, None),
        (r#" "-" "curl" 0.1"#, None),
        (r#" "-" "curl" crm.example.com 0.001"#, None),
        (r#" "-" "curl" 99999999999999999999.001"#, None),
        (r#" "-" "curl"#, None),
    ] {
        let text = format!("{head}{tail}");
        let line = parse(text.as_bytes(), &mut times).unwrap();
        assert_eq!(line.latency_us, latency_us, "{tail}");
        assert_eq!(line.time_ms, 1_763_859_220_000, "00:53:40 UTC");
        assert_eq!((line.status, line.response_bytes), (200, 6));
        assert_eq!(line.request, Request::Line(b"GET / HTTP/1.1"));
        assert_eq!(line.client, b"1.2.3.4");
    }
    for bad in [
        "",
        "\"",
        r#"1.2.3.4 - - [23/Nov/2025:02:23:40 +0000] "GET / HTTP/1.1" 20 6"#,
        r#"1.2.3.4 - - [23/Nov/2025:02:23:40 +0000] "GET / HTTP/1.1" 200"#,
        r#"1.2.3.4 - - [23/Nov/2025:02:23:40 +0000] "GET / HTTP/1.1 200 6"#,
        r#"1.2.3.4 - - [31/Feb/2025:02:23:40 +0000] "GET / HTTP/1.1" 200 6"#,
        r#"1.2.3.4 - - [23/Nov/2025 02:23:40 +0000] "GET / HTTP/1.1" 200 6"#,
        r#"{"time":"x","status":200}"#,
    ] {
        assert_eq!(parse(bad.as_bytes(), &mut times), None, "{bad}");
    }
}

#[test]
fn routes_lose_what_names_a_record_a_person_or_a_session() {
    let (mut scratch, mut out) = (Vec::new(), String::new());
    for (target, route) in [
        ("/", "/"),
        ("/?q=secret", "/"),
        ("/account/42", "/account/{id}"),
        ("/account/42/", "/account/{id}/"),
        ("//account///42//edit", "/account/{id}/edit"),
        ("/a/9f8b3c1e-1d2a-4b5c-8d9e-0f1a2b3c4d5e", "/a/{uuid}"),
        ("/a/9F8B3C1E-1D2A-4B5C-8D9E-0F1A2B3C4D5E/b", "/a/{uuid}/b"),
        ("/a/{9f8b3c1e-1d2a-4b5c-8d9e-0f1a2b3c4d5e}", "/a/{uuid}"),
        (
            "/a/9f8b3c1e-1d2a-4b5c-8d9e-0f1a2b3c4d5e.json",
            "/a/{uuid}.json",
        ),
        // Not of the form of RFC 4122, and ids all the same.
        ("/a/9f8b3c1e1d2a-4b5c-8d9e-0f1a2b3c4d5e", "/a/{id}"),
        ("/a/9f8b3c1e-1d2a-4b5c-8d9e-0f1a2b3c4d5g", "/a/{id}"),
        ("/a/5f2b8c9d0e1f2a3b", "/a/{id}"),
        ("/a/507f1f77bcf86cd799439011.json", "/a/{id}.json"),
        ("/lead/00Q5g00000ABCDEFAH", "/lead/{id}"),
        ("/u/jane.doe@example.com/mail", "/u/{id}/mail"),
        ("/u/jane%40example.com", "/u/{id}"),
        ("/t/QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "/t/{id}"),
        ("/t/eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.abc", "/t/{id}"),
        ("/x;jsessionid=ABC/y", "/x/y"),
        ("/2024-11-23/report", "/{id}/report"),
        (
            "/api/v2/getAccountsByCustomerSegment",
            "/api/v2/getAccountsByCustomerSegment",
        ),
        ("/api/1.0/x", "/api/1.0/x"),
        (
            "/static/bootstrap-5.3.1.bundle.min.js",
            "/static/bootstrap-5.3.1.bundle.min.js",
        ),
        ("http://host/a?b", "/a"),
        ("http://host", "/"),
        ("*", "*"),
        ("host:443", "*"),
        (r"/caf\xC3\xA9", "/café"),
        (r"/a\x00b\xFF", "/a\u{fffd}b\u{fffd}"),
        (r"/a\x3Fsecret=1", "/a"),
        (
            "/1/2/3/4/5/6/7/8/9/10/11/12/13/14",
            "/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/…",
        ),
    ] {
        template(target.as_bytes(), &mut scratch, &mut out);
        assert_eq!(out, route, "{target}");
    }
    template(
        format!("/{}", "ü".repeat(100)).as_bytes(),
        &mut scratch,
        &mut out,
    );
    assert_eq!(out, format!("/{}", "ü".repeat(32)));
}

#[test]
fn methods_are_a_fixed_set() {
    for (line, method) in [
        ("GET / HTTP/1.1", "GET"),
        ("PROPFIND / HTTP/1.1", "PROPFIND"),
        ("get / HTTP/1.1", "OTHER"),
        ("QWERTY / HTTP/1.1", "OTHER"),
        ("GET /", "INVALID"),
        ("GET  HTTP/1.1", "INVALID"),
        ("-", "INVALID"),
        (r"\x16\x03 x HTTP/1.1", "INVALID"),
    ] {
        assert_eq!(
            METHODS[usize::from(target_of(&Request::Line(line.as_bytes())).method)],
            method,
            "{line}"
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(line in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&line, &mut Nginx::default());
        let (mut scratch, mut out) = (Vec::new(), String::new());
        if let Some(target) = target_of(&Request::Line(&line)).target {
            template(target, &mut scratch, &mut out);
        }
        template(&line, &mut scratch, &mut out);
        prop_assert!(out.len() < 1024);
        prop_assert!(!out.chars().any(char::is_control));
    }

    #[test]
    fn any_request_in_a_line_is_counted(request in "[ -!#-\\[\\]-~]{0,80}", user in "[ -!#-~]{0,20}") {
        let text = format!("1.2.3.4 - {user} [23/Nov/2025:02:23:40 +0000] \"{request}\" 200 6 \"-\" \"-\"");
        let mut times = Nginx::default();
        let line = parse(text.as_bytes(), &mut times).unwrap();
        prop_assert_eq!(line.request, Request::Line(request.as_bytes()));
        prop_assert_eq!(line.status, 200);
    }
}
