//! Formats whose lines name their fields: Caddy, Traefik's JSON, JSON by mapping, W3C.

use proptest::prelude::*;

use super::super::fields::{Fields, LatencyUnit};
use super::super::formats::caddy::Caddy;
use super::super::formats::iis::Iis;
use super::super::formats::json::Json;
use super::super::formats::traefik::Traefik;
use super::super::formats::{LineParser, Reading};
use super::super::line::{Line, Request};
use super::*;

/// 25 Nov 2026, 09:35:36 UTC.
const AT_MS: i64 = 1_795_599_336_000;

/// What a line says, which must be a request.
fn line_of<'a>(parser: &'a mut impl LineParser, text: &'a str) -> Line<'a> {
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

/// As Caddy 2.6 wrote it, with the address that 2.7 adds.
const CADDY: &str = r#"{"level":"info","ts":1795599336.1185935,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"127.0.0.1","remote_port":"36208","client_ip":"1.2.3.4","proto":"HTTP/1.1","method":"GET","host":"crm","uri":"/ok/1?a=\"b","headers":{"User-Agent":["q\"u\\o"],"status":["500"]}},"user_id":"","duration":0.000023485,"size":5,"status":200,"resp_headers":{"Server":["Caddy"]}}"#;

#[test]
fn caddy_lines_are_read_field_by_field() {
    let mut caddy = Caddy::default();
    let expected = Line {
        time_ms: AT_MS + 119,
        request: parts("GET", "/ok/1?a=\"b"),
        status: 200,
        response_bytes: 5,
        latency_us: Some(23),
        upstream_latency_us: None,
        client: b"1.2.3.4",
        site: b"crm",
    };
    assert_eq!(line_of(&mut caddy, CADDY), expected);
    let before_2_7 = CADDY.replace(r#""client_ip":"1.2.3.4","#, "");
    assert_eq!(line_of(&mut caddy, &before_2_7).client, b"127.0.0.1");
    let words = CADDY.replace("1795599336.1185935", r#""2026-11-25T09:35:36.119Z""#);
    assert_eq!(line_of(&mut caddy, &words), expected);
    for other in [
        r#"{"level":"info","ts":1795601182.1,"logger":"tls.cache.maintenance","msg":"stopped"}"#,
        r#"{"level":"info","ts":1795601182.1,"msg":"shutdown complete","signal":"SIGTERM"}"#,
        r#"{"level":"error","ts":1.5,"logger":"http.log.error.log0","msg":"x","request":{"method":"GET","uri":"/"},"status":502}"#,
    ] {
        assert_eq!(caddy.parse(other.as_bytes()), Ok(Reading::Other), "{other}");
    }
    for (bad, reason) in [
        (
            "2026/11/25 09:35:36.123\tINFO\thttp.log.access\thandled request\t{\"request\": {}}",
            "format json",
        ),
        (
            "2026/11/25 09:35:36.123\t\u{1b}[34mINFO\u{1b}[0m\thttp.log.access\thandled request\t{}",
            "format json",
        ),
        ("hello", "no JSON object"),
        ("{}", "`ts`"),
        (r#"{"ts":1795599336.1,"code":200}"#, "`method`"),
        (&CADDY.replace("1795599336.1185935", "NaN"), "`ts`"),
        (
            &CADDY.replace(r#""status":200"#, r#""status":"x""#),
            "`status`",
        ),
        (&CADDY.replace(r#""size":5"#, r#""size":-5"#), "`size`"),
        (&CADDY.replace("0.000023485", r#""23.485µs""#), "`duration`"),
        (&CADDY.replace(r#""method":"GET","#, ""), "`method`"),
        (&CADDY[..CADDY.len() - 1], "does not close"),
    ] {
        assert!(
            caddy
                .parse(bad.as_bytes())
                .is_err_and(|error| error.contains(reason)),
            "{bad}"
        );
    }
}

#[test]
fn traefik_json_lines_are_read_field_by_field() {
    let mut traefik = Traefik::default();
    let text = r#"{"ClientAddr":"10.0.0.9:1","ClientHost":"6.6.6.6, 10.0.0.9","Duration":1500999,"DownstreamContentSize":12,"DownstreamStatus":404,"OriginDuration":1200499,"OriginStatus":404,"RequestHost":"crm","RequestMethod":"GET","RequestPath":"/a\u0022\\b","RouterName":"crm@file","StartLocal":"2026-11-25T10:35:36.2500001+01:00","StartUTC":"2026-11-25T09:35:36.2500001Z","level":"info","msg":"","time":"2026-11-25T09:35:36Z"}"#;
    let expected = Line {
        time_ms: AT_MS + 252,
        request: parts("GET", "/a\"\\b"),
        status: 404,
        response_bytes: 12,
        latency_us: Some(1501),
        upstream_latency_us: Some(1200),
        client: b"10.0.0.9",
        site: b"crm",
    };
    assert_eq!(line_of(&mut traefik, text), expected);
    let local = text.replace(r#""StartUTC":"2026-11-25T09:35:36.2500001Z","#, "");
    assert_eq!(line_of(&mut traefik, &local), expected);
    let own = text.replace("1200499", "0");
    assert_eq!(line_of(&mut traefik, &own).upstream_latency_us, None);
    let log =
        r#"{"level":"info","version":"3.7.13","time":"2026-11-25T09:35:36Z","message":"started"}"#;
    assert_eq!(traefik.parse(log.as_bytes()), Ok(Reading::Other));
    for (bad, reason) in [
        (
            r#"{"level":30,"time":1,"msg":"request completed"}"#.to_owned(),
            "StartUTC",
        ),
        (text.replace("Start", "Stop"), "StartUTC"),
        (text.replace(":404", ":4040"), "DownstreamStatus"),
        (text.replace("1500999", "1e99"), "Duration"),
        (text.replace(":12,", ":\"x\","), "DownstreamContentSize"),
    ] {
        assert!(
            traefik
                .parse(bad.as_bytes())
                .is_err_and(|error| error.contains(reason)),
            "{bad}"
        );
    }
}

#[test]
fn json_fields_are_mapped() {
    let fields = Fields {
        time: Some("ts".to_owned()),
        method: Some("req.method".to_owned()),
        target: Some("req.url".to_owned()),
        latency: Some("dur".to_owned()),
        upstream: Some("app.dur".to_owned()),
        client: Some(String::new()),
        site: Some("req.host".to_owned()),
        ..Fields::default()
    };
    let text = r#"{"ts":1795599336250,"method":"NO","req":{"method":"GET","url":"/a?b","host":"crm"},"status":200,"size":12,"dur":1.5,"app":{"dur":"1.25"},"remote_addr":"1.2.3.4"}"#;
    for (unit, latency_us, upstream_latency_us) in [
        (LatencyUnit::S, 1_500_000, 1_250_000),
        (LatencyUnit::Ms, 1500, 1250),
        (LatencyUnit::Us, 2, 1),
        (LatencyUnit::Ns, 0, 0),
    ] {
        assert_eq!(
            line_of(&mut Json::new(&fields, unit), text),
            Line {
                time_ms: AT_MS + 250,
                request: parts("GET", "/a?b"),
                status: 200,
                response_bytes: 12,
                latency_us: Some(latency_us),
                upstream_latency_us: Some(upstream_latency_us),
                client: b"",
                site: b"crm",
            }
        );
    }
}

#[test]
fn json_fields_are_found_under_usual_names() {
    let mut json = Json::new(&Fields::default(), LatencyUnit::S);
    let nginx = r#"{"time":"2026-11-25T09:35:36+00:00","remote_addr":"1.2.3.4","request":"GET /a\u0022 HTTP/1.1","status":"200","body_bytes_sent":"12","request_time":"0.004","upstream_response_time":"0.001, - : 0.002","host":"crm"}"#;
    let expected = Line {
        time_ms: AT_MS,
        request: Request::Line(b"GET /a\" HTTP/1.1"),
        status: 200,
        response_bytes: 12,
        latency_us: Some(4000),
        upstream_latency_us: Some(3000),
        client: b"1.2.3.4",
        site: b"crm",
    };
    assert_eq!(line_of(&mut json, nginx), expected);
    let ecs = r#"{"@timestamp":"2026-11-25T09:35:36Z","http.request.method":"GET","url":{"path":"/x"},"http":{"response":{"status_code":200}}}"#;
    assert_eq!(line_of(&mut json, ecs).request, parts("GET", "/x"));
    for (text, latency_us, upstream_latency_us) in [
        (nginx.replace("0.004", "-"), None, Some(3000)),
        (nginx.replace("0.001, - : 0.002", ""), Some(4000), None),
        (nginx.replace("0.001, - : 0.002", "-"), Some(4000), None),
    ] {
        let read = line_of(&mut json, &text);
        assert_eq!(read.latency_us, latency_us, "{text}");
        assert_eq!(read.upstream_latency_us, upstream_latency_us, "{text}");
    }
    for (bad, reason) in [
        (nginx.replace("2026-11", "2026-13"), "`time`"),
        (nginx.replace("\"200\"", "null"), "`status`"),
        (
            nginx
                .replace("\"12\"", "[12]")
                .replace("body_bytes_sent", "request_line"),
            "no reason",
        ),
        (nginx.replace("\"12\"", "\"12kB\""), "`bytes`"),
        (nginx.replace("0.004", "4ms"), "`latency`"),
        (
            nginx.replace("0.001, - : 0.002", "0.001 0.002"),
            "`upstream`",
        ),
        (nginx.replace("request\"", "req\""), "neither"),
        ("plain text".to_owned(), "no JSON object"),
    ] {
        match json.parse(bad.as_bytes()) {
            Err(error) => assert!(error.contains(reason), "{bad}: {error}"),
            Ok(_) => assert_eq!(reason, "no reason", "{bad}"),
        }
    }
}

/// IIS's own choice of fields, as its documentation has it: no IIS wrote these lines.
const FIELDS: &str = "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken";
const ENTRY: &str = "2026-11-25 09:35:36 10.0.0.5 GET /account/42 id=1 443 - 1.2.3.4 Mozilla/5.0+(X11) - 200 0 0 31";

#[test]
fn w3c_lines_are_read_as_their_header_says() {
    let mut iis = Iis::default();
    assert!(
        iis.parse(ENTRY.as_bytes())
            .is_err_and(|error| error.contains("#Fields"))
    );
    for header in [
        "#Software: Microsoft Internet Information Services 10.0",
        "#Version: 1.0",
        "#Date: 2026-11-25 09:00:00",
        FIELDS,
    ] {
        assert_eq!(iis.parse(header.as_bytes()), Ok(Reading::Other));
    }
    let expected = Line {
        time_ms: AT_MS,
        request: parts("GET", "/account/42"),
        status: 200,
        response_bytes: 0,
        latency_us: Some(31_000),
        upstream_latency_us: None,
        client: b"1.2.3.4",
        site: b"",
    };
    assert_eq!(line_of(&mut iis, ENTRY), expected);
    let windows = format!("{ENTRY}\r");
    assert_eq!(line_of(&mut iis, &windows), expected);
    for (bad, reason) in [
        (ENTRY.replace(" 31", ""), "fewer fields"),
        (format!("{ENTRY} 1"), "more fields"),
        (ENTRY.replace(" 31", " 3x"), "`time-taken`"),
        (ENTRY.replace("200", "OK"), "`sc-status`"),
        (ENTRY.replace("2026-11-25", "2026-11-31"), "no date"),
        (ENTRY.replace("09:35:36", "9:35"), "no date"),
        (String::new(), "fewer fields"),
    ] {
        assert!(
            iis.parse(bad.as_bytes())
                .is_err_and(|error| error.contains(reason)),
            "{bad}"
        );
    }
    // Other fields from here on, and the date in the header only.
    let newer = "#Fields: time\tcs-method cs-uri-stem sc-status sc-bytes c-ip cs-host s-sitename\r";
    assert_eq!(iis.parse(newer.as_bytes()), Ok(Reading::Other));
    let read = line_of(&mut iis, "09:35:36 GET /a 304 512 - crm W3SVC1");
    assert_eq!(
        (read.time_ms, read.status, read.response_bytes),
        (AT_MS, 304, 512)
    );
    assert_eq!(
        (read.latency_us, read.client, read.site),
        (None, b"".as_slice(), b"crm".as_slice())
    );
    assert_eq!(
        line_of(&mut iis, "09:35:36 - - 400 0 - - W3SVC1").request,
        Request::Line(b"-")
    );
}

/// A guess reads each format as it reads itself, whatever stands before the first request.
#[test]
fn a_guess_settles_on_the_format() {
    let json =
        r#"{"time":"2026-11-25T09:35:36Z","request":"GET / HTTP/1.1","status":200,"duration":31}"#;
    let haproxy = r#"1.2.3.4:1 [25/Nov/2026:09:35:36.250] web app/one 0/0/1/2/3 200 9 - - ---- 1/1/1/1/0 0/0 "GET / HTTP/1.1""#;
    for (format, text, latency_us) in [
        (
            Format::Caddy,
            format!("{}\n{CADDY}", r#"{"level":"info","ts":1.5,"msg":"up"}"#),
            Some(23),
        ),
        (
            Format::Envoy,
            r#"[2026-11-25T09:35:36.250Z] "GET / HTTP/1.1" 200 - 7 335 30 - "-" "-" "-" "crm" "-""#
                .to_owned(),
            Some(30_000),
        ),
        (
            Format::Haproxy,
            format!("Nov 25 09:35:36 lb haproxy[1]: Proxy web started.\n{haproxy}"),
            Some(3000),
        ),
        (
            Format::Iis,
            format!("#Version: 1.0\n{FIELDS}\n{ENTRY}"),
            Some(31_000),
        ),
        // `duration` may be in anything, so a guess leaves it out.
        (Format::Json, json.to_owned(), None),
        (
            Format::Traefik,
            r#"h - - [25/Nov/2026:09:35:36 +0000] "GET / HTTP/1.1" 200 6 "-" "-" 1 "r" "u" 5ms"#
                .to_owned(),
            Some(5000),
        ),
    ] {
        let log = LogConfig {
            zone: Some("+00:00".to_owned()),
            ..LogConfig::new("", Format::Auto)
        };
        let mut guessed = formats::parser(&log);
        let mut parser = formats::parser(&LogConfig { format, ..log });
        for line in text.lines() {
            let (guess, reading) = (
                guessed.parse(line.as_bytes()),
                parser.parse(line.as_bytes()),
            );
            let (Ok(Reading::Request(guess)), Ok(Reading::Request(read))) = (guess, reading) else {
                assert_eq!(guess, Ok(Reading::Other), "{line}");
                continue;
            };
            assert_eq!(
                guess,
                Line {
                    latency_us: guess.latency_us,
                    ..read
                },
                "{line}"
            );
            assert_eq!(guess.latency_us, latency_us, "{line}");
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Caddy::default().parse(&bytes);
        let _ = Json::new(&Fields::default(), LatencyUnit::S).parse(&bytes);
        let _ = Traefik::default().parse(&bytes);
        let mut iis = Iis::default();
        iis.learn(&bytes);
        let _ = iis.parse(&bytes);
        let _ = iis.parse(FIELDS.as_bytes());
        let _ = iis.parse(&bytes);
    }

    #[test]
    fn no_broken_line_panics(at in 0..500usize, bytes in proptest::collection::vec(any::<u8>(), 0..5), cut in 0..5usize) {
        let mut iis = Iis::default();
        iis.learn(FIELDS.as_bytes());
        for good in [CADDY, ENTRY] {
            let mut text = good.as_bytes().to_vec();
            let at = at % text.len();
            let end = (at + cut).min(text.len());
            text.splice(at..end, bytes.iter().copied());
            let _ = Caddy::default().parse(&text);
            let _ = Json::new(&Fields::default(), LatencyUnit::S).parse(&text);
            let _ = iis.parse(&text);
        }
    }

    /// Any text of a client comes out as it was.
    #[test]
    fn caddy_texts_are_as_sent(uri in "/.{0,40}", host in ".{0,20}") {
        let text = serde_json::json!({
            "ts": 1_795_599_336.5, "status": 200,
            "request": { "method": "GET", "uri": uri, "host": host },
        }).to_string();
        let mut caddy = Caddy::default();
        let read = line_of(&mut caddy, &text);
        prop_assert_eq!(read.request, parts("GET", &uri));
        prop_assert_eq!(read.site, host.as_bytes());
    }
}
