//! The spool against a model in memory, and one test for each kind of damage.

mod chain;
mod corruption;
mod crash;
mod eviction;
mod faults;
mod full_disk;
mod model;
mod opening;
mod owner;
mod power;
mod simulated;
mod stalled;
mod usage;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crmscope_proto::payload::Contents;
use crmscope_proto::v1::{Batch, DropRange, Heartbeat, LaneState};
use crmscope_proto::{Id, Lane, open};
use prost::Message as _;

use super::{Config, Origin, Record, Spool};

fn origin() -> Origin {
    Origin {
        agent_id: "crm-web-01".to_owned(),
        boot_id: Id([1; 16]),
        start_id: Id([2; 16]),
    }
}

fn beat(number: u64) -> Contents {
    Contents {
        heartbeats: vec![Heartbeat {
            beat: number,
            ..Heartbeat::default()
        }],
        ..Contents::default()
    }
}

fn open_spool(path: &Path) -> (Spool, Vec<DropRange>) {
    Spool::open(path, Config::default()).unwrap()
}

fn append(spool: &mut Spool, number: u64) {
    let checkpoint = Some(number.to_le_bytes().to_vec());
    spool
        .append(&origin(), Lane::Presence, &beat(number), checkpoint, 1_000)
        .unwrap();
}

/// What an orderly stop writes down of the lane is not there.
fn kill(spool: Spool, lane: Lane) {
    let state = spool.path.join(lane.name()).join("state");
    let before = fs::read(&state).unwrap();
    drop(spool);
    fs::write(&state, before).unwrap();
}

fn beats(records: &[Record]) -> Vec<(u64, u64)> {
    let beat = |record: &Record| {
        open(&Batch::decode(record.batch.as_slice()).unwrap())
            .unwrap()
            .heartbeats[0]
            .beat
    };
    records
        .iter()
        .map(|record| (record.sequence, beat(record)))
        .collect()
}

fn read_all(spool: &mut Spool) -> Vec<(u64, u64)> {
    beats(
        &spool
            .read(Lane::Presence, 0, usize::MAX, usize::MAX)
            .unwrap(),
    )
}

fn segments(path: &Path) -> Vec<PathBuf> {
    segments_of(path, Lane::Presence)
}

fn segments_of(path: &Path, lane: Lane) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(path.join(lane.name()))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "segment")
        })
        .collect();
    found.sort();
    found
}

fn seeded() -> fastrand::Rng {
    let seed = std::env::var("CRMSCOPE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("CRMSCOPE_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// Heartbeats that do not compress: about 40 bytes each.
fn bulk(random: &mut fastrand::Rng, rows: usize) -> Contents {
    let heartbeat = |_| Heartbeat {
        beat: random.u64(..),
        uptime_ms: random.u64(..),
        agent_cpu_us: random.u64(..),
        agent_resident_bytes: random.u64(..),
        ..Heartbeat::default()
    };
    Contents {
        heartbeats: (0..rows).map(heartbeat).collect(),
        ..Contents::default()
    }
}

fn all_of(spool: &mut Spool, lane: Lane) -> Vec<Record> {
    spool.read(lane, 0, usize::MAX, usize::MAX).unwrap()
}

fn sequences(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.sequence).collect()
}

/// What the presence lane says was dropped.
fn reported(spool: &mut Spool) -> Vec<DropRange> {
    all_of(spool, Lane::Presence)
        .iter()
        .flat_map(|record| {
            open(&Batch::decode(record.batch.as_slice()).unwrap())
                .unwrap()
                .drops
        })
        .collect()
}

fn state(spool: &Spool, lane: Lane) -> LaneState {
    spool
        .states()
        .into_iter()
        .find(|state| state.lane() == lane)
        .unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn behaves_like_a_queue_in_memory_through_restarts() {
    let mut random = seeded();
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, lost) = open_spool(directory.path());
    assert!(lost.is_empty());
    let (mut model, mut next, mut acked) = (BTreeMap::new(), 1u64, 0u64);
    for _ in 0..600 {
        match random.u32(0..10) {
            0..5 => {
                append(&mut spool, next * 7);
                model.insert(next, next * 7);
                next += 1;
            }
            5..7 => {
                let after = random.u64(acked..next);
                let batches = random.usize(1..6);
                let read = beats(
                    &spool
                        .read(Lane::Presence, after, batches, usize::MAX)
                        .unwrap(),
                );
                let expected: Vec<_> = model
                    .range(after + 1..)
                    .take(batches)
                    .map(|(&s, &b)| (s, b))
                    .collect();
                assert_eq!(read, expected, "after {after}");
            }
            7..9 => {
                acked = random.u64(acked..next);
                spool.acknowledge(Lane::Presence, acked).unwrap();
                model.retain(|&sequence, _| sequence > acked);
            }
            _ => {
                let id = spool.spool_id();
                drop(spool);
                let (reopened, lost) = open_spool(directory.path());
                assert!(lost.is_empty(), "{lost:?}");
                spool = reopened;
                assert_eq!(spool.spool_id(), id);
            }
        }
        let state = spool
            .states()
            .into_iter()
            .find(|state| state.lane() == Lane::Presence)
            .unwrap();
        assert_eq!((state.next_sequence, state.acked_sequence), (next, acked));
        assert_eq!(state.queued_batches, model.len() as u64);
    }
    assert_eq!(read_all(&mut spool), model.into_iter().collect::<Vec<_>>());
}

#[test]
fn the_position_is_that_of_the_newest_kept_batch_and_survives_when_all_is_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    assert!(spool.checkpoint(Lane::Presence).is_empty());
    append(&mut spool, 1);
    append(&mut spool, 2);
    assert_eq!(spool.checkpoint(Lane::Presence), 2u64.to_le_bytes());
    read_all(&mut spool);
    spool.acknowledge(Lane::Presence, 2).unwrap();
    drop(spool);
    // Even when what was acknowledged is gone from the disk.
    segments(directory.path())
        .into_iter()
        .for_each(|segment| fs::remove_file(segment).unwrap());
    let (spool, lost) = open_spool(directory.path());
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(spool.checkpoint(Lane::Presence), 2u64.to_le_bytes());
    assert_eq!(spool.states()[3].next_sequence, 3);
}

