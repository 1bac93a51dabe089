//! What is shown and chosen; pure.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::overview::{Finding, Host, Incident, Overview};

/// Longest filter, characters.
const FILTER_MAX: usize = 64;
/// Rows that a page goes.
const PAGE: isize = 10;

/// A part of the screen that can be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pane {
    #[default]
    Hosts,
    Incidents,
    Findings,
    Pipeline,
}

impl Pane {
    pub(super) const ALL: [Self; 4] =
        [Self::Hosts, Self::Incidents, Self::Findings, Self::Pipeline];

    /// Its title.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hosts => "Hosts",
            Self::Incidents => "Incidents",
            Self::Findings => "Findings",
            Self::Pipeline => "Pipeline",
        }
    }

    const fn place(self) -> usize {
        self as usize
    }

    const fn next(self, back: bool) -> Self {
        let step = if back { 3 } else { 1 };
        Self::ALL[(self.place() + step) % 4]
    }
}

/// By what hosts are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    #[default]
    Worst,
    Name,
    Processor,
    Errors,
}

impl Sort {
    /// In the pane's title.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Worst => "worst first",
            Self::Name => "by name",
            Self::Processor => "by CPU",
            Self::Errors => "by errors",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::Worst => Self::Name,
            Self::Name => Self::Processor,
            Self::Processor => Self::Errors,
            Self::Errors => Self::Worst,
        }
    }
}

/// What lies over the panes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Over {
    #[default]
    Nothing,
    Help,
    /// The chosen row, with what to do.
    Detail,
}

/// What came of a question.
pub(super) enum Asked {
    Answer(Box<Overview>),
    /// Why not.
    Failure(String),
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Stay,
    Ask,
    Leave,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    overview: Option<Overview>,
    failure: Option<String>,
    pub(super) pane: Pane,
    pub(super) over: Over,
    pub(super) sort: Sort,
    pub(super) filter: String,
    is_typing: bool,
    is_paused: bool,
    /// The chosen row of each pane.
    chosen: [usize; 4],
    /// The first row of each pane that is shown.
    first: [usize; 4],
}

impl View {
    /// Takes an answer; what was shown before stays where there is none.
    pub(super) fn take(&mut self, asked: Asked) {
        match asked {
            Asked::Failure(failure) => self.failure = Some(failure),
            Asked::Answer(overview) => {
                // The same row stays chosen while others come and go.
                let chosen = self
                    .hosts()
                    .get(self.chosen[0])
                    .map(|host| host.agent_id.clone());
                self.overview = Some(*overview);
                self.failure = None;
                let place = chosen.and_then(|agent_id| {
                    self.hosts()
                        .iter()
                        .position(|host| host.agent_id == agent_id)
                });
                if let Some(place) =
                    place.filter(|_| self.chosen[0] > 0 || self.over == Over::Detail)
                {
                    self.chosen[0] = place;
                }
            }
        }
    }

    pub(super) const fn overview(&self) -> Option<&Overview> {
        self.overview.as_ref()
    }

    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    pub(super) const fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub(super) const fn is_typing(&self) -> bool {
        self.is_typing
    }

    /// The hosts that pass the filter, in order.
    pub(super) fn hosts(&self) -> Vec<&Host> {
        let Some(overview) = &self.overview else {
            return Vec::new();
        };
        let passes = |host: &&Host| {
            let texts = [&host.agent_id, &host.role, &host.host_group, &host.text];
            self.passes(&texts) || host.state.name() == self.filter
        };
        let mut hosts: Vec<&Host> = overview.hosts.list.iter().filter(passes).collect();
        let by = |of: fn(&Host) -> Option<f64>| {
            move |one: &&Host, other: &&Host| {
                let (one, other) = (of(one).unwrap_or(-1.0), of(other).unwrap_or(-1.0));
                other.total_cmp(&one)
            }
        };
        match self.sort {
            Sort::Worst => {}
            Sort::Name => hosts.sort_by(|one, other| one.agent_id.cmp(&other.agent_id)),
            Sort::Processor => hosts.sort_by(by(|host| host.cpu_busy_ratio)),
            Sort::Errors => hosts.sort_by(by(|host| host.error_ratio)),
        }
        hosts
    }

