//! The source on this machine, against readings by other means at the same moment.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;

use crmscope_proto::payload::Contents;

use super::*;
use crate::sources::SourceStatistics;

/// Counters by series and column name.
type Figures = BTreeMap<(String, &'static str), u64>;

/// What the kernel tells by other ways than the source takes: /sys for devices, text tools' way
/// of splitting for the rest.
fn figures() -> Figures {
    let mut figures = Figures::new();
    for entry in fs::read_dir("/sys/class/net").unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        for (file, column) in [
            ("rx_bytes", "receive_bytes"),
            ("rx_packets", "receive_packets"),
            ("tx_bytes", "transmit_bytes"),
            ("tx_packets", "transmit_packets"),
        ] {
            if let Ok(text) = fs::read_to_string(entry.path().join("statistics").join(file)) {
                figures.insert((name.clone(), column), text.trim().parse().unwrap());
            }
        }
    }
    for entry in fs::read_dir("/sys/block").into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let text = fs::read_to_string(entry.path().join("stat")).unwrap();
        let numbers: Vec<u64> = text
            .split_whitespace()
            .map(|word| word.parse().unwrap())
            .collect();
        for (position, factor, column) in [
            (0, 1, "reads"),
            (2, 512, "read_bytes"),
            (3, 1000, "read_time_us"),
            (4, 1, "writes"),
            (6, 512, "write_bytes"),
            (7, 1000, "write_time_us"),
            (9, 1000, "io_time_us"),
        ] {
            figures.insert((name.clone(), column), numbers[position] * factor);
        }
    }
    for (file, key, word, factor, column) in [
        ("stat", "cpu ", 1, 10_000, "cpu_user_us"),
        ("stat", "cpu ", 3, 10_000, "cpu_system_us"),
        ("stat", "cpu ", 7, 10_000, "cpu_softirq_us"),
        ("stat", "ctxt ", 1, 1, "context_switches"),
        ("stat", "intr ", 1, 1, "interrupts"),
        ("stat", "processes ", 1, 1, "forks"),
        ("vmstat", "pgfault ", 1, 1, "page_faults"),
        ("vmstat", "pgmajfault ", 1, 1, "major_page_faults"),
    ] {
        let text = fs::read_to_string(Path::new("/proc").join(file)).unwrap();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        let number: u64 = line.split_whitespace().nth(word).unwrap().parse().unwrap();
        figures.insert((String::new(), column), number * factor);
    }
    figures
}

/// Something to count: a file that reaches the disk, and packets on the loopback.
fn work() {
    let mut file = tempfile::NamedTempFile::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    file.write_all(&vec![b'x'; 1 << 20]).unwrap();
    file.as_file().sync_all().unwrap();
    let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..100 {
        sender
            .send_to(&[0; 100], receiver.local_addr().unwrap())
            .unwrap();
    }
}

/// The source's increments lie between those of readings that its own two enclose and those of
/// readings that enclose them: whatever else the machine does meanwhile, this must hold.
#[test]
fn increments_agree_with_readings_by_other_means() {
    assert_eq!(
        rustix::param::clock_ticks_per_second(),
        100,
        "the factors above assume it"
    );
    let mut source = HostSource::new(&Config::default());
    let (mut contents, statistics) = (Contents::default(), SourceStatistics::default());
    let mut collect = || {
        source
            .collect(Moment::now(), &mut Rows::new(&mut contents, &statistics))
            .unwrap();
    };
    let outer = figures();
    collect();
    let inner = figures();
    work();
    let inner_end = figures();
    collect();
    let outer_end = figures();

    let mut compared = BTreeMap::new();
    for table in &contents.series {
        let name = table.labels().first().cloned().unwrap_or_default();
        for (metric, column) in table.kind().metrics().iter().zip(table.columns()) {
            let key = (name.clone(), metric.name);
            let Some(begin) = inner.get(&key) else {
                continue;
            };
            let low = inner_end[&key].saturating_sub(*begin);
            let high = outer_end[&key] - outer[&key];
            let got = column.as_ref().unwrap()[0];
            assert!(
                (low..=high).contains(&got),
                "{key:?}: {low} <= {got} <= {high}"
            );
            compared.insert(key, got);
        }
    }
    assert!(compared[&("lo".to_owned(), "receive_packets")] >= 100);
    assert!(compared[&(String::new(), "context_switches")] > 0);
    // Not every machine has a disk of its own; where there is one, it was compared.
    let has_disk = inner.keys().any(|(name, column)| {
        *column == "reads"
            && ["sd", "vd", "nvme"]
                .iter()
                .any(|kind| name.starts_with(kind))
    });
    let compared_disk = compared.keys().any(|(_, column)| *column == "reads");
    assert!(compared_disk || !has_disk, "{compared:?}");
}

#[test]
fn levels_agree_with_readings_by_other_means() {
    let mut source = HostSource::new(&Config::default());
    let (mut contents, statistics) = (Contents::default(), SourceStatistics::default());
    let before = crate::clock::read();
    for _ in 0..2 {
        source
            .collect(Moment::now(), &mut Rows::new(&mut contents, &statistics))
            .unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    let after = crate::clock::read();
    let row = contents
        .series
        .iter()
        .find(|table| table.kind() == SeriesKind::Host)
        .unwrap();
    let value = |metric: HostMetric| {
        row.columns()[metric as usize]
            .as_ref()
            .map(|column| column[0])
    };
    let mut system = sysinfo::System::new().unwrap();
    system.refresh_memory();
    assert_eq!(value(HostMetric::MemTotal), Some(system.total_memory()));
    assert_eq!(value(HostMetric::SwapTotal), Some(system.total_swap()));
    let available = value(HostMetric::MemAvailable).unwrap();
    assert!(
        available.abs_diff(system.available_memory()) < 512 << 20,
        "others allocate meanwhile"
    );
    let cores = u64::from(facts::host_facts().cpu_count);
    assert_eq!(value(HostMetric::CpuCount), Some(cores));
    // /proc/uptime cuts to hundredths.
    let uptime = value(HostMetric::Uptime).unwrap();
    assert!((before.boottime_ms - 10..=after.boottime_ms).contains(&uptime));
    let listed = fs::read_dir("/proc").unwrap().flatten();
    let processes = listed
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .count() as u64;
    assert!(value(HostMetric::Processes).unwrap().abs_diff(processes) < 50);
    assert!(value(HostMetric::Tasks).unwrap() >= value(HostMetric::TasksRunning).unwrap());
}
