//! Attacks in the logs of a real agent, judged by the shipped rules: each is one finding with its count, and
//! quiet traffic is none. Once by lines as from far addresses, once at a real sshd and a real nginx.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crmscope_tests::neighbours::program;
use crmscope_tests::sshd::{Sshd, journal};
use crmscope_tests::stack::free_port;
use crmscope_tests::{Process, Stack, http_get, now_ms, wait_for};

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/rules");

/// What scanners ask for.
const PROBES: [&str; 8] = [
    "/.env",
    "/.git/config",
    "/wp-login.php",
    "/phpmyadmin/index.php",
    "/cgi-bin/test",
    "/server-status",
    "/xmlrpc.php",
    "/actuator/env",
];

/// How a program writes a moment, of which ClickHouse knows the calendar.
fn moment(stack: &Stack, format: &str) -> String {
    let sql = format!(
        "SELECT formatDateTime(toDateTime({}, 'UTC'), '{format}', 'UTC')",
        now_ms() / 1000
    );
    stack.query::<String>(&sql).unwrap().remove(0)
}

fn append(path: &Path, lines: &str) {
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(lines.as_bytes()).unwrap();
}

/// `title: key, events` of each finding, in order.
fn findings(stack: &Stack) -> Vec<String> {
    let sql = "SELECT concat(title, ': ', arrayStringConcat(group_key, ' '), ', ', toString(events)) AS told \
               FROM findings FINAL ORDER BY told";
    stack.query(sql).unwrap_or_else(|error| vec![error])
}

#[test]
fn each_attack_is_one_finding_and_quiet_traffic_is_none() {
    let stack = Stack::start_with(&[("CORRELATION__DIRECTORIES", RULES)]);
    let (auth, access) = (stack.path("auth.log"), stack.path("access.log"));
    fs::write(&auth, "").unwrap();
    fs::write(&access, "").unwrap();
    let sources = format!(
        "[rules]\ndirectories = [{RULES:?}]\n\
         [sources.requests]\nfrom = \"start\"\nlogs = [{{ path = {access:?}, service = \"crm\" }}]\n\
         [sources.security]\njournal = false\nauth_logs = [{auth:?}]\nauth_log_zone = \"+00:00\"\n"
    );
    let _agent = stack.start_agent("crm-web-01", &sources);
    stack.wait_number(
        "the first beat",
        "SELECT count() FROM heartbeats",
        |beats| beats > 0,
    );

    let time = moment(&stack, "%FT%T.000000+00:00");
    let mut lines = String::new();
    for port in 0..11 {
        let _ = writeln!(
            lines,
            "{time} web sshd[42]: Failed password for root from 203.0.113.9 port {} ssh2",
            4000 + port
        );
    }
    // Somebody who mistyped; and a name that would frame an address.
    let _ = write!(
        lines,
        "{time} web sshd[43]: Failed password for anna from 192.0.2.20 port 5000 ssh2\n\
         {time} web sshd[43]: Accepted password for anna from 192.0.2.20 port 5000 ssh2\n"
    );
    for port in 0..9 {
        let _ = writeln!(
            lines,
            "{time} web sshd[44]: Failed password for invalid user x from 6.6.6.6 port 22 ssh2 from 203.0.113.77 port {} ssh2",
            6000 + port
        );
    }
    append(&auth, &lines);

    let time = moment(&stack, "%d/%b/%Y:%H:%i:%S +0000");
    let mut lines = String::new();
    let mut request = |client: &str, path: &str, status: u16| {
        let _ = writeln!(
            lines,
            "{client} - - [{time}] \"GET {path} HTTP/1.1\" {status} 100 \"-\" \"Mozilla/5.0\""
        );
    };
    for round in 0..3 {
        for probe in PROBES {
            request("198.51.100.7", probe, 404);
        }
        request("192.0.2.30", &format!("/account/{round}"), 200);
        request("192.0.2.30", "/favicon.ico", 404);
    }
    for id in 0..6 {
        let injected = format!("/account?id={id}%27%20UNION%20SELECT%20password%20FROM%20users--");
        request("198.51.100.8", &injected, 200);
    }
    append(&access, &lines);

    let want = [
        "Brute force of SSH logins from one address: 203.0.113.77, 9",
        "Brute force of SSH logins from one address: 203.0.113.9, 11",
        "Injection attempts from one address: 198.51.100.8, 6",
        "Search for pages that are not there: 198.51.100.7, 24",
    ];
    let told = wait_findings(&stack, &want);
    // Nobody else is named in any.
    for quiet in ["192.0.2.20", "192.0.2.30", "6.6.6.6"] {
        assert!(
            told.iter().all(|finding| !finding.contains(quiet)),
            "{told:#?}"
        );
    }
}

