//! Power losses and disks that refuse: what was sent keeps its number, and nothing needs a restart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::simulated::{SimulatedDisk, Trouble};
use super::*;
use crate::spool::SpoolState;

fn disk() -> SimulatedDisk {
    SimulatedDisk::new(seeded())
}

fn open_on(disk: &SimulatedDisk) -> (Spool, Vec<DropRange>) {
    Spool::open_on(
        Arc::new(disk.clone()),
        Path::new("/spool"),
        Config::default(),
    )
    .unwrap()
}

fn try_append(spool: &mut Spool, lane: Lane, number: u64) -> bool {
    let outcome = spool.append(&origin(), lane, &beat(number), None, 1_000);
    outcome.is_ok()
}

fn beats_of(spool: &mut Spool, lane: Lane) -> Vec<(u64, u64)> {
    beats(&all_of(spool, lane))
}

fn sync(spool: &mut Spool) {
    let _ = spool.sync_due(Instant::now() + Duration::from_secs(3600));
}

#[test]
fn a_security_batch_is_durable_when_it_counts_as_appended() {
    let disk = disk();
    let (mut spool, _) = open_on(&disk);
    for number in 1..=20 {
        assert!(try_append(&mut spool, Lane::Security, number));
        disk.kill(spool);
        disk.lose_power();
        spool = open_on(&disk).0;
        let expected: Vec<_> = (1..=number).map(|number| (number, number)).collect();
        assert_eq!(beats_of(&mut spool, Lane::Security), expected);
    }
}

#[test]
fn other_batches_are_synced_together_and_before_they_are_sent() {
    let disk = disk();
    let (mut spool, _) = open_on(&disk);
    assert!(try_append(&mut spool, Lane::Metrics, 1));
    let before = disk.syncs();
    for number in 2..=10 {
        assert!(try_append(&mut spool, Lane::Metrics, number));
    }
    assert_eq!(disk.syncs(), before);
    let sent = beats_of(&mut spool, Lane::Metrics);
    assert_eq!(sent.len(), 10);
    assert_eq!(disk.syncs(), before + 1);
    disk.kill(spool);
    disk.lose_power();
    assert_eq!(beats_of(&mut open_on(&disk).0, Lane::Metrics), sent);
}

#[test]
fn the_sync_interval_bounds_what_a_power_loss_takes() {
    let disk = disk();
    let (mut spool, _) = open_on(&disk);
    assert!(try_append(&mut spool, Lane::Metrics, 1));
    spool.sync_due(Instant::now());
    let before = disk.syncs();
    sync(&mut spool);
    assert_eq!(disk.syncs(), before + 1);
    disk.kill(spool);
    disk.lose_power();
    assert_eq!(beats_of(&mut open_on(&disk).0, Lane::Metrics), [(1, 1)]);
}

#[test]
fn what_a_failed_sync_left_in_doubt_is_written_again() {
    for _ in 0..20 {
        let disk = disk();
        let (mut spool, _) = open_on(&disk);
        assert!(try_append(&mut spool, Lane::Metrics, 1));
        disk.trouble(Some(Trouble::Failing));
        sync(&mut spool);
        assert!(
            all_of(&mut spool, Lane::Metrics).is_empty(),
            "not durable, so not sent"
        );
        disk.trouble(None);
        sync(&mut spool);
        assert_eq!(beats_of(&mut spool, Lane::Metrics), [(1, 1)]);
        disk.kill(spool);
        disk.lose_power();
        assert_eq!(beats_of(&mut open_on(&disk).0, Lane::Metrics), [(1, 1)]);
    }
}

/// A killed agent's last writes are there for the next one, and still not durable.
#[test]
fn what_a_killed_agent_left_unsynced_is_synced_before_it_is_sent() {
    for _ in 0..20 {
        let disk = disk();
        let (mut spool, _) = open_on(&disk);
        assert!(try_append(&mut spool, Lane::Metrics, 1));
        disk.kill(spool);
        let (mut spool, _) = open_on(&disk);
        let sent = beats_of(&mut spool, Lane::Metrics);
        assert_eq!(sent, [(1, 1)]);
        disk.kill(spool);
        disk.lose_power();
        assert_eq!(beats_of(&mut open_on(&disk).0, Lane::Metrics), sent);
    }
}

