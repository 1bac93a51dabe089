//! How soon a crash is found and how often nothing is: by simulation, against the formula.

use super::*;

/// A standard normal number (Box and Muller, 1958).
fn normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * random.f64().max(1e-300).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

/// What came of a run.
struct Figures {
    suspicions_per_host_day: f64,
    downs_per_host_day: f64,
    /// Seconds from a crash to the suspicion: mean, and what 99 % stay below.
    mean: f64,
    p99: f64,
}

/// Heartbeats each 10 s that come with a jitter and are lost at a rate, for days of one host; then crashes.
fn simulate(loss: f64, jitter: f64, days: u32, random: &mut fastrand::Rng) -> Figures {
    let rules = Config::default().rules("");
    let settings = &rules.phi;
    let mut detector = phi::Detector::new(settings, Duration::ZERO);
    let (mut suspicions, mut downs) = (0_u32, 0_u32);
    let beats = days * 8_640;
    let (mut last, mut follows) = (0.0_f64, true);
    let mut waits = Vec::new();
    for beat in 1..=beats {
        if random.f64() < loss {
            follows = false;
            continue;
        }
        // Never before the one before it: it is one stream.
        let at = (f64::from(beat) * 10.0 + jitter * normal(random).abs()).max(last);
        let phi = |at: f64| detector.phi(settings, Duration::from_secs_f64(at.max(0.0)));
        let is_suspect = phi(at) >= settings.threshold;
        suspicions += u32::from(is_suspect);
        downs += u32::from(phi(at - rules.confirm.as_secs_f64()) >= settings.threshold);
        detector.arrive(
            settings,
            Duration::from_secs_f64(at),
            is_suspect || !follows,
        );
        (last, follows) = (at, true);
        if beat % 50 == 0 {
            // A crash at some moment until the next beat: what is waited from then on.
            let after = detector.suspicious_after(settings).as_secs_f64();
            waits.push(after - random.f64() * 10.0);
        }
    }
    waits.sort_by(f64::total_cmp);
    let days = f64::from(days);
    Figures {
        suspicions_per_host_day: f64::from(suspicions) / days,
        downs_per_host_day: f64::from(downs) / days,
        #[allow(clippy::cast_precision_loss, reason = "some thousands")]
        mean: waits.iter().sum::<f64>() / waits.len() as f64,
        p99: waits[waits.len() * 99 / 100],
    }
}

#[test]
fn detection_and_false_suspicions_are_as_the_formula_says() {
    let seed = 20_261_129;
    let mut random = fastrand::Rng::with_seed(seed);
    println!(
        "seed {seed}; loss, jitter s: suspicions and downs a host-day; s to a suspicion, mean and 99 %"
    );
    for (loss, jitter) in [
        (0.0, 0.0),
        (0.0, 1.0),
        (0.01, 0.0),
        (0.01, 1.0),
        (0.05, 0.0),
        (0.05, 1.0),
    ] {
        let figures = simulate(loss, jitter, 200, &mut random);
        println!(
            "{loss}, {jitter}: {:.3} and {:.4}; {:.1} and {:.1}",
            figures.suspicions_per_host_day, figures.downs_per_host_day, figures.mean, figures.p99
        );
        // By the formula: φ = 8 is at 5.6 deviations above mean and pause. A crash is on average half an
        // interval after a beat. Times over which a beat was lost are not learnt, so loss changes nothing.
        let deviation = (jitter * 0.85).max(1.0);
        let waited = 10.0 + 15.0 + 5.6 * deviation - 5.0;
        // What is remembered is a hundred intervals, so the deviation is a guess.
        assert!(
            (figures.mean - waited).abs() < 0.2 * waited,
            "{loss}, {jitter}: {} instead of {waited}",
            figures.mean
        );
        if loss == 0.0 {
            assert_eq!(figures.suspicions_per_host_day, 0.0);
        }
        assert!(figures.downs_per_host_day < 1.0);
    }
}
