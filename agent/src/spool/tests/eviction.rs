//! What goes when a lane is full: exactly one record of it, whatever happens between.

use super::*;

fn small() -> Config {
    Config {
        requests_max_bytes: Config::QUOTA_MIN_BYTES,
        presence_max_bytes: Config::QUOTA_MIN_BYTES,
        ..Config::default()
    }
}

/// Appends to the lane until batches of it were dropped. Returns the rows appended.
fn fill(spool: &mut Spool, lane: Lane, random: &mut fastrand::Rng) -> u64 {
    let before = state(spool, lane).dropped_batches;
    let mut rows = 0;
    while state(spool, lane).dropped_batches == before {
        spool
            .append(&origin(), lane, &bulk(random, 5_000), None, 1_000)
            .unwrap();
        rows += 5_000;
    }
    rows
}

/// Sequences of the lane that the ranges name, each as often as it is named.
fn named(ranges: &[DropRange], lane: Lane) -> Vec<u64> {
    let mut named: Vec<u64> = ranges
        .iter()
        .filter(|range| range.lane() == lane)
        .flat_map(|range| range.first_sequence..=range.last_sequence)
        .collect();
    named.sort_unstable();
    named
}

#[test]
fn a_full_presence_lane_uses_no_number_twice_and_hands_on_what_it_knew_of_drops() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = Spool::open(directory.path(), small()).unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    let other = DropRange {
        spool_id: spool.spool_id().to_wire(),
        lane: Lane::Security.into(),
        first_sequence: 1,
        last_sequence: 5,
        ..DropRange::default()
    };
    spool
        .record_drops(&origin(), vec![other.clone()], 1_000)
        .unwrap();
    for _ in 0..3 {
        fill(&mut spool, Lane::Presence, &mut random);
    }
    let kept = sequences(&all_of(&mut spool, Lane::Presence));
    assert!(kept.windows(2).all(|pair| pair[0] < pair[1]), "{kept:?}");
    let ranges = reported(&mut spool);
    assert!(ranges.contains(&other), "{ranges:?}");
    let mut known = named(&ranges, Lane::Presence);
    known.extend(&kept);
    known.sort_unstable();
    let next = state(&spool, Lane::Presence).next_sequence;
    assert_eq!(known, (1..next).collect::<Vec<_>>());
}

#[test]
fn killed_between_the_record_of_a_drop_and_the_drop_it_is_finished_at_the_next_start() {
    let [live, before] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (mut spool, _) = Spool::open(live.path(), small()).unwrap();
    let mut random = fastrand::Rng::with_seed(2);
    while state(&spool, Lane::Requests).dropped_batches == 0 {
        copy(
            &live.path().join("requests"),
            &before.path().join("requests"),
        );
        spool
            .append(
                &origin(),
                Lane::Requests,
                &bulk(&mut random, 5_000),
                None,
                1_000,
            )
            .unwrap();
    }
    drop(spool);
    fs::remove_dir_all(live.path().join("requests")).unwrap();
    copy(before.path(), live.path());
    for _ in 0..2 {
        let (mut spool, lost) = Spool::open(live.path(), small()).unwrap();
        assert!(lost.is_empty(), "{lost:?}");
        let dropped = named(&reported(&mut spool), Lane::Requests);
        let kept = sequences(&all_of(&mut spool, Lane::Requests));
        assert_eq!(kept[0], dropped.last().unwrap() + 1);
        let next = state(&spool, Lane::Requests).next_sequence;
        assert_eq!(dropped.len() as u64 + kept.len() as u64, next - 1);
    }
}

#[test]
fn what_was_acknowledged_of_a_segment_is_not_counted_as_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = Spool::open(directory.path(), small()).unwrap();
    let mut random = fastrand::Rng::with_seed(3);
    let first = bulk(&mut random, 1_000);
    for _ in 0..2 {
        spool
            .append(&origin(), Lane::Requests, &first, None, 1_000)
            .unwrap();
    }
    spool.acknowledge(Lane::Requests, 1).unwrap();
    let rows = 1_000 + fill(&mut spool, Lane::Requests, &mut random);
    let kept: u64 = all_of(&mut spool, Lane::Requests)
        .iter()
        .map(|record| u64::from(record.items))
        .sum();
    assert_eq!(kept + reported(&mut spool)[0].items, rows);
}

#[test]
fn the_position_does_not_fall_back_behind_what_was_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = Spool::open(directory.path(), small()).unwrap();
    let mut random = fastrand::Rng::with_seed(4);
    let mut number = 0u64;
    while state(&spool, Lane::Requests).dropped_batches == 0 {
        number += 1;
        spool
            .append(
                &origin(),
                Lane::Requests,
                &bulk(&mut random, 5_000),
                Some(number.to_le_bytes().to_vec()),
                1_000,
            )
            .unwrap();
    }
    let dropped = state(&spool, Lane::Requests).dropped_batches;
    drop(spool);
    // As if nothing after the drop had reached the disk.
    for segment in segments_of(directory.path(), Lane::Requests) {
        fs::remove_file(segment).unwrap();
    }
    let (spool, _) = Spool::open(directory.path(), small()).unwrap();
    assert_eq!(spool.checkpoint(Lane::Requests), dropped.to_le_bytes());
}
