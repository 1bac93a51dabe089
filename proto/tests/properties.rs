//! Properties of the contract: any rows survive the wire, any split keeps them, any merge of
//! sketches is exact, and quantiles keep their error.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its seed"
)]

mod support;

use std::collections::BTreeMap;

use crmscope_proto::catalog::HostMetric;
use crmscope_proto::clients::ClientRow;
use crmscope_proto::exemplars::{ExemplarRow, SamplingRow};
use crmscope_proto::limits::{BATCH_MAX_ITEMS, DICTIONARY_MAX_ENTRIES};
use crmscope_proto::payload::{Contents, SecurityRow};
use crmscope_proto::requests::RequestRow;
use crmscope_proto::series::SeriesTable;
use crmscope_proto::sketch::{GAMMA, INDEX_MAX, RELATIVE_ERROR, Sketch, index, value_us};
use crmscope_proto::v1::{DropRange, Heartbeat};
use crmscope_proto::{DecodeError, SeriesKind, open, seal};
use proptest::collection::vec;
use proptest::prelude::*;
use support::{config, contents, envelope, figure, request_row, sketch, table, time_ms};

/// Room for the rounding of a logarithm.
const ROUNDING: f64 = 1e-9;

/// One row by itself, so that rows can be compared across tables.
#[derive(Clone, Debug, PartialEq)]
enum Row {
    Series {
        kind: SeriesKind,
        labels: Vec<String>,
        timestamp_ms: i64,
        interval_ms: u32,
        values: Vec<Option<u64>>,
    },
    Request(RequestRow),
    Client(ClientRow),
    Exemplar(ExemplarRow),
    Sampling(SamplingRow),
    Security(SecurityRow),
    Heartbeat(Heartbeat),
    Drop(DropRange),
}

fn table_rows(table: &SeriesTable) -> Vec<Row> {
    (0..table.len())
        .map(|row| Row::Series {
            kind: table.kind(),
            labels: table.labels().to_vec(),
            timestamp_ms: table.timestamps_ms()[row],
            interval_ms: table.intervals_ms()[row],
            values: table
                .columns()
                .iter()
                .map(|column| column.as_ref().map(|values| values[row]))
                .collect(),
        })
        .collect()
}

/// All rows in order; a split keeps that order, so it keeps the multiset as well.
fn rows(contents: &Contents) -> Vec<Row> {
    let series = contents.series.iter().flat_map(table_rows);
    series
        .chain(contents.requests.iter().cloned().map(Row::Request))
        .chain(contents.clients.iter().cloned().map(Row::Client))
        .chain(contents.exemplars.iter().cloned().map(Row::Exemplar))
        .chain(contents.sampling.iter().cloned().map(Row::Sampling))
        .chain(contents.security.iter().cloned().map(Row::Security))
        .chain(contents.heartbeats.iter().cloned().map(Row::Heartbeat))
        .chain(contents.drops.iter().cloned().map(Row::Drop))
        .collect()
}

/// Splits as `decisions` say, depth first; pieces come out in order.
fn split_apart(
    contents: Contents,
    decisions: &mut impl Iterator<Item = bool>,
    pieces: &mut Vec<Contents>,
) {
    if contents.items() < 2 || !decisions.next().unwrap_or(true) {
        pieces.push(contents);
        return;
    }
    let items = contents.items();
    let (first, second) = contents.split();
    assert_eq!(first.items(), items.div_ceil(2));
    assert_eq!(second.items(), items / 2);
    split_apart(first, decisions, pieces);
    split_apart(second, decisions, pieces);
}

type RequestKey = (i64, String, String, String, u8);

fn merged<'a>(
    rows: impl IntoIterator<Item = &'a RequestRow>,
) -> BTreeMap<RequestKey, (u128, u128, Sketch, Sketch)> {
    let mut merged = BTreeMap::new();
    for row in rows {
        let key = (
            row.bucket_start_ms,
            row.service.clone(),
            row.route.clone(),
            row.method.clone(),
            row.status_class,
        );
        let sum: &mut (u128, u128, Sketch, Sketch) = merged.entry(key).or_default();
        sum.0 += u128::from(row.requests);
        sum.1 += u128::from(row.response_bytes);
        sum.2.merge(&row.latency);
        sum.3.merge(&row.upstream);
    }
    merged
}

