//! The plan: which offsets the next block is made of, as text in the metadata of a committed offset.
//!
//! Owns the text's form. Promises that what is not exactly such a text is refused, never guessed
//! at. Leaves to [`super::claim`] when a plan is announced and repeated.

use std::fmt;

/// The range of a block that is about to be inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// First offset; the committed position.
    pub begin: i64,
    /// Offset after the last; above `begin`.
    pub end: i64,
    /// When it was announced, Unix ms by the announcing writer: the only clock in a block beside
    /// those of its records, so that a repetition has the same.
    pub announced_ms: i64,
}

/// Metadata that is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the group's committed offset {offset} has the metadata {metadata:?}, which is no plan of this version; start the version that wrote it, or commit that offset again with empty metadata while no writer runs: then the block that was open counts twice where it was half inserted"
)]
pub struct PlanError {
    /// The committed offset.
    pub offset: i64,
    /// Its metadata, cut short.
    pub metadata: String,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1 {} {} {}", self.begin, self.end, self.announced_ms)
    }
}

impl Plan {
    /// The plan in the metadata of a committed offset; none when the metadata is empty.
    ///
    /// # Errors
    /// When the metadata is anything else, or does not begin at that offset.
    pub fn parse(offset: i64, metadata: &str) -> Result<Option<Self>, PlanError> {
        if metadata.is_empty() {
            return Ok(None);
        }
        read(metadata)
            .filter(|plan| plan.begin == offset && plan.begin < plan.end)
            // One form only: what is read is written again with every claim.
            .filter(|plan| plan.to_string() == metadata)
            .map(Some)
            .ok_or_else(|| PlanError {
                offset,
                metadata: metadata.chars().take(100).collect(),
            })
    }

    /// Offsets in the range.
    #[must_use]
    pub const fn offsets(&self) -> i64 {
        self.end - self.begin
    }
}

fn read(metadata: &str) -> Option<Plan> {
    let mut words = metadata.strip_prefix("v1 ")?.split(' ');
    let mut number = || words.next()?.parse::<i64>().ok().filter(|n| *n >= 0);
    let plan = Plan {
        begin: number()?,
        end: number()?,
        announced_ms: number()?,
    };
    words.next().is_none().then_some(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_exact_texts_are_plans() {
        let plan = Plan {
            begin: 7,
            end: 9,
            announced_ms: 1000,
        };
        assert_eq!(Plan::parse(7, "v1 7 9 1000"), Ok(Some(plan)));
        assert_eq!(Plan::parse(7, ""), Ok(None));
        for text in [
            " ",
            "v1",
            "v1 7 9",
            "v1 7 9 1000 ",
            "v1 7 9 1000 1",
            "v1  7 9 1000",
            "v1 07 9 1000",
            "v1 +7 9 1000",
            "v1 7 9 -1",
            "v1 8 9 1000",
            "v1 7 7 1000",
            "v1 7 6 1000",
            "v2 7 9 1000",
            "v1 7 99999999999999999999 1",
            "offset reset by hand",
        ] {
            assert!(Plan::parse(7, text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(begin in 0i64..i64::MAX - 10, more in 1i64..10, announced_ms in 0i64..i64::MAX) {
            let plan = Plan { begin, end: begin + more, announced_ms };
            prop_assert_eq!(Plan::parse(begin, &plan.to_string()), Ok(Some(plan)));
        }

        #[test]
        fn no_text_makes_it_fail(offset: i64, text in "(v1 )?[v0-9 .-]{0,30}") {
            if let Ok(Some(plan)) = Plan::parse(offset, &text) {
                prop_assert_eq!(plan.to_string(), text);
            }
        }
    }
}
