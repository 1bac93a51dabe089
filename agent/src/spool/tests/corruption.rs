//! One test for each known damage: it costs the smallest range, which is reported with its times and
//! kept aside, and the agent starts and goes on.

use super::*;
use crate::spool::record::{HEADER_BYTES, SEQUENCE_MAX};

const COUNT: u64 = 5;

/// Heartbeats in the fixture.
const BEATS: u64 = 13;

/// A spool in which batches 1 to [`COUNT`] of the requests lane wait, made at 1000, 2000, … ms.
fn filled() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    for number in 1..=COUNT {
        append_at(&mut spool, number);
    }
    directory
}

/// The same, killed after `more`: what an orderly stop writes down is not there.
fn filled_and_killed(more: impl FnOnce(&mut Spool)) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    for number in 1..=COUNT {
        append_at(&mut spool, number);
    }
    more(&mut spool);
    kill(spool, Lane::Requests);
    directory
}

fn append_at(spool: &mut Spool, number: u64) {
    let created_ms = i64::try_from(number).unwrap() * 1_000;
    spool
        .append(&origin(), Lane::Requests, &beat(number), None, created_ms)
        .unwrap();
}

/// The same with a segment for each of `count` large batches.
fn segmented(count: u64) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    let mut random = fastrand::Rng::with_seed(11);
    for number in 1..=count {
        let created_ms = i64::try_from(number).unwrap() * 1_000;
        // Each append fills a segment by itself, in several batches.
        let rows = bulk(&mut random, 30_000);
        spool
            .append(&origin(), Lane::Requests, &rows, None, created_ms)
            .unwrap();
    }
    drop(spool);
    assert_eq!(requests(directory.path()).len() as u64, count);
    directory
}

