//! One file for each group of tables: which rows it takes from a batch, their order, their columns.
//!
//! Rows within an insert are sorted by the table's key, so that ClickHouse need not.

pub mod chain;
pub mod clients;
pub mod dead_letters;
pub mod exemplars;
pub mod ledger;
pub mod presence;
pub mod requests;
pub mod security;
pub mod series;

/// Type of every `lane` column but the dead letters'.
pub(crate) const LANE: &str =
    "Enum8('metrics' = 1, 'requests' = 2, 'security' = 3, 'presence' = 4)";

/// A lane as its enum's number; lanes have been checked at the door.
pub(crate) fn lane_number(lane: i32) -> i8 {
    i8::try_from(lane).unwrap_or_default()
}
