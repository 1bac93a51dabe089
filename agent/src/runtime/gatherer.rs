//! Rows of the metrics lane between two batches, shared by the threads that make them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crmscope_proto::Lane;
use crmscope_proto::payload::Contents;
use crmscope_proto::series::SeriesTable;

use crate::outbox::Outbox;

/// See the module.
#[derive(Debug)]
pub struct Gatherer {
    contents: Mutex<Contents>,
    held_max_bytes: AtomicU64,
}

impl Gatherer {
    /// Holds about `held_max_bytes` at most while the disk refuses; beyond it the oldest tables go,
    /// and are counted.
    #[must_use]
    pub fn new(held_max_bytes: u64) -> Self {
        Self {
            contents: Mutex::default(),
            held_max_bytes: AtomicU64::new(held_max_bytes),
        }
    }

    /// From now on holds so many at most.
    pub fn hold(&self, held_max_bytes: u64) {
        self.held_max_bytes.store(held_max_bytes, Ordering::Relaxed);
    }

    /// Lends the rows so far to a source that makes many small ones. They are taken out meanwhile:
    /// a source that hangs holds no lock that heartbeats and batches wait for.
    pub fn lend<T>(&self, collect: impl FnOnce(&mut Contents) -> T) -> T {
        let mut lent = std::mem::take(&mut *self.lock());
        let outcome = collect(&mut lent);
        let newer = std::mem::replace(&mut *self.lock(), lent);
        self.merge(newer);
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds rows that were made elsewhere.
    pub fn merge(&self, rows: Contents) {
        let mut contents = self.lock();
        for mut table in rows.series {
            for open in &mut contents.series {
                match open.append(table) {
                    Ok(()) => {
                        table = SeriesTable::new(open.kind(), open.labels().to_vec());
                        break;
                    }
                    Err(back) => table = back,
                }
            }
            if !table.is_empty() {
                contents.series.push(table);
            }
        }
    }

    /// Makes a batch of everything held. Returns how many rows had to go because they could not be kept.
    pub fn flush(&self, outbox: &Outbox) -> u64 {
        let taken = std::mem::take(&mut *self.lock());
        if let Err(error) = outbox.append(Lane::Metrics, &taken, None) {
            tracing::error!(%error, items = taken.items(), "metrics cannot be spooled; they are held in memory");
            let mut contents = self.lock();
            let newer = std::mem::replace(&mut *contents, taken);
            contents.series.extend(newer.series);
            return shed(&mut contents, self.held_max_bytes.load(Ordering::Relaxed));
        }
        0
    }
}

fn shed(contents: &mut Contents, max_bytes: u64) -> u64 {
    let mut bytes: u64 = contents.series.iter().map(bytes_of).sum();
    let mut shed = 0;
    let oldest = contents.series.iter().take_while(|table| {
        let goes = bytes > max_bytes;
        if goes {
            bytes -= bytes_of(table);
            shed += table.len() as u64;
        }
        goes
    });
    let oldest = oldest.count();
    contents.series.drain(..oldest);
    shed
}

/// What a table holds: a moment, an interval and the columns of every row.
fn bytes_of(table: &SeriesTable) -> u64 {
    let columns = table.columns().iter().flatten().count();
    (table.len() * (12 + 8 * columns)) as u64
}

#[cfg(test)]
mod tests {
    use crmscope_proto::catalog::SeriesKind;

    use super::*;

    #[test]
    fn the_oldest_tables_go_until_the_rest_fits() {
        let table = |source: &str, rows: i64| {
            let mut table = SeriesTable::new(SeriesKind::Source, vec![source.to_owned()]);
            let values = vec![Some(1); SeriesKind::Source.metrics().len()];
            for row in 0..rows {
                table.push(row, 1_000, &values).unwrap();
            }
            table
        };
        let row_bytes = 12 + 8 * SeriesKind::Source.metrics().len() as u64;
        for (max_bytes, shed_rows, left) in [
            (6 * row_bytes, 0, vec!["a", "b", "c"]),
            (6 * row_bytes - 1, 1, vec!["b", "c"]),
            (3 * row_bytes, 3, vec!["c"]),
            (0, 6, vec![]),
        ] {
            let series = vec![table("a", 1), table("b", 2), table("c", 3)];
            let mut contents = Contents {
                series,
                ..Contents::default()
            };
            assert_eq!(shed(&mut contents, max_bytes), shed_rows, "{max_bytes}");
            let labels = contents.series.iter().map(|table| &*table.labels()[0]);
            assert_eq!(labels.collect::<Vec<_>>(), left, "{max_bytes}");
        }
    }
}
