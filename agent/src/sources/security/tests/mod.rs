//! What lines mean, and what the source makes of files and of the journal.

mod accounts;
mod audit;
mod bench;
mod blind;
mod followed;
mod journal_audit;
mod logs;
mod mapped;
mod messages;
mod repeated;
mod source;
