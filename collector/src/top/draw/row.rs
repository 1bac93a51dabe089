//! Rows of the panes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::{Look, put};
use crate::overview::{Finding, Host, Incident, Level, age, clock};
use crate::top::view::{Pane, View};

/// A level in four letters.
pub(in crate::top) const fn tag(level: Level) -> &'static str {
    match level {
        Level::Good => "ok",
        Level::Unknown => "?",
        Level::Warn => "WARN",
        Level::Bad => "BAD",
    }
}

/// The worst of what each of `cells` stands for: `None` where nothing is known.
fn squeeze(strip: &[Option<f64>], cells: usize) -> Vec<Option<f64>> {
    if strip.is_empty() || cells == 0 {
        return Vec::new();
    }
    let each = strip.len().div_ceil(cells);
    strip
        .chunks(each)
        .map(|minutes| {
            let worst = minutes.iter().flatten().copied().min_by(f64::total_cmp);
            // What is not known is no good minute.
            worst.filter(|&share| share < 0.99 || !minutes.contains(&None))
        })
        .collect()
}

/// A strip in letters: # heard, + most, - some, x not, . not known.
pub(in crate::top) fn strip_letters(strip: &[Option<f64>], cells: usize) -> String {
    text(strip, cells, ['#', '+', '-', 'x', '.'])
}

fn strip_blocks(strip: &[Option<f64>], cells: usize) -> String {
    text(strip, cells, ['█', '▅', '▂', 'x', '·'])
}

fn text(
    strip: &[Option<f64>],
    cells: usize,
    [all, most, some, none, unknown]: [char; 5],
) -> String {
    let glyph = |share: Option<f64>| match share {
        None => unknown,
        Some(share) if share >= 0.99 => all,
        Some(share) if share >= 0.5 => most,
        Some(share) if share > 0.0 => some,
        Some(_) => none,
    };
    squeeze(strip, cells).into_iter().map(glyph).collect()
}

/// The rows of a pane, as many as fit, the chosen one among them.
pub(super) fn rows(buffer: &mut Buffer, area: Rect, view: &mut View, of: Pane, look: Look) {
    if area.height == 0 {
        return;
    }
    match of {
        Pane::Hosts => hosts(buffer, area, view, look),
        Pane::Incidents | Pane::Findings => lines(buffer, area, view, of, look),
        Pane::Pipeline => {
            let Some(overview) = view.overview() else {
                return;
            };
            let pipeline = &overview.pipeline;
            let style = look.style(pipeline.level);
            put(buffer, area.x, area.y, 5, tag(pipeline.level), style);
            put(
                buffer,
                area.x + 5,
                area.y,
                area.width.saturating_sub(5),
                &pipeline.text,
                Style::new(),
            );
        }
    }
}

/// A column of a host's row.
struct Column {
    title: &'static str,
    width: u16,
    text: fn(&Host) -> String,
}

/// Those that stand to the right of the strip, as far as there is room.
const FIGURES: [Column; 8] = [
    Column {
        title: "data",
        width: 8,
        text: |host| known(host.data_age_seconds.map(age)),
    },
    Column {
        title: "cpu",
        width: 6,
        text: |host| percent(host.cpu_busy_ratio),
    },
    Column {
        title: "mem",
        width: 6,
        text: |host| percent(host.memory_used_ratio),
    },
    Column {
        title: "req/s",
        width: 8,
        text: |host| some(host.requests_per_second.map(|rate| format!("{rate:.1}"))),
    },
    Column {
        title: "err",
        width: 7,
        text: |host| {
            some(
                host.error_ratio
                    .map(|ratio| format!("{:.1}%", ratio * 100.0)),
            )
        },
    },
    Column {
        title: "p95",
        width: 8,
        text: |host| {
            some(
                host.latency_p95_us
                    .map(|us| format!("{:.0}ms", us / 1_000.0)),
            )
        },
    },
    Column {
        title: "fails",
        width: 6,
        text: |host| known(host.failed_logins.map(|count| count.to_string())),
    },
    Column {
        title: "drops",
        width: 6,
        text: |host| known(host.dropped_items.map(|count| count.to_string())),
    },
];

fn known(text: Option<String>) -> String {
    text.unwrap_or_else(|| "?".to_owned())
}

