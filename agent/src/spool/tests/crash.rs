//! The spool killed at random points: between calls, within an append, within an acknowledgement.
//!
//! What a killed process leaves is made by copying the directory, and by cutting the active segment
//! within the newest append or by mixing files of before and after a call in the order in which the
//! spool writes them.

use super::*;
use crate::spool::disk::RealDisk;
use crate::spool::scan::Scan;

/// What must be so, whatever happened.
#[derive(Default)]
struct Model {
    /// Appended and not settled: sequence and beat.
    queued: BTreeMap<u64, u64>,
    /// Everything that was ever read, and so may have been sent.
    seen: BTreeMap<u64, u64>,
    next: u64,
    beat: u64,
    checkpoint: u64,
}

impl Model {
    fn check(&mut self, spool: &mut Spool) {
        let read = read_all(spool);
        let expected: Vec<_> = self.queued.iter().map(|(&s, &b)| (s, b)).collect();
        // Acks are remembered lazily: what a killed process had settled may come again, before the rest.
        let again = read.len().saturating_sub(expected.len());
        assert_eq!(
            read[again..],
            expected,
            "nothing is lost and nothing is invented"
        );
        let waiting = expected
            .first()
            .map_or(self.next, |&(sequence, _)| sequence);
        let settled = read[..again].iter().map(|&(sequence, _)| sequence);
        assert!(
            settled.rev().eq((1..waiting).rev().take(again)),
            "settled ones in order"
        );
        for &(sequence, beat) in &read {
            let before = *self.seen.entry(sequence).or_insert(beat);
            assert_eq!(before, beat, "number {sequence} was used twice");
        }
        assert_eq!(state(spool, Lane::Presence).next_sequence, self.next);
        let checkpoint = spool.checkpoint(Lane::Presence);
        let expected = self.checkpoint.to_le_bytes();
        assert!(checkpoint == expected || (self.checkpoint == 0 && checkpoint.is_empty()));
    }

    fn append(&mut self) {
        self.queued.insert(self.next, self.beat);
        self.checkpoint = self.beat;
        self.next += 1;
    }
}

#[test]
fn killed_anywhere_it_loses_nothing_invents_nothing_and_uses_no_number_twice() {
    let mut random = seeded();
    let root = tempfile::tempdir().unwrap();
    let mut path = root.path().join("0");
    let mut model = Model {
        next: 1,
        ..Model::default()
    };
    let (mut spool, _) = open_spool(&path);
    for life in 1..50 {
        for _ in 0..random.u32(0..6) {
            model.beat += 1;
            append_some(&mut spool, model.beat, &mut random);
            model.append();
            if random.bool() {
                model.check(&mut spool);
            }
            if random.u32(0..4) == 0 {
                acknowledge(&mut spool, &mut model, &mut random);
            }
        }
        let crashed = root.path().join(life.to_string());
        match random.u32(0..3) {
            0 => copy(&path, &crashed),
            1 => kill_in_append(&mut spool, &mut model, &path, &crashed, &mut random),
            _ => kill_in_acknowledgement(&mut spool, &mut model, &path, &crashed, &mut random),
        }
        drop(spool);
        fs::remove_dir_all(&path).unwrap();
        path = crashed;
        let (reopened, lost) = open_spool(&path);
        assert!(lost.is_empty(), "{lost:?}");
        spool = reopened;
        model.check(&mut spool);
    }
}

/// Small ones, and large ones that fill segments.
fn append_some(spool: &mut Spool, beat: u64, random: &mut fastrand::Rng) {
    let mut contents = super::beat(beat);
    if random.u32(0..4) == 0 {
        contents.heartbeats.extend(bulk(random, 8_000).heartbeats);
    }
    let checkpoint = Some(beat.to_le_bytes().to_vec());
    spool
        .append(&origin(), Lane::Presence, &contents, checkpoint, 1_000)
        .unwrap();
}

fn acknowledge(spool: &mut Spool, model: &mut Model, random: &mut fastrand::Rng) {
    // Only what was read can have been sent.
    model.check(spool);
    let first = model.queued.keys().next().copied().unwrap_or(model.next);
    let acked = random.u64(first - 1..model.next);
    spool.acknowledge(Lane::Presence, acked).unwrap();
    model.queued.retain(|&sequence, _| sequence > acked);
}

/// Killed while the kernel takes the bytes: any part of them may be there.
fn kill_in_append(
    spool: &mut Spool,
    model: &mut Model,
    path: &Path,
    crashed: &Path,
    random: &mut fastrand::Rng,
) {
    let sizes = |path: &Path| -> BTreeMap<PathBuf, u64> {
        let size = |segment: PathBuf| {
            // Without what an earlier kill left behind the last whole append, and the next cuts off.
            let bytes = Scan::run(&RealDisk, &segment, 0).unwrap().0.bytes;
            (segment.file_name().unwrap().into(), bytes)
        };
        segments(path).into_iter().map(size).collect()
    };
    let before = sizes(path);
    model.beat += 1;
    append_some(spool, model.beat, random);
    copy(path, crashed);
    for (name, size) in sizes(path) {
        let from = before.get(&name).copied().unwrap_or(0);
        if size > from {
            let cut = random.u64(from..=size);
            let segment = fs::OpenOptions::new()
                .write(true)
                .open(crashed.join("presence").join(name))
                .unwrap();
            segment.set_len(cut).unwrap();
            if cut == size {
                model.append();
            }
        }
    }
}

/// Killed before the state is replaced, or after it and before segments go.
fn kill_in_acknowledgement(
    spool: &mut Spool,
    model: &mut Model,
    path: &Path,
    crashed: &Path,
    random: &mut fastrand::Rng,
) {
    model.check(spool);
    copy(path, crashed);
    let before = model.queued.clone();
    acknowledge(spool, model, random);
    let state = fs::read(path.join("presence/state")).unwrap();
    if random.bool() {
        fs::write(crashed.join("presence/state"), state).unwrap();
        // Some of the segments that go are gone.
        let kept = segments(path);
        for segment in segments(crashed) {
            let goes = !kept
                .iter()
                .any(|kept| kept.file_name() == segment.file_name());
            if goes && random.bool() {
                fs::remove_file(segment).unwrap();
            } else {
                break;
            }
        }
    } else {
        let cut = random.usize(..=state.len());
        fs::write(crashed.join("presence/state.new"), &state[..cut]).unwrap();
        model.queued = before;
    }
}
