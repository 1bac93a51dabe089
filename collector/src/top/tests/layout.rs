//! Where things stand, at every size.

use ratatui::style::Color;
use ratatui::{Terminal, backend::TestBackend};

use super::super::draw::{Look, frame, strip_letters};
use super::super::plain;
use super::super::view::{Asked, View};
use super::*;

fn has(lines: &[String], part: &str) -> bool {
    lines.iter().any(|line| line.contains(part))
}

#[test]
fn all_of_it_fits_on_80_by_24() {
    let mut view = view_of(overview(212));
    let lines = drawn(&mut view, 80, 24, LETTERS);
    assert_eq!(
        lines[0],
        "[BAD] 1 of 212 hosts in trouble: crm-db-02 is down since 10:42 UTC."
    );
    assert!(
        lines[2].starts_with("212 hosts: 211 live, 0 stale, 1 offline"),
        "{}",
        lines[2]
    );
    assert_eq!(lines[3], "> Hosts (212), worst first");
    assert!(lines[4].starts_with("     host") && lines[4].contains("last hour"));
    assert!(
        lines[5].starts_with("BAD  crm-db-02") && lines[5].contains("down since 10:42 UTC"),
        "{}",
        lines[5]
    );
    assert!(
        lines[5].ends_with(&format!(".{}xxxxxxx", "#".repeat(12))),
        "{}",
        lines[5]
    );
    assert!(lines[6].starts_with("ok   crm-web-001"), "{}", lines[6]);
    for part in [
        "  Incidents (2)",
        "BAD  10:42 UTC host_silent",
        "over 09:30 UTC flapping",
        "  Findings (1)",
        "BAD  10:59 UTC high 41 failed logins",
        "  Pipeline",
        "ok   212 agents heard",
    ] {
        assert!(has(&lines, part), "{part}: {lines:#?}");
    }
    assert!(lines[23].starts_with("q leave"));
}

#[test]
fn a_wide_screen_has_figures_and_a_low_one_the_chosen_pane() {
    let mut view = view_of(overview(30));
    let lines = drawn(&mut view, 200, 60, LETTERS);
    assert!(has(&lines, "drops") && has(&lines, "25%"), "{lines:#?}");
    assert!(
        has(&lines, &format!(".{}{}", "#".repeat(39), "x".repeat(20))),
        "{lines:#?}"
    );
    assert!(has(&lines, "crm-web-029"));

    let lines = drawn(&mut view, 40, 10, LETTERS);
    assert!(lines[0].starts_with("[BAD] 1 of 30 hosts in trouble:"));
    assert!(lines[5].starts_with("BAD  crm-db-02"), "{lines:#?}");
    assert!(!has(&lines, "Incidents"));
    press(&mut view, "\t");
    let lines = drawn(&mut view, 40, 10, LETTERS);
    assert!(
        has(&lines, "> Incidents (2)") && has(&lines, "host_silent"),
        "{lines:#?}"
    );
}

#[test]
fn no_size_is_too_small_to_draw_on() {
    for width in [1, 2, 9, 10, 13, 39, 61, 110, 151] {
        for height in [1, 2, 3, 4, 5, 7, 8, 17, 18, 19] {
            let mut view = view_of(overview(5));
            for keys in [
                "",
                "\n",
                "\u{1b}?",
                "\u{1b}\t\n",
                "\u{1b}\t\n",
                "\u{1b}\t\n",
            ] {
                press(&mut view, keys);
                drawn(&mut view, width, height, LETTERS);
            }
            drawn(&mut View::default(), width, height, LETTERS);
        }
    }
}

#[test]
fn names_of_others_move_nothing() {
    let hostile = "\u{1b}[2J\u{1b}]0;x\u{7}web\r\n\u{202e}gnp.\u{9b}1A\u{2028}";
    let mut of = overview(2);
    of.hosts.list[0] = Host {
        role: hostile.to_owned(),
        host_group: hostile.to_owned(),
        ..host(hostile, State::Down, Level::Bad, hostile)
    };
    of.verdict.text = hostile.to_owned();
    of.pipeline.text = hostile.to_owned();
    for incident in &mut of.incidents {
        *incident = Incident {
            text: hostile.to_owned(),
            next_step: hostile.to_owned(),
            kind: hostile.to_owned(),
            ..incident.clone()
        };
    }
    of.findings[0] = Finding {
        title: hostile.to_owned(),
        level: hostile.to_owned(),
        text: hostile.to_owned(),
        rule_id: hostile.to_owned(),
        ..of.findings[0].clone()
    };
    let text = plain::text(&of);
    let is_hostile = |character: char| {
        character != '\n' && (character.is_control() || "\u{202e}\u{2028}".contains(character))
    };
    assert!(!text.contains(is_hostile), "{text:?}");
    assert!(text.contains("web"));
    let mut view = view_of(of);
    for keys in [
        "",
        "\n",
        "\u{1b}\t\n",
        "\u{1b}\t\n",
        "\u{1b}\t\n",
        "\u{1b}/\u{202e}",
    ] {
        press(&mut view, keys);
        let lines = drawn(&mut view, 120, 40, LETTERS).concat();
        assert!(!lines.contains(is_hostile), "{lines:?}");
    }
}

