//! Logs of which every figure is known.
//!
//! Owns the truth: each line of an access log is counted in the cell of its minute, with its bytes
//! and its bucket of the latency sketch, and in the cell of its client's network; each login is
//! kept. Latencies are whole milliseconds, as the log holds them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crmscope_proto::sketch;
use fastrand::Rng;

use super::calendar::nginx_time;
use super::logins::Login;

/// What requests are counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Agent.
    pub agent_id: String,
    /// Route, as the agent names it.
    pub route: String,
    /// Class of the status.
    pub status_class: u8,
    /// Start of the minute, the hour or the day, Unix seconds.
    pub begin: u32,
}

/// Requests of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Lines.
    pub requests: u64,
    /// Sum of their bytes.
    pub response_bytes: u64,
    /// Sum of their latencies, µs.
    pub latency_sum_us: u64,
    /// Longest of them, µs.
    pub latency_max_us: u64,
    /// Buckets of the sketch.
    pub latency: BTreeMap<i16, u64>,
}

impl Cell {
    fn record(&mut self, bytes: u64, latency_us: u64) {
        self.requests += 1;
        self.response_bytes += bytes;
        self.latency_sum_us += latency_us;
        self.latency_max_us = self.latency_max_us.max(latency_us);
        *self.latency.entry(sketch::index(latency_us)).or_insert(0) += 1;
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.response_bytes += other.response_bytes;
        self.latency_sum_us += other.latency_sum_us;
        self.latency_max_us = self.latency_max_us.max(other.latency_max_us);
        for (index, count) in &other.latency {
            *self.latency.entry(*index).or_insert(0) += count;
        }
    }
}

/// Requests by key.
pub type Cells = BTreeMap<Key, Cell>;

/// The same cells with their times cut to a longer step, seconds.
#[must_use]
pub fn roll_up(cells: &Cells, step: u32) -> Cells {
    let mut rolled = Cells::new();
    for (key, cell) in cells {
        let key = Key {
            begin: key.begin - key.begin % step,
            ..key.clone()
        };
        rolled.entry(key).or_default().add(cell);
    }
    rolled
}

/// What requests are counted by when it is about clients.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientKey {
    /// Agent.
    pub agent_id: String,
    /// Network, as the agent shortens it.
    pub network: String,
    /// Start of the minute, the hour or the day, Unix seconds.
    pub begin: u32,
}

/// Requests of a client's network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCell {
    /// Lines.
    pub requests: u64,
    /// Those with a status of 4xx.
    pub client_errors: u64,
    /// Those with a status of 5xx.
    pub server_errors: u64,
    /// Sum of their bytes.
    pub response_bytes: u64,
}

/// Requests by network.
pub type ClientCells = BTreeMap<ClientKey, ClientCell>;

/// The same cells with their times cut to a longer step, seconds.
#[must_use]
pub fn roll_up_clients(cells: &ClientCells, step: u32) -> ClientCells {
    let mut rolled = ClientCells::new();
    for (key, cell) in cells {
        let key = ClientKey {
            begin: key.begin - key.begin % step,
            ..key.clone()
        };
        let sum = rolled.entry(key).or_default();
        sum.requests += cell.requests;
        sum.client_errors += cell.client_errors;
        sum.server_errors += cell.server_errors;
        sum.response_bytes += cell.response_bytes;
    }
    rolled
}

/// All that was written.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Requests by route and status.
    pub requests: Cells,
    /// Requests by network of the client.
    pub clients: ClientCells,
    /// Logins, in no order.
    pub logins: Vec<Login>,
}

impl Truth {
    /// Lines of access logs.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.requests.values().map(|cell| cell.requests).sum()
    }

    /// What two agents wrote.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.requests.extend(other.requests);
        self.clients.extend(other.clients);
        self.logins.extend(other.logins);
        self
    }
}

/// Routes as logs have them; the agent keeps them as they are.
const ROUTES: [&str; 5] = ["/", "/account", "/account/list", "/login", "/export/csv"];
const STATUSES: [u16; 6] = [200, 200, 200, 302, 404, 503];

/// Networks of clients: fewer than the agent tells apart.
const NETWORKS: u8 = 6;