fn recorded(latencies: &[u64]) -> Sketch {
    let mut sketch = Sketch::default();
    latencies.iter().for_each(|&latency| sketch.record(latency));
    sketch
}

/// Latencies of every magnitude, each power of two equally likely.
fn latency_us() -> impl Strategy<Value = u64> {
    prop_oneof![
        (0..64u32, any::<u64>()).prop_map(|(shift, value)| value >> shift),
        1..20_000u64,
    ]
}

/// Latencies within the sketch's range: 1 µs to γ^[`INDEX_MAX`].
fn latency_in_range_us() -> impl Strategy<Value = u64> {
    (0.0..f64::from(INDEX_MAX)).prop_map(|power| {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and 2.7e10"
        )]
        let latency = GAMMA.powf(power).floor() as u64;
        latency
    })
}

#[allow(clippy::cast_precision_loss, reason = "below 2^53")]
fn assert_within_error(latency_us: u64, estimate_us: f64) {
    let exact = latency_us as f64;
    assert!(
        (estimate_us - exact).abs() <= exact * RELATIVE_ERROR + exact * ROUNDING,
        "{estimate_us} µs stands for {latency_us} µs"
    );
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn any_contents_survive_sealing_and_opening(contents in contents()) {
        let batch = seal(&contents, envelope()).unwrap();
        prop_assert_eq!(batch.items as usize, contents.items());
        prop_assert_eq!(open(&batch).unwrap(), contents);
    }

    #[test]
    fn splits_keep_every_row_in_order(
        contents in contents(),
        decisions in vec(any::<bool>(), 0..40),
    ) {
        let mut pieces = Vec::new();
        split_apart(contents.clone(), &mut decisions.into_iter(), &mut pieces);
        let together: Vec<_> = pieces.iter().flat_map(rows).collect();
        prop_assert_eq!(together, rows(&contents));
        let requests = pieces.iter().flat_map(|piece| &piece.requests);
        prop_assert_eq!(merged(requests), merged(&contents.requests));
        for piece in pieces {
            prop_assert_eq!(open(&seal(&piece, envelope()).unwrap()).unwrap(), piece);
        }
    }

    #[test]
    fn requests_merge_by_key_the_same_after_any_split(
        rows in vec((0..2u8, request_row()), 0..24),
        decisions in vec(any::<bool>(), 0..40),
    ) {
        // Few keys, so that equal ones land in different pieces.
        let requests: Vec<_> = rows
            .into_iter()
            .map(|(key, row)| RequestRow {
                bucket_start_ms: 0,
                service: "crm".to_owned(),
                route: format!("/account/{key}"),
                method: "GET".to_owned(),
                status_class: 2,
                ..row
            })
            .collect();
        let contents = Contents { requests: requests.clone(), ..Contents::default() };
        let mut pieces = Vec::new();
        split_apart(contents, &mut decisions.into_iter(), &mut pieces);
        let opened: Vec<_> = pieces
            .iter()
            .flat_map(|piece| open(&seal(piece, envelope()).unwrap()).unwrap().requests)
            .collect();
        prop_assert_eq!(merged(&opened), merged(&requests));
    }

    #[test]
    fn appending_what_was_split_off_restores_the_table(
        table in table(),
        cut in any::<proptest::sample::Index>(),
    ) {
        let at = cut.index(table.len() + 1);
        let mut first = table.clone();
        let second = first.split_off(at);
        prop_assert_eq!(first.len(), at);
        prop_assert_eq!(second.len(), table.len() - at);
        prop_assert_eq!(first.append(second), Ok(()));
        prop_assert_eq!(first, table);
    }

    #[test]
    fn a_table_of_another_entity_or_shape_is_given_back(a in table(), b in table()) {
        let fits = a.kind() == b.kind()
            && a.labels() == b.labels()
            && a.columns().iter().zip(b.columns()).all(|(a, b)| a.is_some() == b.is_some());
        let mut joined = a.clone();
        match joined.append(b.clone()) {
            Ok(()) => {
                prop_assert!(fits);
                prop_assert_eq!(table_rows(&joined), [table_rows(&a), table_rows(&b)].concat());
            }
            Err(back) => {
                prop_assert!(!fits);
                prop_assert_eq!(back, b);
                prop_assert_eq!(joined, a);
            }
        }
    }

    #[test]
    fn differences_survive_any_times_gauges_and_buckets(
        times in vec(time_ms(), 1..20),
        figures in vec(figure(), 20),
    ) {
        let kind = SeriesKind::Filesystem; // gauges only
        let mut table = SeriesTable::new(kind, vec![String::new(); 3]);
        for (row, &time) in times.iter().enumerate() {
            let values: Vec<_> = (0..kind.metrics().len())
                .map(|column| Some(figures[(row + column) % figures.len()]))
                .collect();
            table.push(time, 1000, &values).unwrap();
        }
        let contents = Contents { series: vec![table], ..Contents::default() };
        prop_assert_eq!(open(&seal(&contents, envelope()).unwrap()).unwrap(), contents);
    }

    #[test]
    fn merged_sketches_equal_the_sketch_of_everything_in_any_order(
        parts in vec(vec(latency_us(), 0..12), 1..8),
        order in any::<u64>(),
    ) {
        let whole = recorded(&parts.concat());
        let sketches: Vec<_> = parts.iter().map(|part| recorded(part)).collect();

        let mut from_left = Sketch::default();
        sketches.iter().for_each(|part| from_left.merge(part));
        prop_assert_eq!(&from_left, &whole);

        // Any order and association: joins two arbitrary ones until one is left.
        let mut rest = sketches;
        let mut draw = order;
        while rest.len() > 1 {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let taken = rest.swap_remove((draw >> 33) as usize % rest.len());
            let target = (draw >> 13) as usize % rest.len();
            rest[target].merge(&taken);
        }
        prop_assert_eq!(&rest[0], &whole);
        prop_assert_eq!(whole.count(), parts.concat().len() as u64);
    }

    #[test]
    fn any_sketches_merge_alike_in_any_order_and_association(
        a in sketch(),
        b in sketch(),
        c in sketch(),
    ) {
        let join = |x: &Sketch, y: &Sketch| {
            let mut joined = x.clone();
            joined.merge(y);
            joined
        };
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
        prop_assert_eq!(join(&a, &Sketch::default()), a);
    }

    #[test]
    fn quantiles_are_within_the_error_of_the_value_at_the_same_rank(
        mut latencies in vec(latency_in_range_us(), 1..300),
        p in prop_oneof![0.0..=1.0f64, Just(0.0), Just(0.5), Just(0.99), Just(1.0)],
    ) {
        let estimate = recorded(&latencies).quantile_us(p).unwrap();
        latencies.sort_unstable();
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank below 300"
        )]
        let rank = (p * (latencies.len() - 1) as f64).floor() as usize;
        assert_within_error(latencies[rank], estimate);
    }

    #[test]
    fn buckets_are_monotone_and_within_the_error(a in latency_us(), b in latency_us()) {
        let (low, high) = (a.min(b), a.max(b));
        prop_assert!(index(low) <= index(high));
        prop_assert!((0..=INDEX_MAX).contains(&index(low)));
    }

    #[test]
    fn a_bucket_stands_for_its_latencies_within_the_error(latency in latency_in_range_us()) {
        assert_within_error(latency, value_us(index(latency)));
    }
}

