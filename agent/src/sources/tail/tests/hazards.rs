//! One test for each thing that is known to go wrong with followed logs.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use super::*;

impl Bench {
    fn sorted(&mut self) -> Vec<String> {
        let mut seen = self.poll();
        seen.append(&mut self.poll());
        seen.sort();
        seen
    }

    fn losses(&mut self) -> Vec<Lost> {
        let mut sink = Lines::default();
        for _ in 0..3 {
            self.poll_into(&mut sink);
        }
        sink.losses
    }

    fn gzip(&self, name: &str) -> Vec<u8> {
        let level = flate2::Compression::default();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
        encoder
            .write_all(&fs::read(self.path(name)).unwrap())
            .unwrap();
        encoder.finish().unwrap()
    }

    fn stop(&mut self) -> Vec<u8> {
        self.tailer.checkpoint()
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines = lines(text);
    lines.sort();
    lines
}

#[test]
fn many_rotations_while_stopped_packed_or_not() {
    let mut bench = Bench::new(true);
    bench.append("a.log", &numbered(0, 20));
    assert_eq!(bench.poll().len(), 20);
    let checkpoint = bench.stop();
    bench.append("a.log", &numbered(20, 30));
    bench.rename("a.log", "a.log.3");
    fs::write(bench.path("a.log.3.gz"), bench.gzip("a.log.3")).unwrap();
    fs::remove_file(bench.path("a.log.3")).unwrap();
    bench.append("a.log.2", &numbered(30, 50));
    let packed = zstd::encode_all(&fs::read(bench.path("a.log.2")).unwrap()[..], 3).unwrap();
    fs::write(bench.path("a.log.2.zst"), packed).unwrap();
    fs::remove_file(bench.path("a.log.2")).unwrap();
    bench.append("a.log.1", &numbered(50, 60));
    bench.append("a.log", &numbered(60, 70));
    bench.restart(&checkpoint);
    assert_eq!(bench.sorted(), sorted(&numbered(20, 70)));
    let checkpoint = bench.stop();
    bench.restart(&checkpoint);
    assert_eq!(bench.sorted(), [""; 0]);
}

#[test]
fn generations_there_at_the_first_look_are_not_read() {
    for from_start in [false, true] {
        let mut bench = Bench::new(from_start);
        bench.append("a.log.2", &numbered(0, 20));
        fs::write(bench.path("a.log.2.gz"), bench.gzip("a.log.2")).unwrap();
        fs::remove_file(bench.path("a.log.2")).unwrap();
        bench.append("a.log.1", &numbered(20, 40));
        bench.append("a.log", "live\n");
        let seen = bench.sorted();
        assert_eq!(seen.len(), usize::from(from_start), "{seen:?}");
        bench.rename("a.log.2.gz", "a.log.3.gz");
        bench.rename("a.log.1", "a.log.2");
        bench.rename("a.log", "a.log.1");
        bench.append("a.log", "new\n");
        let checkpoint = bench.stop();
        bench.restart(&checkpoint);
        assert_eq!(bench.sorted(), ["new"]);
    }
}

#[test]
fn a_file_rewritten_to_more_than_was_read_between_two_looks() {
    let mut bench = Bench::new(true);
    let banner = "x".repeat(2000) + "\n";
    bench.append("a.log", &(banner.clone() + &numbered(0, 5)));
    assert_eq!(bench.poll().len(), 6);
    // The same inode and the same first bytes.
    fs::write(bench.path("a.log"), banner + &numbered(5, 40)).unwrap();
    assert_eq!(bench.poll().len(), 36);
}

#[test]
fn a_file_deleted_and_made_anew_running_or_stopped() {
    for stopped in [false, true] {
        let mut bench = Bench::new(true);
        bench.append("a.log", &numbered(0, 10));
        assert_eq!(bench.poll().len(), 10);
        let checkpoint = bench.stop();
        bench.append("a.log", &numbered(10, 12));
        fs::remove_file(bench.path("a.log")).unwrap();
        bench.append("a.log", &numbered(12, 40));
        let mut sink = Lines::default();
        if stopped {
            // What was written last is gone, which is said; the inode may be used again.
            bench.restart(&checkpoint);
        }
        for _ in 0..3 {
            bench.poll_into(&mut sink);
        }
        sink.lines.sort();
        let first = if stopped { 12 } else { 10 };
        assert_eq!(sink.lines, sorted(&numbered(first, 40)));
        let expected = if stopped {
            vec![Lost::RotatedAway]
        } else {
            vec![]
        };
        assert_eq!(sink.losses, expected);
    }
}

#[test]
fn a_truncation_without_a_copy_loses_what_was_seen_and_says_how_much() {
    let mut bench = Bench::new(true);
    bench.append("a.log", &numbered(0, 20));
    let mut sink = Lines {
        room: 5,
        ..Lines::default()
    };
    bench.poll_into(&mut sink);
    bench.poll_into(&mut sink);
    File::create(bench.path("a.log")).unwrap();
    bench.append("a.log", "new\n");
    sink.room = usize::MAX;
    bench.poll_into(&mut sink);
    bench.poll_into(&mut sink);
    assert_eq!(sink.lines.len(), 6);
    assert_eq!(sink.losses, [Lost::Truncated]);
}

#[test]
fn an_open_end_of_a_finished_file_is_lost_and_its_rest_is_passed_over() {
    let mut bench = Bench::new(true);
    bench.append("a.log", &(numbered(0, 3) + "half"));
    assert_eq!(bench.poll().len(), 3);
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", "new\n");
    assert_eq!(bench.poll(), ["new"]);
    bench.now += ROTATED_QUIET;
    assert_eq!(bench.losses(), [Lost::Unfinished]);
    bench.append("a.log.1", " and half\nlate\n");
    assert_eq!(bench.sorted(), ["late"]);
}

#[test]
fn packing_that_goes_on_at_a_restart_counts_nothing_twice() {
    let mut bench = Bench::new(true);
    bench.append("a.log", &numbered(0, 200));
    assert_eq!(bench.poll().len(), 200);
    let checkpoint = bench.stop();
    bench.append("a.log", &numbered(200, 210));
    bench.rename("a.log", "a.log.1");
    let packed = bench.gzip("a.log.1");
    fs::write(bench.path("a.log.1.gz"), &packed[..packed.len() / 2]).unwrap();
    bench.append("a.log", "new\n");
    bench.restart(&checkpoint);
    assert_eq!(bench.sorted().len(), 11);
    fs::write(bench.path("a.log.1.gz"), &packed).unwrap();
    fs::remove_file(bench.path("a.log.1")).unwrap();
    assert_eq!(bench.sorted(), [""; 0]);
    let checkpoint = bench.stop();
    bench.restart(&checkpoint);
    assert_eq!(bench.sorted(), [""; 0]);
}

#[test]
fn a_damaged_packed_file_is_read_as_far_as_it_goes_and_the_rest_is_said_to_be_lost() {
    let mut bench = Bench::new(true);
    bench.append("a.log", "live\n");
    assert_eq!(bench.poll(), ["live"]);
    let mut text = String::new();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..5000 {
        text += &format!("{:x}\n", random.u128(..));
    }
    bench.append("other", &text);
    let packed = bench.gzip("other");
    fs::write(bench.path("a.log.1.gz"), &packed[..packed.len() / 2]).unwrap();
    fs::write(bench.path("a.log.2.gz"), b"no gzip file at all").unwrap();
    let mut sink = Lines::default();
    for _ in 0..4 {
        bench.now += ROTATED_QUIET;
        let _ = bench.tailer.poll(bench.now, &mut sink);
    }
    assert!(
        (1000..5000).contains(&sink.lines.len()),
        "{}",
        sink.lines.len()
    );
    assert_eq!(sink.losses, [Lost::Unreadable; 2]);
}

#[test]
fn a_bomb_costs_a_run_no_more_than_any_file() {
    let mut bench = Bench::new(true);
    bench.append("a.log", "live\n");
    assert_eq!(bench.poll(), ["live"]);
    let zeros = vec![0; 64 * 1024 * 1024];
    fs::write(
        bench.path("a.log.1.zst"),
        zstd::encode_all(&zeros[..], 1).unwrap(),
    )
    .unwrap();
    let mut sink = Lines::default();
    bench.poll_into(&mut sink);
    let read = bench.tailer.files[0].mark.position;
    assert!(read <= 10 * 1024 * 1024, "{read}");
    for _ in 0..12 {
        bench.poll_into(&mut sink);
    }
    assert_eq!(sink.losses, [Lost::LineTooLong]);
    assert_eq!(bench.tailer.files.len(), 1);
}

#[test]
fn hard_links_and_two_patterns_count_once_also_after_rotation() {
    let mut bench = Bench::new(true);
    let direct = bench.path("a.log").to_str().unwrap().to_owned();
    bench.tailer.patterns.push(direct);
    bench.append("a.log", &numbered(0, 10));
    fs::hard_link(bench.path("a.log"), bench.path("b.log")).unwrap();
    assert_eq!(bench.sorted(), sorted(&numbered(0, 10)));
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", "new\n");
    assert_eq!(bench.sorted(), ["new"]);
    bench.now += ROTATED_QUIET;
    assert_eq!(bench.sorted(), [""; 0]);
    assert_eq!(bench.sorted(), [""; 0]);
}

#[test]
fn a_symlink_that_is_switched_and_switched_back() {
    let mut bench = Bench::new(true);
    bench.append("one", &numbered(0, 10));
    bench.append("two", &numbered(10, 20));
    let switch = |bench: &Bench, to: &str| {
        let _ = fs::remove_file(bench.path("a.log"));
        symlink(bench.path(to), bench.path("a.log")).unwrap();
    };
    switch(&bench, "one");
    assert_eq!(bench.sorted(), sorted(&numbered(0, 10)));
    switch(&bench, "two");
    bench.append("one", "late\n");
    assert_eq!(bench.sorted().len(), 11);
    switch(&bench, "one");
    assert_eq!(bench.sorted(), [""; 0]);
    bench.now += ROTATED_QUIET;
    bench.poll();
    switch(&bench, "two");
    assert_eq!(bench.sorted(), [""; 0]);
    bench.append("two", "more\n");
    assert_eq!(bench.sorted(), ["more"]);
}

#[test]
fn a_folder_removed_and_made_anew() {
    let mut bench = Bench::new(true);
    let folder = bench.path("logs");
    let pattern = folder.join("*.log").to_str().unwrap().to_owned();
    bench.tailer.patterns = vec![pattern];
    assert_eq!(bench.sorted(), [""; 0]);
    for text in ["one\n", "two\n"] {
        fs::create_dir(&folder).unwrap();
        bench.append("logs/a.log", text);
        assert_eq!(bench.sorted(), [text.trim_end()]);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(bench.sorted(), [""; 0]);
    }
}

/// As on a network file system that was mounted anew, or after a restore: device and inode are
/// others, the contents decide.
#[test]
fn another_inode_with_the_same_contents_is_the_same_file() {
    for stopped in [false, true] {
        let mut bench = Bench::new(true);
        bench.append("a.log", &numbered(0, 30));
        assert_eq!(bench.poll().len(), 30);
        let checkpoint = bench.stop();
        fs::copy(bench.path("a.log"), bench.path("tmp")).unwrap();
        bench.rename("tmp", "a.log");
        bench.append("a.log", &numbered(30, 33));
        if stopped {
            bench.restart(&checkpoint);
        }
        assert_eq!(bench.sorted(), sorted(&numbered(30, 33)), "{stopped}");
    }
}

#[test]
fn lines_of_a_mebibyte_are_handed_over_and_the_buffer_shrinks_again() {
    let mut bench = Bench::new(true);
    let long = "y".repeat(LINE_MAX_BYTES);
    bench.append("a.log", &format!("short\n{long}\nshort\n"));
    let seen = bench.poll();
    assert_eq!(
        seen.iter().map(String::len).collect::<Vec<_>>(),
        [5, LINE_MAX_BYTES, 5]
    );
    assert!(bench.tailer.buffer.capacity() <= 2 * BUFFER_BYTES);
}

#[test]
fn a_checkpoint_of_the_first_version_is_understood() {
    let mut bench = Bench::new(true);
    bench.append("a.log", &numbered(0, 10));
    assert_eq!(bench.poll().len(), 10);
    let text = String::from_utf8(bench.stop()).unwrap();
    let mut old: serde_json::Value = serde_json::from_str(&text).unwrap();
    old["version"] = 1.into();
    old.as_object_mut().unwrap().remove("logs");
    for key in ["start", "anchor", "rotated"] {
        old["files"][0].as_object_mut().unwrap().remove(key);
    }
    bench.append("a.log", "new\n");
    bench.restart(old.to_string().as_bytes());
    assert_eq!(bench.sorted(), ["new"]);
}

/// The order must not matter: found by the fuzzer of checkpoints.
#[test]
fn a_file_that_stands_twice_in_a_checkpoint_is_read_once() {
    for first in [0, 1] {
        let mut bench = Bench::new(true);
        bench.append("a.log", &numbered(0, 10));
        assert_eq!(bench.poll().len(), 10);
        let early = bench.stop();
        bench.append("a.log", &numbered(10, 20));
        bench.restart(&early);
        assert_eq!(bench.poll().len(), 10);
        let late = bench.stop();
        let [early, late] =
            [early, late].map(|saved| serde_json::from_slice::<serde_json::Value>(&saved).unwrap());
        let mut both = late.clone();
        let files = [early["files"][0].clone(), late["files"][0].clone()];
        both["files"] = [files[first].clone(), files[1 - first].clone()].into();
        bench.append("a.log", "new\n");
        bench.restart(both.to_string().as_bytes());
        assert_eq!(bench.sorted(), ["new"], "first {first}");
    }
}

/// Found by the fuzzer of checkpoints.
#[test]
fn a_generation_that_is_renamed_back_goes_on_where_it_was_read() {
    for is_restarted in [false, true] {
        let mut bench = Bench::new(true);
        bench.append("a.log", &numbered(0, 10));
        assert_eq!(bench.poll().len(), 10);
        bench.rename("a.log", "a.log.1");
        bench.append("a.log", &numbered(10, 20));
        assert_eq!(bench.poll().len(), 10);
        let saved = bench.stop();
        bench.rename("a.log.1", "a.log");
        bench.append("a.log", "back\n");
        if is_restarted {
            bench.restart(&saved);
        }
        assert_eq!(bench.sorted(), ["back"], "restarted: {is_restarted}");
    }
}

#[test]
fn what_a_checkpoint_remembers_is_bounded_and_old_generations_stay_unread() {
    let mut bench = Bench::new(true);
    let start = std::time::SystemTime::now() - Duration::from_secs(1_000_000);
    for number in 1..100u64 {
        let name = format!("a.log.{number}");
        bench.append(
            &name,
            &numbered(number as usize * 10, number as usize * 10 + 10),
        );
        let file = File::options().write(true).open(bench.path(&name)).unwrap();
        file.set_modified(start - Duration::from_secs(number * 60))
            .unwrap();
    }
    bench.append("a.log", "live\n");
    assert_eq!(bench.sorted(), ["live"]);
    let checkpoint = bench.stop();
    assert!(checkpoint.len() < 5000, "{}", checkpoint.len());
    bench.restart(&checkpoint);
    assert_eq!(bench.sorted(), [""; 0]);
}
