//! Beats on the collector's time.
//!
//! A host's wall clock may be wrong and may step, so within a boot times come from BOOTTIME, which
//! does neither. What it is on the collector's clock is taken from beats that were received as soon as
//! they were made, the last such one before each beat, so that a clock that runs a little fast or slow
//! does not add up. Beats that come at the pace at which they were made are not drained out of a spool,
//! so they are in time too, even if BOOTTIME stood still before (a paused virtual machine). Where a boot
//! has none (all its beats came late), its wall clock with the offset
//! that was measured has to do, and where that contradicts the order in which beats came, times are
//! guesses, from which nothing is concluded. No beat is later than it was received.

use std::collections::{BTreeMap, BTreeSet};

use crmscope_proto::Id;

use super::Beat;

/// A beat that was received within this time after it was made came in time, ms.
pub(super) const PROMPT_MS: i64 = 5_000;
/// Clocks are not compared closer than this, ms.
const SLACK_MS: i64 = 1_000;
/// No clock since boot shows more, and none is off by more, ms: 100 years.
const CLOCK_MAX_MS: i64 = 3_155_760_000_000;

/// A beat and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) beat: Beat,
    /// When it was made, by the collector's clock, Unix ms.
    pub(super) at_ms: i64,
    /// Whether it was received only long after.
    pub(super) late: bool,
    /// Whether the place is only what it can be at the latest, as its clocks are of no use.
    pub(super) is_guess: bool,
}

impl Placed {
    /// When the host booted, Unix ms.
    pub(super) fn booted_ms(&self) -> i64 {
        self.at_ms - boottime(&self.beat)
    }
}

fn boottime(beat: &Beat) -> i64 {
    clock(beat.boottime_ms)
}

/// A clock's reading as a signed number, so that differences may be negative. An agent can say what it
/// likes: no sum of such numbers overflows.
pub(super) fn clock(reading_ms: u64) -> i64 {
    i64::try_from(reading_ms).map_or(CLOCK_MAX_MS, |reading| reading.min(CLOCK_MAX_MS))
}

/// The wall clock on the collector's, where the difference was measured and can be one.
fn measured_wall(beat: &Beat) -> Option<i64> {
    let offset = beat.clock_offset_ms?;
    (-CLOCK_MAX_MS..=CLOCK_MAX_MS)
        .contains(&offset)
        .then(|| beat.wall_ms + offset)
}

/// The beats in order of time, each once: as it was received first.
pub(super) fn place(beats: &[Beat]) -> Vec<Placed> {
    let mut first: BTreeMap<(Id, Id, u64), &Beat> = BTreeMap::new();
    for beat in beats {
        let key = (beat.boot_id, beat.start_id, beat.number);
        let known = first.entry(key).or_insert(beat);
        if (beat.received_ms, beat) < (known.received_ms, known) {
            *known = beat;
        }
    }
    let mut boots: BTreeMap<Id, BTreeSet<(u64, Id, u64, &Beat)>> = BTreeMap::new();
    for ((boot_id, start_id, number), beat) in first {
        let boot = boots.entry(boot_id).or_default();
        boot.insert((beat.boottime_ms, start_id, number, beat));
    }
    let mut boots: Vec<Vec<&Beat>> = boots
        .into_values()
        .map(|boot| boot.into_iter().map(|(.., beat)| beat).collect())
        .collect();
    // The spool sends in order, so the first beat of a boot is not received after that of the next,
    // whatever the clocks say.
    boots.sort_by_key(|boot| {
        let first = boot
            .iter()
            .map(|beat| (beat.received_ms, beat.sequence))
            .min();
        (first, boot.first().map(|beat| beat.boot_id))
    });
    let mut placed: Vec<Placed> = Vec::new();
    for boot in boots {
        let floor_ms = placed.last().map_or(i64::MIN / 4, |last| last.at_ms);
        placed.extend(place_boot(boot, floor_ms));
    }
    // Whatever is wrong with a clock, time does not go back.
    for at in (1..placed.len()).rev() {
        placed[at - 1].at_ms = placed[at - 1].at_ms.min(placed[at].at_ms);
    }
    placed
}

