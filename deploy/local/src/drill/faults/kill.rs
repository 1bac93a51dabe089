//! A process that ends without warning, and comes back.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::task::spawn_blocking;

use super::Scene;
use crate::drill::stack::Stack;
use crate::drill::table::Victim;

/// How often.
const TIMES: u32 = 2;

pub(super) async fn strike(victim: Victim, scene: &mut Scene<'_>) -> anyhow::Result<String> {
    let mut killed = Vec::new();
    for time in 1..=TIMES {
        scene.pause(5, 15).await;
        scene.stack.check_running()?;
        let broker = match (&scene.stack.kafka, victim) {
            (Some(cluster), Victim::Broker) => scene.random.usize(0..cluster.brokers().len()),
            _ => 0,
        };
        let name = match victim {
            Victim::Agent(index) => format!("agent {}", Stack::agent_id(index)),
            Victim::Collector(collector) => collector.name().to_owned(),
            Victim::Clickhouse => "ClickHouse".to_owned(),
            Victim::Broker => format!("Kafka broker {}", broker + 1),
        };
        kill(victim, broker, scene).await?;
        scene
            .display
            .event(&format!("killed {name} ({time} of {TIMES})"));
        scene.pause(2, 15).await;
        start(victim, broker, scene).await?;
        scene.display.event(&format!("{name} is back"));
        killed.push(name);
    }
    Ok(format!("kill -9 of {}", killed.join(", then ")))
}

async fn kill(victim: Victim, broker: usize, scene: &mut Scene<'_>) -> anyhow::Result<()> {
    match victim {
        Victim::Agent(index) => scene.stack.kill_agent(index).await,
        Victim::Collector(collector) => scene.stack.kill_collector(collector).await,
        Victim::Clickhouse => scene.stack.kill_clickhouse().await,
        Victim::Broker => {
            let cluster = scene.stack.kafka.as_ref().map(Arc::clone);
            let cluster = cluster.context("the drill has no broker")?;
            spawn_blocking(move || cluster.broker(broker).kill()).await?;
            Ok(())
        }
    }
}

async fn start(victim: Victim, broker: usize, scene: &mut Scene<'_>) -> anyhow::Result<()> {
    match victim {
        Victim::Agent(index) => scene.stack.start_agent(index),
        Victim::Collector(collector) => scene.stack.start_collector(collector).await,
        Victim::Clickhouse => scene.stack.start_clickhouse().await,
        Victim::Broker => {
            let cluster = scene.stack.kafka.as_ref().map(Arc::clone);
            let cluster = cluster.context("the drill has no broker")?;
            spawn_blocking(move || cluster.broker(broker).start()).await??;
            Ok(())
        }
    }
}
