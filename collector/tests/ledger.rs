//! The ledger's proof on a real engine: what is missing is named, and every minute adds up.

// A broken environment should stop a test at the line that meets it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::collections::BTreeMap;

use common::agent::connect;
use common::rows::{batch, contents, now_ms};
use common::{Collector, Engine};
use crmscope_collector::ledger::{Account, Minute, Range};
use crmscope_collector::schema::{self, queries};
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

const FATES: [&str; 4] = ["stored", "sampled", "rejected", "dropped"];
const SPAN: u64 = 1024;

/// A row of the ledger, as it is made up.
#[derive(Clone, Copy, Debug)]
struct Row {
    first: u64,
    last: u64,
    /// Position in `FATES`.
    fate: usize,
    reason: &'static str,
    received_s: u64,
}

/// What one lane holds, and what its agent says of it.
#[derive(Debug, Default)]
struct Ledger {
    rows: Vec<Row>,
    next_sequence: u64,
    acked: u64,
}

/// A lane with holes, ranges, rows told twice, and ranges over stored ones.
fn made_up(now_s: u64) -> Ledger {
    let count = [3, 300, SPAN - 1, SPAN, SPAN + 1, 2100, 5000][fastrand::usize(..7)];
    let is_messy = fastrand::bool();
    let received = |sequence: u64| now_s - 5 * 86_400 + sequence.min(count) * 60;
    let mut lane = Ledger::default();
    let row = |first, last, fate: usize, reason| Row {
        first,
        last,
        fate,
        reason,
        received_s: received(last) + [0, 5, 86_400][fastrand::usize(..3)],
    };
    let mut is_there: Vec<bool> = vec![true; usize::try_from(count).unwrap() + 1];
    let any = || fastrand::u64(1..=count);
    for _ in 0..if is_messy { fastrand::usize(..20) } else { 0 } {
        is_there[usize::try_from(any()).unwrap()] = false;
    }
    for _ in 0..if is_messy { fastrand::usize(..4) } else { 0 } {
        let first = fastrand::u64(1..count + 50);
        let last = first + [0, 0, 5, 400, 1500][fastrand::usize(..5)];
        if fastrand::u8(..10) < 7 {
            for sequence in first..=last.min(count) {
                is_there[usize::try_from(sequence).unwrap()] = false;
            }
        }
        lane.rows.push(row(first, last, 3, "spool_full"));
    }
    for _ in 0..if is_messy { fastrand::usize(..9) } else { 0 } {
        let sequence = any();
        if fastrand::bool() {
            is_there[usize::try_from(sequence).unwrap()] = false;
        }
        lane.rows
            .push(row(sequence, sequence, fastrand::usize(1..3), "odd"));
    }
    for _ in 0..if is_messy && fastrand::bool() { 4 } else { 0 } {
        let sequence = any();
        lane.rows.push(row(
            sequence,
            sequence,
            0,
            ["", "odd"][fastrand::usize(..2)],
        ));
    }
    if is_messy && fastrand::u8(..4) == 0 {
        lane.rows.push(row(5, 900, 0, ""));
    }
    for sequence in 1..=count {
        if is_there[usize::try_from(sequence).unwrap()] {
            let received_s = received(sequence);
            lane.rows.push(Row {
                received_s,
                ..row(sequence, sequence, 0, "")
            });
        }
    }
    if fastrand::u8(..10) < 7 {
        lane.next_sequence = count + 1 + [0, 0, 3, 100][fastrand::usize(..4)];
        lane.acked = fastrand::u64(..count);
    }
    lane
}

/// The same by counting every sequence.
#[derive(Debug, PartialEq, Eq)]
struct Counted {
    first: u64,
    last: u64,
    fates: [u64; 4],
    missing: u64,
    in_flight: u64,
    duplicates: u64,
    overlaps: u64,
    gaps: Vec<(u64, u64)>,
}

fn counted(lane: &Ledger, from_s: u64) -> Option<Counted> {
    let rows = &lane.rows;
    let settled = rows
        .iter()
        .filter(|row| row.fate != 3)
        .map(|row| row.last)
        .max()
        .unwrap_or(0);
    let told = rows.iter().map(|row| row.last).max().unwrap_or(0);
    let last = told.max(lane.next_sequence.saturating_sub(1));
    let first = if from_s == 0 {
        1
    } else {
        let recent = rows.iter().filter(|row| row.received_s >= from_s);
        let span = recent.map(|row| row.first / SPAN).min();
        let looked_at = rows.iter().map(|row| row.first);
        let looked_at = looked_at.filter(|first| span.is_some_and(|span| first / SPAN >= span));
        looked_at.min().unwrap_or(settled + 1)
    };
    if first > last {
        return None;
    }
    let mut depths = vec![[0_u64; 4]; usize::try_from(last - first + 1).unwrap()];
    for row in rows {
        for sequence in row.first.max(first)..=row.last {
            depths[usize::try_from(sequence - first).unwrap()][row.fate] += 1;
        }
    }
    let mut counted = Counted {
        first,
        last,
        fates: [0; 4],
        missing: 0,
        in_flight: 0,
        duplicates: 0,
        overlaps: 0,
        gaps: Vec::new(),
    };
    for (sequence, depth) in (first..).zip(&depths) {
        let claims = depth.iter().filter(|depth| **depth > 0).count() as u64;
        counted.overlaps += claims.saturating_sub(1);
        counted.duplicates += depth
            .iter()
            .map(|depth| depth.saturating_sub(1))
            .sum::<u64>();
        match depth.iter().position(|depth| *depth > 0) {
            Some(fate) => counted.fates[fate] += 1,
            None if sequence > settled => counted.in_flight += 1,
            None => {
                counted.missing += 1;
                match counted.gaps.last_mut() {
                    Some((_, end)) if *end + 1 == sequence => *end = sequence,
                    _ => counted.gaps.push((sequence, sequence)),
                }
            }
        }
    }
    Some(counted)
}