/// Waits until these are among the findings; all that there are then.
fn wait_findings(stack: &Stack, want: &[&str]) -> Vec<String> {
    let told = wait_for("the findings", || {
        let told = findings(stack);
        if want.iter().all(|want| told.iter().any(|told| told == want)) {
            Ok(told)
        } else {
            Err(format!("{told:#?}"))
        }
    });
    println!("{told:#?}");
    told
}

/// A CRM's web server: pages, an API that refuses everybody, and one that takes few requests.
fn start_nginx(stack: &Stack, nginx: &Path) -> (u16, Process) {
    let directory = stack.path("nginx");
    fs::create_dir_all(directory.join("html")).unwrap();
    fs::write(directory.join("html/index.html"), "crm").unwrap();
    let (root, port) = (directory.display(), free_port());
    let config = directory.join("nginx.conf");
    fs::write(
        &config,
        format!(
            r#"
daemon off; worker_processes 1; pid {root}/nginx.pid; error_log {root}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log {root}/access.log combined;
  client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3; uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
  limit_req_zone $binary_remote_addr zone=few:1m rate=1r/m;
  limit_req_status 429;
  server {{
    listen 127.0.0.1:{port};
    root {root}/html;
    location = /alive {{ access_log off; return 200; }}
    location /account {{ try_files /index.html =404; }}
    location /api/ {{ return 403; }}
    location /search {{ limit_req zone=few; try_files /index.html =404; }}
  }}
}}
"#
        ),
    )
    .unwrap();
    // Its workers would be a user that cannot enter here.
    let process = Process::start(
        "nginx",
        Command::new(nginx)
            .arg("-c")
            .arg(&config)
            .args(["-g", "user root;"]),
        &stack.path("nginx.log"),
    )
    .gently();
    wait_for("nginx to answer", || http_get(port, "/alive"));
    (port, process)
}

/// Asks for pages, all by one curl, from an address of this host.
fn ask(port: u16, from: &str, paths: &[String]) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--path-as-is", "--globoff", "--interface", from]);
    for path in paths {
        curl.args(["--output", "/dev/null"]);
        curl.arg(format!("http://127.0.0.1:{port}{path}"));
    }
    assert!(curl.stdin(Stdio::null()).status().unwrap().success());
}

