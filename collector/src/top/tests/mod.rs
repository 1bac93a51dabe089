//! What is on the screen, in ratatui's own terminal for tests.

mod keys;
mod layout;

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::draw::{self, Look};
use super::view::{Asked, View};
use crate::overview::host::State;
use crate::overview::{Finding, Host, Hosts, Incident, Level, Overview, Pipeline, Verdict};

/// 2026-11-29 11:00:00 UTC.
const NOW_MS: i64 = 1_795_950_000_000;

const LETTERS: Look = Look {
    has_colour: false,
    has_blocks: false,
};

fn host(agent_id: &str, state: State, level: Level, text: &str) -> Host {
    let mut strip = vec![Some(1.0); 60];
    if level == Level::Bad {
        strip[40..].fill(Some(0.0));
    }
    strip[0] = None;
    Host {
        agent_id: agent_id.to_owned(),
        role: "web".to_owned(),
        state,
        level,
        text: text.to_owned(),
        cpu_busy_ratio: Some(0.25),
        data_age_seconds: Some(2.0),
        strip,
        ..Host::default()
    }
}

fn overview(hosts: usize) -> Overview {
    let mut list = vec![host(
        "crm-db-02",
        State::Down,
        Level::Bad,
        "down since 10:42 UTC",
    )];
    list.extend((1..hosts).map(|number| {
        host(
            &format!("crm-web-{number:03}"),
            State::Up,
            Level::Good,
            "up",
        )
    }));
    Overview {
        is_answered: true,
        asked_ms: NOW_MS,
        verdict: Verdict {
            level: Level::Bad,
            text: format!("1 of {hosts} hosts in trouble: crm-db-02 is down since 10:42 UTC."),
        },
        hosts: Hosts::of(list),
        incidents: vec![
            Incident {
                kind: "host_silent".to_owned(),
                level: Level::Bad,
                agent_id: "crm-db-02".to_owned(),
                began_ms: NOW_MS - 18 * 60_000,
                text: "No heartbeat of crm-db-02 came.".to_owned(),
                next_step: "see whether the host runs".to_owned(),
                ..Incident::default()
            },
            Incident {
                kind: "flapping".to_owned(),
                level: Level::Warn,
                agent_id: "crm-web-001".to_owned(),
                began_ms: NOW_MS - 90 * 60_000,
                ended_ms: Some(NOW_MS - 60 * 60_000),
                text: "crm-web-001 fell silent and came back.".to_owned(),
                ..Incident::default()
            },
        ],
        incidents_total: 2,
        findings: vec![Finding {
            title: "Brute force".to_owned(),
            level: "high".to_owned(),
            last_ms: NOW_MS - 60_000,
            text: "41 failed logins from 192.0.2.7.".to_owned(),
            next_step: "look now".to_owned(),
            ..Finding::default()
        }],
        findings_total: 1,
        pipeline: Pipeline {
            level: Level::Good,
            text: "212 agents heard".to_owned(),
            ..Pipeline::default()
        },
        add_agent_command: "ENDPOINT=http://127.0.0.1:7070 \\\n  crmscope-agent run".to_owned(),
    }
}

fn view_of(overview: Overview) -> View {
    let mut view = View::default();
    view.take(Asked::Answer(Box::new(overview)));
    view
}

/// The lines of the screen, without spaces at their ends.
fn drawn(view: &mut View, width: u16, height: u16, look: Look) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| draw::frame(frame, view, Duration::from_secs(3), look))
        .unwrap();
    let buffer = terminal.backend().buffer().clone();
    (0..height)
        .map(|y| {
            let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
            line.trim_end().to_owned()
        })
        .collect()
}

fn press(view: &mut View, keys: &str) {
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            '\u{1b}' => KeyCode::Esc,
            other => KeyCode::Char(other),
        };
        view.press(KeyEvent::new(code, KeyModifiers::NONE));
    }
}