#[test]
fn a_position_without_rows_is_kept_too() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    append(&mut spool, 1);
    spool
        .keep_checkpoint(Lane::Presence, b"waits".to_vec())
        .unwrap();
    assert_eq!(
        spool.checkpoint(Lane::Presence),
        1u64.to_le_bytes(),
        "a batch waits with its own"
    );
    read_all(&mut spool);
    spool.acknowledge(Lane::Presence, 1).unwrap();
    spool
        .keep_checkpoint(Lane::Presence, b"later".to_vec())
        .unwrap();
    drop(spool);
    let (spool, _) = open_spool(directory.path());
    assert_eq!(spool.checkpoint(Lane::Presence), b"later");
}

#[test]
fn a_torn_append_was_never_sent_so_its_number_is_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    append(&mut spool, 10);
    append(&mut spool, 20);
    kill(spool, Lane::Presence);
    let segment = &segments(directory.path())[0];
    let bytes = fs::read(segment).unwrap();
    fs::write(segment, &bytes[..bytes.len() - 3]).unwrap();
    let (mut spool, lost) = open_spool(directory.path());
    assert!(lost.is_empty(), "{lost:?}");
    append(&mut spool, 30);
    assert_eq!(read_all(&mut spool), [(1, 10), (2, 30)]);
}

#[test]
fn a_flipped_bit_costs_one_record_which_is_reported() {
    for damaged in 0..3u64 {
        let directory = tempfile::tempdir().unwrap();
        let (mut spool, _) = open_spool(directory.path());
        (1..=3).for_each(|number| append(&mut spool, number * 10));
        drop(spool);
        let segment = &segments(directory.path())[0];
        let mut bytes = fs::read(segment).unwrap();
        let record = bytes.len() / 3;
        bytes[record * usize::try_from(damaged).unwrap() + record / 2] ^= 4;
        fs::write(segment, bytes).unwrap();

        let (mut spool, lost) = open_spool(directory.path());
        let ranges: Vec<_> = lost
            .iter()
            .map(|range| (range.first_sequence, range.last_sequence))
            .collect();
        assert_eq!(ranges, [(damaged + 1, damaged + 1)]);
        assert!(spool.corrupt_bytes() > 0);
        append(&mut spool, 40);
        let expected: Vec<_> = (1..=4)
            .filter(|&n| n != damaged + 1)
            .map(|n| (n, n * 10))
            .collect();
        assert_eq!(read_all(&mut spool), expected, "record {damaged}");
    }
}

#[test]
fn a_damaged_state_file_and_foreign_files_do_not_stop_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    (1..=3).for_each(|number| append(&mut spool, number * 10));
    let id = spool.spool_id();
    drop(spool);
    fs::write(directory.path().join("presence/state"), "nonsense").unwrap();
    fs::write(
        directory.path().join("presence/notes.txt"),
        "left by a person",
    )
    .unwrap();
    fs::remove_file(directory.path().join("spool_id")).unwrap();
    let (mut spool, lost) = open_spool(directory.path());
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(spool.spool_id(), id, "recovered from a batch");
    assert_eq!(read_all(&mut spool), [(1, 10), (2, 20), (3, 30)]);
}

