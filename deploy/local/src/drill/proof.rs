//! The judgement: the collector's own ledger, and every table against the lines that were written.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

use super::stack::{AGENTS, Stack};

/// Where each line must count exactly once.
const TABLES: [&str; 4] = ["requests_raw", "requests_1m", "requests_1h", "requests_1d"];
const POLL: Duration = Duration::from_millis(500);

/// What became of one lane's batches, over all agents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) emitted: u64,
    pub(super) stored: u64,
    pub(super) sampled: u64,
    pub(super) rejected: u64,
    pub(super) dropped: u64,
    pub(super) missing: u64,
    pub(super) in_flight: u64,
    pub(super) duplicates: u64,
}

/// Everything that a drill is judged by.
#[derive(Clone, Debug, Default)]
pub(super) struct Proof {
    /// What struck, as it happened.
    pub(super) struck: String,
    /// Lines that must be there, by agent.
    pub(super) expected: Vec<u64>,
    /// Lines that each table holds, by agent.
    pub(super) tables: Vec<(&'static str, Vec<u64>)>,
    /// Exit code of `crmscope-collector ledger`.
    pub(super) ledger_code: i32,
    /// What it printed, for when it is not 0.
    pub(super) ledger_text: String,
    pub(super) lanes: BTreeMap<String, Lane>,
    /// Batches that agents dropped, by lane and reason.
    pub(super) dropped_reasons: Vec<(String, String, u64)>,
}

impl Proof {
    /// What is not as it must be; empty when the drill is whole.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.ledger_code != 0 {
            faults.push(format!(
                "crmscope-collector ledger ended with {}:\n{}",
                self.ledger_code,
                self.ledger_text.trim_end()
            ));
        }
        for (table, stored) in &self.tables {
            for (agent, (stored, expected)) in stored.iter().zip(&self.expected).enumerate() {
                if stored != expected {
                    faults.push(format!(
                        "{table} holds {stored} lines of {}, {expected} were written",
                        Stack::agent_id(agent)
                    ));
                }
            }
        }
        if self.lanes.is_empty() {
            faults.push("the ledger has no batches".to_owned());
        }
        for (name, lane) in &self.lanes {
            let settled = lane.stored + lane.sampled + lane.rejected + lane.dropped;
            if lane.emitted != settled + lane.missing + lane.in_flight {
                faults.push(format!(
                    "the account of lane {name} does not add up: {lane:?}"
                ));
            }
            if lane.missing + lane.duplicates + lane.in_flight + lane.rejected > 0 {
                faults.push(format!(
                    "lane {name}: {} missing, {} counted twice, {} in flight, {} rejected",
                    lane.missing, lane.duplicates, lane.in_flight, lane.rejected
                ));
            }
        }
        faults
    }

    pub(super) fn lines(&self) -> u64 {
        self.expected.iter().sum()
    }

    /// The account, for people.
    pub(super) fn text(&self) -> String {
        let mut text = format!("  struck: {}\n", self.struck);
        let held: Vec<_> = self
            .tables
            .iter()
            .map(|(table, lines)| format!("{table} {}", lines.iter().sum::<u64>()))
            .collect();
        let _ = writeln!(
            text,
            "  {} lines written; {}",
            self.lines(),
            held.join(", ")
        );
        for (name, lane) in &self.lanes {
            let _ = write!(
                text,
                "  {name:<9} {} batches emitted = {} stored + {} sampled + {} rejected + {} dropped + {} missing",
                lane.emitted, lane.stored, lane.sampled, lane.rejected, lane.dropped, lane.missing
            );
            if lane.in_flight > 0 {
                let _ = write!(text, " + {} in flight", lane.in_flight);
            }
            let reasons: Vec<_> = self
                .dropped_reasons
                .iter()
                .filter(|(lane, _, _)| lane == name)
                .map(|(_, reason, batches)| format!("{batches} {reason}"))
                .collect();
            if !reasons.is_empty() {
                let _ = write!(text, " (dropped: {})", reasons.join(", "));
            }
            text.push('\n');
        }
        text
    }
}

/// Lines of each agent that a table holds.
pub(super) async fn stored(stack: &Stack, table: &str) -> anyhow::Result<Vec<u64>> {
    let sql = format!("SELECT agent_id, toUInt64(sum(requests)) FROM {table} GROUP BY agent_id");
    let answer = stack.query(&sql).await?;
    let mut lines = vec![0; AGENTS];
    for (agent, number) in answer.lines().filter_map(|line| line.split_once('\t')) {
        let index = (0..AGENTS).find(|&index| Stack::agent_id(index) == agent);
        let index = index.with_context(|| format!("{table} holds rows of {agent:?}"))?;
        lines[index] = number.parse().context("a sum of requests")?;
    }
    Ok(lines)
}