#[test]
fn colour_is_never_the_only_sign() {
    let coloured = |look: Look| {
        let mut view = view_of(overview(2));
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal
            .draw(|on| frame(on, &mut view, Duration::ZERO, look))
            .unwrap();
        let buffer = terminal.backend().buffer().clone();
        buffer
            .content()
            .iter()
            .filter(|cell| cell.fg != Color::Reset)
            .count()
    };
    let environment = |set: &'static [(&'static str, &'static str)]| {
        Look::of_environment(|name| {
            let found = set.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    };
    assert!(coloured(environment(&[("LANG", "en_US.UTF-8")])) > 0);
    let none = environment(&[("NO_COLOR", "1"), ("LANG", "C")]);
    assert_eq!(none, LETTERS);
    assert_eq!(coloured(none), 0);
    assert!(environment(&[("NO_COLOR", ""), ("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]).has_colour);
    assert!(!environment(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]).has_blocks);

    let mut view = view_of(overview(2));
    let blocks = Look {
        has_colour: false,
        has_blocks: true,
    };
    let lines = drawn(&mut view, 80, 24, blocks);
    assert!(lines[5].ends_with("█xxxxxxx"), "{}", lines[5]);
    let strip = [Some(1.0), Some(0.5), Some(0.2), Some(0.0), None];
    assert_eq!(strip_letters(&strip, 5), "#+-x.");
    // The worst of what is drawn as one.
    assert_eq!(strip_letters(&strip, 2), "-x");
    assert_eq!(strip_letters(&[], 5), "");
}

#[test]
fn what_is_old_or_empty_says_so() {
    let mut view = view_of(overview(2));
    view.take(Asked::Failure("ClickHouse: hosts: refused".to_owned()));
    let lines = drawn(&mut view, 80, 24, LETTERS);
    assert!(
        lines[2].starts_with("NO ANSWER: this is 3.0 s old; asking again."),
        "{}",
        lines[2]
    );
    assert!(lines[5].contains("crm-db-02"));
    view.take(Asked::Answer(Box::new(overview(2))));
    assert!(!has(&drawn(&mut view, 80, 24, LETTERS), "NO ANSWER"));

    let mut view = View::default();
    assert!(drawn(&mut view, 80, 24, LETTERS)[0].contains("Asking ClickHouse"));
    view.take(Asked::Failure("refused".to_owned()));
    let lines = drawn(&mut view, 80, 24, LETTERS);
    assert!(
        lines[0].starts_with("[UNKNOWN] Nothing is known: ClickHouse does not answer. refused")
    );

    let mut empty = overview(2);
    empty.hosts = Hosts::default();
    let text = plain::text(&empty);
    assert!(
        text.ends_with("ENDPOINT=http://127.0.0.1:7070 \\\n  crmscope-agent run\n"),
        "{text}"
    );
    let lines = drawn(&mut view_of(empty), 80, 24, LETTERS);
    assert!(
        has(&lines, "none yet; on the host to watch: ENDPOINT="),
        "{lines:#?}"
    );
}

#[test]
fn the_text_for_scripts_has_all_of_it() {
    let text = plain::text(&overview(212));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "bad: 1 of 212 hosts in trouble: crm-db-02 is down since 10:42 UTC."
    );
    assert!(lines[3].starts_with("BAD  crm-db-02 "), "{}", lines[3]);
    for part in [
        "pipeline good: 212 agents heard",
        "and 162 more hosts",
        "incident host_silent (bad) since 10:42 UTC: No heartbeat of crm-db-02 came.",
        "  next: see whether the host runs",
        "incident flapping (over at 10:00 UTC) since 09:30 UTC: ",
        "finding Brute force (high) at 10:59 UTC: 41 failed logins from 192.0.2.7.",
        "  next: look now",
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(part)),
            "{part}: {text}"
        );
    }
    let codes = Level::ALL.map(super::super::exit_code);
    assert_eq!(codes, [0, 3, 1, 1]);
}
