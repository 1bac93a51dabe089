//! Phi accrual: how surprising a silence is, given how beats came before.
//!
//! After Hayashibara, Défago, Yared and Katayama, "The φ accrual failure detector" (2004): φ(t) =
//! −log₁₀(1 − F(t)) for a silence of t, where F is the distribution of times between arrivals. F is
//! taken as normal around their mean plus an acceptable pause, in the logistic form that Akka uses
//! (y (1.5976 + 0.070566 y²), Bowling et al. 2009), within 2 % of the normal one. Pure: times are given
//! by the caller, from any monotonic clock. Bounded: a fixed number of intervals.

use std::collections::VecDeque;
use std::time::Duration;

/// Settings of a detector.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// A silence with a φ of this is suspicious.
    pub threshold: f64,
    /// Expected time between beats, before any was seen.
    pub first_interval: Duration,
    /// A silence that is longer than expected by this is not surprising yet.
    pub acceptable_pause: Duration,
    /// Deviation that is assumed at least, so that very regular beats do not make it nervous.
    pub min_deviation: Duration,
    /// How many intervals are remembered.
    pub remembered: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threshold: 8.0,
            first_interval: Duration::from_secs(10),
            acceptable_pause: Duration::from_secs(15),
            min_deviation: Duration::from_secs(1),
            remembered: 100,
        }
    }
}

/// The arrivals of one host.
#[derive(Clone, Debug)]
pub struct Detector {
    /// Seconds between arrivals.
    intervals: VecDeque<f64>,
    sum: f64,
    sum_of_squares: f64,
    last: Duration,
}

impl Detector {
    /// One whose first beat came at `now`. Until there are more, it expects the configured interval,
    /// give or take a quarter.
    #[must_use]
    pub fn new(settings: &Settings, now: Duration) -> Self {
        let mut detector = Self {
            intervals: VecDeque::new(),
            sum: 0.0,
            sum_of_squares: 0.0,
            last: now,
        };
        let mean = settings.first_interval.as_secs_f64();
        detector.learn(settings, mean * 0.75);
        detector.learn(settings, mean * 1.25);
        detector
    }

    /// Notes a live beat at `now`. The interval before it is left out where it `follows_fault`, which
    /// it would measure.
    pub fn arrive(&mut self, settings: &Settings, now: Duration, follows_fault: bool) {
        let interval = now.saturating_sub(self.last);
        self.last = self.last.max(now);
        if !follows_fault {
            self.learn(settings, interval.as_secs_f64());
        }
    }

    fn learn(&mut self, settings: &Settings, seconds: f64) {
        while self.intervals.len() >= settings.remembered.max(1) {
            let gone = self.intervals.pop_front().unwrap_or(0.0);
            self.sum -= gone;
            self.sum_of_squares -= gone * gone;
        }
        self.intervals.push_back(seconds);
        self.sum += seconds;
        self.sum_of_squares += seconds * seconds;
    }

    /// When the last beat came.
    #[must_use]
    pub const fn last(&self) -> Duration {
        self.last
    }

    /// Mean and deviation of the remembered intervals, seconds.
    #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
    fn moments(&self) -> (f64, f64) {
        let count = self.intervals.len().max(1) as f64;
        let mean = self.sum / count;
        let variance = self.sum_of_squares / count - mean * mean;
        (mean, variance.max(0.0).sqrt())
    }

    /// Whether nothing came for twice the usual time, which is no surprise yet.
    #[must_use]
    pub fn is_overdue(&self, now: Duration) -> bool {
        now.saturating_sub(self.last).as_secs_f64() > 2.0 * self.moments().0
    }

    /// How surprising it is that nothing came since the last beat until `now`.
    #[must_use]
    pub fn phi(&self, settings: &Settings, now: Duration) -> f64 {
        let (mean, deviation) = self.moments();
        let mean = mean + settings.acceptable_pause.as_secs_f64();
        let deviation = deviation.max(settings.min_deviation.as_secs_f64());
        phi(now.saturating_sub(self.last).as_secs_f64(), mean, deviation)
    }

