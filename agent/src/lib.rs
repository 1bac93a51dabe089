//! temp
pub mod clock;
pub mod outbox;
pub mod sources;
pub mod spool;
