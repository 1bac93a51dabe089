//! What the fuzzers of saved positions and of packed files call: a log, its rotated file, and any
//! bytes for what the agent stored of them.

use std::fs::File;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::identity::{self, Fingerprint, Identity};
use super::{LINE_MAX_BYTES, Limits, LineSink, Loss, Stretch, Tailer};
use crate::fuzzing::{folder, write};

/// Lines in each file, of the same length.
const LINES: usize = 40;

/// Most bytes of a run.
const RUN_MAX_BYTES: usize = 64 * 1024;

/// Takes what comes.
#[derive(Default)]
struct Lines {
    lines: Vec<Vec<u8>>,
    bytes: usize,
}

impl LineSink for Lines {
    fn ready(&self) -> bool {
        true
    }
    fn begin(&mut self, _stretch: &Stretch<'_>) {}
    fn line(&mut self, _offset: u64, line: &[u8]) {
        self.bytes += line.len() + 1;
        self.lines.push(line.to_vec());
    }
    fn lost(&mut self, _loss: &Loss<'_>) {}
}

fn line(file: usize, number: usize) -> String {
    format!("file {file} line {number:04} {}\n", "x".repeat(40))
}

fn text(file: usize) -> String {
    (0..LINES).map(|number| line(file, number)).collect()
}

/// The log and its rotated file, written once.
fn logs() -> &'static [PathBuf; 2] {
    static LOGS: OnceLock<[PathBuf; 2]> = OnceLock::new();
    LOGS.get_or_init(|| {
        let folder = folder("checkpoint");
        let paths = [folder.join("a.log"), folder.join("a.log.1")];
        for (number, path) in paths.iter().enumerate() {
            write(path, text(number).as_bytes());
        }
        paths
    })
}

fn tailer(pattern: &str) -> Tailer {
    let limits = Limits {
        max_files: 8,
        run_max_bytes: RUN_MAX_BYTES,
        from_start: false,
    };
    Tailer::new(vec![pattern.to_owned()], limits)
}

/// Looks twice, the second time with a scan.
fn poll(tailer: &mut Tailer, sink: &mut Lines) {
    let begin = Instant::now();
    for seconds in [0, 11] {
        // An error of a file is one of the answers.
        let _ = tailer.poll(begin + Duration::from_secs(seconds), sink);
    }
}

/// A checkpoint out of bytes: true and made-up figures side by side.
struct Figures<'a> {
    rest: &'a [u8],
    /// Files of which something is made up.
    made_up: usize,
}

impl Figures<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.rest.split_first().unwrap_or((&0, &[]));
        self.rest = rest;
        *first
    }

    /// Any number, small ones more often.
    fn number(&mut self) -> u64 {
        let length = usize::from(self.byte() % 9);
        (0..length).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    /// One of 32 bits.
    fn sum(&mut self) -> u32 {
        u32::try_from(self.number() & u64::from(u32::MAX)).unwrap_or(0)
    }

    /// A file, with what is true of it where the bytes say so.
    fn file(&mut self, pattern: &str) -> Value {
        let truths = self.byte();
        let is_true = |bit: u8| truths & (1 << bit) != 0;
        let path = &logs()[usize::from(is_true(0))];
        let file = File::open(path).expect("it was written");
        let metadata = file.metadata().expect("it is there");
        let identity = if is_true(1) {
            Identity::of(&metadata)
        } else {
            Identity {
                device: self.number(),
                inode: self.number(),
            }
        };
        let head = identity::head(&file).unwrap_or_default();
        let fingerprint = if is_true(2) {
            Fingerprint::of(&head)
        } else {
            Fingerprint {
                length: usize::try_from(self.number()).unwrap_or(0),
                crc32: self.sum(),
            }
        };
        let position = if is_true(3) {
            self.number() % (metadata.len() + 2)
        } else {
            self.number()
        };
        let anchor = if is_true(4) {
            identity::before(&file, position)
                .ok()
                .map(|bytes| identity::anchor(&bytes))
        } else {
            Some(self.sum())
        };
        // What rotation put aside keeps the path of its log; its own is none that the pattern leads to.
        let is_stray = is_true(0) && !is_true(7);
        let saved_path = &logs()[usize::from(is_stray)];
        let is_good = (1..=4).all(is_true) && !is_stray && position <= metadata.len();
        self.made_up += usize::from(!is_good);
        let start = is_true(5).then(|| crc32fast::hash(head.get(..64).unwrap_or_default()));
        json!({
            "path": saved_path, "pattern": pattern, "identity": identity, "fingerprint": fingerprint,
            "position": position, "skipping": is_true(6), "start": start, "anchor": anchor,
            "rotated": is_true(7),
        })
    }

    fn checkpoint(&mut self, pattern: &str) -> Value {
        let shape = self.byte();
        let files: Vec<Value> = (0..shape % 4).map(|_| self.file(pattern)).collect();
        let made_up = self.made_up;
        let known: Vec<Value> = (0..shape / 4 % 4)
            .map(|_| {
                let file = self.file(pattern);
                let position = Some(self.number()).filter(|number| number % 2 == 0);
                json!([
                    file["fingerprint"]["length"],
                    file["fingerprint"]["crc32"],
                    file["start"],
                    position,
                    file["anchor"],
                    self.byte(),
                    self.number().cast_signed()
                ])
            })
            .collect();
        // What is remembered of generations makes nothing be read again.
        self.made_up = made_up;
        let log = json!({
            "path": logs()[0], "pattern": pattern, "newest_ms": self.number().cast_signed(),
            "forgotten_ms": (shape & 64 != 0).then(|| self.number().cast_signed()),
            "known": known,
        });
        let logs = if shape & 128 == 0 { vec![] } else { vec![log] };
        json!({ "version": 2, "patterns": [pattern], "files": files, "logs": logs })
    }
}

