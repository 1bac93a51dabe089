//! What two beats say of the time between them: the table of the module above.

use super::anchor::{PROMPT_MS, Placed, clock};
use super::{Goodbye, Interval, Reason, State};
use State::{Down, Unknown, Up};

/// Between beats where there are not two to tell, ms.
const INTERVAL_MS: i64 = 10_000;
/// Gaps on each side that tell the pace of beats.
const GAPS: usize = 5;
/// More than so much between BOOTTIME and MONOTONIC is a suspension, ms.
const SUSPENDED_MS: i64 = 1_000;

/// How often the agent makes beats, as those around a time have it: it can be set while it runs.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// The gaps between beats that follow each other, and between which ones, in order.
    gaps: Vec<(usize, i64)>,
}

impl Pace {
    /// Of these beats.
    pub(super) fn of(beats: &[Placed]) -> Self {
        let gaps = beats
            .windows(2)
            .enumerate()
            .filter(|(_, pair)| is_next(&pair[0], &pair[1]));
        Self {
            gaps: gaps
                .map(|(at, pair)| (at, made_ms(&pair[0], &pair[1])))
                .collect(),
        }
    }

    /// From one beat to the next around the beat at this position, ms: the slower of before and after.
    /// `None` where there are too few to tell.
    pub(super) fn interval_ms(&self, at: usize) -> Option<i64> {
        let position = self.gaps.partition_point(|(gap, _)| *gap < at);
        let skipped = usize::from(self.gaps.get(position).is_some_and(|(gap, _)| *gap == at));
        let after = &self.gaps[position + skipped..];
        let before = &self.gaps[..position];
        let before = median(&before[before.len().saturating_sub(GAPS)..]);
        before.max(median(&after[..after.len().min(GAPS)]))
    }

    /// Longer apart is not in time, ms; `None` as above.
    fn limit_ms(&self, at: usize) -> Option<i64> {
        self.interval_ms(at).map(limit_of)
    }
}

/// Later than this is not in time, ms.
const fn limit_of(interval_ms: i64) -> i64 {
    2 * interval_ms + 1_000
}

/// Of enough gaps: one or two may be any fault.
fn median(gaps: &[(usize, i64)]) -> Option<i64> {
    let mut gaps: Vec<i64> = gaps.iter().map(|(_, gap)| *gap).collect();
    gaps.sort_unstable();
    (gaps.len() > GAPS / 2).then(|| gaps[gaps.len() / 2].max(1))
}

/// What of a gap the boot clock shows, ms.
fn made_ms(a: &Placed, b: &Placed) -> i64 {
    clock(b.beat.boottime_ms) - clock(a.beat.boottime_ms)
}

/// Whether more time passed than the boot clock shows: it stands still where a machine is paused.
fn stood_ms(a: &Placed, b: &Placed) -> i64 {
    b.at_ms - a.at_ms - made_ms(a, b)
}

/// Whether nothing was sent between their batches, so that the first is the last of its start.
fn follows(a: &Placed, b: &Placed) -> bool {
    a.beat.spool_id == b.beat.spool_id && b.beat.sequence <= a.beat.sequence.saturating_add(1)
}

/// For how long the host was suspended since it booted, ms.
fn asleep_ms(placed: &Placed) -> i64 {
    clock(placed.beat.boottime_ms) - clock(placed.beat.monotonic_ms)
}

/// What is known until the first beat of a boot. When it was suspended nobody knows, and the agent may
/// have been there before where beats are missing.
fn since_boot(first: &Placed, nothing_is_missing: bool) -> [State; 3] {
    let server = if asleep_ms(first) > SUSPENDED_MS {
        Unknown
    } else {
        Up
    };
    let agent = if nothing_is_missing { Down } else { Unknown };
    [server, Unknown, agent]
}

fn is_next(a: &Placed, b: &Placed) -> bool {
    a.beat.start_id == b.beat.start_id && a.beat.number.checked_add(1) == Some(b.beat.number)
}

/// Puts intervals one after the other; what would go back in time is left out.
struct Line {
    at_ms: i64,
    intervals: Vec<Interval>,
}

impl Line {
    fn until(&mut self, to_ms: i64, states: [State; 3], reason: Reason) {
        if to_ms <= self.at_ms {
            return;
        }
        let [server, network, agent] = states;
        self.intervals.push(Interval {
            from_ms: self.at_ms,
            to_ms,
            server,
            network,
            agent,
            reason,
        });
        self.at_ms = to_ms;
    }
}

/// Intervals from as far back as anything is known until `now_ms`. The network is taken for up where
/// the agent was.
pub(super) fn spans(beats: &[Placed], pace: &Pace, now_ms: i64) -> Vec<Interval> {
    let mut line = Line {
        at_ms: i64::MIN / 4,
        intervals: Vec::new(),
    };
    let Some((first, last)) = beats.first().zip(beats.last()) else {
        line.until(now_ms, [Unknown; 3], Reason::NeverSeen);
        return line.intervals;
    };
    let seen_ms = if first.is_guess {
        first.at_ms
    } else {
        first.booted_ms()
    };
    line.until(seen_ms, [Unknown; 3], Reason::NeverSeen);
    let interval_at = |at| pace.interval_ms(at).unwrap_or(INTERVAL_MS);
    let is_first = first.beat.sequence <= 1;
    before_start(
        &mut line,
        first,
        interval_at(0),
        since_boot(first, is_first),
        Reason::Booted,
    );
    for (at, pair) in beats.windows(2).enumerate() {
        let (a, b) = (&pair[0], &pair[1]);
        if a.is_guess || b.is_guess {
            line.until(b.at_ms, [Unknown; 3], Reason::Missing);
        } else if is_next(a, b) {
            within(&mut line, a, b, pace.limit_ms(at));
        } else {
            between(&mut line, a, b, interval_at(at + 1));
        }
    }
    after(
        &mut line,
        last,
        limit_of(interval_at(beats.len() - 1)),
        now_ms,
    );
    line.intervals
}