/// Beats of one boot, in the order of its clock, none of them made before `floor_ms`.
fn place_boot(beats: Vec<&Beat>, floor_ms: i64) -> Vec<Placed> {
    let known = first_anchor(&beats, floor_ms);
    let (mut anchor, mut is_guess) = (
        known.unwrap_or_else(|| latest_anchor(&beats)),
        known.is_none(),
    );
    // BOOTTIME never gains time: a later beat that took less refutes that this one took none.
    let mut quickest: Vec<i64> = beats
        .iter()
        .map(|beat| beat.received_ms - boottime(beat))
        .collect();
    for at in (1..quickest.len()).rev() {
        quickest[at - 1] = quickest[at - 1].min(quickest[at]);
    }
    let mut placed: Vec<Placed> = Vec::with_capacity(beats.len());
    for (beat, quickest) in beats.into_iter().zip(quickest) {
        let made_ms = boottime(beat);
        let by_receipt = beat.received_ms - made_ms;
        let is_prompt = |anchor: i64| {
            let took_ms = -SLACK_MS..=PROMPT_MS;
            took_ms.contains(&(by_receipt - anchor)) && took_ms.contains(&(by_receipt - quickest))
        };
        let by_wall = measured_wall(beat).map(|wall_ms| wall_ms - made_ms);
        let before = placed.last().map(|before| &before.beat);
        let prompt = (is_prompt(anchor) && !is_guess)
            || by_wall.is_some_and(is_prompt)
            || before.is_some_and(|before| keeps_pace(before, beat) && is_prompt(by_receipt));
        if is_prompt(anchor) && !is_guess {
            // What took longer on its way than others says nothing of the clock, which may be slow by
            // a thousandth at most.
            let since = before.map_or(0, |before| made_ms - boottime(before));
            anchor = by_receipt.min(anchor + since / 1000 + 1);
        } else if prompt {
            (anchor, is_guess) = (by_receipt, false);
        }
        placed.push(Placed {
            at_ms: beat.received_ms.min(made_ms + anchor),
            late: !prompt,
            is_guess,
            beat: beat.clone(),
        });
    }
    settle_guesses(&mut placed);
    placed
}

/// Gives the first beats of a boot their places, once later ones told what its clock is.
fn settle_guesses(boot: &mut [Placed]) {
    let Some(known) = boot.iter().position(|beat| !beat.is_guess) else {
        return;
    };
    let booted_ms = boot[known].booted_ms();
    for guess in &mut boot[..known] {
        let received_ms = guess.beat.received_ms;
        guess.at_ms = received_ms.min(booted_ms + boottime(&guess.beat));
        guess.late = received_ms - guess.at_ms > PROMPT_MS;
        guess.is_guess = false;
    }
}

/// Whether two beats, one after the other, were received as far apart as they were made.
fn keeps_pace(before: &Beat, beat: &Beat) -> bool {
    let made_ms = boottime(beat) - boottime(before);
    let received_ms = beat.received_ms - before.received_ms;
    before.start_id == beat.start_id
        && before.number.checked_add(1) == Some(beat.number)
        && made_ms >= 2 * SLACK_MS
        && (received_ms - made_ms).abs() <= SLACK_MS
}

/// When the host booted, as its wall clock says, with the first offset that was measured, or without
/// one. `None` where it cannot have been then: a clock is wrong, and nobody could measure it.
fn first_anchor(beats: &[&Beat], floor_ms: i64) -> Option<i64> {
    let latest = latest_anchor(beats);
    let by_wall = |beat: &&Beat| beat.wall_ms - boottime(beat);
    let unmeasured = beats.first().map(by_wall);
    let measured = || {
        let walls = beats.iter().copied();
        walls.filter_map(|beat| Some(measured_wall(beat)? - boottime(beat)))
    };
    // Where any of them says that the quickest beat took no time, that is no accident.
    let agrees = |anchor: i64| (-SLACK_MS..=PROMPT_MS).contains(&(latest - anchor));
    if measured().chain(unmeasured).any(agrees) {
        return Some(latest);
    }
    let first_ms = beats.first().map_or(0, |beat| boottime(beat));
    measured()
        .next()
        .or(unmeasured)
        .filter(|anchor| anchor + first_ms >= floor_ms && *anchor <= latest)
}

/// When the host booted, if a beat of it took no time.
fn latest_anchor(beats: &[&Beat]) -> i64 {
    let received = beats.iter().map(|beat| beat.received_ms - boottime(beat));
    received.min().unwrap_or(0)
}