    /// The incidents that pass the filter.
    pub(super) fn incidents(&self) -> Vec<&Incident> {
        let all = self
            .overview
            .iter()
            .flat_map(|overview| &overview.incidents);
        all.filter(|incident| self.passes(&[&incident.kind, &incident.agent_id, &incident.text]))
            .collect()
    }

    /// The findings that pass the filter.
    pub(super) fn findings(&self) -> Vec<&Finding> {
        let all = self.overview.iter().flat_map(|overview| &overview.findings);
        all.filter(|finding| self.passes(&[&finding.title, &finding.level, &finding.text]))
            .collect()
    }

    fn passes(&self, texts: &[&String]) -> bool {
        let wanted = self.filter.to_lowercase();
        wanted.is_empty()
            || texts
                .iter()
                .any(|text| text.to_lowercase().contains(&wanted))
    }

    fn rows(&self, pane: Pane) -> usize {
        match pane {
            Pane::Hosts => self.hosts().len(),
            Pane::Incidents => self.incidents().len(),
            Pane::Findings => self.findings().len(),
            Pane::Pipeline => 1,
        }
    }

    /// The chosen row of a pane.
    pub(super) fn chosen(&self, pane: Pane) -> usize {
        self.chosen[pane.place()].min(self.rows(pane).saturating_sub(1))
    }

    /// The first row of a pane that is shown where `height` fit, so that the chosen one is.
    pub(super) fn first(&mut self, pane: Pane, height: usize) -> usize {
        let (chosen, rows) = (self.chosen(pane), self.rows(pane));
        let first = &mut self.first[pane.place()];
        *first = (*first).clamp((chosen + 1).saturating_sub(height.max(1)), chosen);
        *first = (*first).min(rows.saturating_sub(height));
        *first
    }

    /// Does what a key says.
    pub(super) fn press(&mut self, key: KeyEvent) -> Next {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if is_control && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return Next::Leave;
        }
        if self.is_typing {
            self.type_filter(key.code);
            return Next::Stay;
        }
        match key.code {
            KeyCode::Char('q') if self.over == Over::Nothing => return Next::Leave,
            KeyCode::Char('q') | KeyCode::Esc if self.over != Over::Nothing => {
                self.over = Over::Nothing;
            }
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char('?') => self.toggle(Over::Help),
            KeyCode::Enter => self.toggle(Over::Detail),
            KeyCode::Up | KeyCode::Char('k') => self.go(-1),
            KeyCode::Down | KeyCode::Char('j') => self.go(1),
            KeyCode::PageUp => self.go(-PAGE),
            KeyCode::PageDown => self.go(PAGE),
            KeyCode::Home | KeyCode::Char('g') => self.go(isize::MIN / 2),
            KeyCode::End | KeyCode::Char('G') => self.go(isize::MAX / 2),
            KeyCode::Tab | KeyCode::Right => self.change(false),
            KeyCode::BackTab | KeyCode::Left => self.change(true),
            KeyCode::Char('/') => {
                self.is_typing = true;
                self.over = Over::Nothing;
            }
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('p') => {
                self.is_paused = !self.is_paused;
                return if self.is_paused {
                    Next::Stay
                } else {
                    Next::Ask
                };
            }
            KeyCode::Char('r') => return Next::Ask,
            _ => {}
        }
        Next::Stay
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(character)
                if !character.is_control() && self.filter.chars().count() < FILTER_MAX =>
            {
                self.filter.push(character);
            }
            _ => {}
        }
        self.chosen = [0; 4];
    }

    fn toggle(&mut self, over: Over) {
        self.over = if self.over == over {
            Over::Nothing
        } else {
            over
        };
    }

    fn change(&mut self, back: bool) {
        self.pane = self.pane.next(back);
        self.over = Over::Nothing;
    }

    fn go(&mut self, by: isize) {
        let last = self.rows(self.pane).saturating_sub(1);
        let chosen = self.chosen(self.pane).saturating_add_signed(by);
        self.chosen[self.pane.place()] = chosen.min(last);
    }
}
