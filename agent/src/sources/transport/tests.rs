//! The source on a made-up /proc, and on this machine beside `ss`.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Instant;

use crmscope_proto::payload::Contents;

use super::*;
use crate::sources::SourceStatistics;

struct Bench {
    source: TransportSource,
    contents: Contents,
    statistics: SourceStatistics,
    begin: Instant,
}

impl Bench {
    fn new(config: &Config) -> Self {
        assert_eq!(config.validate(), Ok(()));
        Self {
            source: TransportSource::new(config),
            contents: Contents::default(),
            statistics: SourceStatistics::default(),
            begin: Instant::now(),
        }
    }

    fn run(&mut self, at_ms: u64) -> Result<(), SourceError> {
        let moment = Moment {
            wall_ms: 1_000,
            monotonic: self.begin + Duration::from_millis(at_ms),
        };
        let mut rows = Rows::new(&mut self.contents, &self.statistics);
        self.source.collect(moment, &mut rows)
    }

    /// The newest figure.
    fn value(&self, metric: TransportMetric) -> Option<u64> {
        let table = self.contents.series.last()?;
        table.columns()[metric as usize].as_ref()?.last().copied()
    }
}

fn snmp(active_opens: u64) -> String {
    format!(
        "Tcp: ActiveOpens PassiveOpens AttemptFails EstabResets InSegs OutSegs RetransSegs InErrs OutRsts\nTcp: {active_opens} 1 1 1 1 1 1 1 1\nUdp: InDatagrams NoPorts InErrors OutDatagrams\nUdp: 1 1 1 1\n"
    )
}

#[test]
fn a_counter_that_falls_has_no_peak_and_is_counted() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("net/snmp");
    fs::create_dir(root.path().join("net")).unwrap();
    let mut bench = Bench::new(&Config {
        proc_path: root.path().to_str().unwrap().to_owned(),
        states: false,
        ..Config::default()
    });
    assert!(bench.run(0).unwrap_err().to_string().contains("net/snmp"));
    fs::write(&path, "Udp: InDatagrams\nUdp: 5\n").unwrap();
    assert!(bench.run(1).is_err(), "no figures of TCP");
    for (at_ms, opens, want) in [
        (10, 1_000_000, None),
        (1010, 1_000_007, Some(7)),
        (2010, 900_000, Some(0)),
        (3010, 900_002, Some(2)),
    ] {
        fs::write(&path, snmp(opens)).unwrap();
        bench.run(at_ms).unwrap();
        assert_eq!(
            bench.value(TransportMetric::TcpActiveOpens),
            want,
            "{opens}"
        );
    }
    let resets = bench.statistics.read()[SourceMetric::CounterResets as usize];
    assert_eq!(resets, 1);
    assert_eq!(bench.contents.series[0].intervals_ms(), [1000, 1000, 1000]);
    assert_eq!(bench.value(TransportMetric::TcpListenDrops), None);
}

/// Sockets by state of this machine, by `ss`.
fn ss(state: &str) -> u64 {
    let output = Command::new("ss")
        .args(["-H", "-tan", "state", state])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).lines().count() as u64
}

#[test]
fn states_agree_with_ss_and_connections_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut bench = Bench::new(&Config::default());
    bench.run(0).unwrap();
    let pairs: Vec<_> = (0..40)
        .map(|_| {
            (
                TcpStream::connect(address).unwrap(),
                listener.accept().unwrap().0,
            )
        })
        .collect();
    // Ten whose peer has gone: CLOSE_WAIT here, FIN_WAIT2 there.
    let mut waiting = Vec::new();
    let mut open = Vec::new();
    for (number, (client, mut server)) in pairs.into_iter().enumerate() {
        if number < 10 {
            client.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
            waiting.push((client, server));
        } else {
            server.write_all(b"x").unwrap();
            open.push((client, server));
        }
    }
    bench.run(1000).unwrap();
    let opened = bench.value(TransportMetric::TcpActiveOpens).unwrap();
    let mut at_ms = 2000;
    let end = Instant::now() + Duration::from_secs(60);
    // The peers' kernel may take its time to confirm.
    while bench.value(TransportMetric::TcpFinWait2).unwrap() < 10 {
        assert!(Instant::now() < end, "never confirmed");
        bench.run(at_ms).unwrap();
        at_ms += 1000;
    }
    assert!(opened >= 40);
    let table = &bench.contents.series[0];
    let passive = table.columns()[TransportMetric::TcpPassiveOpens as usize].as_ref();
    assert!(passive.unwrap()[0] >= 40);
    assert!(bench.value(TransportMetric::TcpCloseWait).unwrap() >= 10);
    assert!(bench.value(TransportMetric::TcpEstablished).unwrap() >= 60);
    assert!(bench.value(TransportMetric::TcpListen).unwrap() >= 1);
    if Command::new("ss").arg("-V").output().is_err() {
        println!("skipped: ss is not installed (apt-get install iproute2)");
        return;
    }
    // Other programs open and close meanwhile, so both are read until they meet.
    loop {
        let pairs = [
            ("established", TransportMetric::TcpEstablished),
            ("close-wait", TransportMetric::TcpCloseWait),
            ("fin-wait-2", TransportMetric::TcpFinWait2),
            ("time-wait", TransportMetric::TcpTimeWait),
            ("listening", TransportMetric::TcpListen),
        ];
        bench.run(at_ms).unwrap();
        at_ms += 1000;
        let theirs = pairs.map(|(state, _)| ss(state));
        let ours = pairs.map(|(_, metric)| bench.value(metric).unwrap());
        if ours == theirs {
            break;
        }
        assert!(Instant::now() < end, "ours {ours:?}, ss says {theirs:?}");
    }
}
