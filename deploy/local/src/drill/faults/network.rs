//! Networks that are cut, stalled or slow.

use std::time::Duration;

use anyhow::ensure;

use super::Scene;
use crate::drill::proxy::Link;

/// Between the agents and the collector.
pub(super) async fn cut(scene: &mut Scene<'_>) -> anyhow::Result<String> {
    scene.pause(5, 10).await;
    for (link, what) in [
        (Link::Stalled, "stalled, as by a pulled cable"),
        (Link::Cut, "cut, its connections broken"),
    ] {
        scene.stack.uplink.set(link);
        scene
            .display
            .event(&format!("the agents' network is {what}"));
        // Pieces that were under way when it went may count a moment later.
        scene.pause(5, 5).await;
        let before = scene.stack.uplink.passed_bytes();
        scene.pause(5, 15).await;
        let passed = scene.stack.uplink.passed_bytes() - before;
        ensure!(
            passed == 0,
            "{passed} bytes passed a network that was {what}"
        );
        scene.stack.uplink.set(Link::Open);
        scene.display.event("the network is back");
        scene.pause(5, 10).await;
        scene.stack.check_running()?;
    }
    Ok("the agents' network stalled, then cut".to_owned())
}

/// Between the collector and ClickHouse.
pub(super) async fn slow_clickhouse(
    delay: Duration,
    scene: &mut Scene<'_>,
) -> anyhow::Result<String> {
    scene.pause(5, 10).await;
    scene.stack.storage.set(Link::Slow(delay));
    scene.display.event(&format!(
        "each 16 KiB to and from ClickHouse take {delay:?}"
    ));
    let before = scene.stack.storage.passed_bytes();
    scene.pause(50, 60).await;
    scene.stack.check_running()?;
    let passed_kib = (scene.stack.storage.passed_bytes() - before) / 1024;
    scene.stack.storage.set(Link::Open);
    scene.display.event("ClickHouse is quick again");
    Ok(format!(
        "each 16 KiB to and from ClickHouse took {delay:?}; {passed_kib} KiB passed meanwhile"
    ))
}
