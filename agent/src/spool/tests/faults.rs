//! Disks and people that damage a spool: no number is used twice, and nothing is reported twice.

use super::*;

fn append_requests(spool: &mut Spool, count: u64) {
    for number in 0..count {
        spool
            .append(&origin(), Lane::Requests, &beat(100 + number), None, 1_000)
            .unwrap();
    }
}

#[test]
fn a_loss_is_reported_once_however_often_the_agent_starts() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    append_requests(&mut spool, 3);
    drop(spool);
    let segment = &segments_of(directory.path(), Lane::Requests)[0];
    let mut bytes = fs::read(segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(segment, bytes).unwrap();
    let (mut spool, lost) = open_spool(directory.path());
    assert_eq!(lost.len(), 1);
    spool.record_drops(&origin(), lost, 1_000).unwrap();
    drop(spool);
    let (mut spool, lost) = open_spool(directory.path());
    assert!(lost.is_empty(), "its record waits: {lost:?}");
    all_of(&mut spool, Lane::Presence);
    spool.acknowledge(Lane::Presence, 1).unwrap();
    drop(spool);
    let (mut spool, lost) = open_spool(directory.path());
    assert!(lost.is_empty(), "its record is gone already: {lost:?}");
    assert_eq!(sequences(&all_of(&mut spool, Lane::Requests)), [1, 3]);
}

#[test]
fn numbers_behind_a_damaged_end_are_not_used_again() {
    for zeroed in [1, 5, 10] {
        let directory = tempfile::tempdir().unwrap();
        let (mut spool, _) = open_spool(directory.path());
        append_requests(&mut spool, 10);
        drop(spool);
        let segment = &segments_of(directory.path(), Lane::Requests)[0];
        let mut bytes = fs::read(segment).unwrap();
        let from = bytes.len() / 10 * (10 - zeroed);
        bytes[from..].fill(0);
        fs::write(segment, bytes).unwrap();
        let (spool, lost) = open_spool(directory.path());
        let next = state(&spool, Lane::Requests).next_sequence;
        assert!(next > 10, "{zeroed} zeroed: {next} was used before");
        drop(spool);
        // Killed after the damage was cut off, and before anything took its place.
        let file = fs::OpenOptions::new().write(true).open(segment).unwrap();
        file.set_len(from as u64).unwrap();
        let (mut spool, again) = open_spool(directory.path());
        assert_eq!(again, lost);
        let range = (lost[0].first_sequence, lost[0].last_sequence);
        assert_eq!(range, (11 - zeroed as u64, next - 1));
        spool.record_drops(&origin(), lost, 1_000).unwrap();
        drop(spool);
        let (spool, lost) = open_spool(directory.path());
        assert!(lost.is_empty(), "{lost:?}");
        assert_eq!(state(&spool, Lane::Requests).next_sequence, next);
    }
}

#[test]
fn numbers_of_a_last_segment_that_somebody_removed_are_not_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    append_requests(&mut spool, 3);
    all_of(&mut spool, Lane::Requests);
    spool.acknowledge(Lane::Requests, 1).unwrap();
    drop(spool);
    fs::remove_file(&segments_of(directory.path(), Lane::Requests)[0]).unwrap();
    let (spool, lost) = open_spool(directory.path());
    assert_eq!((lost[0].first_sequence, lost[0].last_sequence), (2, 3));
    assert_eq!(state(&spool, Lane::Requests).next_sequence, 4);
}

#[test]
fn of_an_append_whose_end_is_damaged_nothing_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    let rows = bulk(&mut fastrand::Rng::with_seed(5), 40_000);
    spool
        .append(&origin(), Lane::Requests, &rows, Some(b"end".to_vec()), 0)
        .unwrap();
    let count = all_of(&mut spool, Lane::Requests).len() as u64;
    assert!(count > 1);
    drop(spool);
    let segment = &segments_of(directory.path(), Lane::Requests)[0];
    let mut bytes = fs::read(segment).unwrap();
    let end = bytes.len() - 100;
    bytes[end..].fill(0);
    fs::write(segment, bytes).unwrap();
    let (mut spool, lost) = open_spool(directory.path());
    // The position is that of before, so its rows are read again.
    assert!(spool.checkpoint(Lane::Requests).is_empty());
    assert!(all_of(&mut spool, Lane::Requests).is_empty());
    assert_eq!(lost[0].first_sequence, 1);
    assert!(state(&spool, Lane::Requests).next_sequence > count);
}

#[test]
fn a_lane_that_somebody_removed_does_not_begin_at_one_under_the_same_spool_id() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    append_requests(&mut spool, 3);
    let id = spool.spool_id();
    drop(spool);
    fs::remove_dir_all(directory.path().join("requests")).unwrap();
    let (spool, _) = open_spool(directory.path());
    assert_ne!(spool.spool_id(), id);
}

#[test]
fn a_segment_that_somebody_removed_is_reported_and_holds_up_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    let mut random = fastrand::Rng::with_seed(6);
    while segments_of(directory.path(), Lane::Requests).len() < 3 {
        let rows = bulk(&mut random, 5_000);
        spool
            .append(&origin(), Lane::Requests, &rows, None, 1_000)
            .unwrap();
    }
    let files = segments_of(directory.path(), Lane::Requests);
    fs::remove_file(&files[0]).unwrap();
    fs::remove_file(&files[1]).unwrap();
    let kept = sequences(&all_of(&mut spool, Lane::Requests));
    append(&mut spool, 1);
    let ranges = reported(&mut spool);
    let named: Vec<u64> = ranges
        .iter()
        .flat_map(|range| range.first_sequence..=range.last_sequence)
        .collect();
    assert_eq!(named, (1..kept[0]).collect::<Vec<_>>());
    spool
        .acknowledge(Lane::Requests, *kept.last().unwrap())
        .unwrap();
    drop(spool);
    let (_, lost) = open_spool(directory.path());
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn the_files_of_torn_first_appends_do_not_pile_up() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    append_requests(&mut spool, 1);
    drop(spool);
    let segment = &segments_of(directory.path(), Lane::Requests)[0];
    let bytes = fs::read(segment).unwrap();
    fs::write(segment, &bytes[..20]).unwrap();
    open_spool(directory.path());
    let names: Vec<_> = fs::read_dir(directory.path().join("requests"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != "state" && name != "reserve")
        .collect();
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn sending_again_and_again_holds_no_more_positions() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    (1..=3).for_each(|number| append(&mut spool, number));
    for _ in 0..5 {
        read_all(&mut spool);
    }
    spool.acknowledge(Lane::Presence, 2).unwrap();
    drop(spool);
    segments(directory.path())
        .into_iter()
        .for_each(|segment| fs::remove_file(segment).unwrap());
    let (spool, _) = open_spool(directory.path());
    assert_eq!(spool.checkpoint(Lane::Presence), 2u64.to_le_bytes());
}