#[test]
fn bucket_bounds_are_monotone_and_within_the_error_at_every_index() {
    let mut previous = 0;
    for i in 0..=INDEX_MAX {
        assert!(i == 0 || value_us(i - 1) < value_us(i), "{i}");
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and 2.7e10"
        )]
        let bound = GAMMA.powi(i32::from(i)).floor() as u64;
        for latency in [bound.max(2) - 1, bound, bound + 1] {
            if i < INDEX_MAX || latency <= bound {
                assert_within_error(latency, value_us(index(latency)));
            }
        }
        assert!(previous <= index(bound) && index(bound) <= i, "{i}");
        previous = index(bound);
    }
    assert_eq!(index(0), 0);
    assert_eq!(index(1), 0);
    assert_eq!(index(u64::MAX), INDEX_MAX);
}

#[test]
fn sketches_count_to_the_end_of_the_range() {
    let sketch = Sketch::from_parts([(1, u64::MAX), (2, u64::MAX)], u64::MAX, u64::MAX);
    assert_eq!(sketch.count(), u64::MAX);
}

#[test]
fn quantiles_exist_for_any_count() {
    for count in [1 << 53, (1 << 53) + 2, (1 << 62) + 1, u64::MAX] {
        let sketch = Sketch::from_parts([(5, count)], 0, 0);
        assert_eq!(sketch.quantile_us(1.0), Some(value_us(5)), "{count}");
    }
}

