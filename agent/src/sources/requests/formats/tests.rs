//! Lines of each format that is read from text, hostile ones among them.

use proptest::prelude::*;

use super::*;
use crate::sources::requests::line::Request;

/// 25 Nov 2026, 09:35:36 UTC.
const TIME_MS: i64 = 1_795_599_336_000;

const HEAD: &str = r#"1.2.3.4 - - [25/Nov/2026:09:35:36 +0000] "GET /a HTTP/1.1" 200 6"#;

fn of(format: Format) -> Box<dyn LineParser> {
    parser(&LogConfig::new("/a.log", format))
}

/// What a line says, if it is a request.
fn read<'a>(parser: &'a mut dyn LineParser, line: &'a str) -> Line<'a> {
    match parser.parse(line.as_bytes()) {
        Ok(Reading::Request(line)) => line,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn durations_behind_nginx_lines() {
    let us = |milliseconds: Option<u64>| milliseconds.map(|milliseconds| milliseconds * 1000);
    for (tail, latency, upstream) in [
        ("", None, None),
        (r#" "-" "curl""#, None, None),
        (r#" "-" "curl" 0.120 0.100"#, Some(120), Some(100)),
        (r#" "-" "curl" 0.120 -"#, Some(120), None),
        (
            r#" "-" "curl" 0.120 0.001, 0.002 : 0.003"#,
            Some(120),
            Some(6),
        ),
        (
            r#" "-" "curl" 0.120 0.001, - : 0.003 ."#,
            Some(120),
            Some(4),
        ),
        (
            r#" "-" "curl" 0.120 0.001 0.090 0.100 HIT"#,
            Some(120),
            Some(100),
        ),
        (
            r#" "-" "curl" 0.120 crm.example.com 0.100"#,
            Some(120),
            None,
        ),
        (r#" "-" "curl" 0.120 1795599336.123"#, Some(120), None),
        (r#" "-" "curl" 1795599336.123 0.001"#, None, None),
        (r#" "-" "curl" "0.120" "0.001, 0.002""#, Some(120), Some(3)),
        (r#" "-" "curl" "10.0.0.1" "0.120" "-""#, Some(120), None),
        (r#" "-" "curl" "-" 0.120 "0.100""#, Some(120), Some(100)),
        (
            r#" "-" "curl" rt=0.120 uct="0.001" uht="0.090" urt="0.100""#,
            Some(120),
            Some(100),
        ),
        (
            r#" "-" "curl" rt=0.120 uct=0.001 uht=0.090 urt=0.050, 0.050"#,
            Some(120),
            Some(100),
        ),
        (r#" "-" "curl" urt=- rt=0.120 x"#, Some(120), None),
        (
            r#" "-" "curl" request_time="0.120" upstream_response_time="0.1""#,
            Some(120),
            None,
        ),
        (r#" "-" "curl" rt= urt="#, None, None),
        (r#" "-" "curl" rt=" urt="#, None, None),
        (r#" "-" "rt=0.120 urt=0.100""#, None, None),
        (r#" "-" "curl" rt=0.120 urt="0.100"#, Some(120), None),
    ] {
        let text = format!("{HEAD}{tail}");
        let mut nginx = of(Format::Nginx);
        let line = read(nginx.as_mut(), &text);
        let found = (line.latency_us, line.upstream_latency_us);
        assert_eq!(found, (us(latency), us(upstream)), "{tail}");
    }
}

/// A header of the client stands at a quoted place: what looks like a duration there is none.
#[test]
fn a_client_cannot_forge_a_quoted_duration() {
    let mut nginx = of(Format::Nginx);
    let line = |tail: &str| format!("{HEAD} \"-\" \"curl\" {tail}");
    assert_eq!(read(nginx.as_mut(), &line("\"-\"")).latency_us, None);
    let forged = line("\"9.000\"");
    assert_eq!(read(nginx.as_mut(), &forged).latency_us, None);
    let both = line("\"9.000\" \"0.010\"");
    assert_eq!(read(nginx.as_mut(), &both).latency_us, Some(10_000));
}

#[test]
fn apache_lines_are_read_field_by_field() {
    for (text, site, client, latency_us) in [
        (HEAD.to_owned(), "", "1.2.3.4", None),
        (format!("{HEAD} 385"), "", "1.2.3.4", Some(385)),
        (format!("{HEAD} \"-\" \"curl\""), "", "1.2.3.4", None),
        (
            format!("{HEAD} \"-\" \"curl\" 385"),
            "",
            "1.2.3.4",
            Some(385),
        ),
        (
            format!("{HEAD} \"-\" \"curl \\\" 7\" 385"),
            "",
            "1.2.3.4",
            Some(385),
        ),
        // Not %D alone: two numbers, a number with a point, one quoted field, a number in front.
        (format!("{HEAD} \"-\" \"curl\" 385 12"), "", "1.2.3.4", None),
        (format!("{HEAD} \"-\" \"curl\" 0.385"), "", "1.2.3.4", None),
        (format!("{HEAD} \"-\" 385"), "", "1.2.3.4", None),
        (format!("{HEAD} 385 \"-\" \"curl\""), "", "1.2.3.4", None),
        (format!("{HEAD} \"-\" \"curl 385"), "", "1.2.3.4", None),
        (
            format!("crm.example.com:443 {HEAD} \"-\" \"curl\" 7"),
            "crm.example.com",
            "1.2.3.4",
            Some(7),
        ),
        (format!("crm:80 ::1{}", &HEAD[7..]), "crm", "::1", None),
        (format!("::1{}", &HEAD[7..]), "", "::1", None),
        (
            format!("2001:db8::80{}", &HEAD[7..]),
            "",
            "2001:db8::80",
            None,
        ),
        (format!("host:x{}", &HEAD[7..]), "", "host:x", None),
        (
            HEAD.replace("- - [", r#"- a b\" [x [ ["#),
            "",
            "1.2.3.4",
            None,
        ),
    ] {
        let mut apache = of(Format::Apache);
        let line = read(apache.as_mut(), &text);
        assert_eq!(line.site, site.as_bytes(), "{text}");
        assert_eq!(line.client, client.as_bytes(), "{text}");
        assert_eq!(line.latency_us, latency_us, "{text}");
        assert_eq!(
            (line.time_ms, line.status, line.response_bytes),
            (TIME_MS, 200, 6)
        );
        assert_eq!(line.request, Request::Line(b"GET /a HTTP/1.1"));
    }
    let mut apache = of(Format::Apache);
    let text = HEAD.replace("/a", r#"/a\"b\\c\xc3"#);
    let request = read(apache.as_mut(), &text).request;
    assert_eq!(request, Request::Line(br#"GET /a"b\x5Cc\xc3 HTTP/1.1"#));
    let slow = format!("{HEAD} 30000000");
    assert_eq!(
        read(apache.as_mut(), &slow).time_ms,
        TIME_MS + 30_000,
        "its end"
    );
    let text = HEAD.replace("200 6", "304 -");
    let line = read(apache.as_mut(), &text);
    assert_eq!((line.status, line.response_bytes), (304, 0));
    for bad in ["", "\"", r#"\""#, "crm:80", &HEAD[..40], &HEAD[..60]] {
        assert!(apache.parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

const ODOO: &str =
    "2026-11-25 09:35:36,123 4711 INFO db werkzeug: 1.2.3.4 - - [25/Nov/2026 09:35:36] ";

#[test]
fn odoo_lines_are_read_and_others_passed_over() {
    for (tail, request, bytes, latency_us) in [
        (
            r#""GET /web HTTP/1.1" 200 - 12 0.010 0.123"#,
            "GET /web HTTP/1.1",
            0,
            Some(133_000),
        ),
        (
            r#""GET /web HTTP/1.1" 200 512 1 0.001 0.002 ro"#,
            "GET /web HTTP/1.1",
            512,
            Some(3000),
        ),
        (
            r#""GET /web HTTP/1.1" 200 - - - -"#,
            "GET /web HTTP/1.1",
            0,
            None,
        ),
        (r#""GET /web HTTP/1.1" 200 -"#, "GET /web HTTP/1.1", 0, None),
        // Werkzeug escapes no quotes.
        (
            r#""GET /a" 500 9 "b HTTP/1.1" 200 - 1 0.001 0.002"#,
            r#"GET /a" 500 9 "b HTTP/1.1"#,
            0,
            Some(3000),
        ),
        (
            r#""GET /a] "x HTTP/1.1" 200 -"#,
            r#"GET /a] "x HTTP/1.1"#,
            0,
            None,
        ),
    ] {
        let text = format!("{ODOO}{tail}");
        let mut odoo = of(Format::Odoo);
        let line = read(odoo.as_mut(), &text);
        assert_eq!(line.request, Request::Line(request.as_bytes()));
        assert_eq!(line.time_ms, TIME_MS + 123);
        assert_eq!((line.status, line.response_bytes), (200, bytes));
        assert_eq!(line.latency_us, latency_us, "{tail}");
        assert_eq!(line.client, b"1.2.3.4");
    }
    let mut odoo = of(Format::Odoo);
    let traceback = b"  File \"/opt/odoo/odoo/http.py\", line 1, in x";
    assert!(
        odoo.parse(traceback).is_err(),
        "no line with a head was seen"
    );
    for other in [
        "2026-11-25 09:35:36,123 4711 INFO ? odoo: Odoo version 17.0",
        "2026-11-25 09:35:36,123 4711 INFO db odoo.addons.base.models.res_users: Login failed for db:db login:x\" 200 - from 1.2.3.4",
        "2026-11-25 09:35:36,123 4711 INFO ? werkzeug: Press CTRL+C to quit",
        "2026-11-25 09:35:36,123 4711 ERROR db odoo.http: Exception during request handling.",
        "Traceback (most recent call last):",
        "",
    ] {
        assert_eq!(odoo.parse(other.as_bytes()), Ok(Reading::Other), "{other}");
    }
    assert_eq!(odoo.parse(traceback), Ok(Reading::Other));
    for bad in [
        r#""GET /web HTTP/1.1" 20 -"#,
        r#""GET /web HTTP/1.1" 200"#,
        r#""GET /web"#,
    ] {
        assert!(
            odoo.parse(format!("{ODOO}{bad}").as_bytes()).is_err(),
            "{bad}"
        );
    }
}

/// What Werkzeug 2.0.2 and 3.0.1 wrote for good, bad and hostile requests, in Odoo's line format.
#[test]
fn real_lines_of_werkzeug_are_read() {
    let text = include_str!("../fixtures/werkzeug.log");
    let mut odoo = of(Format::Odoo);
    let mut found = Vec::new();
    for line in text.lines() {
        match odoo.parse(line.as_bytes()) {
            Ok(Reading::Request(line)) => {
                assert_eq!(line.latency_us, Some(133_000));
                let Request::Line(request) = line.request else {
                    panic!("{line:?}");
                };
                assert!(!request.starts_with(b"\x1b"), "{line:?}");
                found.push(line.status);
            }
            Ok(Reading::Other) => assert!(line.contains("code 400, message"), "{line}"),
            Err(error) => panic!("{line}: {error}"),
        }
    }
    // The status stands behind the last quote, but for messages about bad requests.
    let expected: Vec<u16> = text
        .lines()
        .filter(|line| !line.contains("code 400, message"))
        .map(|line| line.rsplit('"').next().unwrap()[1..4].parse().unwrap())
        .collect();
    assert_eq!(found, expected);
    assert_eq!(found.len(), 22);
    let forged = "2026-11-25 09:35:36,123 4711 ERROR db werkzeug: 1.2.3.4 - - [25/Nov/2026 09:35:36] code 400, message Bad request syntax ('GET /] \"GET /x HTTP/1.1\" 200 - 1 0.001 0.002')";
    assert_eq!(odoo.parse(forged.as_bytes()), Ok(Reading::Other));
}

#[test]
fn a_format_is_guessed_once_and_again_when_it_changes() {
    let mut auto = of(Format::Auto);
    assert!(auto.parse(b"no format at all").is_err());
    let vhost = format!("crm.example.com:80 {HEAD} \"-\" \"curl\" 385");
    let line = read(auto.as_mut(), &vhost);
    assert_eq!(line.site, b"crm.example.com");
    assert_eq!(line.latency_us, None, "a number may mean anything");
    // A client may have sent the first word of that line: others are read all the same.
    assert_eq!(read(auto.as_mut(), HEAD).client, b"1.2.3.4");
    let odoo = format!("{ODOO}\"GET /web HTTP/1.1\" 200 - 1 0.001 0.002");
    let mut unread = 0;
    while auto.parse(odoo.as_bytes()).is_err() {
        unread += 1;
        assert!(unread <= 100, "the guess is never doubted");
    }
    assert_eq!(unread, 32);
    assert_eq!(auto.parse(b"Traceback"), Ok(Reading::Other));
    // One line that is not understood changes nothing.
    let mut auto = of(Format::Auto);
    let timed = format!("{HEAD} \"-\" \"curl\" 0.120 0.100");
    for _ in 0..3 {
        assert_eq!(
            read(auto.as_mut(), &timed).upstream_latency_us,
            Some(100_000)
        );
        assert!(auto.parse(odoo.as_bytes()).is_err());
    }
}

/// Whatever comes, each parser answers once and a guess is the same for the same lines.
fn check(lines: &[Vec<u8>]) -> Result<(), TestCaseError> {
    for &format in Format::ALL {
        if format == Format::Custom {
            continue;
        }
        let mut one = of(format);
        let mut other = of(format);
        for line in lines {
            prop_assert_eq!(one.parse(line), other.parse(line));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_bytes_panic(lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..5)) {
        check(&lines)?;
    }

    #[test]
    fn no_tail_panics(tails in proptest::collection::vec("[-\"0-9., :=a-z\\\\]{0,40}", 0..5)) {
        let common = tails.iter().map(|tail| format!("{HEAD}{tail}").into_bytes());
        let odoo = tails.iter().map(|tail| format!("{ODOO}\"{tail}").into_bytes());
        check(&common.chain(odoo).collect::<Vec<_>>())?;
    }

    #[test]
    fn an_agent_forges_nothing(agent in "[ -!#-\\[\\]-~]{0,60}") {
        for format in [Format::Nginx, Format::Apache, Format::Auto] {
            let mut parser = of(format);
            let text = format!("{HEAD} \"{agent}\" \"{agent}\"");
            let line = read(parser.as_mut(), &text);
            prop_assert_eq!((line.latency_us, line.upstream_latency_us), (None, None));
        }
    }
}
