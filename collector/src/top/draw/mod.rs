//! Where everything stands on the screen; pure.
//!
//! From top to bottom: the verdict, counts, hosts, incidents, findings, the pipeline, keys. On a low screen
//! the chosen pane alone stands below the verdict.

mod detail;
mod row;

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::prelude::Frame;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Text;
use ratatui::widgets::{Paragraph, Widget as _, Wrap};

pub(super) use self::row::{strip_letters, tag};
use super::plain::{counts, indented};
use super::view::{Over, Pane, View};
use crate::alerts::one_line;
use crate::overview::{Level, age, clock};

/// Longest text of a cell, bytes.
const CELL_MAX_BYTES: usize = 1_000;
/// Rows below which only one pane is shown.
const ROWS_FOR_ALL: u16 = 18;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Colours, beside words and letters.
    pub(super) has_colour: bool,
    /// Blocks for letters in strips.
    pub(super) has_blocks: bool,
}

impl Look {
    /// By `NO_COLOR` and the locale.
    pub(super) fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        // The first that is set says it.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        Self {
            has_colour: set("NO_COLOR").is_none(),
            has_blocks: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    /// The style of a level; the level's word stands beside it.
    pub(super) fn style(self, level: Level) -> Style {
        let style = match level {
            Level::Bad => Style::new().add_modifier(Modifier::BOLD),
            _ => Style::new(),
        };
        let colour = match level {
            Level::Good => Color::Green,
            Level::Unknown => Color::Cyan,
            Level::Warn => Color::Yellow,
            Level::Bad => Color::Red,
        };
        match self.has_colour {
            true => style.fg(colour),
            false => style,
        }
    }
}

/// Writes a text of anybody into a cell of this width.
pub(super) fn put(buffer: &mut Buffer, x: u16, y: u16, width: u16, text: &str, style: Style) {
    let area = buffer.area;
    if y >= area.bottom() || x >= area.right() {
        return;
    }
    let text = indented(text, CELL_MAX_BYTES);
    buffer.set_stringn(x, y, text, usize::from(width), style);
}

/// A text over several lines, which ends where the area does.
pub(super) fn wrap(buffer: &mut Buffer, area: Rect, text: &str, style: Style) {
    let text = Text::styled(one_line(text, CELL_MAX_BYTES), style);
    Paragraph::new(text)
        .wrap(Wrap { trim: true })
        .render(area, buffer);
}

/// Draws all of it; `since` the newest answer.
pub(super) fn frame(frame: &mut Frame<'_>, view: &mut View, since: Duration, look: Look) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    if area.height < 3 || area.width < 10 {
        put(
            buffer,
            area.x,
            area.y,
            area.width,
            "too small",
            Style::new(),
        );
        return;
    }
    let verdict = if area.height < 8 || area.width >= 205 {
        1
    } else {
        2
    };
    head(
        buffer,
        Rect {
            height: verdict,
            ..area
        },
        view,
        look,
    );
    status(buffer, area, area.y + verdict, view, since);
    keys(buffer, area, view);
    let body = Rect {
        y: area.y + verdict + 1,
        height: area.height.saturating_sub(verdict + 2),
        ..area
    };
    match view.over {
        Over::Nothing => panes(buffer, body, view, look),
        Over::Help => detail::help(buffer, body),
        Over::Detail => detail::chosen(buffer, body, view, look),
    }
}

fn head(buffer: &mut Buffer, area: Rect, view: &View, look: Look) {
    let (level, text) = match (view.overview(), view.failure()) {
        (Some(overview), _) => (overview.verdict.level, overview.verdict.text.clone()),
        (None, Some(failure)) => (
            Level::Unknown,
            format!("Nothing is known: ClickHouse does not answer. {failure}"),
        ),
        (None, None) => (Level::Unknown, "Asking ClickHouse.".to_owned()),
    };
    let text = format!("[{}] {text}", level.name().to_uppercase());
    wrap(buffer, area, &text, look.style(level));
}

