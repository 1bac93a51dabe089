//! Rotation, truncation, bounds and restarts.

mod bounds;
mod hazards;
mod logrotate;
mod network;
mod torture;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;

/// Keeps lines; takes as many as it is told to.
struct Lines {
    lines: Vec<String>,
    dropped: u64,
    losses: Vec<Lost>,
    room: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            lines: Vec::new(),
            dropped: 0,
            losses: Vec::new(),
            room: usize::MAX,
        }
    }
}

impl LineSink for Lines {
    fn ready(&self) -> bool {
        self.lines.len() < self.room
    }
    fn begin(&mut self, _stretch: &Stretch<'_>) {}
    fn line(&mut self, _offset: u64, line: &[u8]) {
        self.lines.push(String::from_utf8_lossy(line).into_owned());
    }
    fn lost(&mut self, loss: &Loss<'_>) {
        self.losses.push(loss.reason);
        self.dropped += 1;
    }
}

/// A tailer on a folder, with a clock that is moved by hand.
struct Bench {
    folder: TempDir,
    now: Instant,
    from_start: bool,
    tailer: Tailer,
}

impl Bench {
    fn new(from_start: bool) -> Self {
        let folder = TempDir::new().unwrap();
        Self {
            tailer: Self::tailer(folder.path(), from_start),
            folder,
            now: Instant::now(),
            from_start,
        }
    }

    fn tailer(folder: &Path, from_start: bool) -> Tailer {
        let limits = Limits {
            max_files: 8,
            run_max_bytes: 8 * 1024 * 1024,
            from_start,
        };
        let pattern = folder.join("*.log").to_str().unwrap().to_owned();
        Tailer::new(vec![pattern], limits)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path(name))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn poll(&mut self) -> Vec<String> {
        let mut sink = Lines::default();
        self.poll_into(&mut sink);
        sink.lines
    }

    fn poll_into(&mut self, sink: &mut Lines) {
        self.now += SCAN_INTERVAL;
        self.tailer.poll(self.now, sink).unwrap();
    }

