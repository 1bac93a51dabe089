//! The brokers of a fleet: real ones, which each collector reaches through proxies of its own.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use crmscope_local::kafka::{Cluster, Settings};
use tokio::runtime::Runtime;

use super::proxy::{Proxy, Weather};

/// See the module.
pub(super) struct Brokers {
    cluster: Arc<Cluster>,
    /// By collector, then by broker.
    proxies: Vec<Vec<Proxy>>,
    /// A broker that ends or starts takes seconds, and faults go on meanwhile.
    busy: Vec<Option<JoinHandle<()>>>,
}

impl Brokers {
    /// Starts 1 or 3, with a way to them for each collector.
    ///
    /// # Panics
    /// When they do not start.
    pub(super) fn start(
        runtime: &Runtime,
        directory: &Path,
        brokers: usize,
        collectors: usize,
    ) -> Self {
        let proxies: Vec<Vec<Proxy>> = (0..collectors)
            .map(|_| {
                (0..brokers)
                    .map(|_| Proxy::without_target(runtime))
                    .collect()
            })
            .collect();
        let mut settings = Settings::new(u16::try_from(brokers).unwrap());
        let ports = |way: &Vec<Proxy>| way.iter().map(Proxy::port).collect();
        settings.ways = proxies.iter().map(ports).collect();
        let cluster = Cluster::start_with(directory, settings).unwrap();
        for (number, way) in proxies.iter().enumerate() {
            for (proxy, broker) in way.iter().zip(cluster.brokers()) {
                proxy.lead_to(vec![broker.way(number)]);
            }
        }
        Self {
            cluster: Arc::new(cluster),
            busy: (0..brokers).map(|_| None).collect(),
            proxies,
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.busy.len()
    }

    /// Where a collector finds them.
    pub(super) fn addresses(&self, collector: usize) -> Vec<String> {
        let way = self.proxies[collector].iter();
        way.map(|proxy| format!("127.0.0.1:{}", proxy.port()))
            .collect()
    }

    /// The network between a collector and all brokers.
    pub(super) fn set(&self, collector: usize, weather: Weather) {
        for proxy in &self.proxies[collector] {
            proxy.set(weather);
        }
    }

    /// Kills a broker as a crash would.
    pub(super) fn kill(&self, number: usize) {
        self.cluster.broker(number).kill();
    }

    /// Stops a broker where it stands, or lets it go on.
    pub(super) fn freeze(&self, number: usize, frozen: bool) {
        let broker = self.cluster.broker(number);
        if frozen {
            broker.freeze();
        } else {
            broker.thaw();
        }
    }

    /// Asks a broker to end, without waiting for it.
    pub(super) fn ask_to_end(&mut self, number: usize) {
        let cluster = Arc::clone(&self.cluster);
        // One that has to be killed is a crash, which is allowed.
        self.busy[number] = Some(std::thread::spawn(move || {
            let _ = cluster.broker(number).stop();
        }));
    }

    /// Starts a broker on what it left behind, without waiting until it serves.
    pub(super) fn begin(&mut self, number: usize) {
        let cluster = Arc::clone(&self.cluster);
        self.busy[number] = Some(std::thread::spawn(move || {
            cluster.broker(number).start().unwrap();
        }));
    }

    /// Whether a broker has done what it was asked for.
    ///
    /// # Panics
    /// When it did not start.
    pub(super) fn is_settled(&mut self, number: usize) -> bool {
        let busy = &mut self.busy[number];
        if busy.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return false;
        }
        if let Some(thread) = busy.take() {
            thread.join().unwrap();
        }
        true
    }
}