#[test]
fn real_servers_under_attack_tell_each_attack_once() {
    let (Some(nginx), Some(_)) = (program("nginx", "nginx"), program("curl", "curl")) else {
        return;
    };
    let stack = Stack::start_with(&[("CORRELATION__DIRECTORIES", RULES)]);
    let Some(sshd) = Sshd::start(&stack) else {
        return;
    };
    let Some(_journal) = journal(&stack) else {
        return;
    };
    let (port, _nginx) = start_nginx(&stack, &nginx);
    let odoo = stack.path("odoo.log");
    fs::write(&odoo, "").unwrap();
    let sources = format!(
        "[rules]\ndirectories = [{RULES:?}]\n\
         [sources.requests]\nfrom = \"start\"\nlogs = [{{ path = {:?}, service = \"crm\" }}]\n\
         [sources.security]\njournal = true\nauth_logs = []\n\
         logs = [{{ path = {odoo:?}, format = \"odoo\" }}]\n",
        stack.path("nginx/access.log")
    );
    let mut agent = stack.start_agent("crm-web-01", &sources);
    stack.wait_number(
        "the first beat",
        "SELECT count() FROM heartbeats",
        |beats| beats > 0,
    );

    // One network each, as there is a rule about networks. At once, since a refusal takes seconds.
    std::thread::scope(|threads| {
        for number in 0..9 {
            let sshd = &sshd;
            threads.spawn(|| sshd.refused_login("127.1.0.1", "root"));
            if number < 6 {
                threads.spawn(move || sshd.refused_login("127.2.0.1", &format!("guess-{number}")));
            }
        }
        threads.spawn(|| {
            sshd.refused_login("127.3.0.1", "guess-0");
            sshd.refused_login("127.3.0.1", "root");
            sshd.login("127.3.0.1");
        });
        threads.spawn(|| sshd.refused_login("127.4.0.1", "mail from 6.6.6.6 port 22 ssh2"));
        threads.spawn(|| sshd.login("127.4.0.2"));
    });

    let scan: Vec<_> = PROBES
        .iter()
        .cycle()
        .take(24)
        .map(|probe| (*probe).to_owned())
        .collect();
    ask(port, "127.5.0.1", &scan);
    let injections: Vec<_> = (0..7)
        .map(|id| format!("/account?id={id}%27%20UNION%20SELECT%20password%20FROM%20users--"))
        .collect();
    ask(port, "127.6.0.1", &injections);
    ask(port, "127.7.0.1", &vec!["/api/contacts".to_owned(); 31]);
    // The first is served.
    ask(port, "127.8.0.1", &vec!["/search".to_owned(); 56]);
    let quiet: Vec<_> = (0..60).map(|id| format!("/account/{id}")).collect();
    ask(port, "127.9.0.1", &quiet);
    ask(
        port,
        "127.9.0.1",
        &["/favicon.ico".to_owned(), "/union/select".to_owned()],
    );
    // Somebody from the network that scanned fails once at the application.
    let time = moment(&stack, "%F %T,000");
    let login = |how: &str, user: &str, from: &str| {
        format!(
            "{time} 4711 INFO crm odoo.addons.base.models.res_users: Login {how} for db:crm login:{user} from {from}\n"
        )
    };
    let export = |user: u32, from: &str| {
        format!(
            "{time} 4711 INFO crm odoo.addons.web.controllers.export: User {user} exported 5 'res.partner' records from {from}. Fields: name. Domain: []\n"
        )
    };
    let mut lines = login("failed", "anna", "127.5.0.2");
    lines += &login("failed", "eve", "127.10.0.1").repeat(8);
    lines += &login("successful", "eve", "127.10.0.1");
    lines += &export(7, "127.11.0.1").repeat(12);
    lines += &export(8, "127.12.0.1").repeat(3);
    let deletion = |user: u32, model: &str| {
        format!(
            "{time} 4711 INFO crm odoo.models.unlink: User #{user} deleted {model} records with IDs: [7, 8]\n"
        )
    };
    lines += &deletion(9, "res.partner").repeat(21);
    lines += &deletion(9, "ir.attachment").repeat(50);
    lines += &login("successful", "bob", "127.12.0.1");
    append(&odoo, &lines);

    let want = [
        "Application login after a failed one, from one address as one user: 127.10.0.1 eve odoo, 9",
        "Brute force of SSH logins from one address: 127.1.0.1, 9",
        "Brute force of application logins from one address: 127.10.0.1 odoo, 8",
        "Brute force of one user's SSH logins: root, 10",
        "Brute force of one user's application logins: eve odoo, 8",
        "Injection attempts from one address: 127.6.0.1, 7",
        "Many deletions of one user: 9 odoo, 21",
        "Many denied calls of the API: 127.7.0.1, 31",
        "Many exports of one user: 7 odoo, 12",
        "Password spraying: 127.2.0.1, 6",
        "SSH login from an address that guessed users: 127.3.0.1, 4",
        "Scanning and failed logins from one network: 127.5.0.0/24, 25",
        "Search for pages that are not there: 127.5.0.1, 24",
        "Search for users by SSH: 127.2.0.1, 6",
        "Storm of requests beyond the limit: 127.8.0.1, 55",
    ];
    assert_eq!(wait_findings(&stack, &want), want);
    assert!(agent.terminate().success());
    let (code, proof) = stack.ledger(&[]);
    assert_eq!(code, 0, "{proof}");
    // What was quiet is in none, also after another look.
    assert_eq!(findings(&stack), want);
}
