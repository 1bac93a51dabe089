//! Receivers behind TLS: nothing is told to one whose certificate is not trusted, and it is where it is.

use std::path::Path;
use std::process::Command;

use crmscope_collector::alerts::{Config, Mail, Tls, Webhook};
use crmscope_tests::neighbours::program;
use crmscope_tests::process::binary;
use crmscope_tests::stack::free_port;
use crmscope_tests::{Process, Stack};

use super::{Alerts, config, incident, wait_recorded, wait_until};

/// A program behind HTTPS and an SMTP server that insists on STARTTLS, with the same certificate.
const SERVER: &str = r#"
import http.server, ssl, sys
from aiosmtpd.controller import Controller

https_port, smtp_port, certificate, key = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)

class Mails:
    async def handle_DATA(self, server, session, envelope):
        print("mailed", flush=True)
        return "250 2.0.0 taken"

class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        print("posted", flush=True)
        self.send_response(204)
        self.end_headers()

Controller(Mails(), hostname="127.0.0.1", port=smtp_port, tls_context=context, require_starttls=True).start()
server = http.server.ThreadingHTTPServer(("127.0.0.1", https_port), Hook)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print("ready", flush=True)
server.serve_forever()
"#;

fn certificate(openssl: &Path, stack: &Stack) {
    let made = Command::new(openssl)
        .args([
            "req",
            "-x509",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=receiver",
        ])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .arg("-keyout")
        .arg(stack.path("key.pem"))
        .arg("-out")
        .arg(stack.path("certificate.pem"))
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

fn alerts(clickhouse: u16, https: u16, smtp: u16) -> Alerts {
    let config = Config {
        webhook: Webhook {
            url: format!("https://127.0.0.1:{https}/hook"),
            ..Webhook::default()
        },
        mail: Mail {
            host: "127.0.0.1".to_owned(),
            port: smtp,
            tls: Tls::Starttls,
            from: "crmscope@example.org".to_owned(),
            to: vec!["ops@example.org".to_owned()],
            ..Mail::default()
        },
        ..config()
    };
    let alerts = Alerts::start(clickhouse, &config);
    alerts.tell(&[incident(1)]);
    alerts
}

#[test]
fn a_certificate_that_is_not_trusted_gets_nothing() {
    let (Some(openssl), Some(_)) = (
        program("openssl", "openssl"),
        program("aiosmtpd", "python3-aiosmtpd"),
    ) else {
        return;
    };
    let mut stack = Stack::start();
    let (clickhouse, https, smtp) = (stack.clickhouse_port, free_port(), free_port());
    certificate(&openssl, &stack);
    let server = Process::start(
        "receivers",
        Command::new("/usr/bin/python3")
            .args(["-c", SERVER, &https.to_string(), &smtp.to_string()])
            .args([stack.path("certificate.pem"), stack.path("key.pem")]),
        &stack.path("receivers.log"),
    );
    wait_until("the receivers", || Ok(server.log().contains("ready")));

    let alerts = alerts(clickhouse, https, smtp);
    for target in ["webhook", "mail"] {
        wait_until("attempts that fail", || Ok(alerts.failures(target) > 1));
    }
    alerts.crash();
    let log = server.log();
    assert!(!log.contains("posted") && !log.contains("mailed"), "{log}");

    // The same in a process that trusts it: a collector with a host that it misses.
    assert!(stack.collector.as_mut().unwrap().terminate().success());
    let config = stack.path("trusting.toml");
    let mut text = std::fs::read_to_string(stack.path("collector.toml")).unwrap();
    text.push_str(&format!(
        "[alerts]\ngroup_wait_ms = 100\n[alerts.webhook]\nurl = \"https://127.0.0.1:{https}/hook\"\n\
         [alerts.mail]\nhost = \"127.0.0.1\"\nport = {smtp}\ntls = \"starttls\"\n\
         from = \"crmscope@example.org\"\nto = [\"ops@example.org\"]\n"
    ));
    std::fs::write(&config, text).unwrap();
    let collector = || {
        let mut command = Command::new(binary("crmscope-collector"));
        command.arg("--config").arg(&config);
        command
    };
    let added = collector()
        .args(["hosts", "add", "crm-gone-01", "--expected-since", "2d"])
        .output()
        .unwrap();
    assert!(added.status.success(), "{added:?}");
    let _trusting = Process::start(
        "trusting",
        collector().env("SSL_CERT_FILE", stack.path("certificate.pem")),
        &stack.path("trusting.log"),
    );
    wait_recorded(&stack, "webhook", "firing", "delivered", 1);
    wait_recorded(&stack, "mail", "firing", "delivered", 1);
    let log = server.log();
    assert!(log.contains("posted") && log.contains("mailed"), "{log}");
}
