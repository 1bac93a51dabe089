//! What the fuzzers of host sources call: files of the kernel with any contents, read twice, and
//! what programs and the kernel answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crmscope_proto::Lane;
use crmscope_proto::limits::STRING_MAX_BYTES;
use crmscope_proto::payload::{Contents, open, seal};
use crmscope_proto::v1::Batch;

use super::containers::ContainersSource;
use super::host::HostSource;
use super::processes::{ProcessesSource, Watch};
use super::sensors::SensorsSource;
use super::transport::TransportSource;
use super::{
    Moment, Rows, Source, SourceStatistics, clock, containers, filesystem, host, probes, processes,
    sensors, transport, units,
};
use crate::fuzzing::{folder, write};

/// 23 Nov 2026, 02:30 UTC.
const NOW_MS: i64 = 1_795_401_000_000;

/// Between the contents at the first reading and those at the second.
const SECOND: u8 = 0xff;

/// Who reads a file.
#[derive(Clone, Copy)]
enum Reader {
    Host,
    Transport,
    Processes,
    Containers,
    Sensors,
}

const CONTAINER: &str =
    "sys/fs/cgroup/docker-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope";

/// Files that are made up, each with its reader. The first byte of the data chooses one; add new
/// ones at the end, so that seeds keep their meaning.
const FILES: [(Reader, &str); 34] = [
    (Reader::Host, "proc/stat"),
    (Reader::Host, "proc/meminfo"),
    (Reader::Host, "proc/vmstat"),
    (Reader::Host, "proc/loadavg"),
    (Reader::Host, "proc/uptime"),
    (Reader::Host, "proc/sys/fs/file-nr"),
    (Reader::Host, "proc/pressure/cpu"),
    (Reader::Host, "proc/pressure/memory"),
    (Reader::Host, "proc/pressure/io"),
    (Reader::Host, "proc/self/cgroup"),
    (Reader::Host, "proc/diskstats"),
    (Reader::Host, "proc/net/dev"),
    (Reader::Host, "sys/fs/cgroup/memory.max"),
    (Reader::Host, "sys/fs/cgroup/memory.current"),
    (Reader::Host, "sys/fs/cgroup/cpu.max"),
    (Reader::Host, "sys/fs/cgroup/cpu.stat"),
    (Reader::Transport, "proc/net/snmp"),
    (Reader::Transport, "proc/net/netstat"),
    (Reader::Transport, "proc/net/snmp6"),
    (Reader::Transport, "proc/net/sockstat"),
    (Reader::Transport, "proc/net/sockstat6"),
    (Reader::Processes, "proc/1/stat"),
    (Reader::Processes, "proc/1/io"),
    (Reader::Processes, "proc/1/cmdline"),
    (Reader::Containers, "memory.current"),
    (Reader::Containers, "memory.max"),
    (Reader::Containers, "memory.stat"),
    (Reader::Containers, "memory.events"),
    (Reader::Containers, "cpu.max"),
    (Reader::Containers, "cpu.stat"),
    (Reader::Containers, "io.stat"),
    (Reader::Containers, "pids.current"),
    (Reader::Sensors, "sys/class/hwmon/hwmon0/temp1_input"),
    (Reader::Sensors, "sys/class/hwmon/hwmon0/temp1_label"),
];

fn path_of(root: &Path, (reader, name): (Reader, &str)) -> PathBuf {
    match reader {
        Reader::Containers => root.join(CONTAINER).join(name),
        _ => root.join(name),
    }
}

/// The tree, filled once with what this machine has, and what each file holds.
fn tree() -> &'static (PathBuf, Vec<Vec<u8>>) {
    static TREE: OnceLock<(PathBuf, Vec<Vec<u8>>)> = OnceLock::new();
    TREE.get_or_init(|| {
        let root = folder("host_files");
        let fill = |file: (Reader, &'static str)| {
            let path = path_of(&root, file);
            let parent = path.parent().unwrap_or(&root);
            fs::create_dir_all(parent).expect("a folder can be made");
            let real = fs::read(Path::new("/").join(file.1)).unwrap_or_else(|_| b"7\n".to_vec());
            write(&path, &real);
            real
        };
        let contents = FILES.map(fill).to_vec();
        for (name, text) in [
            ("sys/fs/cgroup/cgroup.controllers", "cpu memory\n"),
            ("sys/class/hwmon/hwmon0/name", "chip\n"),
        ] {
            write(&root.join(name), text.as_bytes());
        }
        (root, contents)
    })
}