/// The counts, and how old all of it is.
fn status(buffer: &mut Buffer, area: Rect, y: u16, view: &View, since: Duration) {
    let Some(overview) = view.overview() else {
        return;
    };
    let seconds = age(since.as_secs_f64());
    let (text, style) = match view.failure() {
        Some(_) => (
            format!(
                "NO ANSWER: this is {seconds} old; asking again. {}",
                counts(overview)
            ),
            Style::new().add_modifier(Modifier::REVERSED),
        ),
        None if view.is_paused() => (
            format!("PAUSED {seconds} ago. {}", counts(overview)),
            Style::new().add_modifier(Modifier::REVERSED),
        ),
        None => (
            format!(
                "{} | {}",
                counts(overview),
                clock(overview.asked_ms, overview.asked_ms)
            ),
            Style::new(),
        ),
    };
    put(buffer, area.x, y, area.width, &text, style);
}

fn keys(buffer: &mut Buffer, area: Rect, view: &View) {
    let y = area.bottom() - 1;
    let text = match (view.is_typing(), view.filter.as_str(), view.over) {
        (true, filter, _) => format!("filter: {filter}_  (enter keeps it, esc clears it)"),
        (false, _, Over::Help | Over::Detail) => "esc back  ctrl-c leave".to_owned(),
        (false, "", _) => {
            "q leave  tab pane  enter detail  / filter  s sort  p pause  ? help".to_owned()
        }
        (false, filter, _) => format!("filtered by {filter:?}, esc clears it  ? help"),
    };
    put(
        buffer,
        area.x,
        y,
        area.width,
        &text,
        Style::new().add_modifier(Modifier::DIM),
    );
}

/// The panes below each other, or the chosen one alone.
fn panes(buffer: &mut Buffer, body: Rect, view: &mut View, look: Look) {
    if body.height + 4 < ROWS_FOR_ALL {
        pane(buffer, body, view, view.pane, look);
        return;
    }
    // A title and what there is, up to a fifth of the screen each; hosts have the rest.
    let most = body.height / 5;
    let wanted = |rows: usize| {
        u16::try_from(rows.max(1))
            .unwrap_or(u16::MAX)
            .min(most.max(2))
            + 1
    };
    let incidents = wanted(view.incidents().len());
    let findings = wanted(view.findings().len());
    let hosts = body.height.saturating_sub(incidents + findings + 2);
    let mut y = body.y;
    for (of, height) in Pane::ALL.into_iter().zip([hosts, incidents, findings, 2]) {
        pane(buffer, Rect { y, height, ..body }, view, of, look);
        y += height;
    }
}

/// A title and its rows.
fn pane(buffer: &mut Buffer, area: Rect, view: &mut View, of: Pane, look: Look) {
    if area.height == 0 {
        return;
    }
    let is_chosen = view.pane == of;
    let style = match is_chosen {
        true => Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED),
        false => Style::new().add_modifier(Modifier::BOLD),
    };
    put(buffer, area.x, area.y, area.width, &title(view, of), style);
    let rows = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    row::rows(buffer, rows, view, of, look);
}

fn title(view: &View, of: Pane) -> String {
    let name = of.name();
    let mark = if view.pane == of { "> " } else { "  " };
    let Some(overview) = view.overview() else {
        return format!("{mark}{name}");
    };
    let shown = |shown: usize, total: usize| match shown == total {
        true => total.to_string(),
        false => format!("{shown} of {total}"),
    };
    match of {
        Pane::Hosts => format!(
            "{mark}{name} ({}), {}",
            shown(view.hosts().len(), overview.hosts.total),
            view.sort.name()
        ),
        Pane::Incidents => {
            format!(
                "{mark}{name} ({})",
                shown(view.incidents().len(), overview.incidents_total)
            )
        }
        Pane::Findings => {
            format!(
                "{mark}{name} ({})",
                shown(view.findings().len(), overview.findings_total)
            )
        }
        Pane::Pipeline => format!("{mark}{name}"),
    }
}
