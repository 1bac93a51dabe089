//! A real network-like file system: a FUSE server of our own that answers badly at times. Nothing
//! counts twice for it, and nothing is lost without a reason.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::io::Errno;

use super::*;

/// Ends the tests when what is watched does not return: a reading that waits in the kernel for a
/// mount can neither be woken nor fail by itself.
struct Watch(std::sync::mpsc::Sender<()>);

impl Watch {
    fn start(what: &'static str, deadline: Instant) -> Self {
        let (done, watched) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            // The reading may notice the deadline by itself.
            let patience = Duration::from_secs(60);
            let left = deadline.saturating_duration_since(Instant::now()) + patience;
            if watched.recv_timeout(left) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                eprintln!("FAILED: {what}");
                std::process::exit(101);
            }
        });
        Self(done)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Also when the test fails by itself.
        let _ = self.0.send(());
    }
}

/// What servers of network file systems answer when they are in trouble.
const FAULTS: [Errno; 5] = [
    Errno::STALE,
    Errno::IO,
    Errno::TIMEDOUT,
    Errno::HOSTDOWN,
    Errno::NOTCONN,
];

/// Steps under each fault.
const STEPS: usize = 12;

/// The server; see the script.
struct Server {
    /// Where the files really are, and `mount`, where the server shows them.
    folder: TempDir,
    child: Child,
    control: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Server {
    /// `None`, and a word, where no file system can be mounted.
    fn start(seed: u64) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        for name in ["files", "mount"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sources/tail/tests/network.py");
        let spawned = Command::new("python3")
            .arg(script)
            .arg(folder.path().join("files"))
            .arg(folder.path().join("mount"))
            .arg(seed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                println!("SKIPPED: no python3 for the file system: {error}");
                return None;
            }
        };
        let (control, said) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut server = Self {
            folder,
            child,
            control,
            said: BufReader::new(said),
        };
        let word = server.listen();
        if word.trim() != "mounted" {
            println!("SKIPPED: no FUSE file system can be mounted here: {word}");
            return None;
        }
        Some(server)
    }

    fn listen(&mut self) -> String {
        let mut word = String::new();
        self.said.read_line(&mut word).unwrap();
        word
    }

    fn tell(&mut self, command: &str) {
        self.control
            .write_all(format!("{command}\n").as_bytes())
            .unwrap();
        assert_eq!(self.listen().trim(), "ok", "{command}");
    }

    fn real(&self, name: &str) -> PathBuf {
        self.folder.path().join("files").join(name)
    }

    fn shown(&self) -> PathBuf {
        self.folder.path().join("mount")
    }

