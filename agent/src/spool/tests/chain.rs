//! The chain of security batches: each follows the one that was sealed before it, whatever happens between.

use super::*;
use crmscope_proto::chain::{Head, Link, rows_digest};
use crmscope_proto::payload::SecurityRow;
use crmscope_proto::v1::SecurityEvent;

fn events(number: u64, rows: u64) -> Contents {
    let row = |row: u64| SecurityRow {
        event: SecurityEvent {
            event_id: u128::from(number * 1000 + row).to_be_bytes().to_vec(),
            time_ms: 1_790_000_000_000,
            user: format!("user-{number}"),
            ..SecurityEvent::default()
        },
        kind: "ssh_login".to_owned(),
        ..SecurityRow::default()
    };
    Contents {
        security: (0..rows).map(row).collect(),
        ..Contents::default()
    }
}

/// Events that do not compress: some 50 kB.
fn seal_bulk(spool: &mut Spool, number: u64, random: &mut fastrand::Rng) {
    let mut contents = events(number, 60);
    for row in &mut contents.security {
        row.event.detail = (0..1_000).map(|_| random.alphanumeric()).collect();
    }
    spool
        .append(&origin(), Lane::Security, &contents, None, 1_000)
        .unwrap();
}

fn seal(spool: &mut Spool, number: u64, rows: u64) {
    let created_ms = 1_000 + number.cast_signed();
    spool
        .append(
            &origin(),
            Lane::Security,
            &events(number, rows),
            None,
            created_ms,
        )
        .unwrap();
}

fn links(spool: &mut Spool) -> Vec<Link> {
    let records = all_of(spool, Lane::Security);
    let batches = records
        .iter()
        .map(|record| Batch::decode(record.batch.as_slice()).unwrap());
    batches
        .map(|batch| {
            let contents = open(&batch).unwrap();
            let link = Link::of(&batch).unwrap().unwrap();
            assert_eq!(link.rows_digest, rows_digest(&contents.security));
            link
        })
        .collect()
}

/// The head that heartbeats tell.
fn told(spool: &Spool) -> Option<Head> {
    let state = state(spool, Lane::Security);
    state.chain.map(|head| Head::from_wire(&head).unwrap())
}

#[test]
fn every_batch_follows_the_one_before_through_restarts_kills_and_acks() {
    let mut random = seeded();
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    let mut known: BTreeMap<u64, Link> = BTreeMap::new();
    let mut acked = 0;
    for number in 0..150 {
        match random.u32(0..10) {
            0..6 => seal(&mut spool, number, random.u64(1..4)),
            // Large enough for segments to go, so that only the state knows the head.
            6 => seal_bulk(&mut spool, number, &mut random),
            7 => {
                let next = state(&spool, Lane::Security).next_sequence;
                acked = random.u64(acked..next);
                spool.acknowledge(Lane::Security, acked).unwrap();
            }
            8 => {
                drop(spool);
                spool = open_spool(directory.path()).0;
            }
            _ => {
                let path = spool.path.join("security/state");
                if path.exists() {
                    kill(spool, Lane::Security);
                } else {
                    drop(spool);
                }
                spool = open_spool(directory.path()).0;
            }
        }
        // A kill forgets acks, and what is sent again is what was sent.
        for link in links(&mut spool) {
            let again = known.insert(link.sequence, link.clone());
            assert!(again.is_none_or(|again| again == link), "{link:?}");
        }
        assert_eq!(told(&spool), known.values().last().map(Link::head));
    }
    assert!(known.len() > 40);
    let mut before = Head::default();
    for (at, (sequence, link)) in known.iter().enumerate() {
        assert_eq!(*sequence, at as u64 + 1);
        assert_eq!(link.previous, before);
        before = link.head();
    }
}

#[test]
fn contents_that_need_several_batches_are_chained_among_themselves() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    seal(&mut spool, 1, 1);
    seal(&mut spool, 2, 40_000);
    let links = links(&mut spool);
    assert!(links.len() > 3, "{}", links.len());
    let follows = |pair: &[Link]| pair[1].previous == pair[0].head();
    assert!(links.windows(2).all(follows));
    assert_eq!(links.iter().map(|link| link.rows).sum::<u64>(), 40_001);
}

#[test]
fn what_is_dropped_leaves_a_gap_that_the_next_batch_names() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        security_max_bytes: Config::QUOTA_MIN_BYTES,
        ..Config::default()
    };
    let (mut spool, _) = Spool::open(directory.path(), config).unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    let mut heads = BTreeMap::new();
    let mut number = 0;
    while state(&spool, Lane::Security).dropped_batches == 0 {
        number += 1;
        seal_bulk(&mut spool, number, &mut random);
        let head = told(&spool).unwrap();
        heads.insert(head.sequence, head);
        assert!(number < 1_000);
    }
    let links = links(&mut spool);
    let first = &links[0];
    assert!(first.sequence > 1, "{first:?}");
    assert_eq!(Some(&first.previous), heads.get(&(first.sequence - 1)));
    assert_eq!(reported(&mut spool)[0].last_sequence, first.sequence - 1);
}

#[test]
fn a_number_that_never_was_durable_is_given_again_and_follows_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    seal(&mut spool, 1, 1);
    let first = told(&spool);
    seal(&mut spool, 2, 1);
    kill(spool, Lane::Security);
    let segment = segments_of(directory.path(), Lane::Security).remove(0);
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, &bytes[..bytes.len() - 1]).unwrap();
    let (mut spool, _) = open_spool(directory.path());
    assert_eq!(told(&spool), first);
    seal(&mut spool, 3, 1);
    let links = links(&mut spool);
    assert_eq!(sequences(&all_of(&mut spool, Lane::Security)), [1, 2]);
    assert_eq!(Some(links[1].previous), first);
}

#[test]
fn a_head_that_the_lane_lost_is_known_from_a_heartbeat() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    (1..4).for_each(|number| seal(&mut spool, number, 1));
    let head = told(&spool);
    spool.acknowledge(Lane::Security, 3).unwrap();
    let mut contents = beat(1);
    contents.heartbeats[0].lanes = spool.states();
    spool
        .append(&origin(), Lane::Presence, &contents, None, 1_000)
        .unwrap();
    kill(spool, Lane::Security);
    // The end of the segment is gone, with what had been acknowledged.
    let segment = segments_of(directory.path(), Lane::Security).remove(0);
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, &bytes[..bytes.len() / 2]).unwrap();
    let (mut spool, _) = open_spool(directory.path());
    assert_eq!(told(&spool), head);
    seal(&mut spool, 4, 1);
    let next = links(&mut spool).pop().unwrap();
    assert_eq!((next.sequence, Some(next.previous)), (4, head));
}

#[test]
fn other_lanes_and_spools_without_a_chain_tell_of_none() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    append(&mut spool, 1);
    assert_eq!(told(&spool), None);
    let record = all_of(&mut spool, Lane::Presence).remove(0);
    let batch = Batch::decode(record.batch.as_slice()).unwrap();
    assert_eq!(batch.chain, None);
    assert_eq!(state(&spool, Lane::Presence).chain, None);
}
