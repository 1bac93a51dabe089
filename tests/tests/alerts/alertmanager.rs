//! The real Alertmanager: it groups what it is told, tells it on, and lets it end.

use std::process::Command;

use crmscope_collector::alerts::{Alertmanager, Config, Incident};
use crmscope_tests::neighbours::program;
use crmscope_tests::stack::free_port;
use crmscope_tests::{Process, Stack, http_get};
use serde_json::Value;

use super::hook::Hook;
use super::{Alerts, config, hostile, incident, over, wait_recorded, wait_until};

fn start(stack: &Stack, program: &std::path::Path, port: u16, hook: &Hook) -> Process {
    let config = stack.path("alertmanager.yml");
    let text = format!(
        "route: {{receiver: hook, group_by: [alertname], group_wait: 300ms, group_interval: 300ms, repeat_interval: 1h}}\n\
         receivers: [{{name: hook, webhook_configs: [{{url: \"{}\"}}]}}]\n",
        hook.url()
    );
    std::fs::write(&config, text).unwrap();
    let process = Process::start(
        "alertmanager",
        Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.path={}",
                stack.path("alertmanager").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address="),
        &stack.path("alertmanager.log"),
    );
    wait_until("Alertmanager to be ready", || {
        Ok(http_get(port, "/-/ready")?.0 == 200)
    });
    process
}

/// What Alertmanager says is firing.
fn firing(port: u16) -> Result<Vec<Value>, String> {
    let (status, body) = http_get(port, "/api/v2/alerts?active=true")?;
    let alerts: Vec<Value> =
        serde_json::from_str(&body).map_err(|_| format!("{status}: {body}"))?;
    Ok(alerts)
}

fn of<'a>(alerts: &'a [Value], incident: &Incident) -> Option<&'a Value> {
    let id = incident.incident_id.to_string();
    alerts
        .iter()
        .find(|alert| alert["labels"]["incident_id"] == id.as_str())
}

/// Whether Alertmanager told its receiver of all of these at once.
fn told_together(hook: &Hook, incidents: &[&Incident], status: &str) -> bool {
    hook.requests().iter().any(|request| {
        let alerts = request.body["alerts"].as_array().unwrap();
        incidents
            .iter()
            .all(|&incident| of(alerts, incident).is_some_and(|alert| alert["status"] == status))
    })
}

#[test]
fn alertmanager_groups_tells_and_resolves() {
    let Some(program) = program("prometheus-alertmanager", "prometheus-alertmanager") else {
        return;
    };
    let stack = Stack::start();
    let (hook, port) = (Hook::start(), free_port());
    let _alertmanager = start(&stack, &program, port, &hook);
    let config = Config {
        alertmanager: Alertmanager {
            // The second of the cluster is away.
            urls: vec![
                format!("http://127.0.0.1:{port}"),
                format!("http://127.0.0.1:{}/", free_port()),
            ],
            refresh_ms: 400,
            ..Alertmanager::default()
        },
        ..config()
    };
    let alerts = Alerts::start(stack.clickhouse_port, &config);
    let (first, second, third, blip) = (incident(1), incident(2), hostile(3), over(&incident(4)));
    alerts.tell(&[first.clone(), second.clone(), third.clone(), blip.clone()]);
    wait_until("all to be told together", || {
        Ok(told_together(&hook, &[&first, &second, &third], "firing"))
    });
    wait_recorded(&stack, "alertmanager", "firing", "delivered", 3);

    let known = firing(port).unwrap();
    assert_eq!(known.len(), 3, "{known:#?}");
    let labels = &of(&known, &first).unwrap()["labels"];
    for (name, value) in [
        ("alertname", "host_silent"),
        ("kind", "host_silent"),
        ("severity", "critical"),
        ("agent_id", "crm-web-01"),
        ("group", "crm"),
    ] {
        assert_eq!(labels[name], value, "{labels}");
    }
    let summary = &of(&known, &first).unwrap()["annotations"]["summary"];
    assert_eq!(*summary, first.summary.as_str());
    let harmless = of(&known, &third).unwrap();
    assert_eq!(harmless["labels"]["severity"], "critical", "{harmless}");

    // It goes on by being told again, here by a collector that took over: the time it was given first
    // passes, and it is still there.
    alerts.abort();
    let alerts = Alerts::start(stack.clickhouse_port, &config);
    alerts.tell(&[first.clone(), second.clone(), third.clone(), blip.clone()]);
    let lapses = of(&known, &first).unwrap()["endsAt"]
        .as_str()
        .unwrap()
        .to_owned();
    wait_until("alerts to go on beyond their first end", || {
        let known = firing(port)?;
        let updated = of(&known, &first).ok_or("it lapsed")?["updatedAt"].clone();
        Ok(updated.as_str().unwrap() > lapses.as_str())
    });

    let (first, third) = (over(&first), over(&third));
    alerts.tell(&[first.clone(), third.clone()]);
    // Alertmanager tells an end once, of each as it comes.
    wait_until("their ends to be told", || {
        Ok([&first, &third]
            .iter()
            .all(|&one| told_together(&hook, &[one], "resolved")))
    });
    wait_recorded(&stack, "alertmanager", "resolved", "delivered", 2);
    let known = firing(port).unwrap();
    assert!(
        known.len() == 1 && of(&known, &second).is_some(),
        "{known:#?}"
    );
    assert!(!told_together(&hook, &[&second], "resolved"));
    assert!(
        !told_together(&hook, &[&blip], "firing") && !told_together(&hook, &[&blip], "resolved")
    );
}
