//! The source on sockets of this process. Real servers are asked
//! in `tests/tests/probes.rs`.

mod settings;

use std::io::Read as _;
use std::net::TcpListener;
use std::time::Instant;

use crmscope_proto::catalog::{ProbeMetric, ProbeReason};
use crmscope_proto::payload::Contents;

use super::*;
use crate::sources::SourceStatistics;

pub(super) fn http(url: &str) -> Target {
    Target {
        name: "page".to_owned(),
        service: "crm".to_owned(),
        kind: Some(Kind::Http),
        url: Some(url.to_owned()),
        ..Target::default()
    }
}

fn tcp(name: &str, address: &str) -> Target {
    Target {
        name: name.to_owned(),
        service: "hosts".to_owned(),
        kind: Some(Kind::Tcp),
        address: Some(address.to_owned()),
        ..Target::default()
    }
}

#[test]
fn a_port_that_listens_is_up_and_one_that_does_not_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
    let targets = vec![
        tcp("open", &address(&listener)),
        tcp("closed", &address(&closed)),
    ];
    drop(closed);
    let config = Config {
        interval_ms: 1_000,
        deadline_ms: 1_000,
        targets,
        ..Config::default()
    };
    assert_eq!(config.validate(), Ok(()));
    let mut source = ProbesSource::new(&config);
    assert_eq!(source.economises(), [Subject::Probes]);
    source.economise(Economy::of(&[Subject::Probes]));
    assert_eq!(source.stretch, 4);
    assert!(
        source.engine.is_none(),
        "nothing is started before it is asked"
    );
    let (mut contents, statistics) = (Contents::default(), SourceStatistics::default());
    let until = Instant::now() + Duration::from_secs(30);
    while contents.series.len() < 2 && Instant::now() < until {
        let mut rows = Rows::new(&mut contents, &statistics);
        source.collect(Moment::now(), &mut rows).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(contents.series.len(), 2);
    for table in &contents.series {
        let value = |metric: ProbeMetric| table.columns()[metric as usize].as_ref().map(|c| c[0]);
        let open = table.labels()[0] == "open";
        assert_eq!(table.labels()[1..], ["hosts", "tcp"]);
        assert_eq!(value(ProbeMetric::Up), Some(u64::from(open)));
        let reason = if open {
            ProbeReason::None
        } else {
            ProbeReason::Refused
        };
        assert_eq!(value(ProbeMetric::Reason), Some(reason as u64));
        assert_eq!(value(ProbeMetric::Connect).is_some(), open);
        assert_eq!(value(ProbeMetric::GoodDuration).is_some(), open);
        assert_eq!(
            value(ProbeMetric::Dns),
            None,
            "an address needs no resolver"
        );
        assert_eq!(table.intervals_ms()[0], 1_000);
    }
    let (mut probed, _) = listener.accept().unwrap();
    assert_eq!(probed.read(&mut [0]).unwrap(), 0, "it is closed again");
    source.stop();
}

#[test]
fn what_keeps_the_agent_from_asking_is_an_error_and_no_row() {
    let mut target = http("https://127.0.0.1:9/");
    target.server_ca_file = Some("/nonexistent/ca.pem".into());
    let config = Config {
        interval_ms: 1_000,
        deadline_ms: 1_000,
        targets: vec![target],
        ..Config::default()
    };
    let mut source = ProbesSource::new(&config);
    let (mut contents, statistics) = (Contents::default(), SourceStatistics::default());
    let until = Instant::now() + Duration::from_secs(30);
    let error = loop {
        let mut rows = Rows::new(&mut contents, &statistics);
        if let Err(error) = source.collect(Moment::now(), &mut rows) {
            break error.to_string();
        }
        assert!(Instant::now() < until, "no error came");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(
        error.contains("target \"page\" is not probed: server_ca_file /nonexistent/ca.pem"),
        "{error}"
    );
    assert!(contents.series.is_empty());
    assert_eq!(statistics.read()[SourceMetric::Dropped as usize], 1);
}