/// Continues from a checkpoint: by the first byte, of any bytes or of made-up figures.
///
/// # Panics
/// When what was restored is not what is saved again, when a line comes that the files do not end
/// with, or, of a checkpoint that is true, more than they hold, or again after the next restart.
pub fn restore(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let pattern = logs()[0].to_str().expect("a plain path").to_owned();
    let mut made_up = 0;
    let checkpoint = match choice % 2 {
        0 => data.to_vec(),
        _ => {
            let mut figures = Figures {
                rest: data,
                made_up: 0,
            };
            let checkpoint = figures.checkpoint(&pattern);
            made_up = figures.made_up;
            checkpoint.to_string().into_bytes()
        }
    };
    let mut first = tailer(&pattern);
    if first.restore(&checkpoint).is_err() {
        return;
    }
    let saved = first.checkpoint();
    let mut second = tailer(&pattern);
    second.restore(&saved).expect("it is of our own making");
    assert_eq!(second.checkpoint(), saved, "saved again");
    // Paths out of any bytes may lead anywhere.
    if choice % 2 == 0 {
        return;
    }
    let mut sink = Lines::default();
    poll(&mut second, &mut sink);
    let held: Vec<String> = (0..2)
        .flat_map(|file| (0..LINES).map(move |number| line(file, number)))
        .collect();
    // A file that is made up may fit what is there, and then that is taken for what became of it: each
    // makes one file be read once more at most. Of true ones every line comes once.
    let times = 1 + made_up;
    assert!(sink.lines.len() <= times * held.len(), "lines came twice");
    for line in &sink.lines {
        let is_end = |held: &String| held.trim_end().as_bytes().ends_with(line);
        assert!(held.iter().any(is_end), "{}", line.escape_ascii());
    }
    let mut third = tailer(&pattern);
    third
        .restore(&second.checkpoint())
        .expect("it is of our own making");
    let mut again = Lines::default();
    poll(&mut third, &mut again);
    assert!(
        again.lines.is_empty() || made_up > 0,
        "lines came again after a restart"
    );
}

/// Reads a packed generation of a log: by the first byte, of gzip or of zstd.
///
/// # Panics
/// When a run reads more than its bound.
pub fn unpack(data: &[u8]) {
    lines_of(data);
}

/// How many lines came of it, and of the log that took its place.
fn lines_of(data: &[u8]) -> usize {
    let Some((&choice, data)) = data.split_first() else {
        return 0;
    };
    let folder = folder("packed_log");
    let names = ["a.log.1.gz", "a.log.1.zst"];
    for name in names {
        let _ = std::fs::remove_file(folder.join(name));
    }
    let log = folder.join("a.log");
    write(&log, text(0).as_bytes());
    let pattern = log.to_str().expect("a plain path");
    let mut tailer = tailer(pattern);
    let begin = Instant::now();
    let _ = tailer.poll(begin, &mut Lines::default());
    // Rotated and packed between two looks.
    let _ = std::fs::remove_file(&log);
    write(&folder.join(names[usize::from(choice) % 2]), data);
    write(&log, text(1).as_bytes());
    let mut lines = 0;
    for run in 0..4 {
        let mut sink = Lines::default();
        let _ = tailer.poll(begin + Duration::from_secs(11 * (run + 1)), &mut sink);
        assert!(
            sink.bytes <= RUN_MAX_BYTES + LINE_MAX_BYTES,
            "{}",
            sink.bytes
        );
        lines += sink.lines.len();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_generation_is_read() {
        let mut packed = vec![1];
        packed.extend(zstd::encode_all(text(2).as_bytes(), 1).unwrap());
        assert_eq!(lines_of(&packed), 2 * LINES);
        std::fs::remove_dir_all(folder("packed_log")).unwrap();
    }
}
