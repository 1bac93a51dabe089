//! Each reason why a line is not counted has a figure, and what is dropped has a reason.

use std::fs;

use super::*;
use crate::sources::tail::LINE_MAX_BYTES;

/// Figures of lost lines that are not 0, by name.
fn lost(bench: &Bench) -> Vec<(&'static str, u64)> {
    let figures = bench.statistics.read();
    let reasons: u64 = SourceMetric::LOST
        .iter()
        .map(|&reason| figures[reason as usize])
        .sum();
    assert_eq!(reasons, bench.counted(SourceMetric::Dropped));
    SourceMetric::METRICS
        .iter()
        .zip(figures)
        .filter(|&(metric, figure)| metric.name.starts_with("lost_") && figure > 0)
        .map(|(metric, figure)| (metric.name, figure))
        .collect()
}

fn good() -> Vec<u8> {
    line(1, "GET / HTTP/1.1", 200, " 0.001").into_bytes()
}

fn bench() -> Bench {
    let mut bench = Bench::new(Config::default());
    bench.append("access.log", &good());
    bench.collect();
    bench
}

/// Looks several times: what is gone is looked for before it counts as lost.
fn collect_often(bench: &mut Bench) {
    for _ in 0..10 {
        bench.collect();
    }
}

#[test]
fn a_line_that_is_too_long() {
    let mut bench = bench();
    let mut long = vec![b'x'; LINE_MAX_BYTES + 1000];
    long.push(b'\n');
    // It is lost before it has ended; the rest of it belongs to the same loss.
    let (begin, rest) = long.split_at(LINE_MAX_BYTES + 1);
    bench.append("access.log", begin);
    bench.collect();
    assert_eq!(bench.counted(SourceMetric::LostTooLongLines), 1);
    bench.append("access.log", rest);
    collect_often(&mut bench);
    assert_eq!(
        lost(&bench),
        [
            ("lost_too_long_lines", 1),
            ("lost_known_bytes", long.len() as u64)
        ]
    );
}

#[test]
fn an_end_without_a_newline() {
    let mut bench = bench();
    bench.append("access.log", b"half");
    let log = bench.folder.path().join("access.log");
    fs::rename(&log, bench.folder.path().join("access.log.1")).unwrap();
    bench.append("access.log", &good());
    collect_often(&mut bench);
    assert_eq!(
        lost(&bench),
        [("lost_unfinished_lines", 1), ("lost_known_bytes", 4)]
    );
    assert_eq!(total(&bench.drain()), 2);
}

#[test]
fn a_line_of_another_time() {
    let mut bench = bench();
    let late = String::from_utf8(good())
        .unwrap()
        .replace("/2025:", "/2024:");
    bench.append("access.log", late.as_bytes());
    bench.collect();
    assert_eq!(
        lost(&bench),
        [
            ("lost_untimely_lines", 1),
            ("lost_known_bytes", late.len() as u64)
        ]
    );
}

#[test]
fn a_file_rotated_away_while_nobody_looked() {
    let mut bench = bench();
    let checkpoint = bench.source.checkpoint().unwrap();
    let log = bench.folder.path().join("access.log");
    bench.append("access.log", &good());
    fs::remove_file(&log).unwrap();
    bench.append("access.log", b"another log\n");
    bench.source = RequestsSource::with_random(&bench.config, fastrand::Rng::with_seed(1));
    bench.source.restore(&checkpoint);
    collect_often(&mut bench);
    assert_eq!(lost(&bench), [("lost_rotated_files", 1)]);
}

#[test]
fn a_file_truncated_before_it_was_read_to_its_end() {
    let mut bench = bench();
    bench.append("access.log", b"half");
    bench.collect();
    fs::write(bench.folder.path().join("access.log"), "").unwrap();
    bench.append("access.log", &good());
    collect_often(&mut bench);
    assert_eq!(
        lost(&bench),
        [("lost_truncated_files", 1), ("lost_known_bytes", 4)]
    );
}

#[test]
fn a_packed_file_that_is_damaged() {
    let mut bench = bench();
    fs::write(bench.folder.path().join("access.log.1.gz"), "no gzip").unwrap();
    collect_often(&mut bench);
    assert_eq!(lost(&bench), [("lost_unreadable_files", 1)]);
}
