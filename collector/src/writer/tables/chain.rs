//! `chain_links`: the links of security batches, also of those that were rejected.

use crmscope_proto::chain::{Digest, Link, VERSION, rows_digest};

use crate::judge::Entry;
use crate::writer::block::{Insert, Origin, uuid_order};
use crate::writer::native::Block;

/// What became of the batch, and whether its rows were what its link says.
const FOUND: &str = "Enum8('rejected' = 0, 'matched' = 1, 'differed' = 2, 'unknown' = 3)";
const REJECTED: i8 = 0;
const MATCHED: i8 = 1;
const DIFFERED: i8 = 2;
const UNKNOWN: i8 = 3;

fn found(entry: &Entry, link: &Link) -> i8 {
    match entry.contents() {
        None => REJECTED,
        // Digested in a way that a later version knows.
        Some(_) if link.version != VERSION => UNKNOWN,
        Some(contents) if rows_digest(&contents.security) == link.rows_digest => MATCHED,
        Some(_) => DIFFERED,
    }
}

/// A row for each batch that belongs to a chain.
#[must_use]
pub fn insert(origin: &Origin, entries: &[Entry]) -> Option<Insert> {
    let mut rows: Vec<(&Entry, &Link)> = entries
        .iter()
        .filter_map(|entry| Some((entry, entry.chain.as_ref()?)))
        .collect();
    if rows.is_empty() {
        return None;
    }
    rows.sort_by(|(_, a), (_, b)| {
        let key = |link: &Link| (uuid_order(link.spool_id), link.sequence);
        a.agent_id
            .cmp(&b.agent_id)
            .then_with(|| key(a).cmp(&key(b)))
    });
    let link = || rows.iter().map(|(_, link)| *link);
    let digests = |of: fn(&Link) -> Digest| -> Vec<String> {
        link().map(|link| of(link).to_string()).collect()
    };
    let (rows_digests, previous) = (
        digests(|link| link.rows_digest),
        digests(|link| link.previous.link),
    );
    let links = digests(Link::digest);
    let mut native = Block::new(rows.len(), 256);
    native.text("agent_id", link().map(|link| link.agent_id.as_str()));
    native.uuid("boot_id", link().map(|link| link.boot_id));
    native.uuid("spool_id", link().map(|link| link.spool_id));
    native.u64("sequence", link().map(|link| link.sequence));
    native.u32("version", link().map(|link| link.version));
    native.i64("created_ms", link().map(|link| link.created_ms));
    native.u64("rows", link().map(|link| link.rows));
    native.string("rows_digest", rows_digests.iter().map(String::as_bytes));
    native.u64(
        "previous_sequence",
        link().map(|link| link.previous.sequence),
    );
    native.i64(
        "previous_created_ms",
        link().map(|link| link.previous.created_ms),
    );
    native.string("previous_link", previous.iter().map(String::as_bytes));
    native.string("link", links.iter().map(String::as_bytes));
    native.enum8(
        "found",
        FOUND,
        rows.iter().map(|(entry, link)| found(entry, link)),
    );
    native.datetime_ms(
        "received_at",
        rows.iter().map(|(entry, _)| entry.received_ms),
    );
    Some(Insert::new("chain_links", origin, rows.len(), native))
}
