//! Who may insert which range of a partition: the protocol of claim, announcement and repetition.
//!
//! Owns the order of reading, committing and inserting, as a state machine without I/O: the caller
//! does the [`Action`] and says what came of it. Promises, as long as the broker refuses commits of
//! members that lost the partition and ClickHouse counts a token once: whatever crashes, freezes or
//! is taken over, every record is in every table exactly once. Leaves to [`super::worker`] how
//! actions are done.
//!
//! 1. *Claim*. Read the committed offset and its metadata, commit the very same again under the own
//!    membership, and read it once more. When that read gives what was claimed, nobody before can
//!    announce anything any more. When it does not, claim again.
//! 2. *Repeat*. When the metadata is a plan, its block may be stored in part, wholly, or not at all:
//!    insert it again, the same records with the same tokens.
//! 3. *Announce*. Commit the position with the range of the next block as metadata. Only when this
//!    is known to have worked, insert that block; then commit its end with empty metadata.

use super::plan::{Plan, PlanError};

/// A committed offset and its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Offset of the next record that is not in the tables.
    pub offset: i64,
    /// A plan, or nothing.
    pub metadata: String,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the group for the partition's mark; [`Claim::read`] takes it.
    Read,
    /// Commit this; [`Claim::committed`] takes the outcome.
    Commit(Mark),
    /// Read exactly these offsets and insert them as the block they were announced as, told from
    /// duplicates by what was stored before that block; then [`Claim::inserted`].
    Repeat(Plan),
    /// Gather records from this offset on; [`Claim::gathered`] takes their end.
    Gather(i64),
    /// Insert what was gathered; then [`Claim::inserted`].
    Insert(Plan),
    /// Nothing any more: the partition belongs to somebody else.
    Stop,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The group has it.
    Done,
    /// The group refused it: this member does not own the partition.
    Fenced,
    /// Nobody knows.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Reading; what was claimed before, if anything.
    Reading(Option<Mark>),
    Claiming(Mark),
    Repeating(Plan),
    Gathering(i64),
    /// Announcing; whether the block is a repetition.
    Announcing(Plan, bool),
    Inserting(Plan),
    Finishing(Plan),
    Stopped,
}

/// One membership's hold on one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    state: State,
}

impl Default for Claim {
    fn default() -> Self {
        Self {
            state: State::Reading(None),
        }
    }
}

impl Claim {
    /// What is to be done now.
    #[must_use]
    pub fn action(&self) -> Action {
        match &self.state {
            State::Reading(_) => Action::Read,
            State::Claiming(mark) => Action::Commit(mark.clone()),
            State::Repeating(plan) => Action::Repeat(*plan),
            State::Gathering(begin) => Action::Gather(*begin),
            State::Announcing(plan, _) => Action::Commit(Mark {
                offset: plan.begin,
                metadata: plan.to_string(),
            }),
            State::Inserting(plan) => Action::Insert(*plan),
            State::Finishing(plan) => Action::Commit(Mark {
                offset: plan.end,
                metadata: String::new(),
            }),
            State::Stopped => Action::Stop,
        }
    }

    /// Takes the partition's mark; without one, the partition begins at offset 0.
    ///
    /// # Errors
    /// When the metadata is no plan.
    pub fn read(&mut self, mark: Option<Mark>) -> Result<(), PlanError> {
        let State::Reading(claimed) = &self.state else {
            return Ok(());
        };
        let mark = mark.unwrap_or(Mark {
            offset: 0,
            metadata: String::new(),
        });
        let plan = Plan::parse(mark.offset, &mark.metadata)?;
        self.state = if claimed.as_ref() != Some(&mark) {
            State::Claiming(mark)
        } else if let Some(plan) = plan {
            State::Repeating(plan)
        } else {
            State::Gathering(mark.offset)
        };
        Ok(())
    }

    /// Takes the outcome of a commit. An unknown one leaves things as they are: it is done again.
    pub fn committed(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Unknown => return,
            Outcome::Fenced => {
                self.state = State::Stopped;
                return;
            }
            Outcome::Done => {}
        }
        self.state = match std::mem::replace(&mut self.state, State::Stopped) {
            State::Claiming(mark) => State::Reading(Some(mark)),
            State::Announcing(plan, false) => State::Inserting(plan),
            State::Announcing(plan, true) => State::Repeating(plan),
            State::Finishing(plan) => State::Gathering(plan.end),
            other => other,
        };
    }

    /// Takes the end of what was gathered, and the time. Returns the plan of its block.
    pub fn gathered(&mut self, end: i64, now_ms: i64) -> Option<Plan> {
        let State::Gathering(begin) = self.state else {
            return None;
        };
        let plan = Plan {
            begin,
            end,
            announced_ms: now_ms.max(0),
        };
        if end <= begin {
            return None;
        }
        self.state = State::Announcing(plan, false);
        Some(plan)
    }

    /// Notes that the block is in every table.
    pub fn inserted(&mut self) {
        if let State::Inserting(plan) | State::Repeating(plan) = self.state {
            self.state = State::Finishing(plan);
        }
    }

    /// Notes that the last commit is so old that the partition may be lost: the plan is announced
    /// once more before anything else is inserted.
    pub fn doubt(&mut self) {
        match self.state {
            State::Inserting(plan) => self.state = State::Announcing(plan, false),
            State::Repeating(plan) => self.state = State::Announcing(plan, true),
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