    fn restart(&mut self, checkpoint: &[u8]) {
        self.tailer = Self::tailer(self.folder.path(), self.from_start);
        self.tailer.restore(checkpoint).unwrap();
    }
}

fn numbered(from: usize, to: usize) -> String {
    (from..to)
        .map(|number| format!("line {number} of a log that is long enough\n"))
        .collect()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_half_written_line_waits_for_its_newline() {
    let mut bench = Bench::new(true);
    bench.append("a.log", "one\ntw");
    assert_eq!(bench.poll(), ["one"]);
    assert_eq!(bench.poll(), [""; 0]);
    bench.append("a.log", "o\n");
    assert_eq!(bench.poll(), ["two"]);
}

#[test]
fn reading_starts_at_the_end_at_first_and_at_the_start_of_later_files() {
    let mut bench = Bench::new(false);
    bench.append("a.log", "old\nhalf");
    assert_eq!(bench.poll(), [""; 0]);
    bench.append("a.log", " and half\nnew\n");
    bench.append("b.log", "all of it\n");
    assert_eq!(bench.poll(), ["all of it", "half and half", "new"]);
}

#[test]
fn a_line_that_is_too_long_is_dropped_whole_wherever_it_is_cut() {
    for length in [
        BUFFER_BYTES,
        LINE_MAX_BYTES,
        LINE_MAX_BYTES + 1,
        LINE_MAX_BYTES + 2 * BUFFER_BYTES,
        3 * LINE_MAX_BYTES + 7,
    ] {
        let mut bench = Bench::new(true);
        let mut sink = Lines::default();
        bench.append("a.log", "before\n");
        for part in "x".repeat(length).as_bytes().chunks(50_000) {
            bench.append("a.log", std::str::from_utf8(part).unwrap());
            bench.poll_into(&mut sink);
        }
        let checkpoint = bench.tailer.checkpoint();
        bench.restart(&checkpoint);
        bench.append("a.log", "\nafter\n");
        bench.poll_into(&mut sink);
        let dropped = u64::from(length > LINE_MAX_BYTES);
        assert_eq!(sink.dropped, dropped, "{length}");
        let kept: Vec<_> = sink.lines.iter().filter(|line| line.len() < 100).collect();
        assert_eq!(kept, ["before", "after"], "{length}");
    }
}

#[test]
fn rename_and_create_with_a_writer_that_lingers() {
    let mut bench = Bench::new(true);
    bench.append("a.log", &numbered(0, 10));
    assert_eq!(bench.poll().len(), 10);
    let mut writer = OpenOptions::new()
        .append(true)
        .open(bench.path("a.log"))
        .unwrap();
    fs::rename(bench.path("a.log"), bench.path("a.log.1")).unwrap();
    writer.write_all(b"between\n").unwrap();
    assert_eq!(bench.poll(), ["between"]);
    bench.append("a.log", "new\n");
    writer.write_all(b"late\n").unwrap();
    let mut seen = bench.poll();
    seen.sort();
    assert_eq!(seen, ["late", "new"]);
    writer.write_all(b"very late\n").unwrap();
    assert_eq!(bench.poll(), ["very late"]);
    assert_eq!(bench.tailer.files.len(), 2);
    writer.write_all(b"never ended").unwrap();
    bench.now += ROTATED_QUIET;
    let mut sink = Lines::default();
    bench.poll_into(&mut sink);
    assert_eq!((bench.tailer.files.len(), sink.dropped), (1, 1));
}

#[test]
fn rename_and_create_while_stopped() {
    let mut bench = Bench::new(false);
    bench.append("a.log", &numbered(0, 10));
    assert_eq!(bench.poll().len(), 0);
    bench.append("a.log", &numbered(10, 12));
    assert_eq!(bench.poll().len(), 2);
    let checkpoint = bench.tailer.checkpoint();
    bench.append("a.log", &numbered(12, 15));
    fs::rename(bench.path("a.log"), bench.path("a.log.1")).unwrap();
    fs::rename(bench.path("a.log.1"), bench.path("a.log.2")).unwrap();
    bench.append("a.log", &numbered(15, 17));
    bench.restart(&checkpoint);
    let mut seen = bench.poll();
    seen.sort();
    assert_eq!(seen, lines(&numbered(12, 17)));
    assert_eq!(bench.poll().len(), 0);
}

#[test]
fn copytruncate_with_lines_only_the_copy_has() {
    for stopped in [false, true] {
        for regrown in [false, true] {
            let mut bench = Bench::new(true);
            bench.append("a.log", &numbered(0, 10));
            assert_eq!(bench.poll().len(), 10);
            let checkpoint = bench.tailer.checkpoint();
            bench.append("a.log", &numbered(10, 13));
            fs::copy(bench.path("a.log"), bench.path("a.log.1")).unwrap();
            File::options()
                .write(true)
                .open(bench.path("a.log"))
                .unwrap()
                .set_len(0)
                .unwrap();
            let end = if regrown { 60 } else { 14 };
            bench.append("a.log", &numbered(13, end));
            if stopped {
                bench.restart(&checkpoint);
            }
            let mut seen = bench.poll();
            let mut expected = lines(&numbered(10, end));
            seen.sort();
            expected.sort();
            assert_eq!(seen, expected, "stopped {stopped}, regrown {regrown}");
        }
    }
}

#[test]
fn a_sink_that_takes_no_more_loses_nothing() {
    let mut bench = Bench::new(true);
    bench.append("a.log", &numbered(0, 100));
    bench.append("b.log", &numbered(100, 200));
    let mut seen = Vec::new();
    for _ in 0..30 {
        let mut sink = Lines {
            room: 7,
            ..Lines::default()
        };
        bench.poll_into(&mut sink);
        assert!(sink.lines.len() <= 7);
        seen.append(&mut sink.lines);
    }
    seen.sort();
    let mut expected = lines(&numbered(0, 200));
    expected.sort();
    assert_eq!(seen, expected);
}

#[test]
fn an_unreadable_log_is_an_error_that_stops_no_other_and_heals() {
    let mut bench = Bench::new(true);
    bench.append("good.log", "good\n");
    std::os::unix::fs::symlink(bench.path("loop.log"), bench.path("loop.log")).unwrap();
    let mut sink = Lines::default();
    let error = bench.tailer.poll(bench.now, &mut sink).unwrap_err();
    assert!(error.to_string().contains("loop.log"), "{error}");
    assert_eq!(sink.lines, ["good"]);
    fs::remove_file(bench.path("loop.log")).unwrap();
    bench.append("loop.log", "healed\n");
    assert_eq!(bench.poll(), ["healed"]);
    let denied = identity::unreadable(
        Path::new("/var/log/nginx/access.log"),
        std::io::ErrorKind::PermissionDenied.into(),
    );
    let text = denied.to_string();
    assert!(text.contains("/var/log/nginx/access.log") && text.contains("adm"));
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    let mut bench = Bench::new(true);
    for text in ["", "{}", r#"{"version":3,"patterns":[],"files":[]}"#] {
        assert!(bench.tailer.restore(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn a_deleted_file_is_let_go_once_quiet() {
    let mut bench = Bench::new(true);
    bench.append("a.log", "one\n");
    assert_eq!(bench.poll(), ["one"]);
    fs::remove_file(bench.path("a.log")).unwrap();
    bench.poll();
    bench.now += ROTATED_QUIET + Duration::from_secs(1);
    bench.poll();
    assert!(bench.tailer.files.is_empty());
}
