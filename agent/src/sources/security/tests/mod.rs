//! What lines mean, and what the source makes of files and of the journal.

mod accounts;
mod messages;
mod source;