    fn append(&self, text: &str) {
        let mut options = OpenOptions::new();
        let mut file = options
            .append(true)
            .create(true)
            .open(self.real("a.log"))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// By renaming, the older ones first.
    fn rotate(&self) {
        for number in (1..30).rev() {
            let older = self.real(&format!("a.log.{}", number + 1));
            let _ = fs::rename(self.real(&format!("a.log.{number}")), older);
        }
        fs::rename(self.real("a.log"), self.real("a.log.1")).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its end fails every request that waits; what is left of the mount is taken off.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = Command::new("umount").arg("-l").arg(self.shown()).status();
    }
}

fn seed() -> u64 {
    std::env::var("CRMSCOPE_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap())
}

/// A reader of the server's files, and what it read.
struct Reader {
    tailer: Tailer,
    now: Instant,
    sink: Lines,
    errors: u64,
}

impl Reader {
    fn new(server: &Server) -> Self {
        Self {
            tailer: Bench::tailer(&server.shown(), true),
            now: Instant::now(),
            sink: Lines::default(),
            errors: 0,
        }
    }

    fn poll(&mut self) {
        self.now += SCAN_INTERVAL;
        if self.tailer.poll(self.now, &mut self.sink).is_err() {
            self.errors += 1;
        }
    }

    fn restart(&mut self, server: &Server) {
        let checkpoint = self.tailer.checkpoint();
        self.tailer = Bench::tailer(&server.shown(), true);
        self.tailer.restore(&checkpoint).unwrap();
    }
}

#[test]
fn a_server_that_answers_badly_makes_no_line_count_twice() {
    let seed = seed();
    println!("CRMSCOPE_SEED={seed}");
    let Some(mut server) = Server::start(seed) else {
        return;
    };
    let mut random = fastrand::Rng::with_seed(seed);
    let mut reader = Reader::new(&server);
    let mut written = 0;
    let mut write = |server: &Server, random: &mut fastrand::Rng| {
        let mut text = String::new();
        for _ in 0..random.usize(1..40) {
            let _ = writeln!(text, "line {written}");
            written += 1;
        }
        server.append(&text);
        written
    };
    let mut all = write(&server, &mut random);
    reader.poll();
    for fault in FAULTS {
        let errors = reader.errors;
        for step in 0..STEPS {
            // At the first step nothing works at all.
            let percent = if step == 0 { 100 } else { random.u32(5..60) };
            server.tell(&format!("fault {} {percent}", fault.raw_os_error()));
            for _ in 0..random.usize(1..4) {
                reader.poll();
            }
            match random.u32(0..4) {
                0 => reader.restart(&server),
                1 => {
                    server.rotate();
                    all = write(&server, &mut random);
                }
                _ => all = write(&server, &mut random),
            }
            reader.poll();
            if random.bool() {
                server.tell("well");
                reader.poll();
            }
        }
        assert!(reader.errors > errors, "{fault}: no run failed");
        server.tell("well");
        // Generations have their turns; some more looks would show what counts twice.
        for _ in 0..100 {
            if reader.sink.lines.len() >= all {
                break;
            }
            reader.poll();
        }
        for _ in 0..10 {
            reader.poll();
        }
        let mut numbers: Vec<usize> = reader
            .sink
            .lines
            .iter()
            .map(|line| line.strip_prefix("line ").unwrap().parse().unwrap())
            .collect();
        numbers.sort_unstable();
        let expected: Vec<usize> = (0..all).collect();
        let missing: Vec<_> = expected
            .iter()
            .filter(|one| !numbers.contains(one))
            .collect();
        assert!(
            numbers == expected,
            "seed {seed}, {fault}: {} lines written, {} counted, missing {missing:?}, losses {:?}",
            all,
            numbers.len(),
            reader.sink.losses
        );
        assert_eq!(reader.sink.losses, [], "seed {seed}, {fault}");
    }
}

/// Logs shorter than what contents alone are trusted for, and a log that is not in the checkpoint's
/// place when it cannot be read: both were once taken for new files.
#[test]
fn a_short_log_whose_handle_went_stale_is_not_a_new_one() {
    let Some(mut server) = Server::start(1) else {
        return;
    };
    let mut reader = Reader::new(&server);
    server.append("short\n");
    reader.poll();
    for fault in FAULTS {
        server.tell(&format!("fault {} 100", fault.raw_os_error()));
        for _ in 0..5 {
            reader.poll();
        }
        reader.restart(&server);
        for _ in 0..5 {
            reader.poll();
        }
        server.tell("well");
        reader.poll();
    }
    server.append("more\n");
    reader.poll();
    reader.poll();
    assert_eq!(reader.sink.lines, ["short", "more"]);
    assert_eq!(reader.sink.losses, []);
}

/// A mount that hangs delays its own logs, and no other; nothing of it is lost for that.
#[test]
fn a_mount_that_hangs_holds_up_no_other_log() {
    let Some(mut server) = Server::start(1) else {
        return;
    };
    let own = server.folder.path().join("own.log");
    let patterns = vec![
        own.to_str().unwrap().to_owned(),
        server.shown().join("*.log").to_str().unwrap().to_owned(),
    ];
    let tailers = || {
        let limits = Limits {
            max_files: 8,
            run_max_bytes: 8 * 1024 * 1024,
            from_start: true,
        };
        Tailers::new(patterns.clone(), limits)
    };
    let append = |text: &str| {
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).open(&own).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    let mut now = Instant::now();
    let mut sink = Lines::default();
    let mut reader = tailers();
    let deadline = Instant::now() + Duration::from_secs(120);
    let _watch = Watch::start("a reading waits for the mount that hangs", deadline);
    let mut until = |reader: &mut Tailers, sink: &mut Lines, lines: usize| {
        while sink.lines.len() < lines {
            assert!(Instant::now() < deadline, "{:?}", sink.lines);
            now += SCAN_INTERVAL;
            let _ = reader.poll(now, sink);
        }
        now
    };
    append("own 0\n");
    server.append("far 0\n");
    until(&mut reader, &mut sink, 2);
    server.tell("hang");
    server.append("far 1\n");
    for number in 1..10 {
        append(&format!("own {number}\n"));
        let now = until(&mut reader, &mut sink, 2 + number);
        if number > 2 {
            let error = reader.poll(now, &mut sink).unwrap_err().to_string();
            assert!(
                error.contains("mount") && error.contains("5000 ms"),
                "{error}"
            );
        }
    }
    // Started again meanwhile, it hangs again, and holds up nothing again.
    let checkpoint = reader.checkpoint();
    reader = tailers();
    reader.restore(&checkpoint).unwrap();
    append("own 10\n");
    until(&mut reader, &mut sink, 12);
    let checkpoint = reader.checkpoint();
    reader = tailers();
    reader.restore(&checkpoint).unwrap();
    server.tell("well");
    server.append("far 2\n");
    until(&mut reader, &mut sink, 14);
    let mut lines = sink.lines;
    lines.sort();
    let mut expected: Vec<String> = (0..3).map(|number| format!("far {number}")).collect();
    expected.extend((0..11).map(|number| format!("own {number}")));
    expected.sort();
    assert_eq!(lines, expected);
    assert_eq!(sink.losses, []);
}