/// The queries' answers, by lane.
async fn asked(engine: &Engine, from_s: u64) -> BTreeMap<String, Counted> {
    let fill = |sql: &str| {
        sql.replace("{agent:String}", "''").replace(
            "{from:DateTime('UTC')}",
            &format!("toDateTime({from_s}, 'UTC')"),
        )
    };
    let proof = format!(
        "SELECT agent_id, first_sequence, last_sequence, stored, sampled, rejected, dropped, missing, in_flight, duplicates, overlaps \
         FROM ({}) WHERE emitted = stored + sampled + rejected + dropped + missing + in_flight",
        fill(queries::LEDGER_PROOF)
    );
    let mut lanes = BTreeMap::new();
    for line in engine.text(&proof).await.lines() {
        let (agent, figures) = line.split_once('\t').unwrap();
        let figures = figures.split('\t').map(str::parse::<u64>);
        let figures: Vec<u64> = figures.collect::<Result<_, _>>().unwrap();
        let [
            first,
            last,
            stored,
            sampled,
            rejected,
            dropped,
            missing,
            in_flight,
            duplicates,
            overlaps,
        ] = figures[..]
        else {
            panic!("{line}")
        };
        let fates = [stored, sampled, rejected, dropped];
        let gaps = Vec::new();
        let counted = Counted {
            first,
            last,
            fates,
            missing,
            in_flight,
            duplicates,
            overlaps,
            gaps,
        };
        lanes.insert(agent.to_owned(), counted);
    }
    let gaps = format!(
        "SELECT agent_id, first_sequence, last_sequence FROM ({})",
        fill(queries::LEDGER_GAPS)
    );
    for line in engine.text(&gaps).await.lines() {
        let mut parts = line.split('\t');
        let mut next = || parts.next().unwrap();
        let agent = next().to_owned();
        let gap = (next().parse().unwrap(), next().parse().unwrap());
        lanes.get_mut(&agent).unwrap().gaps.push(gap);
    }
    lanes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_ledgers_are_told_as_counting_tells_them() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::seed(seed);
    let engine = Engine::start();
    schema::migrate(&engine.client()).await.unwrap();
    let now_s = now_ms().unsigned_abs() / 1000;
    let lanes: BTreeMap<String, Ledger> = (0..24)
        .map(|number| (format!("host-{number:02}"), made_up(now_s)))
        .collect();
    let mut rows = Vec::new();
    for (agent, lane) in &lanes {
        for row in &lane.rows {
            rows.push(format!(
                "('{agent}', generateUUIDv4(), generateUUIDv4(), toUUID('03030303-0303-0303-0303-030303030303'), 'metrics', {}, {}, 3, 10, '{}', '{}', toDateTime64({s}, 3, 'UTC'), toDateTime64({s}, 3, 'UTC'), 1)",
                row.first, row.last, FATES[row.fate], row.reason, s = row.received_s
            ));
        }
        if lane.next_sequence > 0 {
            engine.run(&format!(
                "INSERT INTO crmscope.lane_states (agent_id, spool_id, lane, ts, next_sequence, acked_sequence) SETTINGS async_insert = 0 \
                 VALUES ('{agent}', toUUID('03030303-0303-0303-0303-030303030303'), 'metrics', now64(3), {}, {})",
                lane.next_sequence, lane.acked
            )).await;
        }
    }
    fastrand::shuffle(&mut rows);
    for some in rows.chunks(4000) {
        engine.run(&format!(
            "INSERT INTO crmscope.ledger (agent_id, boot_id, start_id, spool_id, lane, first_sequence, last_sequence, items, bytes, disposition, reason, created_at, received_at, block) \
             SETTINGS async_insert = 0 VALUES {}",
            some.join(", ")
        )).await;
    }

    let froms = [
        0,
        now_s - 5 * 86_400 + 70_000,
        now_s - 3 * 86_400,
        now_s - 5 * 86_400 + 5,
    ];
    let want = |from_s| -> BTreeMap<String, Counted> {
        let counted = lanes
            .iter()
            .filter_map(|(agent, lane)| Some((agent.clone(), counted(lane, from_s)?)));
        counted.collect()
    };
    for from_s in froms {
        assert_eq!(asked(&engine, from_s).await, want(from_s), "from {from_s}");
    }

    // As if the roll-ups had come in the middle: what was received before is out of the ledger.
    let since = (now_s - 3 * 86_400) / 86_400 * 86_400;
    for table in ["ledger_spans", "ledger_ranges"] {
        engine.run(&format!("ALTER TABLE crmscope.{table} DELETE WHERE t < toDateTime({since}, 'UTC') SETTINGS mutations_sync = 2")).await;
        engine.run(&format!("INSERT INTO crmscope.rollup_starts (name, since) SETTINGS async_insert = 0 VALUES ('{table}', {since})")).await;
    }
    for from_s in froms {
        assert_eq!(
            asked(&engine, from_s).await,
            want(from_s),
            "from {from_s}, since {since}"
        );
    }
}
