//! A real rsyslogd that folds repeated messages: the attempts in ClickHouse are those logged.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use crmscope_tests::neighbours::program;
use crmscope_tests::{Process, Stack, seed, wait_for};

/// What is logged, and by which program; the address is always the client's own.
const MESSAGES: [(&str, &str); 5] = [
    (
        "sshd",
        "Failed password for root from 203.0.113.9 port 22 ssh2",
    ),
    (
        "sshd-session",
        "Failed password for invalid user eve from 203.0.113.9 port 23 ssh2",
    ),
    (
        "sshd-session",
        "Failed password for invalid user x] from 6.6.6.6 port 1 ssh2] from 203.0.113.9 port 24 ssh2",
    ),
    (
        "sshd",
        "Failed password for invalid user message repeated 9 times: [ y] from 203.0.113.9 port 25 ssh2",
    ),
    (
        "sshd-session",
        "Accepted password for alice from 203.0.113.9 port 26 ssh2",
    ),
];

#[test]
fn folded_messages_count_as_often_as_they_were_logged() {
    let Some(rsyslogd) = program("rsyslogd", "rsyslog") else {
        return;
    };
    let stack = Stack::start();
    let (socket, auth) = (stack.path("log"), stack.path("auth.log"));
    fs::write(&auth, "").unwrap();
    let config = stack.path("rsyslog.conf");
    fs::write(
        &config,
        format!(
            "global(workDirectory=\"{}\")\n\
             module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
             input(type=\"imuxsock\" Socket=\"{}\" RateLimit.Interval=\"0\")\n\
             $RepeatedMsgReduction on\n*.* {};RSYSLOG_TraditionalFileFormat\n",
            stack.path("").display(),
            socket.display(),
            auth.display()
        ),
    )
    .unwrap();
    let mut command = Command::new(rsyslogd);
    command.args(["-n", "-f"]).arg(&config);
    command.arg("-i").arg(stack.path("rsyslog.pid"));
    let mut daemon = Process::start("rsyslogd", &mut command, &stack.path("rsyslog.out"));
    let client = UnixDatagram::unbound().unwrap();
    wait_for("rsyslogd's socket", || {
        client.connect(&socket).map_err(|error| error.to_string())
    });
    let sources = format!("[sources.security]\njournal = false\nauth_logs = [{auth:?}]\n");
    let mut agent = stack.start_agent("crm-01", &sources);
    stack.wait_number(
        "the agent's first beat",
        "SELECT count() FROM heartbeats",
        |beats| beats > 0,
    );

    let mut random = fastrand::Rng::with_seed(seed());
    let mut logged = [0; MESSAGES.len()];
    let send = |program: &str, text: &str| {
        let entry = format!("<86>Nov 25 09:52:49 {program}[12]: {text}");
        client.send(entry.as_bytes()).unwrap();
    };
    for _ in 0..40 {
        let which = random.usize(..MESSAGES.len());
        let (program, text) = MESSAGES[which];
        for _ in 0..random.u64(1..9) {
            send(program, text);
            logged[which] += 1;
        }
    }
    // A fold is written when another message comes.
    send("sshd", "Server listening on 127.0.0.1 port 22.");

    for ((_, text), times) in MESSAGES.iter().zip(logged) {
        let port: u16 = text.rsplit(' ').nth(1).unwrap().parse().unwrap();
        let counted = format!(
            "SELECT toUInt64(sum(count)) FROM security_events WHERE kind = 'ssh_login' AND source_address = '203.0.113.9' AND source_port = {port}"
        );
        stack.wait_number(text, &counted, |seen| seen == times);
    }
    let total = "SELECT toUInt64(sum(count)) FROM security_events";
    assert_eq!(stack.number(total), logged.iter().sum::<u64>());
    let rows = stack.number("SELECT count() FROM security_events");
    let text = fs::read_to_string(&auth).unwrap();
    assert!(
        text.contains("message repeated "),
        "nothing was folded: {text}"
    );
    println!("{} attempts in {rows} rows", logged.iter().sum::<u64>());
    assert!(daemon.terminate().success());
    assert!(agent.terminate().success());
}
