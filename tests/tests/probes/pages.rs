//! Pages of a real nginx, over http and over https with certificates of every sort.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crmscope_agent::sources::probes::{Method, Status, Target};
use crmscope_proto::catalog::{ProbeMetric, ProbeReason};
use crmscope_tests::neighbours::program;
use crmscope_tests::stack::free_port;
use crmscope_tests::{Process, http_get, wait_for};

use super::certificates::{Authority, Pair};
use super::{Row, http, probe};

fn server(port: u16, pair: Option<&Pair>) -> String {
    let (ssl, files) = match pair {
        Some(Pair { certificate, key }) => (
            " ssl",
            format!("ssl_certificate {certificate:?}; ssl_certificate_key {key:?};"),
        ),
        None => ("", String::new()),
    };
    format!(
        "server {{ listen 127.0.0.1:{port}{ssl}; {files}\n\
         location = / {{ return 200 'welcome to the CRM, $host'; }}\n\
         location = /broken {{ return 500; }}\n\
         location = /moved {{ return 301 /; }}\n\
         location = /agent {{ return 200 '$http_user_agent'; }}\n\
         location = /big {{ try_files /big =404; }} }}\n"
    )
}

#[test]
fn pages_and_certificates_of_a_real_server_are_judged() {
    let (Some(nginx), Some(openssl)) = (program("nginx", "nginx"), program("openssl", "openssl"))
    else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path();
    let authority = Authority::new(&openssl, directory);
    let subject = "DNS:localhost,IP:127.0.0.1";
    let pairs = [
        ("good", authority.signed("good", subject, "-days 10")),
        ("soon", authority.signed("soon", subject, "-days 1")),
        (
            "expired",
            authority.signed(
                "expired",
                subject,
                "-startdate 20200101000000Z -enddate 20200201000000Z",
            ),
        ),
        (
            "other",
            authority.signed("other", "DNS:other.example", "-days 10"),
        ),
        (
            "own",
            authority.own("own", 10, &format!("subjectAltName={subject}")),
        ),
    ];
    let plain = free_port();
    let mut servers = server(plain, None);
    let ports = pairs.each_ref().map(|(name, pair)| {
        let port = free_port();
        let _ = write!(servers, "{}", server(port, Some(pair)));
        (*name, port)
    });
    let port = |name: &str| ports.iter().find(|(of, _)| *of == name).unwrap().1;
    // As long as a film, and takes no room.
    let big = fs::File::create(directory.join("big")).unwrap();
    big.set_len(10 << 30).unwrap();
    let root = directory.display();
    let config = directory.join("nginx.conf");
    fs::write(
        &config,
        format!(
            "daemon off; worker_processes 1; pid {root}/nginx.pid; error_log {root}/error.log; user root;\n\
             events {{}}\nhttp {{ access_log off; root {root}; client_body_temp_path {root}/t1; proxy_temp_path {root}/t2;\n\
             fastcgi_temp_path {root}/t3; uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;\n{servers} }}\n"
        ),
    )
    .unwrap();
    let _process = Process::start(
        "nginx",
        Command::new(nginx)
            .arg("-c")
            .arg(&config)
            .arg("-e")
            .arg(directory.join("error.log")),
        &directory.join("nginx.log"),
    )
    .gently();
    wait_for("nginx to answer", || match http_get(plain, "/") {
        Ok((200, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    });

    let at = |name: &str, path: &str| http(name, format!("http://localhost:{plain}{path}"));
    let expects = |name: &str, path: &str, body: &str| Target {
        expect_body: Some(body.to_owned()),
        ..at(name, path)
    };
    let rows = probe(
        vec![
            at("page", "/"),
            at("moved", "/moved"),
            at("broken", "/broken"),
            at("big", "/big"),
            expects("text", "/", "to the CRM"),
            expects("no text", "/", "to the ERP"),
            expects(
                "agent",
                "/agent",
                concat!("crmscope-agent/", env!("CARGO_PKG_VERSION")),
            ),
            Target {
                expect_body_regex: Some("^welcome .* crm[.]example$".to_owned()),
                host: Some("crm.example".to_owned()),
                ..at("matches", "/")
            },
            Target {
                expect_status: Some(vec![Status::Code(500), Status::Text("4xx".to_owned())]),
                ..at("broken as meant", "/broken")
            },
            Target {
                method: Some(Method::Head),
                ..at("head", "/big")
            },
        ],
        3_000,
    );
    for (name, reason, status, body) in [
        ("page", ProbeReason::None, Some(200), Some(29)),
        ("moved", ProbeReason::None, Some(301), None),
        ("broken", ProbeReason::Status, Some(500), None),
        ("big", ProbeReason::None, Some(200), Some(65_536)),
        ("text", ProbeReason::None, Some(200), Some(29)),
        ("no text", ProbeReason::Body, Some(200), Some(29)),
        ("agent", ProbeReason::None, Some(200), None),
        ("matches", ProbeReason::None, Some(200), None),
        ("broken as meant", ProbeReason::None, Some(500), None),
        ("head", ProbeReason::None, Some(200), Some(0)),
    ] {
        let row = &rows[name];
        assert_eq!(row.reason(), reason, "{name}");
        assert_eq!(row.get(ProbeMetric::Status), status, "{name}");
        if body.is_some() {
            assert_eq!(row.get(ProbeMetric::Body), body, "{name}");
        }
        assert!(
            row.get(ProbeMetric::Dns).is_some(),
            "{name}: localhost is a name"
        );
        assert!(row.get(ProbeMetric::Connect).is_some(), "{name}");
        assert_eq!(row.get(ProbeMetric::CertificateExpires), None, "{name}");
        let phases = [
            ProbeMetric::Dns,
            ProbeMetric::Connect,
            ProbeMetric::FirstByte,
        ];
        let phases_us: u64 = phases.iter().filter_map(|&phase| row.get(phase)).sum();
        assert!(
            u128::from(phases_us) <= row.duration().as_micros(),
            "{name}"
        );
    }

    let trusting = |name: &str, server: &str, file: &Pair| Target {
        server_ca_file: Some(file.certificate.clone()),
        ..http(name, format!("https://localhost:{}/", port(server)))
    };
    let ca = Pair {
        certificate: authority.file(),
        key: authority.file(),
    };
    let own = &pairs[4].1;
    let rows = probe(
        vec![
            trusting("good", "good", &ca),
            trusting("soon", "soon", &ca),
            trusting("expired", "expired", &ca),
            trusting("other", "other", &ca),
            Target {
                host: Some("other.example".to_owned()),
                ..trusting("other as asked", "other", &ca)
            },
            trusting("own", "own", &ca),
            trusting("own, pinned", "own", own),
            Target {
                host: Some("other.example".to_owned()),
                ..trusting("own, other name", "own", own)
            },
            Target {
                server_ca_file: Some(own.certificate.clone()),
                ..http("address", format!("https://127.0.0.1:{}/", port("good")))
            },
            Target {
                server_ca_file: Some(authority.file()),
                ..http(
                    "address, trusted",
                    format!("https://127.0.0.1:{}/", port("good")),
                )
            },
        ],
        3_000,
    );
    let day = 86_400;
    for (name, reason, left) in [
        ("good", ProbeReason::None, 9 * day..=10 * day),
        ("soon", ProbeReason::None, day / 2..=day),
        ("expired", ProbeReason::CertificateExpired, 0..=0),
        (
            "other",
            ProbeReason::CertificateOtherName,
            9 * day..=10 * day,
        ),
        ("other as asked", ProbeReason::None, 9 * day..=10 * day),
        (
            "own",
            ProbeReason::CertificateNotTrusted,
            9 * day..=10 * day,
        ),
        ("own, pinned", ProbeReason::None, 9 * day..=10 * day),
        (
            "own, other name",
            ProbeReason::CertificateOtherName,
            9 * day..=10 * day,
        ),
        (
            "address",
            ProbeReason::CertificateNotTrusted,
            9 * day..=10 * day,
        ),
        ("address, trusted", ProbeReason::None, 9 * day..=10 * day),
    ] {
        let row: &Row = &rows[name];
        assert_eq!(row.reason(), reason, "{name}");
        let seconds = row.get(ProbeMetric::CertificateExpires).unwrap();
        assert!(left.contains(&seconds), "{name}: {seconds}");
        let up = reason == ProbeReason::None;
        assert_eq!(row.get(ProbeMetric::Tls).is_some(), up, "{name}");
        assert_eq!(row.get(ProbeMetric::Status), up.then_some(200), "{name}");
    }
}
