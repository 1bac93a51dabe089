//! Certificates end and are replaced while everything goes on.

use std::fs;

use crmscope_tests::process::binary;
use crmscope_tests::{PATIENCE, wait_for};

use crate::surroundings::{Secure, run, wait_said};

/// Certificates of a minute: the agent renews, the collector ends the stream of the old one, and every
/// batch is there once.
#[test]
fn a_certificate_is_renewed_under_load_and_nothing_is_lost() {
    let secure = Secure::start(&[("INGEST__AUTHORITY__CERTIFICATE_MINUTES", "1")]);
    let token = secure.token(&[]);
    let access = secure.stack.path("access.log");
    fs::write(&access, "").unwrap();
    let file = secure.stack.path("web-1.enrolment");
    fs::write(&file, &token).unwrap();
    let identity = format!(
        "token_file = {file:?}\n[sources.requests]\nfrom = \"start\"\nlogs = [{{ path = {access:?}, service = \"crm\" }}]"
    );
    let mut agent = secure.agent("web-1", &identity);
    secure.wait_beats("web-1");
    let mut lines = 0u64;
    let renewed = "crmscope_collector_certificates_issued_total{kind=\"renewed\"}";
    let hellos = "SELECT count() FROM agents WHERE agent_id = 'web-1'";
    let _ = hellos;
    let streams = "crmscope_collector_ingest_streams_total";
    let before = secure.counter(streams);
    let begun = std::time::Instant::now();
    // Until the first certificate has ended and the stream was opened with the next one.
    while secure.counter(renewed) == 0 || secure.counter(streams) == before {
        assert!(begun.elapsed() < 2 * PATIENCE, "{}", agent.log());
        let time = "30/Nov/2026:00:00:00 +0000";
        let mut text = String::new();
        for _ in 0..50 {
            lines += 1;
            text.push_str(&format!(
                "192.0.2.7 - - [{time}] \"GET /account/{lines} HTTP/1.1\" 200 5 \"-\" \"x\"\n"
            ));
        }
        use std::io::Write as _;
        let mut log = fs::File::options().append(true).open(&access).unwrap();
        log.write_all(text.as_bytes()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    secure.stack.wait_number(
        "every request",
        "SELECT toUInt64(sum(requests)) FROM requests_1m",
        |found| {
            assert!(found <= lines, "{found} of {lines}");
            found == lines
        },
    );
    agent.terminate();
    let (code, text) = secure.stack.ledger(&["--agent", "web-1"]);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn the_collectors_certificate_is_replaced_without_a_restart_and_a_bad_one_is_not_taken() {
    let secure = Secure::start(&[]);
    let token = secure.token(&["--agents", "2"]);
    let mut agent = secure.enrolling("web-1", &token);
    secure.wait_beats("web-1");
    let collector = secure.stack.collector.as_ref().unwrap();
    let pem = secure.tls.path().join("collector.pem");
    let whole = fs::read_to_string(&pem).unwrap();
    fs::write(&pem, "no certificate").unwrap();
    wait_said(collector, "the old certificates stay");
    secure.wait_counted("crmscope_collector_tls_reload_failures_total{listener=\"ingest\"}");
    // Connections are taken as before.
    agent.kill();
    let config = secure.stack.path("web-1.toml");
    let mut agent = secure.stack.start_configured_agent("web-1", &config);
    secure.wait_beats("web-1");
    fs::write(&pem, &whole).unwrap();
    wait_said(collector, "certificates read again");

    let directory = secure.tls.path().to_str().unwrap();
    let names = ["--name", "localhost", "--directory", directory];
    run(
        binary("crmscope-collector"),
        &[&["authority", "issue"][..], &names].concat(),
    );
    assert_ne!(fs::read_to_string(&pem).unwrap(), whole);
    let shown = || {
        let at = format!("localhost:{}", secure.stack.uplink_port);
        let command = format!(
            "openssl s_client -connect {at} -alpn h2 </dev/null 2>/dev/null | openssl x509 -noout -serial"
        );
        run("sh", &["-c", &command])
    };
    let wanted = run(
        "openssl",
        &["x509", "-noout", "-serial", "-in", pem.to_str().unwrap()],
    );
    wait_for("the new certificate", || match shown() {
        seen if seen == wanted => Ok(()),
        seen => Err(seen),
    });
    agent.kill();
    let _agent = secure.stack.start_configured_agent("web-1", &config);
    secure.wait_beats("web-1");
    let _late = secure.enrolling("web-2", &token);
    secure.wait_beats("web-2");
}
