//! An agent without sources: the real uplink over a real spool, and rows out of nowhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crmscope_agent::outbox::Outbox;
use crmscope_agent::runtime::settings::{self, Settings};
use crmscope_agent::spool::{self, Origin};
use crmscope_agent::uplink::{Config, Dial, Uplink};
use crmscope_proto::payload::{Contents, SecurityRow};
use crmscope_proto::requests::RequestRow;
use crmscope_proto::series::SeriesTable;
use crmscope_proto::v1::{Heartbeat, LaneState, SecurityEvent};
use crmscope_proto::{Id, Lane, SeriesKind};
use fastrand::Rng;
use tokio::task::JoinHandle;

use crate::log::Key;

pub(crate) struct Agent {
    name: String,
    directory: PathBuf,
    starts: u64,
    dial: Dial,
    token_file: PathBuf,
    max_bytes_per_s: u64,
    outbox: Arc<Mutex<Arc<Outbox>>>,
    uplink: JoinHandle<()>,
}

impl Agent {
    pub(crate) fn start(
        name: &str,
        directory: &Path,
        dial: Dial,
        token_file: &Path,
        max_bytes_per_s: u64,
    ) -> Self {
        let outbox = open(name, &directory.join("0"));
        Self {
            name: name.to_owned(),
            directory: directory.to_owned(),
            starts: 0,
            uplink: run(&outbox, &dial, token_file, max_bytes_per_s),
            dial,
            token_file: token_file.to_owned(),
            max_bytes_per_s,
            outbox: Arc::new(Mutex::new(outbox)),
        }
    }

    pub(crate) fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.outbox.lock().unwrap())
    }

    /// As kill -9 and a new start do it: what is on disk at this moment goes on. At an orderly end
    /// the spool writes more down.
    pub(crate) async fn restart(&mut self, orderly: bool) {
        self.uplink.abort();
        let _ = (&mut self.uplink).await;
        let old = self.directory.join(self.starts.to_string());
        self.starts += 1;
        let new = self.directory.join(self.starts.to_string());
        if orderly {
            // The slot's outbox ends, and writes down what it knows.
            *self.outbox.lock().unwrap() = open(&self.name, &self.directory.join("unused"));
        }
        copy(&old, &new);
        let outbox = open(&self.name, &new);
        self.uplink = run(&outbox, &self.dial, &self.token_file, self.max_bytes_per_s);
        *self.outbox.lock().unwrap() = outbox;
        let _ = fs::remove_dir_all(old);
        let _ = fs::remove_dir_all(self.directory.join("unused"));
    }

    /// Appends rows for as long as it is polled.
    pub(crate) fn produce(&self, mut random: Rng) -> JoinHandle<()> {
        let outbox = Arc::clone(&self.outbox);
        let pace_ms = *random.choice(&[400, 1500, 4000]).unwrap();
        tokio::spawn(async move {
            loop {
                // Bursts now and then, as after a rotation.
                if random.u8(0..4) != 0 {
                    tokio::time::sleep(Duration::from_millis(random.u64(1..=pace_ms))).await;
                }
                let lane = random.choice(Lane::BY_URGENCY).unwrap();
                let contents = contents(lane, &mut random);
                let outbox = Arc::clone(&outbox.lock().unwrap());
                outbox.append(lane, &contents, Some(vec![7; 9])).unwrap();
            }
        })
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.uplink.is_finished()
    }

    /// The accounting of every lane, by the name it has in the log.
    pub(crate) fn states(&self) -> Vec<(Key, LaneState)> {
        let outbox = self.outbox();
        let name = |lane| (self.name.clone(), outbox.spool_id().unwrap(), lane);
        let states = outbox.states().into_iter();
        states.map(|state| (name(state.lane()), state)).collect()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(crate) fn open(name: &str, path: &Path) -> Arc<Outbox> {
    let origin = Origin {
        agent_id: name.to_owned(),
        boot_id: Id([1; 16]),
        start_id: Id([2; 16]),
    };
    Arc::new(Outbox::open(path, spool::Config::default(), origin).unwrap())
}

pub(crate) fn run(
    outbox: &Arc<Outbox>,
    dial: &Dial,
    token_file: &Path,
    max_bytes_per_s: u64,
) -> JoinHandle<()> {
    let config = Config {
        token_file: token_file.to_owned(),
        ..Config::default()
    };
    let settings = Arc::new(Settings::new(settings::Config::default()));
    let uplink = Uplink::new(
        config,
        Arc::clone(outbox),
        settings,
        Arc::default(),
        max_bytes_per_s,
    );
    let mut uplink = uplink.dialing(Arc::clone(dial));
    tokio::spawn(async move { uplink.run().await })
}

/// Rows of what the lane carries: mostly few, sometimes more than a socket buffer takes.
pub(crate) fn contents(lane: Lane, random: &mut Rng) -> Contents {
    let time_ms = crmscope_tests::now_ms();
    let rows = if random.u8(0..40) == 0 {
        100
    } else {
        random.usize(1..4)
    };
    // Hardly to be compressed, and cheap to make.
    let mut text = || -> String {
        let length = random.usize(1..50);
        std::iter::repeat_with(|| format!("{:016x}", random.u64(..)))
            .take(length)
            .collect()
    };
    match lane {
        Lane::Security => Contents {
            security: (0..rows)
                .map(|_| SecurityRow {
                    event: SecurityEvent {
                        event_id: vec![3; 16],
                        time_ms,
                        class_uid: 3002,
                        count: 1,
                        detail: text(),
                        ..SecurityEvent::default()
                    },
                    kind: "ssh_login".to_owned(),
                    service: "sshd".to_owned(),
                    method: "password".to_owned(),
                })
                .collect(),
            ..Contents::default()
        },
        Lane::Requests => Contents {
            requests: (0..rows)
                .map(|_| RequestRow {
                    bucket_start_ms: time_ms.div_euclid(10_000) * 10_000,
                    service: "crm".to_owned(),
                    route: text(),
                    method: "GET".to_owned(),
                    status_class: 2,
                    requests: 1,
                    response_bytes: 1,
                    latency: Default::default(),
                    upstream: Default::default(),
                })
                .collect(),
            ..Contents::default()
        },
        Lane::Presence => Contents {
            heartbeats: vec![Heartbeat {
                clock: Some(crmscope_agent::clock::read()),
                beat: 1,
                ..Heartbeat::default()
            }],
            ..Contents::default()
        },
        Lane::Metrics | Lane::Unspecified => {
            let mut table = SeriesTable::new(SeriesKind::Host, Vec::new());
            let values = vec![Some(1); SeriesKind::Host.metrics().len()];
            table.push(time_ms, 1000, &values).unwrap();
            Contents {
                series: vec![table],
                ..Contents::default()
            }
        }
    }
}
