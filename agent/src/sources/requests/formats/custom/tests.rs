//! Patterns, and lines under them.

use proptest::prelude::*;

use super::*;
use crate::sources::requests::line::Request::{Line as Whole, Parts};

const TIME_MS: i64 = 1_795_601_145_000;

const COMBINED: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time $upstream_response_time"#;

fn read(pattern: &str, line: &str, check: impl FnOnce(Line<'_>)) {
    let mut custom = Custom::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    match custom.parse(line.as_bytes()) {
        Ok(Reading::Request(found)) => check(found),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn nginx_patterns() {
    let whole = |line: Line<'_>| {
        assert_eq!(line.time_ms, TIME_MS);
        assert_eq!(line.request, Whole(b"GET /a?b HTTP/1.1"));
        assert_eq!((line.status, line.response_bytes), (200, 6));
        assert_eq!(line.client, b"1.2.3.4");
        assert_eq!(line.latency_us, Some(120_000));
    };
    let head = r#"[25/Nov/2026:10:05:45 +0000] "GET /a?b HTTP/1.1" 200 6"#;
    for (user, tail, upstream_us) in [
        ("-", r#""-" "curl" 0.120 -"#, None),
        (
            "-",
            r#""-" "a \x22 b" 0.120 0.001, 0.002 : 0.003"#,
            Some(6000),
        ),
        // The user is the one field without quotes: nothing in it shifts another.
        ("a [b", r#""-" "curl" 0.120 0.100"#, Some(100_000)),
        (
            r"[25/Nov/2020:10:05:45 +0000] \x22GET /x HTTP/1.1\x22 500 9 \x22",
            r#""-" "x" 0.120 0.100"#,
            Some(100_000),
        ),
    ] {
        read(
            COMBINED,
            &format!("1.2.3.4 - {user} {head} {tail}"),
            |line| {
                whole(line);
                assert_eq!(line.upstream_latency_us, upstream_us);
            },
        );
    }
    // Two fields without quotes: the time with the quote behind it cannot be forged.
    let two = COMBINED.replace(
        "$request_time $upstream_response_time",
        "$request_time $made_up",
    );
    for user in ["a b", r"a [25/Nov/2026:10:05:45 +0000] \x22 [25/Nov/2020"] {
        let line = format!("1.2.3.4 - {user} {head} \"-\" \"curl\" 0.120 made up");
        read(&two, &line, whole);
    }
    // escape=json: literals and fields are JSON together.
    let json = r#"{"time":"$time_iso8601","ip":"$remote_addr","request":"$request","status":$status,"sent":"$body_bytes_sent","host":"$host","ua":"$http_user_agent","rt":$request_time,"urt":"$upstream_response_time","x":"$custom"}"#;
    for (agent, urt) in [
        ("curl", "0.100"),
        (r#"\",\"status\":500,\"ua\":\"\\"#, "0.050, 0.050"),
    ] {
        let line = format!(
            r#"{{"time":"2026-11-25T11:05:45+01:00","ip":"1.2.3.4","request":"GET /a?b HTTP/1.1","status":200,"sent":"6","host":"crm","ua":"{agent}","rt":0.120,"urt":"{urt}","x":""}}"#
        );
        read(json, &line, |line| {
            whole(line);
            assert_eq!(line.site, b"crm");
            assert_eq!(line.upstream_latency_us, Some(100_000));
        });
    }
    let pasted = format!("log_format timed '{COMBINED}';");
    read(
        &pasted,
        &format!("1.2.3.4 - - {head} \"-\" \"curl\" 0.120 -"),
        whole,
    );
    let parts = "$msec $request_method $host$request_uri ${status} $bytes_sent";
    for target in ["/a?b", "/a 500 9?b", "/"] {
        let line = format!("1795601145.000 GET crm.example.com{target} 200 6");
        read(parts, &line, |line| {
            assert_eq!(line.time_ms, TIME_MS);
            let request = Parts {
                method: b"GET",
                target: target.as_bytes(),
            };
            assert_eq!(line.request, request);
            assert_eq!((line.status, line.response_bytes), (200, 6));
            assert_eq!(line.site, b"crm.example.com");
        });
    }
    let inside = r#"$time_iso8601 "$request_method $scheme://$host$uri $server_protocol" $status"#;
    let line = r#"2026-11-25T10:05:45+00:00 "GET https://crm/a b HTTP/1.1 HTTP/1.1" 200"#;
    read(inside, line, |line| {
        assert_eq!(
            line.request,
            Parts {
                method: b"GET",
                target: b"/a b HTTP/1.1"
            }
        );
    });
}

#[test]
fn apache_patterns() {
    let combined = r#"%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\" %D"#;
    for user in ["-", r#"a b\" ["#] {
        let line = format!(
            r#"127.0.0.1 - {user} [25/Nov/2026:10:05:45 +0000] "GET /a\"b\\x HTTP/1.1" 200 203 "-" "a\"b\\" 385"#
        );
        read(combined, &line, |line| {
            assert_eq!(line.time_ms, TIME_MS);
            assert_eq!(line.request, Whole(br#"GET /a"b\x5Cx HTTP/1.1"#));
            assert_eq!((line.status, line.response_bytes), (200, 203));
            assert_eq!(line.client, b"127.0.0.1");
            assert_eq!(line.latency_us, Some(385));
        });
    }
    // As a real Apache wrote it, but for the path.
    let own = r"%{%Y-%m-%dT%H:%M:%S}t.%{usec_frac}t %{msec}t %{%d/%b/%Y %T}t.%{msec_frac}t %{%z}t|%a|%m|%U%q|%H|%>s|%B|%{us}T|%{ms}T|%T|%v|%X|%k|%I";
    for (target, method) in [
        ("/a?x=1", "GET"),
        ("/a|HTTP/1.1|500|9", "GET"),
        ("/", r"\x16\x03\x01"),
    ] {
        let line = format!(
            "2026-11-25T10:05:45.252479 1795601145252 25/Nov/2026 10:05:45.252 +0000|127.0.0.1|{method}|{target}|HTTP/1.1|404|3|385|0|0|crm.example.com|+|0|90"
        );
        read(own, &line, |line| {
            assert_eq!(line.time_ms, TIME_MS + 252);
            assert_eq!(
                line.request,
                Parts {
                    method: method.as_bytes(),
                    target: target.as_bytes()
                }
            );
            assert_eq!((line.status, line.response_bytes), (404, 3));
            assert_eq!(line.latency_us, Some(385));
            assert_eq!(line.site, b"crm.example.com");
        });
    }
    let parts = r#"%{%d/%b/%Y %T %z}t %!200,304{X-Y}o %{ms}T "%r" %<s %b %%"#;
    read(
        parts,
        r#"25/Nov/2026 11:05:45 +0100 - 12 "-" 408 - %"#,
        |line| {
            assert_eq!(line.time_ms, TIME_MS + 12, "its end");
            assert_eq!(line.request, Whole(b"-"));
            assert_eq!((line.status, line.response_bytes), (408, 0));
            assert_eq!(line.latency_us, Some(12_000));
        },
    );
    read(
        "%{end:%F %T %z}t %{ms}T %r %>s",
        "2026-11-25 10:05:45 +0000 12 - 408",
        |line| {
            assert_eq!(line.time_ms, TIME_MS);
        },
    );
    read("%{sec}t %m %U %>s %T", "1795601145 - - 414 3", |line| {
        assert_eq!(line.request, Whole(b"-"), "what Apache could not read");
        assert_eq!(line.latency_us, Some(3_000_000));
    });
}

#[test]
fn lines_that_do_not_fit_say_why() {
    let mut custom = Custom::new(COMBINED).unwrap();
    for (line, reason) in [
        ("", "end"),
        (
            r#"1 - - [25/Nov/2026:10:05:45 +0000] "GET / HTTP/1.1" 20 6 "-" "-" 0.1 -"#,
            "status",
        ),
        (
            r#"1 - - [25/Nov/2026:10:05:45 +0000] "GET / HTTP/1.1" 200 x "-" "-" 0.1 -"#,
            "byte count",
        ),
        (
            r#"1 - - [25/Nov/2026:10:05:45 +0000] "GET / HTTP/1.1" 200 6 "-" "-" x -"#,
            "latency",
        ),
        (
            r#"1 - - [25/Nov/2026:10:05:45 +0000] "GET / HTTP/1.1" 200 6 "-" "-" 0.1 x"#,
            "upstream",
        ),
        (
            r#"1 - - [31/Feb/2026:10:05:45 +0000] "GET / HTTP/1.1" 200 6 "-" "-" 0.1 -"#,
            "date",
        ),
        (
            r#"1 - - [25/Nov/2026:10:05:45 +0000] "GET / HTTP/1.1" 200 6 "-" "-" 0.1"#,
            "upstream",
        ),
    ] {
        let error = custom.parse(line.as_bytes()).unwrap_err();
        assert!(error.contains(reason), "{line}: {error}");
    }
}

#[test]
fn bad_patterns_name_the_place_and_the_remedy() {
    let long = format!("%t %r %>s{}", " ".repeat(PATTERN_MAX_BYTES));
    let many = format!("%t %r %>s{}", " %l".repeat(64));
    for (pattern, said) in [
        ("", "neither"),
        ("hello", "neither"),
        (long.as_str(), "use at most 4096"),
        (many.as_str(), "use at most 64"),
        ("$time_local $status", "no request; add \"$request\""),
        (
            "$time_local \"$request\" $stattus",
            "did you mean `$status` by `$stattus` at byte 24",
        ),
        ("\"$request\" $status", "no time; add $time_local"),
        ("$time_local $uri $status", "no method"),
        ("$time_local $request_method $status", "no target"),
        ("$time_local \"$request\" $status $", "byte 32"),
        ("$time_local \"$request\" $status ${x", "has no `}`"),
        (
            "$time_local \"$request\" $status $a$b",
            "nothing stands between `$a` and `$b`",
        ),
        ("%t %r", "no status; add %>s"),
        ("%t %r %>s %d", "did you mean `%D`?"),
        ("%t %r %>s %z", "unknown directive `%z` at byte 11"),
        ("%t %r %>s %\u{1b}", "unknown directive `%\\u{1b}`"),
        ("%t %r %>s %", "byte 11"),
        ("%t %r %>s \\", "byte 11"),
        ("%t %r %>s %{x", "without its `}`"),
        ("%t %r %>s %{x}", "without its directive"),
        ("%t %r %>s %{ns}T", "use %{us}T"),
        ("%{%T}t %r %>s", "no time"),
        ("%{%F %T}t %r %>s", "no zone"),
        ("%{%F %Q}t %r %>s", "unknown `%Q`"),
        ("%{%F %}t %r %>s", "unknown `% `"),
        ("%t %r%>s", "nothing stands between `%r` and `%>s`"),
    ] {
        let error = Custom::new(pattern).expect_err(pattern);
        assert!(error.contains(said), "{pattern}: {error}");
    }
}

proptest! {
    #[test]
    fn no_pattern_and_no_line_panics(pattern in "(log_format a |LogFormat \"|)('?[$%]?\\{?[a-zA-Z_ \"\\\\{}|]{0,8}){0,12}", line in proptest::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(mut custom) = Custom::new(&pattern) {
            let _ = custom.parse(&line);
        }
    }

    #[test]
    fn no_line_panics(line in "[-\"0-9., :\\[\\]/a-zA-Z\\\\]{0,80}") {
        for pattern in [COMBINED, r#"%t "%r" %>s %D"#, r#"{"t":"$msec","r":"$request","s":$status}"#] {
            let _ = Custom::new(pattern).unwrap().parse(line.as_bytes());
        }
    }

    /// Client text within quotes, escaped as nginx does, shifts nothing.
    #[test]
    fn quoted_text_shifts_nothing(user in "[ -!#-\\[\\]-~]{0,30}", agent in "[ -!#-\\[\\]-~]{0,30}", request in "[ -!#-\\[\\]-~]{0,30}") {
        let line = format!(
            "1.2.3.4 - {user} [25/Nov/2026:10:05:45 +0000] \"{request}\" 200 6 \"{agent}\" \"{agent}\" 0.120 -"
        );
        read(COMBINED, &line, |line| {
            assert_eq!(line.request, Whole(request.as_bytes()));
            assert_eq!((line.status, line.response_bytes), (200, 6));
            assert_eq!(line.latency_us, Some(120_000));
        });
    }
}