#[test]
fn a_disk_that_refuses_has_a_name_and_needs_no_restart() {
    for (trouble, state) in [
        (Trouble::Full, SpoolState::Full),
        (Trouble::ReadOnly, SpoolState::ReadOnly),
        (Trouble::Failing, SpoolState::Failing),
    ] {
        let disk = disk();
        let (mut spool, _) = open_on(&disk);
        assert!(try_append(&mut spool, Lane::Security, 1));
        assert_eq!(spool.spool_state(), SpoolState::Good);
        disk.trouble(Some(trouble));
        assert!(!try_append(&mut spool, Lane::Security, 2));
        assert_eq!(spool.spool_state(), state);
        // What is on it is sent all the same.
        assert_eq!(beats_of(&mut spool, Lane::Security), [(1, 1)]);
        disk.trouble(None);
        assert!(try_append(&mut spool, Lane::Security, 2));
        assert_eq!(spool.spool_state(), SpoolState::Good);
        assert_eq!(beats_of(&mut spool, Lane::Security), [(1, 1), (2, 2)]);
    }
}

#[test]
fn a_disk_that_refuses_does_not_stop_the_start() {
    for trouble in [Trouble::Full, Trouble::ReadOnly] {
        let disk = disk();
        let (mut spool, _) = open_on(&disk);
        for lane in [Lane::Security, Lane::Metrics] {
            assert!(try_append(&mut spool, lane, 1));
        }
        disk.kill(spool);
        disk.trouble(Some(trouble));
        let (mut spool, lost) = open_on(&disk);
        assert!(lost.is_empty(), "{lost:?}");
        assert_eq!(beats_of(&mut spool, Lane::Security), [(1, 1)]);
        disk.trouble(None);
        assert!(try_append(&mut spool, Lane::Security, 2));
        assert_eq!(beats_of(&mut spool, Lane::Metrics), [(1, 1)]);
    }
}

#[test]
fn heartbeats_go_out_while_the_disk_is_full_and_their_numbers_are_not_used_again() {
    let disk = disk();
    let (mut spool, _) = open_on(&disk);
    assert!(try_append(&mut spool, Lane::Presence, 1));
    // Room only for what is there, and for what the reserve gives.
    disk.set_capacity(disk.used());
    for number in 2..=40 {
        assert!(try_append(&mut spool, Lane::Presence, number), "{number}");
        // Everything else takes what the reserve gave.
        while try_append(&mut spool, Lane::Requests, number) {}
    }
    assert_eq!(spool.spool_state(), SpoolState::Full);
    let sent = beats_of(&mut spool, Lane::Presence);
    let last = sent.last().unwrap().0;
    disk.kill(spool);
    disk.lose_power();
    disk.set_capacity(usize::MAX);
    let (spool, lost) = open_on(&disk);
    let next = state(&spool, Lane::Presence).next_sequence;
    assert!(next > last, "{next} was sent before");
    assert_eq!(lost.last().unwrap().last_sequence, next - 1);
}

#[test]
fn held_heartbeats_reach_the_disk_once_it_takes_them() {
    let disk = disk();
    let (mut spool, _) = open_on(&disk);
    assert!(try_append(&mut spool, Lane::Presence, 1));
    disk.set_capacity(disk.used());
    let mut number = 1;
    while spool.spool_state() == SpoolState::Good {
        number += 1;
        assert!(try_append(&mut spool, Lane::Presence, number));
    }
    let sent = beats_of(&mut spool, Lane::Presence);
    assert_eq!(sent.len() as u64, number);
    spool.acknowledge(Lane::Presence, number - 1).unwrap();
    disk.set_capacity(usize::MAX);
    sync(&mut spool);
    assert_eq!(spool.spool_state(), SpoolState::Good);
    number += 1;
    assert!(try_append(&mut spool, Lane::Presence, number));
    sync(&mut spool);
    disk.kill(spool);
    disk.lose_power();
    let (mut spool, lost) = open_on(&disk);
    assert!(lost.is_empty(), "{lost:?}");
    let kept = beats_of(&mut spool, Lane::Presence);
    assert_eq!(
        kept[kept.len() - 2..],
        [(number - 1, number - 1), (number, number)]
    );
}

