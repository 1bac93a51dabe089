//! Times, as people write them on a command line.

use std::time::Duration;

use crate::reconcile;
use crate::storage::Storage;

/// A time such as 90s, 30m, 12h or 7d.
///
/// # Errors
/// With what to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let number_end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(number_end);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("write a number and s, m, h or d, such as 30m".to_owned()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "the number is missing".to_owned())?;
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(|| "that is too long".to_owned())
}

/// A moment, or how long before now; Unix seconds.
pub(super) async fn moment(storage: &Storage, text: &str, now: u64) -> anyhow::Result<u64> {
    match parse_duration(text) {
        Ok(ago) => Ok(now.saturating_sub(ago.as_secs())),
        Err(_) => Ok(reconcile::moment(storage, text).await?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("2d"), Ok(Duration::from_secs(172_800)));
        for bad in [
            "",
            "5",
            "m",
            "-5m",
            "5 m",
            "5y",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
