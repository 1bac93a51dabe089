//! Where a poller begins that has no position yet. Pure.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::sources::tail::calendar::digits;

/// Where the first poll begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With what comes from now on.
    #[default]
    Now,
    /// With everything there is.
    Beginning,
    /// So many milliseconds ago.
    Ago(u64),
}

impl Serialize for Start {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Now => serializer.serialize_str("now"),
            Self::Beginning => serializer.serialize_str("beginning"),
            Self::Ago(ms) => serializer.serialize_str(&format!("{}s", ms / 1000)),
        }
    }
}

impl<'de> Deserialize<'de> for Start {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Self::parse(&word).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "from is {word:?}; use \"now\", \"beginning\", or a time before now such as \"24h\""
            ))
        })
    }
}

impl Start {
    /// As Unix time, ms.
    pub(super) fn begin_ms(self, now_ms: i64) -> i64 {
        match self {
            Self::Now => now_ms,
            Self::Beginning => 0,
            Self::Ago(ms) => now_ms.saturating_sub(i64::try_from(ms).unwrap_or(i64::MAX)),
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        match word {
            "now" => return Some(Self::Now),
            "beginning" => return Some(Self::Beginning),
            _ => {}
        }
        let (number, unit) = word.split_at_checked(word.len().checked_sub(1)?)?;
        let unit_s: u64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        let number = u64::try_from(digits(number.as_bytes())?).ok()?;
        let seconds = number.checked_mul(unit_s)?;
        // Ten years.
        (seconds <= 3_652 * 86_400).then_some(Self::Ago(seconds * 1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_a_word_or_a_time() {
        for (word, expected) in [
            ("now", Some(Start::Now)),
            ("beginning", Some(Start::Beginning)),
            ("90s", Some(Start::Ago(90_000))),
            ("2d", Some(Start::Ago(172_800_000))),
            ("", None),
            ("h", None),
            ("99999999999999999999d", None),
            ("1w", None),
            ("ä", None),
        ] {
            assert_eq!(Start::parse(word), expected, "{word}");
        }
    }
}
