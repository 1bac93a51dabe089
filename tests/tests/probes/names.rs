//! Names: a real dnsmasq, the system's resolver, and servers that answer nonsense or nothing.

use std::fmt::Write as _;
use std::fs;
use std::net::UdpSocket;
use std::process::Command;

use crmscope_agent::sources::probes::{Kind, Target};
use crmscope_proto::catalog::{ProbeMetric, ProbeReason};
use crmscope_tests::neighbours::program;
use crmscope_tests::stack::free_port;
use crmscope_tests::{Process, wait_for};

use super::{probe, target};

fn dns(name: &str, domain: &str, server: Option<u16>, expect: Option<&str>) -> Target {
    Target {
        domain: Some(domain.to_owned()),
        server: server.map(|port| format!("127.0.0.1:{port}")),
        expect_address: expect.map(str::to_owned),
        ..target(name, Kind::Dns)
    }
}

#[test]
fn names_are_asked_of_a_real_server() {
    let Some(dnsmasq) = program("dnsmasq", "dnsmasq-base") else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut config = format!(
        "port={port}\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\nuser=\n\
         host-record=crm.test,192.0.2.7\nhost-record=six.test,2001:db8::7\ncname=alias.test,crm.test\nlocal=/test/\n"
    );
    // Too many for a packet.
    for last in 1..=100 {
        let _ = writeln!(config, "address=/many.test/198.51.100.{last}");
    }
    let file = scratch.path().join("dnsmasq.conf");
    fs::write(&file, config).unwrap();
    let log = scratch.path().join("dnsmasq.log");
    let _process = Process::start(
        "dnsmasq",
        Command::new(dnsmasq)
            .arg("--keep-in-foreground")
            .arg(format!("--conf-file={}", file.display())),
        &log,
    );
    wait_for("dnsmasq to listen", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())
    });
    let rows = probe(
        vec![
            dns("there", "CRM.test.", Some(port), None),
            dns("as meant", "crm.test", Some(port), Some("192.0.2.7")),
            dns("alias", "alias.test", Some(port), Some("192.0.2.7")),
            dns("elsewhere", "crm.test", Some(port), Some("192.0.2.8")),
            dns("six", "six.test", Some(port), Some("2001:db8::7")),
            dns("only six", "six.test", Some(port), None),
            dns("many", "many.test", Some(port), Some("198.51.100.100")),
            dns("nowhere", "nothing.test", Some(port), None),
            dns("not his", "example.org", Some(port), None),
        ],
        3_000,
    );
    for (name, reason) in [
        ("there", ProbeReason::None),
        ("as meant", ProbeReason::None),
        ("alias", ProbeReason::None),
        ("elsewhere", ProbeReason::WrongAddress),
        ("six", ProbeReason::None),
        ("only six", ProbeReason::None),
        ("many", ProbeReason::None),
        ("nowhere", ProbeReason::ResolveFailed),
        ("not his", ProbeReason::ResolveFailed),
    ] {
        let row = &rows[name];
        assert_eq!(row.reason(), reason, "{name}");
        let answered = reason != ProbeReason::ResolveFailed;
        assert_eq!(row.get(ProbeMetric::Dns).is_some(), answered, "{name}");
        assert_eq!(row.get(ProbeMetric::Connect), None, "{name}");
    }
}

#[test]
fn servers_that_are_none_and_the_systems_resolver_are_told_apart() {
    // Bound, and nobody reads.
    let mute = UdpSocket::bind("127.0.0.1:0").unwrap();
    let liar = UdpSocket::bind("127.0.0.1:0").unwrap();
    let of = |socket: &UdpSocket| Some(socket.local_addr().unwrap().port());
    let liar_port = of(&liar);
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = liar.recv_from(&mut buffer) {
            // Packets for nobody, then an answer that says it holds a record and ends.
            buffer[2] |= 0x80;
            buffer[7] = 1;
            for _ in 0..3 {
                let _ = liar.send_to(b"nonsense", from);
            }
            let _ = liar.send_to(&buffer[..length], from);
        }
    });
    let rows = probe(
        vec![
            dns("mute", "crm.test", of(&mute), None),
            dns("liar", "crm.test", liar_port, None),
            dns("nobody", "crm.test", Some(free_port()), None),
            dns("localhost", "localhost", None, None),
            dns("localhost as meant", "localhost", None, Some("127.0.0.1")),
            dns("localhost elsewhere", "localhost", None, Some("192.0.2.1")),
            dns("invalid", "nothing.invalid", None, None),
        ],
        3_000,
    );
    for (name, reason) in [
        ("mute", ProbeReason::TimedOut),
        ("liar", ProbeReason::Protocol),
        ("nobody", ProbeReason::Refused),
        ("localhost", ProbeReason::None),
        ("localhost as meant", ProbeReason::None),
        ("localhost elsewhere", ProbeReason::WrongAddress),
    ] {
        assert_eq!(rows[name].reason(), reason, "{name}");
    }
    // Where there is no network the resolver may wait for it.
    let invalid = rows["invalid"].reason();
    assert!(
        [ProbeReason::ResolveFailed, ProbeReason::TimedOut].contains(&invalid),
        "{invalid:?}"
    );
}
