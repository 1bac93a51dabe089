//! Servers that do what they should not: each run ends in time and says what happened.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crmscope_agent::sources::probes::{Kind, Target};
use crmscope_proto::catalog::{ProbeMetric, ProbeReason};
use crmscope_tests::neighbours::program;
use crmscope_tests::stack::free_port;

use super::{http, probe, target};

/// Serves each connection on a thread that ends with the connection, or with the test.
fn serve(answer: fn(TcpStream)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    port
}

/// Reads until the other end has had enough.
fn silent(mut stream: TcpStream) {
    while stream.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {}
}

fn drip(mut stream: TcpStream) {
    after_request(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n");
    while stream.write_all(b".").is_ok() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn endless_header(mut stream: TcpStream) {
    after_request(&mut stream, b"HTTP/1.1 200 OK\r\nX: ");
    while stream.write_all(&[b'x'; 8192]).is_ok() {}
}

fn many_headers(mut stream: TcpStream) {
    after_request(&mut stream, b"HTTP/1.1 200 OK\r\n");
    while stream.write_all(b"X: y\r\n").is_ok() {}
}

fn endless_continue(mut stream: TcpStream) {
    after_request(&mut stream, b"");
    while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok() {}
}

fn endless_chunks(mut stream: TcpStream) {
    after_request(
        &mut stream,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    while stream.write_all(b"4\r\nabcd\r\n").is_ok() {}
}

fn after_request(stream: &mut TcpStream, answer: &[u8]) {
    let _ = stream.read(&mut [0; 4096]);
    let _ = stream.write_all(answer);
}

#[test]
fn whatever_a_server_does_a_run_ends_and_says_why() {
    let page = |name: &str, port: u16| http(name, format!("http://127.0.0.1:{port}/"));
    let quiet = serve(silent);
    let rows = probe(
        vec![
            page("silent", quiet),
            page("closes", serve(|_| ())),
            page("drips", serve(drip)),
            page("endless header", serve(endless_header)),
            page("many headers", serve(many_headers)),
            page("endless continue", serve(endless_continue)),
            page("endless chunks", serve(endless_chunks)),
            page(
                "no http",
                serve(|mut stream| after_request(&mut stream, b"SSH-2.0-x\r\n")),
            ),
            page(
                "cut off",
                serve(|mut stream| {
                    after_request(
                        &mut stream,
                        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
                    );
                }),
            ),
            page(
                "never said how long",
                serve(|mut stream| after_request(&mut stream, b"HTTP/1.0 200 OK\r\n\r\nall")),
            ),
            page(
                "too early",
                serve(|mut stream| {
                    let _ = stream.write_all(b"220 mail\r\n");
                    silent(stream);
                }),
            ),
            page("refused", free_port()),
            Target {
                address: Some(format!("127.0.0.1:{quiet}")),
                ..target("port", Kind::Tcp)
            },
            Target {
                address: Some(format!("localhost:{}", free_port())),
                ..target("no port", Kind::Tcp)
            },
        ],
        1_000,
    );
    for (name, reason) in [
        ("silent", ProbeReason::TimedOut),
        ("closes", ProbeReason::Closed),
        ("drips", ProbeReason::TimedOut),
        ("endless header", ProbeReason::Protocol),
        ("many headers", ProbeReason::Protocol),
        ("endless continue", ProbeReason::TimedOut),
        ("endless chunks", ProbeReason::None),
        ("no http", ProbeReason::Protocol),
        ("cut off", ProbeReason::Closed),
        ("never said how long", ProbeReason::None),
        ("too early", ProbeReason::Protocol),
        ("refused", ProbeReason::Refused),
        ("port", ProbeReason::None),
        ("no port", ProbeReason::Refused),
    ] {
        assert_eq!(rows[name].reason(), reason, "{name}");
    }
    for name in ["silent", "drips", "endless continue"] {
        assert!(rows[name].duration() >= Duration::from_secs(1), "{name}");
        assert!(rows[name].get(ProbeMetric::Connect).is_some(), "{name}");
    }
    assert_eq!(rows["silent"].get(ProbeMetric::FirstByte), None);
    assert_eq!(rows["drips"].get(ProbeMetric::Status), Some(200));
    assert_eq!(rows["endless chunks"].get(ProbeMetric::Body), Some(65_536));
    assert_eq!(rows["cut off"].get(ProbeMetric::Body), Some(4));
}

#[test]
fn handshakes_that_do_not_come_about_end_too() {
    // Without a file of its own, a target trusts the system's certificates.
    if program("update-ca-certificates", "ca-certificates").is_none() {
        return;
    }
    let page = |name: &str, port: u16| http(name, format!("https://127.0.0.1:{port}/"));
    let rows = probe(
        vec![
            page("silent", serve(silent)),
            page("closes", serve(|_| ())),
            page(
                "no tls",
                serve(|mut stream| after_request(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n")),
            ),
        ],
        1_000,
    );
    for (name, reason) in [
        ("silent", ProbeReason::TimedOut),
        ("closes", ProbeReason::Closed),
        ("no tls", ProbeReason::TlsFailed),
    ] {
        assert_eq!(rows[name].reason(), reason, "{name}");
        assert!(rows[name].get(ProbeMetric::Connect).is_some(), "{name}");
        assert_eq!(rows[name].get(ProbeMetric::Tls), None, "{name}");
    }
}

#[test]
fn targets_that_hang_hold_up_no_other() {
    let quiet = serve(silent);
    let mut targets: Vec<Target> = (0..15)
        .map(|number| {
            http(
                &format!("silent {number}"),
                format!("http://127.0.0.1:{quiet}/"),
            )
        })
        .collect();
    targets.push(Target {
        address: Some(format!("127.0.0.1:{quiet}")),
        ..target("port", Kind::Tcp)
    });
    let rows = probe(targets, 3_000);
    let port = &rows["port"];
    assert_eq!(port.reason(), ProbeReason::None);
    assert!(port.duration() < Duration::from_secs(3));
    let hung = rows
        .values()
        .filter(|row| row.reason() == ProbeReason::TimedOut);
    assert_eq!(hung.count(), 15);
}
