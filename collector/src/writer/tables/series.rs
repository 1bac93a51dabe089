//! The series tables: whole columns are copied, run by run.
//!
//! Batches bring runs of rows, each of one series in the order of time; sorting the runs by series
//! and first row sorts the rows, but for runs that overlap in time, which ClickHouse then sorts.

use crmscope_proto::SeriesKind;
use crmscope_proto::catalog::Presence;
use crmscope_proto::series::SeriesTable;

use crate::judge::Entry;
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

struct Run<'a> {
    agent_id: &'a str,
    table: &'a SeriesTable,
}

/// The rows of one kind.
#[must_use]
pub fn insert(origin: &Origin, kind: SeriesKind, entries: &[Entry]) -> Option<Insert> {
    let mut runs: Vec<Run<'_>> = entries
        .iter()
        .filter_map(|entry| Some((entry, entry.contents()?)))
        .flat_map(|(entry, contents)| {
            let of_kind = contents.series.iter().filter(|table| table.kind() == kind);
            of_kind.map(|table| Run {
                agent_id: &entry.identity.agent_id,
                table,
            })
        })
        .collect();
    runs.sort_by(|a, b| {
        let key = |run: &Run<'_>| run.table.timestamps_ms().first().copied();
        a.agent_id
            .cmp(b.agent_id)
            .then_with(|| a.table.labels().cmp(b.table.labels()))
            .then_with(|| key(a).cmp(&key(b)))
    });
    let rows = runs.iter().map(|run| run.table.len()).sum();
    if rows == 0 {
        return None;
    }
    let mut native = Block::new(rows, (kind.metrics().len() + 2) * 8);
    native.text_runs(
        "agent_id",
        runs.iter().map(|run| (run.agent_id, run.table.len())),
    );
    for (position, label) in kind.labels().iter().enumerate() {
        native.text_runs(
            label,
            runs.iter().map(|run| {
                let text = run.table.labels().get(position).map_or("", String::as_str);
                (text, run.table.len())
            }),
        );
    }
    native.datetime_ms(
        "ts",
        runs.iter()
            .flat_map(|run| run.table.timestamps_ms().iter().copied()),
    );
    native.u32(
        "interval_ms",
        runs.iter()
            .flat_map(|run| run.table.intervals_ms().iter().copied()),
    );
    for (position, metric) in kind.metrics().iter().enumerate() {
        match metric.presence {
            Presence::Required => native.u64_runs(
                metric.name,
                runs.iter().map(|run| values(run, position).unwrap_or(&[])),
            ),
            Presence::Optional => native.nullable_u64_runs(
                metric.name,
                runs.iter()
                    .map(|run| (values(run, position), run.table.len())),
            ),
        }
    }
    Some(Insert::new(kind.table(), origin, rows, native))
}

/// A run's column; a required one was found to be there when the batch was opened.
fn values<'a>(run: &Run<'a>, position: usize) -> Option<&'a [u64]> {
    run.table.columns().get(position)?.as_deref()
}