#[test]
fn when_full_the_oldest_goes_and_the_range_is_recorded_first() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        requests_max_bytes: 4 * 1024 * 1024,
        ..Config::default()
    };
    let (mut spool, _) = Spool::open(directory.path(), config).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    // Text that does not compress, so that the quota is reached.
    let mut appended = 0;
    while spool.states()[1].dropped_batches == 0 {
        let detail = |_| (0..1000).map(|_| random.alphanumeric()).collect::<String>();
        let routes: Vec<String> = (0..200).map(detail).collect();
        let requests = routes
            .into_iter()
            .map(|route| crmscope_proto::requests::RequestRow {
                bucket_start_ms: 0,
                service: "crm".to_owned(),
                route,
                method: "GET".to_owned(),
                status_class: 2,
                requests: 1,
                response_bytes: 1,
                latency: crmscope_proto::Sketch::default(),
                upstream: crmscope_proto::Sketch::default(),
            });
        let contents = Contents {
            requests: requests.collect(),
            ..Contents::default()
        };
        spool
            .append(&origin(), Lane::Requests, &contents, None, 1_000)
            .unwrap();
        appended += 200;
    }
    let state = spool.states().swap_remove(1);
    let kept = spool
        .read(Lane::Requests, 0, usize::MAX, usize::MAX)
        .unwrap();
    assert_eq!(kept[0].sequence, state.dropped_batches + 1);
    assert_eq!(
        kept.iter()
            .map(|record| u64::from(record.items))
            .sum::<u64>()
            + state.dropped_items,
        appended
    );
    let presence = spool.read(Lane::Presence, 0, 1, usize::MAX).unwrap();
    let drops = open(&Batch::decode(presence[0].batch.as_slice()).unwrap())
        .unwrap()
        .drops;
    assert_eq!(
        (drops[0].first_sequence, drops[0].last_sequence),
        (1, state.dropped_batches)
    );
    assert_eq!(drops[0].items, state.dropped_items);
    drop(spool);
    let (spool, lost) = open_spool(directory.path());
    assert!(
        lost.is_empty(),
        "what was dropped is not reported a second time: {lost:?}"
    );
    assert_eq!(spool.states()[1].next_sequence, state.next_sequence);
}

#[test]
fn contents_beyond_a_batch_are_split_and_appear_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    let heartbeats = (0..70_000)
        .map(|beat| Heartbeat {
            beat,
            ..Heartbeat::default()
        })
        .collect();
    let contents = Contents {
        heartbeats,
        ..Contents::default()
    };
    spool
        .append(
            &origin(),
            Lane::Presence,
            &contents,
            Some(b"end".to_vec()),
            1_000,
        )
        .unwrap();
    let records = spool
        .read(Lane::Presence, 0, usize::MAX, usize::MAX)
        .unwrap();
    assert!(records.len() > 1);
    assert_eq!(
        records.iter().map(|record| record.items).sum::<u32>(),
        70_000
    );
    assert!(
        records[..records.len() - 1]
            .iter()
            .all(|record| record.checkpoint.is_empty())
    );
    kill(spool, Lane::Presence);
    let segment = &segments(directory.path())[0];
    let bytes = fs::read(segment).unwrap();
    fs::write(segment, &bytes[..bytes.len() - 1]).unwrap();
    let (mut spool, lost) = open_spool(directory.path());
    assert!(lost.is_empty(), "{lost:?}");
    assert!(
        spool
            .read(Lane::Presence, 0, usize::MAX, usize::MAX)
            .unwrap()
            .is_empty()
    );
    assert_eq!(spool.states()[3].next_sequence, 1);
    assert!(spool.checkpoint(Lane::Presence).is_empty());
}

#[test]
fn a_child_that_is_being_started_keeps_no_lock() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = open_spool(directory.path());
    // What a child has between fork and exec.
    let inherited = spool._lock.file().unwrap().try_clone().unwrap();
    drop(spool);
    open_spool(directory.path());
    drop(inherited);
}

#[test]
fn two_agents_cannot_share_a_spool() {
    let directory = tempfile::tempdir().unwrap();
    let (_first, _) = open_spool(directory.path());
    let error = Spool::open(directory.path(), Config::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("in use by another crmscope-agent"),
        "{error}"
    );
}
