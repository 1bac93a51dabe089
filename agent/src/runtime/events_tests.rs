//! Security events that a source of another lane found.

use std::sync::Arc;
use std::time::Duration;

use crmscope_proto::payload::SecurityRow;
use crmscope_proto::requests::RequestRow;
use crmscope_proto::v1::SecurityEvent;
use crmscope_proto::{Lane, Sketch};

use super::tests::surroundings;
use super::worker::{self, SourceWatch};
use crate::sources::{Moment, Rows, Source, SourceError, Worker};

/// Reads a request a run, and finds an event in every other one.
struct Requests {
    read: u64,
}

impl Source for Requests {
    fn name(&self) -> &'static str {
        "requests"
    }

    fn worker(&self) -> Worker {
        Worker::Requests
    }

    fn lane(&self) -> Lane {
        Lane::Requests
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn collect(&mut self, _moment: Moment, rows: &mut Rows<'_>) -> Result<(), SourceError> {
        self.read += 1;
        let contents = rows.contents();
        contents.requests.push(RequestRow {
            bucket_start_ms: i64::try_from(self.read).unwrap() * 10_000,
            service: "crm".to_owned(),
            route: "/".to_owned(),
            method: "GET".to_owned(),
            status_class: 2,
            requests: 1,
            response_bytes: 0,
            latency: Sketch::default(),
            upstream: Sketch::default(),
        });
        if self.read.is_multiple_of(2) {
            contents.security.push(SecurityRow {
                event: SecurityEvent {
                    event_id: vec![1; 16],
                    count: 1,
                    ..SecurityEvent::default()
                },
                ..SecurityRow::default()
            });
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Option<Vec<u8>> {
        Some(self.read.to_le_bytes().to_vec())
    }
}

#[test]
fn events_of_requests_are_in_the_security_lane_and_the_position_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let surroundings = surroundings(directory.path());
    let source: Box<dyn Source> = Box::new(Requests { read: 0 });
    let watch = Arc::new(SourceWatch::new(source.as_ref()));
    let worker = worker::spawn(
        Worker::Requests,
        vec![(source, watch)],
        surroundings.clone(),
    )
    .unwrap();
    std::thread::sleep(Duration::from_millis(50));
    surroundings.stop.stop();
    worker.join().unwrap();
    let rows = |lane| -> u64 {
        let records = surroundings
            .outbox
            .read(lane, 0, usize::MAX, usize::MAX)
            .unwrap();
        records.iter().map(|record| u64::from(record.items)).sum()
    };
    let read = rows(Lane::Requests);
    assert!(read > 0);
    assert_eq!(rows(Lane::Security), read / 2);
    let position = |lane| surroundings.outbox.checkpoint(lane).unwrap();
    assert_eq!(position(Lane::Requests), read.to_le_bytes());
    assert!(position(Lane::Security).is_empty());
}
