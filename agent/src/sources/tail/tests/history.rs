//! Random histories of writes, rotations and crashes.

use std::collections::BTreeMap;
use std::fs::{self, File};

use super::*;

/// Everything written in whole lines is delivered once, whatever happens between.
#[test]
fn random_writes_rotations_and_crashes_deliver_every_line_once() {
    let seed = std::env::var("CRMSCOPE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("CRMSCOPE_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..40 {
        one_history(&mut random, seed);
    }
}

fn one_history(random: &mut fastrand::Rng, seed: u64) {
    let mut bench = Bench::new(true);
    let mut written = 0;
    let mut durable: Vec<String> = Vec::new();
    let mut held: Vec<String> = Vec::new();
    let mut open_end = String::new();
    // Long enough to be told apart, as an access log is after its third line.
    bench.append("a.log", &numbered(0, 10));
    written += 10;
    held.append(&mut bench.poll());
    let mut checkpoint = bench.tailer.checkpoint();
    durable.append(&mut held);
    let mut rotated = false;
    for _ in 0..120 {
        match random.u32(0..100) {
            0..40 => {
                let count = random.usize(0..30);
                let text = open_end.split_off(0) + &numbered(written, written + count);
                written += count;
                // Sometimes the last line comes in two writes.
                let cut = text.len() - random.usize(0..=text.len().min(20));
                bench.append("a.log", &text[..cut]);
                open_end = text[cut..].to_owned();
            }
            40..70 => {
                let mut sink = Lines {
                    room: random.usize(1..100),
                    ..Lines::default()
                };
                bench.poll_into(&mut sink);
                held.append(&mut sink.lines);
            }
            70..82 => {
                bench.poll_into(&mut Lines {
                    room: 0,
                    ..Lines::default()
                });
                durable.append(&mut held);
                checkpoint = bench.tailer.checkpoint();
                rotated = false;
            }
            82..90 => {
                held.clear();
                bench.restart(&checkpoint);
            }
            _ if rotated || !open_end.is_empty() => {}
            kind => {
                // The file must be known by enough bytes before the next rotation.
                bench.append("a.log", &numbered(written, written + 8));
                written += 8;
                held.append(&mut bench.poll());
                held.append(&mut bench.poll());
                durable.append(&mut held);
                checkpoint = bench.tailer.checkpoint();
                for number in (1..20).rev() {
                    let _ = fs::rename(
                        bench.path(&format!("a.log.{number}")),
                        bench.path(&format!("a.log.{}", number + 1)),
                    );
                }
                bench.append("a.log", &numbered(written, written + 3));
                written += 3;
                if kind < 95 {
                    fs::rename(bench.path("a.log"), bench.path("a.log.1")).unwrap();
                } else {
                    fs::copy(bench.path("a.log"), bench.path("a.log.1")).unwrap();
                    File::create(bench.path("a.log")).unwrap();
                }
                bench.append("a.log", &numbered(written, written + 8));
                written += 8;
                rotated = true;
            }
        }
    }
    bench.append("a.log", &open_end);
    durable.append(&mut held);
    for _ in 0..3 {
        durable.append(&mut bench.poll());
    }
    let mut counts = BTreeMap::new();
    for line in &durable {
        *counts.entry(line.clone()).or_insert(0) += 1;
    }
    for line in lines(&numbered(0, written)) {
        assert_eq!(
            counts.remove(&line),
            Some(1),
            "{line:?}, CRMSCOPE_SEED={seed}"
        );
    }
    assert!(
        counts.is_empty(),
        "invented {counts:?}, CRMSCOPE_SEED={seed}"
    );
}
