//! Text formats of proxies: HAProxy, Envoy, Traefik's common one.

use proptest::prelude::*;

use super::super::formats::envoy::Envoy;
use super::super::formats::haproxy::Haproxy;
use super::super::formats::traefik::Traefik;
use super::super::formats::{LineParser, Reading};
use super::super::line::{Line, Request};
use super::super::route::target_of;

/// 25 Nov 2026, 09:35:36 UTC.
const AT_MS: i64 = 1_795_599_336_000;

/// What a line says, which must be a request.
fn line<'a>(parser: &'a mut impl LineParser, text: &'a str) -> Line<'a> {
    match parser.parse(text.as_bytes()) {
        Ok(Reading::Request(line)) => line,
        other => panic!("{text}: {other:?}"),
    }
}

fn parts<'a>(method: &'a str, target: &'a str) -> Request<'a> {
    Request::Parts {
        method: method.as_bytes(),
        target: target.as_bytes(),
    }
}

/// All that a line may hold, as HAProxy's documentation has it.
const HTTPLOG: &str = r#"10.1.2.3:33317 [25/Nov/2026:09:35:36.250] web~ app/one 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {crm.example.com|Mozil} {} "GET /account/42?q=1 HTTP/1.1""#;

#[test]
fn haproxy_lines_are_read_field_by_field() {
    let mut parser = Haproxy::new("+00:00");
    for head in [
        "",
        "<134>",
        "Nov 25 09:35:36 lb1 haproxy[123]: ",
        "<134>Nov 25 09:35:36 haproxy[123]: ",
        "Nov  5 09:35:36 lb1 haproxy: ",
        "2026-11-25T09:35:36.123456+00:00 lb1 haproxy[123]: ",
        "<134>1 2026-11-25T09:35:36.123456+00:00 lb1 haproxy 123 - - ",
    ] {
        let text = format!("{head}{HTTPLOG}");
        assert_eq!(
            line(&mut parser, &text),
            Line {
                time_ms: AT_MS + 250 + 109,
                request: parts("GET", "/account/42?q=1"),
                status: 200,
                response_bytes: 2750,
                latency_us: Some(109_000),
                upstream_latency_us: Some(69_000),
                client: b"10.1.2.3",
                site: b"app",
            },
            "{head}"
        );
    }
    let mut east = Haproxy::new("+02:00");
    assert_eq!(line(&mut east, HTTPLOG).time_ms, AT_MS + 359 - 7_200_000);
}

#[test]
fn haproxy_requests_that_went_no_further_are_counted() {
    let mut parser = Haproxy::new("+00:00");
    for (rest, status, bytes, latency_us, upstream_us, request) in [
        (
            r#"web web/<NOSRV> 0/-1/-1/-1/0 200 76 - - LR-- 1/1/0/0/0 0/0 "GET /ok HTTP/1.1""#,
            200,
            76,
            Some(0),
            None,
            parts("GET", "/ok"),
        ),
        (
            r#"web web/<NOSRV> -1/-1/-1/-1/7 400 0 - - CR-- 2/2/0/0/0 0/0 "<BADREQ>""#,
            400,
            0,
            Some(7000),
            None,
            Request::Line(b"<BADREQ>"),
        ),
        (
            r#"web app/one 0/0/-1/-1/-1 -1 0 - - CC-- 2/2/0/0/0 0/0 "GET / HTTP/1.1""#,
            0,
            0,
            None,
            None,
            parts("GET", "/"),
        ),
        (
            r#"web app/one 0/0/1/2/+3 200 +99 - - ---- 2/2/0/0/0 0/0 "GET / HTTP/1.1""#,
            200,
            99,
            None,
            Some(2000),
            parts("GET", "/"),
        ),
        (
            r#"web app/one 0/0/1/2/3 200 9 - - ---- 2/2/0/0/0 0/0 "GET /a HTTP/1.1" 0/-/-/-/0 crm/TLSv1.3/X"#,
            200,
            9,
            Some(3000),
            Some(2000),
            parts("GET", "/a"),
        ),
        (
            r#"web app/one 0/0/1/2/3 200 9 SID="q w" - ---- 2/2/0/0/0 0/0 "GET /a HTTP/1.1""#,
            200,
            9,
            Some(3000),
            Some(2000),
            parts("GET", "/a"),
        ),
        (
            r#"web app/one 0/0/1/2/3 200 9 - - ---- 2/2/0/0/0 0/0 "GET https://crm/a HTTP/2.0""#,
            200,
            9,
            Some(3000),
            Some(2000),
            parts("GET", "https://crm/a"),
        ),
        (
            r#"web app/one 0/0/1/2/3 200 9 - - ---- 2/2/0/0/0 0/0 "GET /cut/of"#,
            200,
            9,
            Some(3000),
            Some(2000),
            parts("GET", "/cut/of"),
        ),
        (
            r#"web app/one 0/0/1/2/3 200 9 - - ---- 2/2/0/0/0 0/0 "GET /#C3#A9#22#zz#4 HTTP/1.1""#,
            200,
            9,
            Some(3000),
            Some(2000),
            parts("GET", "/é\"#zz#4"),
        ),
    ] {
        let text = format!("[::1]:33317 [25/Nov/2026:09:35:36.000] {rest}");
        let read = line(&mut parser, &text);
        assert_eq!(
            (read.status, read.response_bytes),
            (status, bytes),
            "{rest}"
        );
        assert_eq!(
            (read.latency_us, read.upstream_latency_us),
            (latency_us, upstream_us),
            "{rest}"
        );
        assert_eq!(read.request, request, "{rest}");
        assert_eq!(read.client, b"[::1]");
    }
}