/// Writes an agent's logs until it is told to stop.
pub struct Generator {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Truth>,
}

impl Generator {
    /// Writes about so many lines a second to the access log, and a login now and then.
    ///
    /// # Panics
    /// When a log cannot be made.
    #[must_use]
    pub fn start(
        agent_id: &str,
        access_log: &Path,
        auth_log: &Path,
        lines_per_s: u64,
        mut random: Rng,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let agent_id = agent_id.to_owned();
        let append = |path| {
            File::options()
                .create(true)
                .append(true)
                .open(path)
                .unwrap()
        };
        let (mut access_log, mut auth_log) = (append(access_log), append(auth_log));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut truth = Truth::default();
            while !stopped.load(Ordering::Relaxed) {
                let pause_ms = random.u64(20..200);
                std::thread::sleep(Duration::from_millis(pause_ms));
                let mut burst = String::new();
                let lines = (lines_per_s * pause_ms / 1000).max(1);
                for _ in 0..random.u64(1..=2 * lines) {
                    burst.push_str(&line(&agent_id, &mut truth, &mut random));
                }
                access_log.write_all(burst.as_bytes()).unwrap();
                if random.u8(0..4) == 0 {
                    let number = u32::try_from(truth.logins.len()).unwrap();
                    let login = Login::draw(&agent_id, number, &mut random);
                    auth_log.write_all(login.line().as_bytes()).unwrap();
                    truth.logins.push(login);
                }
            }
            truth
        });
        Self { stop, thread }
    }

    /// Stops, and tells what was written.
    ///
    /// # Panics
    /// When a log could not be written.
    #[must_use]
    pub fn finish(self) -> Truth {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// A line in nginx's combined format with the request time behind it, counted.
fn line(agent_id: &str, truth: &mut Truth, random: &mut Rng) -> String {
    let now = u32::try_from(crate::now_ms() / 1000).unwrap();
    let route = random.choice(ROUTES).unwrap();
    let status = random.choice(STATUSES).unwrap();
    let bytes = random.u64(0..100_000);
    let latency_ms = random.choice([1, 2, 7, 30, 250, 4_000]).unwrap() + random.u64(0..3);
    let network = random.u8(0..NETWORKS);
    let begin = now - now % 60;
    let key = Key {
        agent_id: agent_id.to_owned(),
        route: route.to_owned(),
        status_class: u8::try_from(status / 100).unwrap(),
        begin,
    };
    let cell = truth.requests.entry(key).or_default();
    cell.record(bytes, latency_ms * 1000);
    let key = ClientKey {
        agent_id: agent_id.to_owned(),
        network: format!("10.1.{network}.0/24"),
        begin,
    };
    let client = truth.clients.entry(key).or_default();
    client.requests += 1;
    client.client_errors += u64::from(status / 100 == 4);
    client.server_errors += u64::from(status / 100 == 5);
    client.response_bytes += bytes;
    let time = nginx_time(now);
    let (seconds, millis) = (latency_ms / 1000, latency_ms % 1000);
    format!(
        "10.1.{network}.3 - - [{time}] \"GET {route} HTTP/1.1\" {status} {bytes} \"-\" \"-\" {seconds}.{millis:03}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_in_one_cell() {
        let (mut truth, mut random) = (Truth::default(), Rng::with_seed(1));
        for _ in 0..1000 {
            let line = line("a", &mut truth, &mut random);
            assert!(
                line.ends_with('\n') && line.contains(" HTTP/1.1\" "),
                "{line}"
            );
        }
        assert_eq!(truth.lines(), 1000);
        let days = roll_up(&truth.requests, 86_400);
        assert_eq!(days.values().map(|cell| cell.requests).sum::<u64>(), 1000);
        assert!(days.keys().all(|key| key.begin.is_multiple_of(86_400)));
        for cell in days.values() {
            assert_eq!(cell.latency.values().sum::<u64>(), cell.requests);
        }
        let days = roll_up_clients(&truth.clients, 86_400);
        assert_eq!(days.values().map(|cell| cell.requests).sum::<u64>(), 1000);
    }
}
