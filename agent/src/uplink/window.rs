//! One lane's window: what is under way, and until when the lane is to be silent.
//!
//! Promises: no more is under way than the collector allows, but for one batch into a window that
//! is not full; what is acknowledged was sent; pauses are obeyed, and however many are asked for,
//! a lane has its turn within [`PAUSE_MAX`] of the first, an urgent one within
//! [`URGENT_PAUSE_MAX`]. Reads no clock.

use std::collections::VecDeque;
use std::time::Duration;

use crmscope_proto::Lane;
use tokio::time::Instant;

use super::pace::is_urgent;

/// Longest time that a lane is silent because it was asked to be.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The same for security events and heartbeats: a collector that is crowded for long, or wrong,
/// does not turn a host silent.
pub(super) const URGENT_PAUSE_MAX: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct LaneWindow {
    sent: u64,
    under_way: VecDeque<(u64, usize)>,
    bytes: usize,
    paused_until: Option<Instant>,
    /// When the first pause was asked for since the lane had its turn.
    paused_since: Option<Instant>,
}

impl LaneWindow {
    /// Highest sequence that was sent; the next read begins after it.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Batches and bytes that may be sent now, out of windows of so many.
    pub(super) fn room(&self, max_batches: usize, max_bytes: usize) -> Option<(usize, usize)> {
        let batches = max_batches.saturating_sub(self.under_way.len());
        // An empty window takes a batch of any size, so that a large one is not stuck.
        let bytes = max_bytes.saturating_sub(self.bytes);
        (batches > 0 && bytes > 0).then_some((batches, bytes))
    }

    /// A batch goes out.
    pub(super) fn take(&mut self, sequence: u64, bytes: usize) {
        self.sent = sequence;
        self.bytes += bytes;
        self.under_way.push_back((sequence, bytes));
    }

    /// A batch that cannot be sent is passed over.
    pub(super) fn pass_over(&mut self, sequence: u64) {
        self.sent = sequence;
    }

    /// Everything up to `sequence` is settled. Returns how far that can be true: an ack can only
    /// speak of what was sent.
    pub(super) fn acknowledge(&mut self, sequence: u64) -> u64 {
        let sequence = sequence.min(self.sent);
        while let Some((_, bytes)) = self.under_way.pop_front_if(|(sent, _)| *sent <= sequence) {
            self.bytes -= bytes;
        }
        sequence
    }

    /// The batch and what was sent after it were not taken.
    pub(super) fn send_again_from(&mut self, sequence: u64) {
        self.sent = self.sent.min(sequence.saturating_sub(1));
        while let Some((_, bytes)) = self.under_way.pop_back_if(|(sent, _)| *sent >= sequence) {
            self.bytes -= bytes;
        }
    }

    /// The collector asks for silence. A later pause never shortens one that is under way.
    pub(super) fn pause(&mut self, lane: Lane, now: Instant, pause: Duration) {
        let longest = if is_urgent(lane) {
            URGENT_PAUSE_MAX
        } else {
            PAUSE_MAX
        };
        let since = *self.paused_since.get_or_insert(now);
        let until = (now + pause.min(longest)).min(since + longest);
        self.paused_until = self.paused_until.max(Some(until));
    }

    /// Silence of the lane's own will.
    pub(super) fn rest(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }

    /// Whether the lane is to be silent still.
    pub(super) fn is_paused(&mut self, now: Instant) -> bool {
        self.paused_until = self.paused_until.filter(|&until| now < until);
        self.paused_until.is_some()
    }

    /// End of the pause under way.
    pub(super) const fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// The lane could send what it has: pauses from here on count anew.
    pub(super) fn had_its_turn(&mut self) {
        self.paused_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_full_by_batches_or_by_bytes_and_acks_empty_it() {
        let mut window = LaneWindow::default();
        assert_eq!(window.room(3, 100), Some((3, 100)));
        window.take(5, 99);
        assert_eq!(window.room(3, 100), Some((2, 1)));
        window.take(6, 500);
        assert_eq!(window.room(3, 100), None, "full by bytes");
        assert_eq!(window.room(2, 1000), None, "full by batches");
        assert_eq!(window.acknowledge(5), 5);
        assert_eq!(window.room(3, 1000), Some((2, 500)));
        assert_eq!(window.acknowledge(9), 6, "7 was never sent");
        assert_eq!(window.room(3, 100), Some((3, 100)));
    }

    #[test]
    fn what_was_not_taken_is_sent_again() {
        let mut window = LaneWindow::default();
        for sequence in 1..=4 {
            window.take(sequence, 10);
        }
        window.send_again_from(3);
        assert_eq!(window.sent(), 2);
        assert_eq!(window.room(4, 100), Some((2, 80)));
        assert_eq!(window.acknowledge(4), 2);
        window.send_again_from(9);
        assert_eq!(window.sent(), 2);
    }

    #[test]
    fn pauses_are_obeyed_but_never_for_ever() {
        for (lane, longest) in [
            (Lane::Metrics, PAUSE_MAX),
            (Lane::Requests, PAUSE_MAX),
            (Lane::Security, URGENT_PAUSE_MAX),
            (Lane::Presence, URGENT_PAUSE_MAX),
        ] {
            let (mut window, begin) = (LaneWindow::default(), Instant::now());
            window.pause(lane, begin, Duration::from_secs(2));
            assert!(window.is_paused(begin + Duration::from_millis(1_999)));
            window.pause(lane, begin, Duration::from_secs(1));
            assert!(
                window.is_paused(begin + Duration::from_millis(1_999)),
                "not shortened"
            );
            assert!(!window.is_paused(begin + Duration::from_secs(2)));
            // Nobody had a turn yet: pauses add up to the longest one from the first on.
            let mut now = begin;
            while now < begin + longest {
                window.pause(lane, now, Duration::from_secs(3600));
                assert!(window.is_paused(now));
                now += Duration::from_secs(1);
            }
            window.pause(lane, now, Duration::from_secs(3600));
            assert!(!window.is_paused(now), "{lane:?}");
            window.had_its_turn();
            window.pause(lane, now, Duration::from_secs(3600));
            assert!(window.is_paused(now + longest - Duration::from_millis(1)));
            assert!(!window.is_paused(now + longest));
        }
    }
}
