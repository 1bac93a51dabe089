//! Five answers in the same order become one walk after the other.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crmscope_proto::chain::Digest;

use super::feed::{Feed, Key, Of};
use super::lines::Lines;
use super::verify::ExternalHead;
use super::walk::{Asked, Outcome, Spool, Step, Teller, Walk, Witness};
use crate::error::Error;

/// Dropped ranges of one spool that are held; what is beyond shows as missing.
const DROPS_MAX: usize = 1_000_000;

/// One spool that was walked, or the rows of an agent that name no batch.
#[derive(Debug)]
pub(super) enum Walked {
    Spool(Box<Outcome>),
    Unnamed { agent_id: String, rows: u64 },
}

/// Heads that are told of elsewhere, by spool.
pub(super) type External = BTreeMap<Key, Vec<ExternalHead>>;

/// Walks what is there, spool by spool.
pub(super) struct Merge {
    feed: Feed,
    external: External,
    asked: Asked,
}

fn key<T: Of>(row: &T) -> (&str, &str) {
    (row.agent_id(), row.spool_id())
}

fn is_of<T: Of>(row: Option<&T>, of: &Key) -> bool {
    row.is_some_and(|row| key(row) == (of.agent_id.as_str(), of.spool_id.as_str()))
}

impl Merge {
    pub(super) const fn new(feed: Feed, external: External, asked: Asked) -> Self {
        Self {
            feed,
            external,
            asked,
        }
    }

    /// The next spool of any answer.
    fn next_key(&self) -> Option<Key> {
        let feed = &self.feed;
        let external = self.external.keys().next();
        let external = external.map(|key| (key.agent_id.as_str(), key.spool_id.as_str()));
        let (agent_id, spool_id) = [
            feed.marks.peek().map(key),
            feed.links.peek().map(key),
            feed.ledger.peek().map(key),
            feed.rows.peek().map(key),
            feed.witnesses.peek().map(key),
            external,
        ]
        .into_iter()
        .flatten()
        .min()?;
        Some(Key {
            agent_id: agent_id.to_owned(),
            spool_id: spool_id.to_owned(),
        })
    }

    /// Walks the next spool. `progress` is told of each link.
    pub(super) async fn next(
        &mut self,
        wanted: &BTreeMap<String, Vec<Digest>>,
        progress: &mut impl FnMut(&str),
    ) -> Result<Option<Walked>, Error> {
        let Some(of) = self.next_key() else {
            return Ok(None);
        };
        if is_of(self.feed.rows.peek(), &of)
            && self
                .feed
                .rows
                .peek()
                .is_some_and(super::feed::RowsRow::is_unnamed)
        {
            let rows = self.feed.rows.take().await?.map_or(0, |rows| rows.rows);
            return Ok(Some(Walked::Unnamed {
                agent_id: of.agent_id,
                rows,
            }));
        }
        let mut spool = Spool {
            agent_id: of.agent_id.clone(),
            spool_id: of.spool_id.clone(),
            ..Spool::default()
        };
        while is_of(self.feed.marks.peek(), &of) {
            if let Some(mark) = self.feed.marks.take().await? {
                spool.settled_sequence = mark.settled_sequence;
                spool.stopped = mark.stopped();
            }
        }
        let mut drops = Vec::new();
        // They come before the batches.
        while is_of(self.feed.ledger.peek(), &of)
            && let Some(row) = self.feed.ledger.peek()
            && row.read().is_none()
        {
            if drops.len() < DROPS_MAX {
                drops.push((row.first_sequence, row.last_sequence));
            }
            self.feed.ledger.take().await?;
        }
        let mut external: BTreeMap<u64, Vec<Witness>> = BTreeMap::new();
        for head in self.external.remove(&of).unwrap_or_default() {
            let witness = Witness {
                head: head.head,
                teller: Teller::Kafka,
            };
            match external.entry(head.head.sequence) {
                Entry::Occupied(mut there) => there.get_mut().push(witness),
                Entry::Vacant(free) => {
                    free.insert(vec![witness]);
                }
            }
        }
        let none = Vec::new();
        let wanted = wanted.get(&of.agent_id).unwrap_or(&none);
        let mut walk = Walk::new(self.asked, spool, drops, wanted);
        while let Some(step) = self.step(&of, &mut external).await? {
            if !step.links.is_empty() {
                progress(&of.agent_id);
            }
            walk.step(&step);
        }
        Ok(Some(Walked::Spool(Box::new(walk.end()))))
    }

    /// All that is known of the spool's next sequence.
    async fn step(
        &mut self,
        of: &Key,
        external: &mut BTreeMap<u64, Vec<Witness>>,
    ) -> Result<Option<Step>, Error> {
        fn sequence<T: Of>(row: Option<&T>, of: &Key) -> Option<u64> {
            row.filter(|row| is_of(Some(*row), of)).map(Of::sequence)
        }
        let feed = &mut self.feed;
        let next = [
            sequence(feed.links.peek(), of),
            sequence(feed.ledger.peek(), of),
            sequence(feed.rows.peek(), of),
            sequence(feed.witnesses.peek(), of),
            external.keys().next().copied(),
        ];
        let Some(next) = next.into_iter().flatten().min() else {
            return Ok(None);
        };
        let mut step = Step {
            sequence: next,
            witnesses: external.remove(&next).unwrap_or_default(),
            ..Step::default()
        };
        while let Some(row) = take_at(&mut feed.links, of, next).await? {
            // More than a few are a flood.
            if step.links.len() < 16 {
                step.links.push(row.read());
            }
        }
        while let Some(row) = take_at(&mut feed.ledger, of, next).await? {
            step.recorded = row.read().or(step.recorded);
        }
        while let Some(row) = take_at(&mut feed.rows, of, next).await? {
            step.rows = Some(row.read());
        }
        while let Some(row) = take_at(&mut feed.witnesses, of, next).await? {
            if step.witnesses.len() < 16 {
                step.witnesses.push(row.read());
            }
        }
        Ok(Some(step))
    }
}

/// The next row, if it is of this sequence.
async fn take_at<T: Of + serde::de::DeserializeOwned>(
    lines: &mut Lines<T>,
    of: &Key,
    sequence: u64,
) -> Result<Option<T>, Error> {
    let here = |row: &&T| is_of(Some(*row), of) && row.sequence() == sequence;
    match lines.peek().filter(here) {
        Some(_) => lines.take().await,
        None => Ok(None),
    }
}