fn requests(path: &Path) -> Vec<PathBuf> {
    segments_of(path, Lane::Requests)
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn kept_aside(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path.join("damaged")) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Opens the spool and records what was lost. Returns it, the sequences that are left, and what is
/// reported.
fn start(path: &Path) -> (Spool, Vec<u64>, Vec<DropRange>) {
    let (mut spool, lost) = open_spool(path);
    spool.record_drops(&origin(), lost, 9_000).unwrap();
    let left = sequences(&all_of(&mut spool, Lane::Requests));
    let ranges = reported(&mut spool);
    (spool, left, ranges)
}

fn spans(ranges: &[DropRange]) -> Vec<(u64, u64)> {
    let span = |range: &DropRange| (range.first_sequence, range.last_sequence);
    ranges.iter().map(span).collect()
}

/// Damage that costs batch `number` alone.
fn costs_one(path: &Path, number: u64) {
    let (mut spool, left, ranges) = start(path);
    let expected: Vec<_> = (1..=COUNT).filter(|&other| other != number).collect();
    assert_eq!(left, expected);
    assert_eq!(spans(&ranges), [(number, number)]);
    let time_ms = i64::try_from(number).unwrap() * 1_000;
    assert_eq!(
        ranges[0].reason(),
        crmscope_proto::v1::DropReason::SpoolCorrupt
    );
    assert_eq!(ranges[0].spool_id, spool.spool_id().to_wire());
    assert!((time_ms - 1_000..=time_ms + 1_000).contains(&ranges[0].first_ms));
    assert!((ranges[0].first_ms..=time_ms + 1_000).contains(&ranges[0].last_ms));
    assert!(spool.corrupt_bytes() > 0);
    assert_eq!(kept_aside(path).len(), 1);
    append_at(&mut spool, COUNT + 1);
    let last = all_of(&mut spool, Lane::Requests).pop().unwrap();
    assert_eq!(last.sequence, COUNT + 1);
}

fn record_length(bytes: &[u8]) -> usize {
    bytes.len() / usize::try_from(COUNT).unwrap()
}

#[test]
fn a_bit_flipped_in_a_payload() {
    let directory = filled();
    change(&requests(directory.path())[0], |bytes| {
        let record = record_length(bytes);
        bytes[2 * record + HEADER_BYTES + 20] ^= 1;
    });
    costs_one(directory.path(), 3);
}

#[test]
fn a_bit_flipped_in_a_header() {
    let directory = filled();
    change(&requests(directory.path())[0], |bytes| {
        let record = record_length(bytes);
        bytes[2 * record + 17] ^= 1;
    });
    costs_one(directory.path(), 3);
}

#[test]
fn a_bit_flipped_in_a_length() {
    let directory = filled();
    change(&requests(directory.path())[0], |bytes| {
        let record = record_length(bytes);
        bytes[2 * record + 13] ^= 4;
    });
    costs_one(directory.path(), 3);
}

/// By its length alone it would be an append that was cut off, whose number is used again.
#[test]
fn a_bit_flipped_in_the_last_length() {
    let directory = filled();
    change(&requests(directory.path())[0], |bytes| {
        let record = record_length(bytes);
        bytes[4 * record + 13] ^= 4;
    });
    let (mut spool, left, ranges) = start(directory.path());
    assert_eq!(left, [1, 2, 3, 4]);
    assert_eq!(ranges[0].first_sequence, 5);
    append_at(&mut spool, 6);
    let last = all_of(&mut spool, Lane::Requests).pop().unwrap();
    assert_eq!(last.sequence, ranges[0].last_sequence + 1);
}

#[test]
fn a_torn_tail() {
    let directory = filled_and_killed(|_| {});
    change(&requests(directory.path())[0], |bytes| {
        bytes.truncate(bytes.len() - 7);
    });
    // It was never durable, so never sent: nobody waits for it.
    let (mut spool, left, ranges) = start(directory.path());
    assert_eq!(left, [1, 2, 3, 4]);
    assert!(ranges.is_empty(), "{ranges:?}");
    append_at(&mut spool, 5);
    assert_eq!(all_of(&mut spool, Lane::Requests).len(), 5);
}

#[test]
fn an_end_that_is_cut_off_after_an_orderly_stop() {
    for cut in [|_: &[u8]| 7, record_length] {
        let directory = filled();
        let file = &requests(directory.path())[0];
        change(file, |bytes| {
            let length = bytes.len() - cut(bytes);
            bytes.truncate(length);
        });
        let (mut spool, left, ranges) = start(directory.path());
        assert_eq!(left, [1, 2, 3, 4]);
        assert_eq!(spans(&ranges), [(5, 5)]);
        append_at(&mut spool, 6);
        assert_eq!(
            sequences(&all_of(&mut spool, Lane::Requests)),
            [1, 2, 3, 4, 6]
        );
    }
}

#[test]
fn what_is_cut_off_and_was_acknowledged_is_known_from_a_heartbeat() {
    let directory = filled_and_killed(|spool| {
        all_of(spool, Lane::Requests);
        spool.acknowledge(Lane::Requests, 4).unwrap();
        let mut contents = beat(1);
        contents.heartbeats[0].lanes = spool.states();
        spool
            .append(&origin(), Lane::Presence, &contents, None, 6_000)
            .unwrap();
    });
    change(&requests(directory.path())[0], |bytes| {
        bytes.truncate(bytes.len() / 2);
    });
    let (mut spool, left, ranges) = start(directory.path());
    assert!(left.is_empty(), "{left:?}");
    assert!(ranges.is_empty(), "it was acknowledged: {ranges:?}");
    // That 5 was given out too, nothing tells any more.
    append_at(&mut spool, 5);
    assert_eq!(sequences(&all_of(&mut spool, Lane::Requests)), [5]);
}

#[test]
fn a_truncated_segment() {
    let directory = segmented(3);
    let (mut spool, _) = open_spool(directory.path());
    let before = sequences(&all_of(&mut spool, Lane::Requests));
    drop(spool);
    change(&requests(directory.path())[1], |bytes| {
        bytes.truncate(bytes.len() / 2);
    });
    let (_, left, ranges) = start(directory.path());
    let gone: Vec<u64> = before.into_iter().filter(|n| !left.contains(n)).collect();
    assert_eq!(ranges.len(), 1, "{ranges:?}");
    let named: Vec<_> = (ranges[0].first_sequence..=ranges[0].last_sequence).collect();
    assert_eq!(named, gone);
    assert_eq!((ranges[0].first_ms, ranges[0].last_ms), (1_000, 3_000));
    assert_eq!(kept_aside(directory.path()).len(), 1);
}

#[test]
fn an_empty_segment() {
    let directory = filled();
    let empty = directory
        .path()
        .join("requests/00000000000000000006.segment");
    fs::write(&empty, "").unwrap();
    let (_, left, ranges) = start(directory.path());
    assert_eq!(left, [1, 2, 3, 4, 5]);
    assert!(ranges.is_empty(), "{ranges:?}");
    assert!(!empty.exists());
}

fn without_segment(removed: usize) {
    let directory = segmented(3);
    let (mut spool, _) = open_spool(directory.path());
    let before = sequences(&all_of(&mut spool, Lane::Requests));
    drop(spool);
    fs::remove_file(&requests(directory.path())[removed]).unwrap();
    let (_, left, ranges) = start(directory.path());
    let gone: Vec<u64> = before.into_iter().filter(|n| !left.contains(n)).collect();
    assert_eq!(spans(&ranges), [(gone[0], *gone.last().unwrap())]);
    assert_eq!(
        left.len() + gone.len(),
        usize::try_from(*left.last().unwrap()).unwrap()
    );
}

#[test]
fn a_missing_segment_in_the_middle() {
    without_segment(1);
}

#[test]
fn a_missing_first_segment() {
    // The state says where it began.
    let directory = segmented(3);
    let (mut spool, _) = open_spool(directory.path());
    all_of(&mut spool, Lane::Requests);
    spool.acknowledge(Lane::Requests, 1).unwrap();
    drop(spool);
    let first = requests(directory.path())[0].clone();
    fs::remove_file(first).unwrap();
    let (_, left, ranges) = start(directory.path());
    assert_eq!(spans(&ranges), [(2, left[0] - 1)]);
}

#[test]
fn records_of_another_version() {
    let directory = filled();
    change(&requests(directory.path())[0], |bytes| {
        let record = record_length(bytes);
        for number in 0..usize::try_from(COUNT).unwrap() {
            bytes[number * record..][..4].copy_from_slice(b"CSR9");
        }
    });
    let (mut spool, left, ranges) = start(directory.path());
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(ranges[0].first_sequence, 1);
    assert!(ranges[0].last_sequence >= COUNT);
    assert_eq!(kept_aside(directory.path()).len(), 1);
    append_at(&mut spool, 7);
    let last = all_of(&mut spool, Lane::Requests).pop().unwrap();
    assert_eq!(last.sequence, ranges[0].last_sequence + 1);
}

#[test]
fn a_foreign_file() {
    let directory = filled();
    let lane = directory.path().join("requests");
    fs::write(lane.join("notes.txt"), "left by a person").unwrap();
    // Even named like a segment, of numbers that nobody gave out.
    fs::write(lane.join(format!("{}.segment", u64::MAX)), "not one").unwrap();
    let (mut spool, left, ranges) = start(directory.path());
    assert_eq!(left, [1, 2, 3, 4, 5]);
    assert!(ranges.is_empty(), "{ranges:?}");
    append_at(&mut spool, 6);
    assert_eq!(all_of(&mut spool, Lane::Requests).len(), 6);
    assert!(lane.join("notes.txt").exists());
}

#[test]
fn garbage_that_was_appended() {
    let directory = filled();
    change(&requests(directory.path())[0], |bytes| {
        bytes.extend_from_slice(b"garbage that is no record");
    });
    let (mut spool, left, ranges) = start(directory.path());
    assert_eq!(left, [1, 2, 3, 4, 5]);
    // A number may have been in it; more than that cannot have been.
    assert_eq!(spans(&ranges), [(6, 6)]);
    assert_eq!(kept_aside(directory.path()).len(), 1);
    append_at(&mut spool, 7);
    let there = sequences(&all_of(&mut spool, Lane::Requests));
    assert_eq!(there, [1, 2, 3, 4, 5, 7]);
}

#[test]
fn a_segment_that_is_there_twice() {
    let directory = filled();
    let segment = requests(directory.path())[0].clone();
    let copied = directory
        .path()
        .join("requests/00000000000000000003.segment");
    fs::copy(&segment, &copied).unwrap();
    let (mut spool, left, ranges) = start(directory.path());
    assert_eq!(left, [1, 2, 3, 4, 5]);
    assert!(ranges.is_empty(), "{ranges:?}");
    append_at(&mut spool, 6);
    assert_eq!(
        sequences(&all_of(&mut spool, Lane::Requests)),
        [1, 2, 3, 4, 5, 6]
    );
    assert!(!copied.exists());
}

#[test]
fn a_damaged_state_file() {
    let directory = filled();
    let state = directory.path().join("requests/state");
    fs::write(&state, "nonsense").unwrap();
    let (spool, left, ranges) = start(directory.path());
    assert_eq!(left, [1, 2, 3, 4, 5]);
    assert!(ranges.is_empty(), "{ranges:?}");
    assert_eq!(spool.corrupt_bytes(), 8);
    let kept = kept_aside(directory.path());
    assert_eq!(fs::read(&kept[0]).unwrap(), b"nonsense");
}

#[test]
fn a_missing_state_file() {
    let directory = filled();
    let _ = fs::remove_file(directory.path().join("requests/state"));
    let (_, left, ranges) = start(directory.path());
    assert_eq!(left, [1, 2, 3, 4, 5]);
    assert!(ranges.is_empty(), "{ranges:?}");
}

/// As after a restore of the segments from a backup.
#[test]
fn a_state_that_is_ahead_of_the_data() {
    let directory = filled();
    let backup = tempfile::tempdir().unwrap();
    copy(&directory.path().join("requests"), backup.path());
    let (mut spool, _) = open_spool(directory.path());
    for number in 6..=9 {
        append_at(&mut spool, number);
    }
    all_of(&mut spool, Lane::Requests);
    spool.acknowledge(Lane::Requests, 7).unwrap();
    drop(spool);
    let segment = requests(directory.path())[0].clone();
    fs::copy(backup.path().join(segment.file_name().unwrap()), &segment).unwrap();
    let (mut spool, left, ranges) = start(directory.path());
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(spans(&ranges), [(8, 9)]);
    append_at(&mut spool, 10);
    assert_eq!(sequences(&all_of(&mut spool, Lane::Requests)), [10]);
}

#[test]
fn damage_that_comes_while_the_agent_runs() {
    let directory = filled();
    let (mut spool, _) = open_spool(directory.path());
    change(&requests(directory.path())[0], |bytes| {
        let record = record_length(bytes);
        bytes[2 * record + HEADER_BYTES + 20] ^= 1;
    });
    for _ in 0..3 {
        let left = sequences(&all_of(&mut spool, Lane::Requests));
        assert_eq!(left, [1, 2, 4, 5]);
    }
    append_at(&mut spool, 6);
    let ranges = reported(&mut spool);
    assert_eq!(spans(&ranges), [(3, 3)], "reported once");
    assert_eq!((ranges[0].first_ms, ranges[0].last_ms), (2_000, 4_000));
    assert_eq!(kept_aside(directory.path()).len(), 1);
    assert!(spool.corrupt_bytes() > 0);
    drop(spool);
    let (_, lost) = open_spool(directory.path());
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn what_is_kept_aside_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    (1..=200).for_each(|number| append_at(&mut spool, number));
    drop(spool);
    change(&requests(directory.path())[0], |bytes| {
        let records: Vec<_> = memchr::memmem::find_iter(bytes, b"CSR1").collect();
        assert_eq!(records.len(), 200);
        for record in records.into_iter().step_by(2) {
            bytes[record + HEADER_BYTES + 20] ^= 1;
        }
    });
    let (_, left, ranges) = start(directory.path());
    assert_eq!(left.len(), 100);
    assert_eq!(ranges.len(), 100);
    assert_eq!(kept_aside(directory.path()).len(), 64);
}

/// A spool that version 0.1 left, with 13 heartbeats: `fixtures/v1_spool` stays as it was written.
#[test]
fn a_spool_of_the_first_version() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/spool/tests/fixtures/v1_spool");
    let directory = tempfile::tempdir().unwrap();
    copy(&fixture, directory.path());
    let (mut spool, lost) = open_spool(directory.path());
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(spool.corrupt_bytes(), 0);
    let id = fs::read_to_string(fixture.join("spool_id")).unwrap();
    assert_eq!(spool.spool_id().to_string(), id.trim());
    let expected: Vec<_> = (1..=BEATS).map(|number| (number, number)).collect();
    assert_eq!(read_all(&mut spool), expected);
    append(&mut spool, 99);
    spool.acknowledge(Lane::Presence, BEATS).unwrap();
    assert_eq!(read_all(&mut spool), [(BEATS + 1, 99)]);
}

