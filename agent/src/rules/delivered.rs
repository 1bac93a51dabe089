//! What a collector delivered: the set in force, and the one that came last.
//!
//! Pure. A set is taken as a whole, where one of its rules at least can be, or there is none in it. One
//! that is not taken waits beside the one in force, and is attempted again with every reading: what it
//! failed for may have been want of room beside the host's own rules.

use crmscope_rules::{Fault, Packed};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    /// Empty without.
    in_force: Packed,
    /// Came last, while it is not in force.
    waiting: Option<Packed>,
    /// Why what came last cannot even be attempted.
    unfit: Option<Fault>,
    /// Version of what came last, whatever became of it.
    attempted_version: u64,
    /// It came since files were read last.
    is_new: bool,
}

impl Delivered {
    /// What was kept over a restart.
    pub(super) fn recall(&mut self, packed: Packed) {
        self.attempted_version = packed.version;
        self.in_force = packed;
        self.is_new = true;
    }

    /// A set came.
    pub(super) fn arrive(&mut self, packed: Packed) {
        self.attempted_version = packed.version;
        self.waiting = (packed.version != self.in_force.version).then_some(packed);
        self.unfit = None;
        self.is_new = true;
    }

    /// A set came that could not be put together.
    pub(super) fn refuse(&mut self, version: u64, reason: &dyn std::fmt::Display) {
        self.attempted_version = version;
        self.waiting = None;
        self.unfit = Some(fault(reason));
        self.is_new = true;
    }

    /// Whether something came since [`Delivered::sets`].
    pub(super) const fn is_new(&self) -> bool {
        self.is_new
    }

    /// The set in force, the one that waits, and why there is none.
    pub(super) fn sets(&mut self) -> (Packed, Option<Packed>, Option<Fault>) {
        self.is_new = false;
        let (in_force, waiting) = (self.in_force.clone(), self.waiting.clone());
        (in_force, waiting, self.unfit.clone())
    }

    /// The waiting one is in force now, where it is still this version.
    pub(super) fn adopt(&mut self, version: u64) -> bool {
        let waiting = self.waiting.take_if(|waiting| waiting.version == version);
        let is_there = waiting.is_some();
        if let Some(waiting) = waiting {
            self.in_force = waiting;
        }
        is_there
    }

    pub(super) const fn in_force(&self) -> &Packed {
        &self.in_force
    }

    pub(super) const fn attempted_version(&self) -> u64 {
        self.attempted_version
    }
}

/// A set that cannot be taken at all.
pub(super) fn fault(reason: &dyn std::fmt::Display) -> Fault {
    Fault {
        delivered: true,
        path: "set".into(),
        line: 0,
        reason: reason.to_string(),
    }
}
