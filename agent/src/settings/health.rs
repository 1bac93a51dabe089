//! Whether sources that worked before fail since.
//!
//! Pure.

/// Failures in a row that say that a source fails.
const FAILURES_IN_A_ROW: u64 = 3;

/// What became of a source's runs, since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcomes {
    /// The source.
    pub name: &'static str,
    /// Runs that read what they were for.
    pub good: u64,
    /// Runs that failed, or hang.
    pub failed: u64,
    /// The last ones of these.
    pub failed_in_a_row: u64,
}

/// How sources did before.
#[derive(Debug, Default)]
pub(super) struct Before(Vec<Outcomes>);

impl Before {
    pub(super) const fn new(outcomes: Vec<Outcomes>) -> Self {
        Self(outcomes)
    }

    /// The first source that worked then and fails now. At the end one failure is enough, where no run was
    /// good since: some run once a minute.
    pub(super) fn failing(&self, now: &[Outcomes], is_over: bool) -> Option<String> {
        now.iter().find_map(|now| {
            let worked = |before: &&Outcomes| {
                before.name == now.name && before.good > 0 && before.failed_in_a_row == 0
            };
            let before = self.0.iter().find(worked)?;
            let good = now.good.saturating_sub(before.good);
            let failed = now.failed.saturating_sub(before.failed);
            let fails = now.failed_in_a_row >= FAILURES_IN_A_ROW
                || is_over && good == 0 && failed > 0;
            fails.then(|| {
                format!(
                    "source {} worked before and failed under these settings, {} times in a row; the agent's log says why",
                    now.name, now.failed_in_a_row
                )
            })
        })
    }
}
