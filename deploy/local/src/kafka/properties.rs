//! The configuration of one broker: loopback only, small, quick to start and to notice a loss.

use std::fmt::Write as _;
use std::path::Path;

use super::cluster::Settings;
use super::tls::Keys;

/// Ports of one broker, on 127.0.0.1.
#[derive(Clone, Debug)]
pub(super) struct Ports {
    pub(super) clients: u16,
    /// Of clients that come another way, in the order of [`Settings::ways`].
    pub(super) ways: Vec<u16>,
    /// Between brokers: never with SASL or TLS, whatever clients must use.
    pub(super) internal: u16,
    pub(super) controller: u16,
}

/// `server.properties` of broker `id`, whose ports are `all[id - 1]`.
pub(super) fn text(
    id: u16,
    all: &[Ports],
    data: &Path,
    settings: &Settings,
    keys: Option<&Keys>,
) -> String {
    let own = &all[usize::from(id) - 1];
    let replicas = all.len();
    let in_sync = if replicas >= 3 { 2 } else { 1 };
    let voters: Vec<_> = (1..)
        .zip(all)
        .map(|(id, ports)| format!("{id}@127.0.0.1:{}", ports.controller))
        .collect();
    let mut text = format!(
        "process.roles=broker,controller\n\
         node.id={id}\n\
         controller.quorum.voters={}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=CLIENTS://127.0.0.1:{},INTERNAL://127.0.0.1:{},CONTROLLER://127.0.0.1:{}\n\
         inter.broker.listener.name=INTERNAL\n\
         listener.security.protocol.map=CLIENTS:{},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         log.dirs={}\n",
        voters.join(","),
        own.clients,
        own.internal,
        own.controller,
        settings.protocol(),
        data.display(),
    );
    if !settings.ways.is_empty() {
        text.push_str(&ways(id, own, settings));
    }
    // Topics are made on purpose, with the partitions they need.
    text.push_str("auto.create.topics.enable=false\n");
    let _ = write!(
        text,
        "default.replication.factor={replicas}\n\
         min.insync.replicas={in_sync}\n\
         offsets.topic.replication.factor={replicas}\n\
         offsets.topic.num.partitions=4\n\
         transaction.state.log.replication.factor={replicas}\n\
         transaction.state.log.min.isr={in_sync}\n\
         transaction.state.log.num.partitions=4\n\
         share.coordinator.state.topic.replication.factor={replicas}\n\
         share.coordinator.state.topic.min.isr={in_sync}\n\
         share.coordinator.state.topic.num.partitions=1\n\
         group.initial.rebalance.delay.ms=0\n"
    );
    // A lost broker is noticed in 6 s instead of 9; a slow quorum on a busy machine stays together.
    text.push_str(
        "broker.session.timeout.ms=6000\n\
         broker.heartbeat.interval.ms=1000\n\
         controller.quorum.fetch.timeout.ms=4000\n\
         controller.quorum.election.timeout.ms=2000\n",
    );
    // The log cleaner's default buffer is half of the heap that is given.
    text.push_str(
        "log.cleaner.dedupe.buffer.size=2097152\n\
         log.cleaner.io.buffer.size=262144\n\
         log.index.size.max.bytes=1048576\n\
         num.network.threads=2\n\
         num.io.threads=2\n\
         background.threads=2\n",
    );
    if let Some((user, password)) = &settings.sasl {
        let _ = write!(
            text,
            "listener.name.clients.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512\n\
             listener.name.clients.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}=\"{password}\";\n\
             listener.name.clients.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n"
        );
    }
    if let Some(keys) = keys {
        let _ = write!(
            text,
            "listener.name.clients.ssl.keystore.type=PKCS12\n\
             listener.name.clients.ssl.keystore.location={}\n\
             listener.name.clients.ssl.keystore.password={password}\n\
             listener.name.clients.ssl.key.password={password}\n",
            keys.store.display(),
            password = super::tls::PASSWORD,
        );
    }
    for (key, value) in &settings.properties {
        let _ = writeln!(text, "{key}={value}");
    }
    text
}

/// Listeners again, with one for each way, which tells its clients the ports of that way.
fn ways(id: u16, own: &Ports, settings: &Settings) -> String {
    let protocol = settings.protocol();
    let own_listeners = format!(
        "CLIENTS://127.0.0.1:{},INTERNAL://127.0.0.1:{}",
        own.clients, own.internal
    );
    let mut listeners = format!("{own_listeners},CONTROLLER://127.0.0.1:{}", own.controller);
    let mut advertised = own_listeners;
    let mut protocols = format!("CLIENTS:{protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT");
    for (number, (port, way)) in own.ways.iter().zip(&settings.ways).enumerate() {
        let told = way[usize::from(id) - 1];
        let _ = write!(listeners, ",WAY{number}://127.0.0.1:{port}");
        let _ = write!(advertised, ",WAY{number}://127.0.0.1:{told}");
        let _ = write!(protocols, ",WAY{number}:PLAINTEXT");
    }
    // The last line with a name counts.
    format!(
        "listeners={listeners}\nadvertised.listeners={advertised}\nlistener.security.protocol.map={protocols}\n"
    )
}