#[test]
fn on_a_full_disk_security_displaces_the_oldest_metrics() {
    let disk = disk();
    let (mut spool, _) = open_on(&disk);
    let mut random = fastrand::Rng::with_seed(12);
    for created_ms in [1_000, 2_000, 3_000] {
        let rows = bulk(&mut random, 30_000);
        spool
            .append(&origin(), Lane::Metrics, &rows, None, created_ms)
            .unwrap();
    }
    sync(&mut spool);
    disk.set_capacity(disk.used());
    let rows = bulk(&mut random, 10_000);
    spool
        .append(&origin(), Lane::Security, &rows, None, 4_000)
        .unwrap();
    let ranges = reported(&mut spool);
    assert_eq!(ranges.len(), 1, "{ranges:?}");
    let left = sequences(&all_of(&mut spool, Lane::Metrics));
    assert_eq!(
        (ranges[0].first_sequence, ranges[0].last_sequence),
        (1, left[0] - 1)
    );
    assert_eq!((ranges[0].first_ms, ranges[0].last_ms), (1_000, 1_000));
    assert_eq!(ranges[0].items, 30_000);
    assert_eq!(
        ranges[0].reason(),
        crmscope_proto::v1::DropReason::SpoolFull
    );
    // It survives a restart.
    disk.kill(spool);
    disk.lose_power();
    let (mut spool, lost) = open_on(&disk);
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(reported(&mut spool), ranges);
}

#[test]
fn a_full_disk_at_the_first_start_does_not_end_the_agent() {
    for trouble in [Trouble::Full, Trouble::ReadOnly, Trouble::Failing] {
        let simulated = disk();
        simulated.trouble(Some(trouble));
        let path = Path::new("/spool");
        let disk: Arc<dyn crate::spool::disk::Disk> = Arc::new(simulated.clone());
        let (mut spool, _) = Spool::open_or_hold(&disk, path, Config::default()).unwrap();
        for number in 1..=3 {
            assert!(try_append(&mut spool, Lane::Presence, number));
            assert!(try_append(&mut spool, Lane::Security, number));
        }
        sync(&mut spool);
        assert!(
            !matches!(spool.spool_state(), SpoolState::Good),
            "{trouble:?}"
        );
        let sent = beats_of(&mut spool, Lane::Security);
        assert_eq!(sent, [(1, 1), (2, 2), (3, 3)]);
        // It is bounded.
        let rows = bulk(&mut fastrand::Rng::with_seed(13), 20_000);
        let mut appended = 0;
        while spool
            .append(&origin(), Lane::Requests, &rows, None, 1_000)
            .is_ok()
        {
            appended += 1;
        }
        assert!(appended < 20);
        let id = spool.spool_id();
        simulated.trouble(None);
        spool.sync_due(Instant::now() + Duration::from_secs(7200));
        assert_eq!(spool.spool_state(), SpoolState::Good);
        assert!(try_append(&mut spool, Lane::Security, 4));
        simulated.kill(spool);
        simulated.lose_power();
        let (mut spool, lost) = open_on(&simulated);
        assert!(lost.is_empty(), "{lost:?}");
        assert_eq!(spool.spool_id(), id);
        assert_eq!(beats_of(&mut spool, Lane::Security).len(), 4);
        assert_eq!(beats_of(&mut spool, Lane::Presence).len(), 3);
    }
}