#[test]
fn rows_of_another_shape_begin_a_new_table_after_a_split_at_the_start() {
    let kind = SeriesKind::Host;
    let mut table = SeriesTable::new(kind, Vec::new());
    let mut row = vec![Some(1); kind.metrics().len()];
    table.push(0, 1000, &row).unwrap();
    let _ = table.split_off(0);
    // The table is empty again, so any shape fits.
    let optional = HostMetric::OomKills as usize;
    row[optional] = None;
    table.push(1, 1000, &row).unwrap();
    assert_eq!(table.columns()[optional], None);
    let contents = Contents {
        series: vec![table],
        ..Contents::default()
    };
    assert_eq!(
        open(&seal(&contents, envelope()).unwrap()).unwrap(),
        contents
    );
}

/// What an agent can seal, no collector may refuse: it would be discarded, not split.
fn assert_refused_or_opened(what: &str, contents: &Contents) {
    if let Ok(batch) = seal(contents, envelope()) {
        let opened = open(&batch);
        assert!(
            opened.is_ok(),
            "{what} was sealed but not opened: {opened:?}"
        );
    }
}

#[test]
fn a_table_without_rows_is_refused_when_sealed_or_opened() {
    let empty = SeriesTable::new(SeriesKind::Host, Vec::new());
    assert_refused_or_opened(
        "an empty table",
        &Contents {
            series: vec![empty],
            ..Contents::default()
        },
    );
}

#[test]
fn too_many_strings_are_refused_when_sealed_or_opened() {
    let requests = (0..DICTIONARY_MAX_ENTRIES / 2 + 1)
        .map(|number| RequestRow {
            bucket_start_ms: 0,
            service: format!("{number:x}"),
            route: format!("/{number:x}"),
            method: String::new(),
            status_class: 2,
            requests: 1,
            response_bytes: 0,
            latency: Sketch::default(),
            upstream: Sketch::default(),
        })
        .collect();
    assert_refused_or_opened(
        "a dictionary of 65,538 strings",
        &Contents {
            requests,
            ..Contents::default()
        },
    );
}

#[test]
fn malformed_events_are_refused_when_sealed_or_opened() {
    let mut row = SecurityRow::default();
    row.event.event_id = vec![0; 16];
    let contents = |row: SecurityRow| Contents {
        security: vec![row],
        ..Contents::default()
    };
    let mut short = row.clone();
    short.event.event_id.pop();
    assert_refused_or_opened("an event id of 15 bytes", &contents(short));
    let mut long = row;
    long.event.detail = "x".repeat(1025);
    assert_refused_or_opened("a detail of 1025 bytes", &contents(long));
}

#[test]
fn more_rows_than_a_batch_holds_are_refused_until_split() {
    let row = RequestRow {
        bucket_start_ms: 0,
        service: "crm".to_owned(),
        route: "/".to_owned(),
        method: "GET".to_owned(),
        status_class: 2,
        requests: 1,
        response_bytes: 0,
        latency: Sketch::default(),
        upstream: Sketch::default(),
    };
    let contents = Contents {
        requests: vec![row; BATCH_MAX_ITEMS + 1],
        ..Contents::default()
    };
    assert_eq!(
        seal(&contents, envelope()),
        Err(DecodeError::Length {
            what: "items",
            got: BATCH_MAX_ITEMS + 1,
            want: BATCH_MAX_ITEMS,
        })
    );
    let (first, second) = contents.split();
    assert!(seal(&first, envelope()).is_ok() && seal(&second, envelope()).is_ok());
}