/// Up to a beat before which there is none of its start: what is told, unless numbers are missing.
fn before_start(
    line: &mut Line,
    beat: &Placed,
    interval_ms: i64,
    states: [State; 3],
    reason: Reason,
) {
    let missing = i64::try_from(beat.beat.number.saturating_sub(1)).unwrap_or(i64::MAX / 4);
    let started_ms = beat
        .at_ms
        .saturating_sub(missing.saturating_mul(interval_ms));
    let started_ms = started_ms.max(beat.booted_ms());
    line.until(started_ms, states, reason);
    line.until(beat.at_ms, [states[0], Unknown, Unknown], Reason::Missing);
}

/// Between two beats that do not follow each other in one start.
fn between(line: &mut Line, a: &Placed, b: &Placed, interval_ms: i64) {
    let follows = follows(a, b);
    if a.beat.boot_id != b.beat.boot_id {
        let (states, reason) = match a.beat.goodbye {
            _ if !follows => ([Unknown; 3], Reason::Missing),
            Goodbye::None => ([Down, Unknown, Down], Reason::Crashed),
            Goodbye::Host => ([Down, Unknown, Down], Reason::ShutDown),
            // How long it ran on nobody knows.
            Goodbye::Agent => ([Unknown, Unknown, Down], Reason::AgentStopped),
        };
        line.until(b.booted_ms().min(b.at_ms), states, reason);
        before_start(line, b, interval_ms, since_boot(b, follows), Reason::Booted);
        return;
    }
    let was_suspended = asleep_ms(b) - asleep_ms(a) > SUSPENDED_MS || stood_ms(a, b) > PROMPT_MS;
    let server = if was_suspended { Unknown } else { Up };
    if a.beat.start_id != b.beat.start_id {
        let (agent, reason) = match a.beat.goodbye {
            _ if !follows => (Unknown, Reason::Missing),
            Goodbye::None => (Down, Reason::AgentDown),
            Goodbye::Agent | Goodbye::Host => (Down, Reason::AgentStopped),
        };
        before_start(line, b, interval_ms, [server, Unknown, agent], reason);
    } else {
        line.until(b.at_ms, [server, Unknown, Unknown], Reason::Missing);
    }
}

/// Between two beats with nothing missing.
fn within(line: &mut Line, a: &Placed, b: &Placed, limit_ms: Option<i64>) {
    let gap_ms = b.at_ms - a.at_ms;
    let is_late = gap_ms > limit_ms.unwrap_or_else(|| limit_of(INTERVAL_MS));
    let suspended_ms = asleep_ms(b) - asleep_ms(a);
    let awake_ms = (gap_ms - suspended_ms).max(0);
    if is_late && stood_ms(a, b) > PROMPT_MS {
        // A machine that was paused, by all signs; but a path that was down could look like it.
        line.until(b.at_ms, [Unknown; 3], Reason::Suspended);
    } else if suspended_ms > SUSPENDED_MS && awake_ms > limit_ms.unwrap_or(0) {
        line.until(b.at_ms, [Unknown, Unknown, Down], Reason::Suspended);
    } else if suspended_ms > SUSPENDED_MS {
        // When in between is not known: in the middle it is wrong by less than a beat.
        line.until(a.at_ms + awake_ms / 2, [Up; 3], Reason::Beats);
        let asleep_until_ms = b.at_ms - awake_ms / 2;
        line.until(asleep_until_ms, [Down, Unknown, Down], Reason::Suspended);
        line.until(b.at_ms, [Up; 3], Reason::Beats);
    } else if is_late && limit_ms.is_none() {
        line.until(b.at_ms, [Up, Unknown, Unknown], Reason::Missing);
    } else if is_late {
        line.until(b.at_ms, [Up, Unknown, Down], Reason::Stalled);
    } else {
        line.until(b.at_ms, [Up; 3], Reason::Beats);
    }
}

fn after(line: &mut Line, last: &Placed, limit_ms: i64, now_ms: i64) {
    if last.is_guess {
        line.until(now_ms, [Unknown; 3], Reason::Missing);
        return;
    }
    let (states, reason) = match last.beat.goodbye {
        // The next one may be on its way.
        Goodbye::None if now_ms - last.at_ms <= limit_ms => ([Up; 3], Reason::Beats),
        // It may have come back, and not have got through.
        Goodbye::None => ([Unknown; 3], Reason::Silent),
        Goodbye::Agent => ([Unknown; 3], Reason::AgentStopped),
        Goodbye::Host => ([Unknown; 3], Reason::ShutDown),
    };
    line.until(now_ms, states, reason);
}
