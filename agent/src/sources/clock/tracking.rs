//! The line that `chronyc -c tracking` prints.

use crmscope_proto::catalog::ClockMetric as M;

/// Values in catalog order.
pub(in crate::sources) type Values = [Option<u64>; M::COUNT];

/// Longest time that is taken for one, seconds: a hundred years.
const SECONDS_MAX: f64 = 3.2e9;

/// Reference id, its name, stratum, time of the last update, offset, last and mean offset, frequency
/// and two errors of it, root delay, root dispersion, interval, leap state. A positive offset means
/// that the clock is behind (chronyc calls it slow).
pub(in crate::sources) fn parse(text: &str, wall_ms: i64) -> Option<Values> {
    let fields: Vec<&str> = text.lines().next()?.split(',').collect();
    let [
        _,
        _,
        stratum,
        updated,
        offset,
        _,
        _,
        _,
        _,
        _,
        root_delay,
        root_dispersion,
        _,
        leap,
    ] = fields.as_slice()
    else {
        return None;
    };
    let synchronized = *leap != "Not synchronised";
    let mut values = [None; M::COUNT];
    values[M::Synchronized as usize] = Some(u64::from(synchronized));
    if !synchronized {
        return Some(values);
    }
    let offset = seconds(offset)?;
    let error = seconds(root_delay)?.abs() / 2.0 + seconds(root_dispersion)?.abs();
    let updated_ms = seconds(updated)? * 1000.0;
    #[expect(clippy::cast_precision_loss, reason = "a millisecond in 285,000 years")]
    let since_update_ms = (wall_ms as f64 - updated_ms).max(0.0);
    for (metric, value) in [
        (M::Ahead, rounded((-offset).max(0.0) * 1e6)),
        (M::Behind, rounded(offset.max(0.0) * 1e6)),
        (M::Error, rounded(error * 1e6)),
        (M::Stratum, stratum.parse().ok()?),
        (M::SinceUpdate, rounded(since_update_ms)),
    ] {
        values[metric as usize] = Some(value);
    }
    Some(values)
}

fn seconds(text: &str) -> Option<f64> {
    let seconds: f64 = text.parse().ok()?;
    (seconds.abs() <= SECONDS_MAX).then_some(seconds)
}

/// Bounded by [`SECONDS_MAX`] and not negative, so nothing is cut off.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded and not negative"
)]
fn rounded(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Recorded from chronyd 4.3 beside a server whose clock was half a second ahead; chronyc said
    /// "0.500035524 seconds slow of NTP time".
    const BEHIND: &str = "7F000001,127.0.0.1,2,1795602500.345976614,0.500035524,-0.000000454,0.000023729,-0.031,-0.015,3.621,0.000104669,0.000011470,1.0,Normal\n";

    #[test]
    fn an_offset_is_ahead_or_behind() {
        let wall_ms = 1_795_602_501_346;
        let want = [
            Some(1),
            Some(0),
            Some(500_036),
            Some(64),
            Some(2),
            Some(1_000),
        ];
        assert_eq!(parse(BEHIND, wall_ms), Some(want));
        let ahead = parse(&BEHIND.replace("0.500035524", "-0.000250000"), wall_ms).unwrap();
        assert_eq!(ahead[M::Ahead as usize], Some(250));
        assert_eq!(ahead[M::Behind as usize], Some(0));
        // A clock that was set back since.
        let values = parse(BEHIND, 0).unwrap();
        assert_eq!(values[M::SinceUpdate as usize], Some(0));
    }

    #[test]
    fn a_clock_that_follows_nothing_has_no_offset() {
        let text = "00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised\n";
        let want = [Some(0), None, None, None, None, None];
        assert_eq!(parse(text, 1), Some(want));
    }

    #[test]
    fn other_lines_are_refused() {
        for text in [
            "",
            "506 Cannot talk to daemon",
            "a,b,c",
            &BEHIND.replace("0.500035524", "NaN"),
            &BEHIND.replace("0.500035524", "inf"),
            &BEHIND.replace("0.500035524", "1e300"),
            &BEHIND.replace(",2,", ",-2,"),
        ] {
            assert_eq!(parse(text, 0), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text in "[0-9a-zA-Z,.\\-]{0,200}", wall_ms in any::<i64>()) {
            let _ = parse(&text, wall_ms);
        }
    }
}
