//! What keys do.

use super::super::view::{Next, Over, Pane};
use super::*;

fn code(view: &mut View, code: KeyCode, modifiers: KeyModifiers) -> Next {
    view.press(KeyEvent::new(code, modifiers))
}

#[test]
fn rows_and_panes_are_chosen() {
    let mut view = view_of(overview(50));
    press(&mut view, "jjk");
    assert_eq!(view.chosen(Pane::Hosts), 1);
    press(&mut view, "G");
    assert_eq!(view.chosen(Pane::Hosts), 49);
    // The chosen row is among those that are drawn.
    let lines = drawn(&mut view, 80, 24, LETTERS);
    assert!(
        lines.iter().any(|line| line.contains("crm-web-049")),
        "{lines:#?}"
    );
    press(&mut view, "g");
    assert_eq!(view.chosen(Pane::Hosts), 0);
    press(&mut view, "kk");
    assert_eq!(view.chosen(Pane::Hosts), 0);
    code(&mut view, KeyCode::PageDown, KeyModifiers::NONE);
    assert_eq!(view.chosen(Pane::Hosts), 10);
    for pane in [Pane::Incidents, Pane::Findings, Pane::Pipeline, Pane::Hosts] {
        press(&mut view, "\t");
        assert_eq!(view.pane, pane);
    }
    code(&mut view, KeyCode::BackTab, KeyModifiers::SHIFT);
    assert_eq!(view.pane, Pane::Pipeline);
}

#[test]
fn the_chosen_host_stays_chosen_when_others_come() {
    let mut view = view_of(overview(5));
    press(&mut view, "jj");
    let mut next = overview(5);
    next.hosts
        .list
        .insert(1, host("crm-app-01", State::Down, Level::Bad, "down"));
    view.take(Asked::Answer(Box::new(next)));
    assert_eq!(
        view.hosts()[view.chosen(Pane::Hosts)].agent_id,
        "crm-web-002"
    );
    // Fewer rows than before.
    view.take(Asked::Answer(Box::new(overview(1))));
    assert_eq!(view.chosen(Pane::Hosts), 0);
}

#[test]
fn a_row_is_shown_in_full_with_what_to_do() {
    let mut view = view_of(overview(3));
    press(&mut view, "\n");
    let lines = drawn(&mut view, 80, 24, LETTERS);
    for part in [
        "host         crm-db-02",
        "bad: down since 10:42 UTC",
        "see whether the host runs",
    ] {
        assert!(
            lines.iter().any(|line| line.contains(part)),
            "{part}: {lines:#?}"
        );
    }
    press(&mut view, "j");
    let lines = drawn(&mut view, 80, 24, LETTERS);
    assert!(
        lines
            .iter()
            .any(|line| line.contains("page /host?agent=crm-web-001")),
        "{lines:#?}"
    );
    press(&mut view, "q\t\n");
    let lines = drawn(&mut view, 80, 24, LETTERS);
    assert!(
        lines.iter().any(|line| line.contains("10:42 UTC, lasts")),
        "{lines:#?}"
    );
    press(&mut view, "\u{1b}?");
    let lines = drawn(&mut view, 80, 24, LETTERS);
    assert!(
        lines
            .iter()
            .any(|line| line.contains("worst first, name, CPU, errors")),
        "{lines:#?}"
    );
    press(&mut view, "?");
    assert_eq!(view.over, Over::Nothing);
}

#[test]
fn rows_are_filtered_and_sorted() {
    let mut view = view_of(overview(20));
    press(&mut view, "/WEB-01");
    assert_eq!(view.hosts().len(), 10);
    assert!(drawn(&mut view, 80, 24, LETTERS)[23].starts_with("filter: WEB-01_"));
    code(&mut view, KeyCode::Backspace, KeyModifiers::NONE);
    press(&mut view, "\nq");
    assert_eq!(view.hosts().len(), 19);
    press(&mut view, "\u{1b}");
    assert_eq!(view.hosts().len(), 20);
    press(&mut view, "/down\n");
    assert_eq!(view.hosts().len(), 1);
    press(&mut view, "/");
    for _ in 0..200 {
        press(&mut view, "x");
    }
    assert_eq!(view.filter.chars().count(), 64);
    press(&mut view, "\u{1b}");

    let mut of = overview(3);
    of.hosts.list[2].cpu_busy_ratio = Some(0.9);
    let mut view = view_of(of);
    press(&mut view, "s");
    assert_eq!(view.hosts()[0].agent_id, "crm-db-02");
    press(&mut view, "s");
    assert_eq!(view.hosts()[0].agent_id, "crm-web-002");
    press(&mut view, "ss");
    assert_eq!(view.hosts()[0].agent_id, "crm-db-02");
}

#[test]
fn it_is_left_and_paused_by_keys() {
    let mut view = view_of(overview(2));
    let none = KeyModifiers::NONE;
    assert_eq!(code(&mut view, KeyCode::Char('p'), none), Next::Stay);
    assert!(view.is_paused());
    assert!(drawn(&mut view, 80, 24, LETTERS)[2].starts_with("PAUSED 3.0 s ago."));
    assert_eq!(code(&mut view, KeyCode::Char('p'), none), Next::Ask);
    assert_eq!(code(&mut view, KeyCode::Char('r'), none), Next::Ask);
    // In a filter q is a letter; ctrl-c leaves from anywhere.
    press(&mut view, "/");
    assert_eq!(code(&mut view, KeyCode::Char('q'), none), Next::Stay);
    assert_eq!(
        code(&mut view, KeyCode::Char('c'), KeyModifiers::CONTROL),
        Next::Leave
    );
    press(&mut view, "\u{1b}?");
    assert_eq!(code(&mut view, KeyCode::Char('q'), none), Next::Stay);
    assert_eq!(code(&mut view, KeyCode::Char('q'), none), Next::Leave);
}