/// Reads the ledger once it has settled, and every table.
pub(super) async fn collect(
    stack: &Stack,
    expected: Vec<u64>,
    struck: String,
    longest: Duration,
) -> anyhow::Result<Proof> {
    let end = Instant::now() + longest;
    let mut proof = Proof {
        struck,
        expected,
        ..Proof::default()
    };
    loop {
        // The agents handed over everything at their end; what they sent may still be on its way.
        let output = stack.ledger(&["--json"]).await?;
        proof.ledger_code = output.status.code().unwrap_or(-1);
        // 1: not whole, and it says what is not. Others: it could not ask ClickHouse.
        if let 0 | 1 = proof.ledger_code {
            proof.lanes = lanes(&String::from_utf8_lossy(&output.stdout))
                .context("read what crmscope-collector ledger --json prints")?;
        }
        let is_settled = proof.lanes.values().all(|lane| lane.in_flight == 0);
        if (proof.ledger_code == 0 && is_settled) || Instant::now() > end {
            break;
        }
        sleep(POLL).await;
    }
    if proof.ledger_code != 0 {
        let output = stack.ledger(&[]).await?;
        proof.ledger_text = String::from_utf8_lossy(&output.stdout).into_owned();
        proof
            .ledger_text
            .push_str(&String::from_utf8_lossy(&output.stderr));
    }
    for table in TABLES {
        let lines = stored(stack, table).await?;
        proof.tables.push((table, lines));
    }
    let sql = "SELECT lane, reason, toUInt64(sum(last_sequence - first_sequence + 1)) FROM ledger \
               WHERE disposition = 'dropped' GROUP BY lane, reason ORDER BY lane, reason";
    let reasons = stack.query(sql).await?;
    for line in reasons.lines() {
        if let [lane, reason, batches] = line.split('\t').collect::<Vec<_>>()[..] {
            let batches = batches.parse().context("a number of batches")?;
            proof
                .dropped_reasons
                .push((lane.to_owned(), reason.to_owned(), batches));
        }
    }
    Ok(proof)
}

/// Sums of `crmscope-collector ledger --json`, by lane.
fn lanes(text: &str) -> anyhow::Result<BTreeMap<String, Lane>> {
    let mut lanes = BTreeMap::<String, Lane>::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let account: serde_json::Value = serde_json::from_str(line)?;
        let name = account["lane"].as_str().context("an account has no lane")?;
        let number = |key: &str| {
            account[key]
                .as_u64()
                .with_context(|| format!("an account has no number {key:?}"))
        };
        let lane = lanes.entry(name.to_owned()).or_default();
        lane.emitted += number("emitted")?;
        lane.stored += number("stored")?;
        lane.sampled += number("sampled")?;
        lane.rejected += number("rejected")?;
        lane.dropped += number("dropped")?;
        lane.missing += number("missing")?;
        lane.in_flight += number("in_flight")?;
        lane.duplicates += number("duplicates")?;
    }
    Ok(lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"agent_id":"a","lane":"requests","emitted":7,"stored":5,"sampled":0,"rejected":0,"dropped":2,"missing":0,"in_flight":0,"duplicates":0,"more":true}"#;

    fn whole() -> Proof {
        Proof {
            expected: vec![10, 20],
            tables: TABLES.map(|table| (table, vec![10, 20])).into(),
            lanes: lanes(LINE).unwrap(),
            dropped_reasons: vec![("requests".to_owned(), "quota".to_owned(), 2)],
            ..Proof::default()
        }
    }

    #[test]
    fn accounts_add_up_by_lane() {
        let two = lanes(&format!("{LINE}\n{LINE}\n")).unwrap();
        assert_eq!(two["requests"].emitted, 14);
        assert!(lanes("{}").is_err());
        assert!(lanes("no json").is_err());
        assert!(whole().faults().is_empty(), "{:?}", whole().faults());
        assert!(whole().text().contains("(dropped: 2 quota)"));
    }

    #[test]
    fn every_kind_of_loss_is_a_fault() {
        let broken: [fn(&mut Proof); 8] = [
            |proof| proof.ledger_code = 1,
            |proof| proof.expected[1] += 1,
            |proof| proof.tables[3].1[0] -= 1,
            |proof| proof.lanes.clear(),
            |proof| proof.lanes.get_mut("requests").unwrap().stored -= 1,
            |proof| {
                let lane = proof.lanes.get_mut("requests").unwrap();
                (lane.stored, lane.missing) = (4, 1);
            },
            |proof| proof.lanes.get_mut("requests").unwrap().duplicates = 1,
            |proof| {
                let lane = proof.lanes.get_mut("requests").unwrap();
                (lane.emitted, lane.in_flight) = (8, 1);
            },
        ];
        for (number, break_it) in broken.into_iter().enumerate() {
            let mut proof = whole();
            break_it(&mut proof);
            assert!(!proof.faults().is_empty(), "kind {number}");
        }
    }
}
