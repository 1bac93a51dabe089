//! How soon a killed agent is found, and how often one that lives is suspected, over real connections
//! of which packets are lost.
//!
//! `cargo bench --workspace --bench detection [-- AGENTS MINUTES]` as root, with `nft` installed. Agents
//! beat every 10 s, as is the default, from a network namespace ([`crmscope_tests::cable`]); packets are
//! dropped in both directions, by chance. TCP repeats what is lost, so a heartbeat comes late and is not
//! missing. After so many minutes every third agent is killed, one every 3 s. Times are by the collector's
//! clock, from the kill until the row in `host_states`; the time from the last heartbeat is shorter or
//! longer by what is left of an interval.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement, not a product"
)]

use std::process::Command;
use std::time::{Duration, Instant};

use crmscope_tests::cable::Cable;
use crmscope_tests::process::binary;
use crmscope_tests::stack::free_port;
use crmscope_tests::{Process, Stack, now_ms};

/// Packets lost, of a hundred, each way.
const LOST: [u32; 3] = [0, 1, 5];
const AGENTS: usize = 30;
const MINUTES: u64 = 10;
/// From one kill to the next.
const BETWEEN_KILLS: Duration = Duration::from_secs(3);

fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok());
    let agents = numbers
        .next()
        .map_or(AGENTS, |agents: u64| usize::try_from(agents).unwrap());
    let minutes = numbers.next().unwrap_or(MINUTES);
    println!("{agents} agents, {minutes} minutes for each line, a heartbeat every 10 s");
    println!(
        "lost %  suspicions  called down  host-minutes  killed  s to suspicion: mean, longest  to down: mean, longest"
    );
    for lost in LOST {
        run(lost, agents, minutes);
    }
}

/// A firewall of the cable alone; gone at the end.
struct Loss(String);

impl Loss {
    fn of(cable: &Cable, percent: u32) -> Self {
        let table = format!("crmscope_{}", std::process::id());
        let interface = cable.interface();
        let rules = format!(
            "table inet {table} {{\n\
             chain in {{ type filter hook input priority 0; iifname \"{interface}\" numgen random mod 100 < {percent} drop; }}\n\
             chain out {{ type filter hook output priority 0; oifname \"{interface}\" numgen random mod 100 < {percent} drop; }}\n}}"
        );
        nft(&rules);
        Self(table)
    }
}

impl Drop for Loss {
    fn drop(&mut self) {
        nft(&format!("delete table inet {}", self.0));
    }
}

fn nft(rules: &str) {
    let output = Command::new("nft").arg(rules).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "nft: {said}");
}

fn run(lost: u32, agents: usize, minutes: u64) {
    let cable = Cable::lay().unwrap();
    let listen = format!("{}:{}", cable.address(), free_port());
    let settings = [
        ("INGEST__LISTEN", listen.as_str()),
        ("INGEST__ALLOW_PLAINTEXT", "true"),
    ];
    let stack = Stack::start_with(&settings);
    let endpoint = format!("http://{listen}");
    let mut running: Vec<(String, Process)> = (0..agents)
        .map(|number| {
            let agent_id = format!("crm-{number:02}");
            let process = start(&stack, &cable, &agent_id, &endpoint);
            (agent_id, process)
        })
        .collect();
    stack.wait_number(
        "hosts that are up",
        "SELECT count() FROM (SELECT argMax(state, changed_at) AS state FROM host_states GROUP BY agent_id) WHERE state = 'up'",
        |up| up == agents as u64,
    );
    let loss = (lost > 0).then(|| Loss::of(&cable, lost));
    let begun_ms = now_ms();
    let lived = Instant::now();
    std::thread::sleep(Duration::from_secs(minutes * 60));
    let host_minutes = lived.elapsed().as_secs_f64() / 60.0 * agents as f64;
    let of_state = |state: &str| {
        stack.number(&format!(
            "SELECT count() FROM host_states WHERE state = '{state}' AND changed_at >= fromUnixTimestamp64Milli(toInt64({begun_ms}), 'UTC')"
        ))
    };
    let (suspicions, downs) = (of_state("suspect"), of_state("down"));

    let mut killed = Vec::new();
    for (agent_id, process) in running.iter_mut().step_by(3) {
        process.kill();
        killed.push((agent_id.clone(), now_ms()));
        std::thread::sleep(BETWEEN_KILLS);
    }
    let [suspect, down] = ["suspect", "down"].map(|state| {
        let times: Vec<f64> = killed
            .iter()
            .map(|(agent_id, at_ms)| {
                let sql = format!(
                    "SELECT toUInt64(ifNull(minOrNull(toUnixTimestamp64Milli(changed_at)), 0)) FROM host_states \
                     WHERE agent_id = '{agent_id}' AND state = '{state}' AND changed_at >= fromUnixTimestamp64Milli(toInt64({at_ms}), 'UTC')"
                );
                let changed_ms = stack.wait_number(&format!("{agent_id} to be {state}"), &sql, |ms| ms > 0);
                (i64::try_from(changed_ms).unwrap() - at_ms) as f64 / 1000.0
            })
            .collect();
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        let longest = times.iter().copied().fold(0.0, f64::max);
        format!("{mean:.1}, {longest:.1}")
    });
    println!(
        "{lost:>6}  {suspicions:>10}  {downs:>11}  {host_minutes:>12.0}  {:>6}  {suspect:>29}  {down:>22}",
        killed.len()
    );
    drop(loss);
}

fn start(stack: &Stack, cable: &Cable, agent_id: &str, endpoint: &str) -> Process {
    let config = stack.agent_config(agent_id, "");
    let text = std::fs::read_to_string(&config).unwrap();
    let direct = format!("endpoint = \"http://127.0.0.1:{}\"", stack.uplink_port);
    let leads = format!("endpoint = {endpoint:?}\nallow_plaintext = true");
    let text = text.replace(&direct, &leads);
    std::fs::write(
        &config,
        text.replace("heartbeat_ms = 1000", "heartbeat_ms = 10000"),
    )
    .unwrap();
    Process::start(
        agent_id,
        cable
            .command(&binary("crmscope-agent"))
            .arg("--config")
            .arg(&config),
        &stack.path(&format!("{agent_id}.log")),
    )
}