/// Found by the model: behind the number that the first damage had cost, the second one's was used
/// again.
#[test]
fn damage_that_comes_again_and_again_uses_no_number_twice() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    append_at(&mut spool, 1);
    for _ in 0..4 {
        append_at(&mut spool, 2);
        let sent = state(&spool, Lane::Requests).next_sequence - 1;
        drop(spool);
        change(requests(directory.path()).last().unwrap(), |bytes| {
            let last = memchr::memmem::rfind(bytes, b"CSR1").unwrap();
            bytes[last] ^= 1;
        });
        let (opened, _, ranges) = start(directory.path());
        assert!(
            ranges
                .iter()
                .any(|range| (range.first_sequence..=range.last_sequence).contains(&sent)),
            "{sent} is gone without a record"
        );
        assert!(state(&opened, Lane::Requests).next_sequence > sent);
        spool = opened;
    }
}

#[test]
fn what_is_appended_does_not_take_the_place_of_a_segment_that_somebody_renamed() {
    let directory = filled();
    let segment = requests(directory.path()).remove(0);
    // So named would be the next one, which the damage at the end makes necessary.
    let renamed = segment.with_file_name(format!("{:020}.segment", COUNT + 1));
    fs::rename(&segment, &renamed).unwrap();
    change(&renamed, |bytes| *bytes.last_mut().unwrap() ^= 1);
    let (mut spool, _) = open_spool(directory.path());
    append_at(&mut spool, COUNT + 1);
    drop(spool);
    let (mut spool, _) = open_spool(directory.path());
    let waiting = sequences(&all_of(&mut spool, Lane::Requests));
    assert_eq!(waiting[..4], [1, 2, 3, 4]);
    assert_eq!(waiting.len(), 5, "{waiting:?}");
}

