//! The ledger's proof on a real engine: what is missing is named, and every minute adds up.

// A broken environment should stop a test at the line that meets it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::collections::BTreeMap;

use common::agent::connect;
use common::rows::{batch, contents, now_ms};
use common::{Collector, Engine};
use crmscope_collector::ledger::{Account, Minute, Range};
use crmscope_proto::Lane;
use crmscope_proto::payload::{Contents, seal};
use crmscope_proto::v1::{DropRange, DropReason};

const AGENT: &str = "crm-web-01";

fn lines<T: serde::de::DeserializeOwned>(text: &str) -> Vec<T> {
    let lines = text.lines().map(serde_json::from_str::<T>);
    lines.collect::<Result<_, _>>().unwrap()
}

/// Metrics 1, 2, 5 and 9 arrive, the agent says that it dropped 6 and 7 and that 12 comes next:
/// 3, 4 and 8 are missing, 10 and 11 in flight.
async fn send(collector: &Collector) {
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    for sequence in [1, 2, 5, 9] {
        let metrics = contents(Lane::Metrics, sequence, 0);
        agent
            .send(&batch(AGENT, Lane::Metrics, sequence, &metrics))
            .await
            .unwrap();
    }
    agent.acked(Lane::Metrics, 9).await.unwrap();
    let now_ms = now_ms();
    let told = Contents {
        drops: vec![DropRange {
            spool_id: vec![3; 16],
            lane: Lane::Metrics.into(),
            first_sequence: 6,
            last_sequence: 7,
            items: 20,
            first_ms: now_ms - 600_000,
            last_ms: now_ms - 300_000,
            reason: DropReason::SpoolFull.into(),
        }],
        ..contents(Lane::Presence, 1, 12)
    };
    let envelope = batch(AGENT, Lane::Presence, 1, &contents(Lane::Presence, 1, 12));
    let presence = seal(&told, envelope).unwrap();
    agent.send(&presence).await.unwrap();
    agent.acked(Lane::Presence, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_named_and_every_minute_adds_up() {
    let engine = Engine::start();
    let collector = Collector::start(&engine);
    send(&collector).await;

    let (code, text) = collector.command(&["ledger", "--json", "--lane", "metrics"]);
    assert_eq!(code, Some(1), "{text}");
    let accounts: Vec<Account> = lines(&text);
    let [account] = &accounts[..] else {
        panic!("{text}")
    };
    let range = |first_sequence, last_sequence| Range {
        first_sequence,
        last_sequence,
    };
    assert_eq!(account.missing_ranges, [range(3, 4), range(8, 8)]);
    let reasons = BTreeMap::from([("spool_full".to_owned(), 2)]);
    assert_eq!(account.reasons, reasons);
    let fates = (account.emitted, account.stored, account.dropped);
    assert_eq!(fates, (11, 4, 2), "{account:?}");
    assert_eq!((account.missing, account.in_flight), (3, 2), "{account:?}");

    let times = "SELECT disposition, max(dateDiff('millisecond', first_created_at, created_at)) FROM crmscope.ledger GROUP BY disposition ORDER BY disposition";
    assert_eq!(engine.text(times).await, "stored\t0\ndropped\t300000\n");

    let arguments = ["ledger", "--json", "--by-minute", "--lane", "metrics"];
    let (code, text) = collector.command(&arguments);
    assert_eq!(code, Some(1), "{text}");
    let minutes: Vec<Minute> = lines(&text);
    for minute in &minutes {
        let fates = minute.stored + minute.sampled + minute.rejected + minute.dropped;
        let all = fates + minute.missing + minute.in_flight;
        assert_eq!(minute.emitted, all, "{minute:?}");
    }
    let sum = |of: fn(&Minute) -> u64| minutes.iter().map(of).sum::<u64>();
    assert_eq!(sum(|minute| minute.emitted), account.emitted, "{text}");
    assert_eq!(sum(|minute| minute.stored), account.stored, "{text}");
    assert_eq!(sum(|minute| minute.missing), account.missing, "{text}");
    assert_eq!(sum(|minute| minute.in_flight), account.in_flight, "{text}");
    // The dropped range has its own time, five minutes before everything else.
    let dropped: Vec<&Minute> = minutes.iter().filter(|minute| minute.dropped > 0).collect();
    assert!(
        matches!(&dropped[..], [only] if only.stored == 0 && only.dropped == 2 && only.reasons == reasons),
        "{text}"
    );

    let (code, text) = collector.command(&["ledger", "--by-minute"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("minute (UTC)"), "{text}");
    for line in [
        "missing: crm-web-01 03030303 metrics: 3 to 4\n",
        "missing: crm-web-01 03030303 metrics: 8 to 8\n",
        "not stored: crm-web-01 03030303 metrics: spool_full 2\n",
        "1 of 2 lanes are not whole.\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    // A lane that is whole is no reason to worry.
    let (code, text) = collector.command(&["ledger", "--lane", "presence"]);
    assert_eq!(code, Some(0), "{text}");
}