fn source(reader: Reader, root: &Path) -> Box<dyn Source> {
    let below = |name: &str| root.join(name).to_string_lossy().into_owned();
    let (proc_path, sys_path) = (below("proc"), below("sys"));
    match reader {
        Reader::Host => Box::new(HostSource::new(&host::Config {
            proc_path,
            sys_path,
            ..host::Config::default()
        })),
        Reader::Transport => Box::new(TransportSource::new(&transport::Config {
            proc_path,
            states: false,
            ..transport::Config::default()
        })),
        Reader::Processes => Box::new(ProcessesSource::new(&processes::Config {
            proc_path,
            watch: vec![Watch {
                name: "all".to_owned(),
                command_line: Some("*".to_owned()),
                ..Watch::default()
            }],
            ..processes::Config::default()
        })),
        Reader::Containers => Box::new(ContainersSource::new(&containers::Config {
            sys_path,
            ..containers::Config::default()
        })),
        Reader::Sensors => Box::new(SensorsSource::new(&sensors::Config {
            sys_path,
            ..sensors::Config::default()
        })),
    }
}

/// Reads files of the kernel: the first byte chooses one of them, the rest is what it holds at the
/// first reading, and behind a byte 255 at the second.
///
/// # Panics
/// When the rows do not fit the contract, or are not as they were once they were sent.
pub fn read_host_files(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let (root, contents) = tree();
    let position = usize::from(choice) % FILES.len();
    let file = FILES[position];
    let path = path_of(root, file);
    let mut texts = data.splitn(2, |&byte| byte == SECOND);
    let mut source = source(file.0, root);
    let statistics = SourceStatistics::default();
    let mut rows = Contents::default();
    let begin = Instant::now();
    for run in 0..3u8 {
        // The third reading is of the same text as the second.
        if let Some(text) = texts.next() {
            write(&path, text);
        }
        let moment = Moment {
            wall_ms: NOW_MS + i64::from(run) * 20_000,
            monotonic: begin + Duration::from_secs(20) * u32::from(run),
        };
        // An error is one of the answers.
        let _ = source.collect(moment, &mut Rows::new(&mut rows, &statistics));
    }
    source.stop();
    write(&path, &contents[position]);
    for table in &rows.series {
        assert!(
            table
                .labels()
                .iter()
                .all(|label| label.len() <= STRING_MAX_BYTES)
        );
    }
    let envelope = Batch {
        agent_id: "fuzz".to_owned(),
        lane: Lane::Metrics.into(),
        ..Batch::default()
    };
    let batch = seal(&rows, envelope).expect("rows fit in a batch");
    assert_eq!(open(&batch).as_ref(), Ok(&rows));
}

/// Reads answers: the first byte chooses who gave it.
///
/// # Panics
/// When what comes of it passes its bounds.
pub fn read_program_output(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    match choice % 6 {
        0 => {
            let (units, unparsed) = units::show::parse(data);
            assert!(units.len() as u64 + unparsed <= data.len() as u64);
            assert!(units.iter().all(|unit| unit.name.len() <= STRING_MAX_BYTES));
        }
        1 => {
            let _ = clock::tracking::parse(&String::from_utf8_lossy(data), NOW_MS);
        }
        2 => {
            transport::sockets::is_answer(data);
        }
        3 => {
            let config = filesystem::Config::default();
            let choice = filesystem::mounts::choose(data, &config);
            assert!(choice.mounts.len() <= config.mounts_max);
            for mount in &choice.mounts {
                for label in [&mount.mount_point, &mount.device, &mount.filesystem_type] {
                    assert!(label.len() <= STRING_MAX_BYTES, "{label}");
                }
            }
        }
        4 => probes::read_answer(data),
        _ => probes::read_certificate(data),
    }
}
