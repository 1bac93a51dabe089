//! Real sshd on loopback refusing real logins, through the real journal: the events in ClickHouse
//! are the attempts made.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::fs;

use crmscope_tests::sshd::{Sshd, journal};
use crmscope_tests::{Process, Stack, wait_for};

/// Whether the agent has a child named journalctl.
fn has_reader(agent: &Process) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", agent.id()));
    threads.into_iter().flatten().flatten().any(|thread| {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children.split_whitespace().any(|child| {
            fs::read_to_string(format!("/proc/{child}/comm"))
                .is_ok_and(|name| name.trim() == "journalctl")
        })
    })
}

#[test]
fn refused_logins_are_the_events_stored() {
    let stack = Stack::start();
    let Some(_journal) = journal(&stack) else {
        return;
    };
    let Some(sshd) = Sshd::start(&stack) else {
        return;
    };
    let mut agent = stack.start_agent(
        "bastion-01",
        "[sources.security]\njournal = true\njournal_idle_ms = 1000\n",
    );
    stack.wait_number(
        "the agent's first beat",
        "SELECT count() FROM heartbeats",
        |beats| beats > 0,
    );

    // An account that exists, some that do not, one whose name tries to frame another address, and
    // one that sshd writes in octal.
    let attempts = [
        ("root", 3),
        ("nobody-here", 4),
        ("sales", 2),
        ("x from 6.6.6.6 port 22 ssh2", 2),
        ("jörg sales", 1),
    ];
    for (user, times) in attempts {
        (0..times).for_each(|_| sshd.refused_login("127.0.0.1", user));
    }
    let of = |user: &str| {
        format!(
            "SELECT toUInt64(sum(count)) FROM security_events WHERE kind = 'ssh_login' AND status_id = 2 \
             AND user = '{}'",
            user.replace('\\', "\\\\").replace('ö', "\\\\303\\\\266")
        )
    };
    for (user, times) in attempts {
        stack.wait_number(
            &format!("{times} refused logins of {user}"),
            &of(user),
            |seen| seen == times,
        );
    }
    let total: u64 = attempts.iter().map(|(_, times)| times).sum();
    let all = "SELECT toUInt64(sum(count)) FROM security_events WHERE kind = 'ssh_login'";
    assert_eq!(stack.number(all), total);
    assert_eq!(
        stack.number(&format!(
            "{all} AND source_address = '127.0.0.1' AND source_port > 0"
        )),
        total
    );
    let rolled_up =
        "SELECT toUInt64(sum(events)) FROM security_1m WHERE kind = 'ssh_login' AND status_id = 2";
    stack.wait_number("the roll-up of them", rolled_up, |events| events == total);

    // Without a reader, since nothing comes: the next one is noticed all the same.
    for seen_before in [3, 4] {
        wait_for("the journal's reader to be ended", || {
            match has_reader(&agent) {
                true => Err("it runs".to_owned()),
                false => Ok(()),
            }
        });
        sshd.refused_login("127.0.0.1", "root");
        stack.wait_number("a refused login after a rest", &of("root"), |seen| {
            seen > seen_before
        });
    }
    let total = total + 2;
    assert_eq!(stack.number(all), total);

    // Killed and started again, it reads on where it stood.
    agent.kill();
    sshd.refused_login("127.0.0.1", "sales");
    let agent_config = stack.path("bastion-01.toml");
    let mut agent = stack.start_configured_agent("bastion-01", &agent_config);
    stack.wait_number(
        "the login made while the agent was down",
        &of("sales"),
        |seen| seen == 3,
    );
    assert_eq!(stack.number(all), total + 1);
    assert!(agent.terminate().success());
    let (code, proof) = stack.ledger(&[]);
    assert_eq!(code, 0, "{proof}");
}