/// A made up segment with one record of that number, and the lane it is in.
fn with_number(sequence: u64) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let lane = directory.path().join("requests");
    fs::create_dir_all(&lane).unwrap();
    let mut bytes = Vec::new();
    let record = Record {
        sequence,
        batch: vec![7; 64],
        ..Record::default()
    };
    record.write_to(&mut bytes);
    fs::write(lane.join(format!("{:020}.segment", 1)), bytes).unwrap();
    directory
}

#[test]
fn no_number_is_given_out_that_would_be_damage() {
    for (sequence, taken) in [
        (SEQUENCE_MAX - 1, Some(SEQUENCE_MAX)),
        (SEQUENCE_MAX, None),
        (SEQUENCE_MAX + 1, Some(2)),
    ] {
        let directory = with_number(sequence);
        let (mut spool, _) = open_spool(directory.path());
        let outcome = spool.append(&origin(), Lane::Requests, &beat(1), None, 1_000);
        assert_eq!(outcome.is_ok(), taken.is_some(), "{sequence}: {outcome:?}");
        if let Err(error) = outcome {
            assert!(error.to_string().contains("number"), "{error}");
        }
        let before = sequences(&all_of(&mut spool, Lane::Requests));
        if taken.is_some() {
            assert_eq!(before.last().copied(), taken);
        }
        // A heartbeat is not held in memory under such a number either.
        drop(spool);
        for _ in 0..2 {
            let (mut spool, _) = open_spool(directory.path());
            assert_eq!(sequences(&all_of(&mut spool, Lane::Requests)), before);
        }
    }
}
