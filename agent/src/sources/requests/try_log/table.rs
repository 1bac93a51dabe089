//! The table of routes, and what was counted for each.

use std::collections::HashMap;
use std::fmt::Write as _;

use crmscope_proto::Sketch;

use super::text;
use crate::sources::requests::line::Line;
use crate::sources::requests::route::{self, INVALID, METHODS, OTHER};

/// Most routes counted apart.
const ROUTES_MAX: usize = 10_000;

/// Most routes shown.
const ROUTES_SHOWN: usize = 30;

/// Heading, width and value.
type Column = (&'static str, usize, fn(&Tally) -> String);

const COUNTS: [Column; 7] = [
    ("requests", 9, |tally| tally.requests.to_string()),
    ("2xx", 8, |tally| tally.classes[2].to_string()),
    ("3xx", 8, |tally| tally.classes[3].to_string()),
    ("4xx", 8, |tally| tally.classes[4].to_string()),
    ("5xx", 8, |tally| tally.classes[5].to_string()),
    ("other", 8, |tally| {
        (tally.classes[0] + tally.classes[1]).to_string()
    }),
    ("bytes", 12, |tally| tally.bytes.to_string()),
];

const LATENCY: [Column; 2] = [
    ("p50 ms", 9, |tally| quantile(&tally.latency, 0.5)),
    ("p95 ms", 9, |tally| quantile(&tally.latency, 0.95)),
];

const UPSTREAM: [Column; 2] = [
    ("upstream p50", 13, |tally| quantile(&tally.upstream, 0.5)),
    ("upstream p95", 13, |tally| quantile(&tally.upstream, 0.95)),
];

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: u64,
    classes: [u64; 6],
    bytes: u64,
    pub(super) latency: Sketch,
    pub(super) upstream: Sketch,
}

impl Tally {
    fn count(&mut self, line: &Line<'_>) {
        self.requests += 1;
        let class = usize::from(line.status / 100);
        self.classes[if class < 6 { class } else { 0 }] += 1;
        self.bytes = self.bytes.saturating_add(line.response_bytes);
        for (sketch, latency_us) in [
            (&mut self.latency, line.latency_us),
            (&mut self.upstream, line.upstream_latency_us),
        ] {
            if let Some(latency_us) = latency_us {
                sketch.record(latency_us);
            }
        }
    }
}

/// Counters of all routes, and of each.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) all: Tally,
    routes: HashMap<(u8, Box<str>), Tally>,
    scratch: Vec<u8>,
    template: String,
}

impl Table {
    /// Counts a request.
    pub(super) fn count(&mut self, line: &Line<'_>) {
        self.all.count(line);
        let request = route::target_of(&line.request);
        match request.target {
            Some(target) => {
                route::template(route::path(target, &mut self.scratch), &mut self.template);
            }
            None => INVALID.clone_into(&mut self.template),
        }
        let mut key = (request.method, self.template.as_str().into());
        if self.routes.len() >= ROUTES_MAX && !self.routes.contains_key(&key) {
            key = (0, OTHER.into());
        }
        self.routes.entry(key).or_default().count(line);
    }

    /// The table, the busiest routes first.
    pub(super) fn write(&self, out: &mut String) -> std::fmt::Result {
        if self.routes.is_empty() {
            return Ok(());
        }
        let mut routes: Vec<_> = self.routes.iter().collect();
        routes.sort_unstable_by(|(one, a), (other, b)| {
            b.requests.cmp(&a.requests).then_with(|| one.cmp(other))
        });
        writeln!(out)?;
        self.write_row(out, |(heading, _, _)| (*heading).to_owned(), "route")?;
        let mut row =
            |tally: &Tally, name: &str| self.write_row(out, |(_, _, value)| value(tally), name);
        for ((method, route), tally) in routes.iter().take(ROUTES_SHOWN) {
            let method = METHODS[usize::from(*method)];
            let name = if &**route == INVALID {
                "no request line that can be read".to_owned()
            } else {
                format!("{method} {}", text::shown(route))
            };
            row(tally, &name)?;
        }
        row(&self.all, "all")?;
        if let Some(hidden @ 1..) = routes.len().checked_sub(ROUTES_SHOWN) {
            writeln!(out, "{hidden} routes with fewer requests are not shown")?;
        }
        Ok(())
    }

    /// One line of the table; columns of durations only where there are any.
    fn write_row(
        &self,
        out: &mut String,
        cell: impl Fn(&Column) -> String,
        name: &str,
    ) -> std::fmt::Result {
        let durations = [
            (self.all.latency.count() > 0, LATENCY.as_slice()),
            (self.all.upstream.count() > 0, &UPSTREAM),
        ];
        let durations = durations.iter().filter(|(any, _)| *any);
        for column in COUNTS
            .iter()
            .chain(durations.flat_map(|(_, columns)| *columns))
        {
            write!(out, "{:>width$} ", cell(column), width = column.1)?;
        }
        writeln!(out, " {name}")
    }
}

fn quantile(sketch: &Sketch, p: f64) -> String {
    sketch
        .quantile_us(p)
        .map_or_else(|| "-".to_owned(), |us| format!("{:.1}", us / 1000.0))
}
