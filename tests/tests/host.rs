//! Host figures against what the system's own tools say at the same moment.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::fs;
use std::process::Command;

use crmscope_tests::{Stack, wait_for};

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// One row of figures as floats, newest first.
fn newest(stack: &Stack, columns: &str, table: &str, filter: &str) -> Vec<f64> {
    let sql = format!(
        "SELECT arrayMap(x -> toFloat64(x), [{columns}]) FROM {table} WHERE {filter} ORDER BY ts DESC LIMIT 1"
    );
    wait_for(&format!("a row in {table}"), || {
        stack
            .query::<Vec<f64>>(&sql)?
            .into_iter()
            .next()
            .ok_or_else(|| "no row".to_owned())
    })
}

/// Waits until the tool's figure lies near the newest stored one: both move, so they are read anew until they meet.
fn agrees(
    what: &str,
    tolerance: f64,
    mut stored: impl FnMut() -> f64,
    mut tool: impl FnMut() -> f64,
) {
    wait_for(what, || {
        let (stored, tool) = (stored(), tool());
        if (stored - tool).abs() <= tolerance {
            Ok(())
        } else {
            Err(format!("stored {stored}, the tool says {tool}"))
        }
    });
}

#[test]
fn host_figures_equal_those_of_free_df_uptime_and_proc() {
    let stack = Stack::start();
    let mut agent = stack.start_agent(
        "db-01",
        "[sources.filesystem]\ninterval_ms = 1000\n[sources.transport]\ninterval_ms = 1000\n",
    );
    let host = |columns: &str| newest(&stack, columns, "host_raw", "agent_id = 'db-01'");

    let meminfo = |key: &str| {
        let text = fs::read_to_string("/proc/meminfo").unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap()
            .to_owned();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<f64>()
            .unwrap()
            * 1024.0
    };
    assert!((host("mem_total_bytes")[0] - meminfo("MemTotal:")).abs() < 1.0);
    assert!((host("swap_total_bytes")[0] - meminfo("SwapTotal:")).abs() < 1.0);
    let free = |column: usize| {
        let line = output("free", &["-b"]).lines().nth(1).unwrap().to_owned();
        line.split_whitespace()
            .nth(column)
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    // Memory moves while it is read: within 2 % of the machine's.
    let near = meminfo("MemTotal:") * 0.02;
    agrees(
        "free's available",
        near,
        || host("mem_available_bytes")[0],
        || free(6),
    );
    agrees(
        "free's free",
        near,
        || host("mem_free_bytes")[0],
        || free(3),
    );

    let uptime = || {
        fs::read_to_string("/proc/uptime")
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    agrees(
        "uptime within two ticks and a batch",
        6.0,
        || host("uptime_ms")[0] / 1000.0,
        uptime,
    );
    let load = || {
        fs::read_to_string("/proc/loadavg")
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    agrees(
        "the 1-minute load",
        0.5,
        || host("load1_x100")[0] / 100.0,
        load,
    );
    let processors = output("nproc", &["--all"]).trim().parse::<f64>().unwrap();
    assert!((host("cpu_count")[0] - processors).abs() < 0.5);

    // Over a row, the modes add up to the cores' time.
    let modes = host(
        "cpu_user_us + cpu_nice_us + cpu_system_us + cpu_idle_us + cpu_iowait_us + cpu_irq_us + cpu_softirq_us + cpu_steal_us, interval_ms * 1000 * cpu_count",
    );
    assert!(
        (modes[0] - modes[1]).abs() < modes[1] * 0.1,
        "modes add up to {} µs of {} µs",
        modes[0],
        modes[1]
    );

    let df = |column: usize| {
        let line = output("df", &["-B1", "/"])
            .lines()
            .nth(1)
            .unwrap()
            .to_owned();
        line.split_whitespace()
            .nth(column)
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    let root = |column: &str| newest(&stack, column, "filesystem_raw", "mount_point = '/'")[0];
    assert!((root("size_bytes") - df(1)).abs() < 1.0);
    agrees(
        "df's available of /",
        64.0 * 1024.0 * 1024.0,
        || root("available_bytes"),
        || df(3),
    );

    if Command::new("ss").arg("-V").output().is_ok() {
        // The collector and ClickHouse listen, so there are some. Other programs begin and end
        // between the two readings; the source's own test compares exactly.
        agrees(
            "ss's listening sockets",
            5.0,
            || {
                newest(
                    &stack,
                    "assumeNotNull(tcp_listen)",
                    "transport_raw",
                    "tcp_listen > 0",
                )[0]
            },
            || {
                let lines = output("ss", &["-H", "-tln"]);
                f64::from(u32::try_from(lines.lines().count()).unwrap())
            },
        );
    }

    // Tables of one block follow each other, so the last one is waited for.
    let interfaces = "SELECT uniqExact(interface) FROM interface_raw WHERE interface = 'lo'";
    stack.wait_number("the loopback interface", interfaces, |count| count == 1);
    assert!(agent.terminate().success());
    let beat = "SELECT count() FROM heartbeats WHERE goodbye = 1";
    assert_eq!(stack.wait_number("the goodbye", beat, |beats| beats > 0), 1);
    let failures =
        "SELECT toUInt64(sum(failures) + sum(timeouts)) FROM source_raw WHERE source = 'host'";
    assert_eq!(
        stack.number(failures),
        0,
        "runs of the host source that failed"
    );
}