    /// After what silence φ passes the threshold.
    #[must_use]
    pub fn suspicious_after(&self, settings: &Settings) -> Duration {
        let (mean, deviation) = self.moments();
        let mean = mean + settings.acceptable_pause.as_secs_f64();
        let deviation = deviation.max(settings.min_deviation.as_secs_f64());
        // φ grows with the silence, so the place can be halved in on.
        let (mut low, mut high) = (0.0, mean + 40.0 * deviation);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if phi(middle, mean, deviation) < settings.threshold {
                low = middle;
            } else {
                high = middle;
            }
        }
        Duration::from_secs_f64(high)
    }
}

/// φ of a silence, all in seconds.
fn phi(silence: f64, mean: f64, deviation: f64) -> f64 {
    let y = (silence - mean) / deviation;
    let exponent = y * (1.5976 + 0.070_566 * y * y);
    // 1 − F = e / (1 + e) with e = exp(−exponent); as a logarithm, which does not run out of digits.
    let ln_rest = if exponent > 0.0 {
        -exponent - (-exponent).exp().ln_1p()
    } else {
        -exponent.exp().ln_1p()
    };
    -ln_rest / std::f64::consts::LN_10
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// A detector after many beats of an exact interval.
    fn steady(interval: f64, settings: &Settings) -> Detector {
        let mut detector = Detector::new(settings, Duration::ZERO);
        for beat in 1..=200 {
            detector.arrive(settings, seconds(f64::from(beat) * interval), false);
        }
        detector
    }

    #[test]
    fn the_published_settings_fall_when_they_are_said_to() {
        for (interval, pause, deviation, falls) in [(1.0, 3.0, 0.1, 4.52), (10.0, 30.0, 1.0, 45.2)]
        {
            let settings = Settings {
                first_interval: seconds(interval),
                acceptable_pause: seconds(pause),
                min_deviation: seconds(deviation),
                ..Settings::default()
            };
            let detector = steady(interval, &settings);
            let after = detector.suspicious_after(&settings).as_secs_f64();
            assert!(
                (after - falls).abs() < falls * 0.005,
                "{after} instead of {falls}"
            );
            let now = |silence| detector.last() + seconds(silence);
            assert!(detector.phi(&settings, now(after * 0.999)) < 8.0);
            assert!(detector.phi(&settings, now(after * 1.001)) > 8.0);
        }
    }

    #[test]
    fn phi_grows_with_silence_and_stays_a_number() {
        let settings = Settings::default();
        let detector = steady(10.0, &settings);
        let mut before = -1.0;
        for silence in [0.0, 1.0, 10.0, 25.0, 30.0, 60.0, 3_600.0, 1e9] {
            let phi = detector.phi(&settings, detector.last() + seconds(silence));
            assert!(phi.is_finite() && phi >= before, "{phi} at {silence}");
            before = phi;
        }
    }

    #[test]
    fn irregular_beats_are_given_more_time() {
        let settings = Settings::default();
        let mut jittery = Detector::new(&settings, Duration::ZERO);
        let mut at = 0.0;
        for beat in 0..200 {
            at += if beat % 2 == 0 { 5.0 } else { 15.0 };
            jittery.arrive(&settings, seconds(at), false);
        }
        let steady = steady(10.0, &settings);
        assert!(jittery.suspicious_after(&settings) > steady.suspicious_after(&settings) * 3 / 2);
    }

    #[test]
    fn an_outage_teaches_nothing() {
        let settings = Settings::default();
        let mut detector = steady(10.0, &settings);
        let before = detector.suspicious_after(&settings);
        detector.arrive(&settings, detector.last() + seconds(3_600.0), true);
        assert_eq!(detector.suspicious_after(&settings), before);
        // A clock that goes back is no interval below zero.
        detector.arrive(&settings, Duration::ZERO, false);
        assert!(detector.suspicious_after(&settings) < before * 2);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let settings = Settings {
            remembered: 3,
            ..Settings::default()
        };
        let detector = steady(10.0, &settings);
        assert_eq!(detector.intervals.len(), 3);
    }
}