/// What not every host has.
fn some(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

fn percent(ratio: Option<f64>) -> String {
    known(ratio.map(|ratio| format!("{:.0}%", ratio * 100.0)))
}

/// Where the columns of a host's row stand.
struct Columns {
    name: u16,
    strip: u16,
    text: u16,
    figures: usize,
}

impl Columns {
    /// The level's four letters and the gaps between columns are left out of it.
    fn of(width: u16) -> Self {
        let name = (width / 4).clamp(12, 32);
        let strip = match width {
            0..60 => 0,
            60..110 => 20,
            110..150 => 30,
            _ => 60,
        };
        let mut left = width.saturating_sub(5 + name + 1 + strip + u16::from(strip > 0));
        let mut figures = 0;
        for column in &FIGURES {
            if left < 30 + column.width {
                break;
            }
            left -= column.width;
            figures += 1;
        }
        Self {
            name,
            strip,
            text: left,
            figures,
        }
    }
}

fn hosts(buffer: &mut Buffer, area: Rect, view: &mut View, look: Look) {
    let columns = Columns::of(area.width);
    let head = Style::new().add_modifier(Modifier::DIM);
    let mut x = area.x + 5;
    for (title, width) in [("host", columns.name + 1), ("state", columns.text)] {
        put(buffer, x, area.y, width, title, head);
        x += width;
    }
    if columns.strip > 0 {
        put(buffer, x, area.y, columns.strip, "last hour", head);
        x += columns.strip + 1;
    }
    for column in FIGURES.iter().take(columns.figures) {
        put(buffer, x, area.y, column.width, column.title, head);
        x += column.width;
    }
    let height = area.height - 1;
    let first = view.first(Pane::Hosts, usize::from(height));
    let chosen = view.chosen(Pane::Hosts);
    let hosts = view.hosts();
    if hosts.is_empty() {
        let text = match view.overview() {
            Some(overview) if overview.hosts.total == 0 => {
                let command = overview.add_agent_command.replace("\\\n", " ");
                format!("none yet; on the host to watch: {command}")
            }
            Some(_) => "none passes the filter".to_owned(),
            None => String::new(),
        };
        let rest = Rect {
            y: area.y + 1,
            height,
            ..area
        };
        super::wrap(buffer, rest, &text, Style::new());
        return;
    }
    for (place, host) in hosts
        .iter()
        .enumerate()
        .skip(first)
        .take(usize::from(height))
    {
        let y = area.y + 1 + u16::try_from(place - first).unwrap_or(u16::MAX);
        let is_chosen = place == chosen && view.pane == Pane::Hosts;
        of_host(buffer, (area.x, y), host, &columns, look, is_chosen);
        mark(buffer, area, y, is_chosen);
    }
}

fn of_host(
    buffer: &mut Buffer,
    (start, y): (u16, u16),
    host: &Host,
    columns: &Columns,
    look: Look,
    is_chosen: bool,
) {
    let style = look.style(host.level);
    let name = match is_chosen {
        true => Style::new().add_modifier(Modifier::BOLD),
        false => Style::new(),
    };
    put(buffer, start, y, 4, tag(host.level), style);
    let mut x = start + 5;
    put(buffer, x, y, columns.name, &host.agent_id, name);
    x += columns.name + 1;
    put(
        buffer,
        x,
        y,
        columns.text.saturating_sub(1),
        &host.text,
        style,
    );
    x += columns.text;
    if columns.strip > 0 {
        let cells = usize::from(columns.strip);
        let strip = match look.has_blocks {
            true => strip_blocks(&host.strip, cells),
            false => strip_letters(&host.strip, cells),
        };
        put(buffer, x, y, columns.strip, &strip, Style::new());
        x += columns.strip + 1;
    }
    for column in FIGURES.iter().take(columns.figures) {
        let width = column.width.saturating_sub(1);
        put(buffer, x, y, width, &(column.text)(host), Style::new());
        x += column.width;
    }
}

/// The chosen row is seen without colours, too.
fn mark(buffer: &mut Buffer, area: Rect, y: u16, is_chosen: bool) {
    if is_chosen {
        let row = Rect {
            y,
            height: 1,
            ..area
        };
        buffer.set_style(
            row.intersection(buffer.area),
            Style::new().add_modifier(Modifier::REVERSED),
        );
    }
}

fn lines(buffer: &mut Buffer, area: Rect, view: &mut View, of: Pane, look: Look) {
    let height = usize::from(area.height);
    let first = view.first(of, height);
    let chosen = view.chosen(of);
    let now_ms = view.overview().map_or(0, |overview| overview.asked_ms);
    let texts: Vec<(Level, bool, String)> = match of {
        Pane::Incidents => view
            .incidents()
            .iter()
            .map(|one| incident(one, now_ms))
            .collect(),
        _ => view
            .findings()
            .iter()
            .map(|one| finding(one, now_ms))
            .collect(),
    };
    if texts.is_empty() && view.overview().is_some() {
        put(
            buffer,
            area.x + 5,
            area.y,
            area.width.saturating_sub(5),
            match view.filter.as_str() {
                "" => "none within a day",
                _ => "none passes the filter",
            },
            Style::new(),
        );
    }
    for (place, (level, lasts, text)) in texts.iter().enumerate().skip(first).take(height) {
        let y = area.y + u16::try_from(place - first).unwrap_or(u16::MAX);
        let (word, style) = match lasts {
            true => (tag(*level), look.style(*level)),
            false => ("over", Style::new().add_modifier(Modifier::DIM)),
        };
        put(buffer, area.x, y, 4, word, style);
        put(
            buffer,
            area.x + 5,
            y,
            area.width.saturating_sub(5),
            text,
            Style::new(),
        );
        mark(buffer, area, y, place == chosen && view.pane == of);
    }
}

fn incident(incident: &Incident, now_ms: i64) -> (Level, bool, String) {
    let began = clock(incident.began_ms, now_ms);
    let text = format!("{began} {} {}", incident.kind, incident.text);
    (incident.level, incident.ended_ms.is_none(), text)
}

fn finding(finding: &Finding, now_ms: i64) -> (Level, bool, String) {
    let last = clock(finding.last_ms, now_ms);
    let text = format!("{last} {} {}", finding.level, finding.text);
    (
        Level::of_finding(&finding.level),
        finding.ended_ms.is_none(),
        text,
    )
}