#[test]
fn haproxy_lines_that_are_no_requests_are_passed_over() {
    let mut parser = Haproxy::new("local");
    for other in [
        "10.0.0.1:1 [25/Nov/2026:09:35:36.250] db db/one 0/0/5007 212 -- 0/0/0/0/3 0/0",
        "10.0.0.1:1 [25/Nov/2026:09:35:36.250] web/1: SSL handshake failure",
        "Nov 25 09:35:36 lb1 haproxy[123]: Server app/one is DOWN, reason: Layer4 connection problem",
        "Nov 25 09:35:36 lb1 haproxy[123]: Proxy web started.",
        "Connect from 10.0.0.1:1 to 10.0.0.2:80 (web/HTTP)",
        r#"Nov 25 09:35:36 lb1 sshd[123]: Failed password for root from 6.6.6.6 port 1 ssh2"#,
    ] {
        assert_eq!(
            parser.parse(other.as_bytes()),
            Ok(Reading::Other),
            "{other}"
        );
    }
    for bad in [
        "",
        "<134>",
        "<1345>x",
        "garbage",
        "Nov 25 09:35:36 lb1 haproxy[123]: something new",
        "10.0.0.1:1 [25/Nov/2026:09:35:36] web app/one 1/1/1/1/1 200 1 \"GET / HTTP/1.1\"",
        "10.0.0.1:1 [31/Feb/2026:09:35:36.000] web app/one 1/1/1/1/1 200 1 \"GET / HTTP/1.1\"",
        "10.0.0.1:1 [25/Nov/2026:09:35:36.000] web app/one 1/1/1/1 200 1 \"GET / HTTP/1.1\"",
        "10.0.0.1:1 [25/Nov/2026:09:35:36.000] web app/one 1/x/1/1/1 200 1 \"GET / HTTP/1.1\"",
        "10.0.0.1:1 [25/Nov/2026:09:35:36.000] web app/one 1/1/1/1/1 2000 1 \"GET / HTTP/1.1\"",
        "10.0.0.1:1 [25/Nov/2026:09:35:36.000] web app/one 1/1/1/1/1 200 x \"GET / HTTP/1.1\"",
        "10.0.0.1:1 [25/Nov/2026:09:35:36.000] web app/one 1/1/1/1/1 200 1 - - ----",
        r#"10.0.0.1 - - [25/Nov/2026:09:35:36 +0000] "GET / HTTP/1.1" 200 6"#,
    ] {
        assert!(parser.parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn envoy_lines_are_read_field_by_field() {
    let mut envoy = Envoy;
    let head = r#"[2026-11-25T09:35:36.250Z] "GET /a?x="b HTTP/1.1" 200 - 7 335 30 "#;
    let tail = r#""10.9.9.9,1.2.3.4" "a" "b\" c" "01ffc219" "crm.example.com" "127.0.0.1:80""#;
    for (middle, upstream_latency_us) in [("25 ", Some(25_000)), ("- ", None)] {
        let text = format!("{head}{middle}{tail}");
        assert_eq!(
            line(&mut envoy, &text),
            Line {
                time_ms: AT_MS + 280,
                request: parts("GET", r#"/a?x="b"#),
                status: 200,
                response_bytes: 335,
                latency_us: Some(30_000),
                upstream_latency_us,
                client: b"1.2.3.4",
                site: b"crm.example.com",
            }
        );
    }
    let istio = r#"[2026-11-25T09:35:36.250Z] "POST /a HTTP/2" 503 UF upstream_reset{x} - "TLS_error: x" 7 91 30 - "-" "curl" "id" "crm:8080" "10.0.0.1:80" outbound|80||crm - 10.0.0.2:80 - - default"#;
    let read = line(&mut envoy, istio);
    assert_eq!((read.status, read.response_bytes), (503, 91));
    assert_eq!(
        (read.client, read.site),
        (b"".as_slice(), b"crm:8080".as_slice())
    );
    let unread =
        r#"[2026-11-25T09:35:36.250Z] "- - HTTP/1.1" 400 DPE 0 11 0 - "-" "-" "-" "-" "-""#;
    assert_eq!(line(&mut envoy, unread).request, Request::Line(b"-"));
    for bad in [
        "",
        "[",
        "[2026-11-25T09:35:36.250Z]",
        r#"[yesterday] "GET / HTTP/1.1" 200 - 7 335 30 25 "-" "-" "-" "-" "-""#,
        r#"[2026-11-25T09:35:36.250Z] "GET / HTTP/1.1""#,
        r#"[2026-11-25T09:35:36.250Z] "GET / HTTP/1.1" 2000 - 7 335 30 25 "-""#,
        r#"[2026-11-25T09:35:36.250Z] "GET / HTTP/1.1" 200 - 7 335"#,
        r#"[2026-11-25T09:35:36.250Z] "GET / HTTP/1.1" 200 - a b c d "-""#,
        r#"[2026-11-25T09:35:36.250Z] "GET / HTTP/1.1" 200 - 7 99999999999999999999 30 - "-""#,
    ] {
        assert!(envoy.parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn traefik_common_lines_are_read_field_by_field() {
    let mut parser = Traefik::default();
    let head =
        r#"10.9.9.9, 1.2.3.4 - jane [25/Nov/2026:09:35:36 +0000] "GET /a%22b HTTP/1.1" 200 335"#;
    for (tail, site) in [
        (
            r#" "-" "-" 1 "crm@file" "http://10.0.0.1:80" 30ms"#,
            "crm@file",
        ),
        (
            r#" "a\" 1" "b\" 2 \"x\" \"y\" 9ms" 1 "crm@file" "http://10.0.0.1:80" 30ms"#,
            "crm@file",
        ),
        (r#" "ends with \" "-" 1 "crm@file" "-" 30ms"#, "crm@file"),
        (r#" "-" "-" 1 "-" "-" 30ms"#, ""),
        (r#" - - 1 - - 30ms"#, ""),
    ] {
        let text = format!("{head}{tail}");
        assert_eq!(
            line(&mut parser, &text),
            Line {
                time_ms: AT_MS + 30,
                request: Request::Line(b"GET /a%22b HTTP/1.1"),
                status: 200,
                response_bytes: 335,
                latency_us: Some(30_000),
                upstream_latency_us: None,
                client: b"1.2.3.4",
                site: site.as_bytes(),
            },
            "{tail}"
        );
    }
    for bad in [
        "",
        r#"10.0.0.1 - - [25/Nov/2026:09:35:36 +0000] "GET / HTTP/1.1" 200 6 "-" "curl""#,
        r#"10.0.0.1 - - [25/Nov/2026:09:35:36 +0000] "GET / HTTP/1.1" 200 6 "-" "curl" 1 "r" "u" 5"#,
        r#"10.0.0.1 - - [25/Nov/2026:09:35:36 +0000] "GET / HTTP/1.1" 200 6 5ms"#,
        r#"10.0.0.1 - - [31/Feb/2026:09:35:36 +0000] "GET / HTTP/1.1" 200 6 "-" "-" 1 "-" "-" 5ms"#,
        r#"10.0.0.1 - - [25/Nov/2026:09:35:36 +0000] "GET / HTTP/1.1" 2x0 6 "-" "-" 1 "-" "-" 5ms"#,
        r#"10.0.0.1 - - [25/Nov/2026:09:35:36 +0000] "GET / HTTP/1.1"#,
    ] {
        assert!(parser.parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

/// Lines of requests that Traefik 3.7.13's formatters wrote to both of its logs, hostile ones among
/// them: both say the same, and what Python makes of the JSON.
#[test]
fn both_logs_of_traefik_agree() {
    let common = include_bytes!("../fixtures/traefik_common.log");
    let json = include_bytes!("../fixtures/traefik.json");
    let (mut one, mut other) = (Traefik::default(), Traefik::default());
    let (mut classes, mut bytes, mut latency_us) = ([0; 6], 0, 0);
    let split = |text: &'static [u8]| text.trim_ascii_end().split(|&byte| byte == b'\n');
    for (common, json) in split(common).zip(split(json)) {
        let (Ok(Reading::Request(common)), Ok(Reading::Request(json))) =
            (one.parse(common), other.parse(json))
        else {
            panic!("{}", String::from_utf8_lossy(common));
        };
        let ms = |latency_us: Option<u64>| latency_us.unwrap() / 1000;
        assert_eq!(ms(common.latency_us), ms(json.latency_us));
        assert!((json.time_ms - common.time_ms).abs() < 1001);
        let (one, other) = (target_of(&common.request), target_of(&json.request));
        assert_eq!((one.method, one.target), (other.method, other.target));
        assert_eq!(
            (common.status, common.response_bytes),
            (json.status, json.response_bytes)
        );
        classes[usize::from(json.status / 100)] += 1;
        bytes += json.response_bytes;
        latency_us += json.latency_us.unwrap();
    }
    assert_eq!(
        (classes, bytes, latency_us),
        ([0, 0, 16, 0, 5, 5], 292, 92_921)
    );
}

/// Lines that Traefik 3.7.13 itself wrote to each of its logs for requests of ab's and hostile ones,
/// in front of an application (`live_proxies.rs`): sums are Python's. Those of 499 were hung up on.
#[test]
fn real_lines_of_traefik_are_counted() {
    let common = include_bytes!("../fixtures/traefik_3.7.13_common.log").as_slice();
    let json = include_bytes!("../fixtures/traefik_3.7.13.json").as_slice();
    for (log, expected) in [(common, (131_000, 0)), (json, (221_450, 220_866))] {
        let mut traefik = Traefik::default();
        let (mut classes, mut bytes, mut times_us) = ([0; 6], 0, (0, 0));
        for line in log.trim_ascii_end().split(|&byte| byte == b'\n') {
            let Ok(Reading::Request(read)) = traefik.parse(line) else {
                panic!("{}", String::from_utf8_lossy(line));
            };
            classes[usize::from(read.status / 100)] += 1;
            bytes += read.response_bytes;
            times_us.0 += read.latency_us.unwrap();
            times_us.1 += read.upstream_latency_us.unwrap_or(0);
        }
        assert_eq!(
            (classes, bytes, times_us),
            ([0, 0, 3, 0, 14, 3], 312, expected)
        );
    }
    let mut traefik = Traefik::default();
    let quoted = memchr::memmem::find(common, b"a\"b").unwrap();
    let begin = memchr::memrchr(b'\n', &common[..quoted]).unwrap() + 1;
    let quoted = common[begin..].split(|&byte| byte == b'\n').next().unwrap();
    let Ok(Reading::Request(read)) = traefik.parse(quoted) else {
        panic!("{}", String::from_utf8_lossy(quoted));
    };
    let request = Request::Line(b"GET /index.html?a\"b\\x HTTP/1.1");
    assert_eq!((read.request, read.status), (request, 499));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Haproxy::new("+00:00").parse(&bytes);
        let _ = Envoy.parse(&bytes);
        let _ = Traefik::default().parse(&bytes);
    }

    /// Lines of the right shape, broken in one place.
    #[test]
    fn no_broken_line_panics(at in 0..400usize, bytes in proptest::collection::vec(any::<u8>(), 0..5), cut in 0..5usize) {
        for good in [
            format!("<134>Nov 25 09:35:36 lb1 haproxy[1]: {HTTPLOG}"),
            format!("<134>1 2026-11-25T09:35:36.123456+00:00 lb1 haproxy 123 - - {HTTPLOG}"),
            r#"[2026-11-25T09:35:36.250Z] "GET /a HTTP/1.1" 503 UF x - "y" 7 91 30 - "-" "c" "i" "a" "u""#.to_owned(),
            r#"h - - [25/Nov/2026:09:35:36 +0000] "GET / HTTP/1.1" 200 6 "-" "-" 1 "r" "u" 5ms"#.to_owned(),
        ] {
            let mut text = good.into_bytes();
            let at = at % text.len();
            let end = (at + cut).min(text.len());
            text.splice(at..end, bytes.iter().copied());
            let _ = Haproxy::new("+00:00").parse(&text);
            let _ = Envoy.parse(&text);
            let _ = Traefik::default().parse(&text);
            let _ = Haproxy::new("+00:00").parse(&text[..at]);
        }
    }
}
