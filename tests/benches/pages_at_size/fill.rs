//! Fills a stack with what so many hosts would have written in so many days.
//!
//! Promises: tables that pages read across hosts are whole, and every table has hours and days of all hosts. Of tables that
//! a page reads by the host's key alone, minutes and readings are of the first hosts only. Readings are whole for
//! the last hour; before it stand as many rows of the same day as a day would have (at most [`DAY_ROWS`] of a series),
//! closer together, because what lies beside the last hour in a part costs as well. Views rest meanwhile: minutes,
//! hours and days are written as such. From then on [`Fill::catch_up`] plays the agents, and views run.
//! Leaves the SQL to [`super::series`] and `once.sql`.

use std::time::Instant;

use crmscope_tests::{Stack, http, now_ms};

use super::series::{
    ARRIVALS, Hosts, Level, READINGS, ROLLUPS, ROUTES, Readings, SERVICES, Series, requests,
};

/// Rows of one insert, about.
const CHUNK_ROWS: u64 = 4_000_000;
/// With an hour of readings a second that is a granule (8,192 rows), so what is read of a host lies in one or two, as
/// it does beside a whole day.
const DAY_ROWS: u64 = 5_000;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

/// The size, and up to when rows were written.
pub(crate) struct Fill {
    pub(crate) hosts: u64,
    pub(crate) days: u64,
    /// Days of minutes: of longer ranges pages read hours.
    pub(crate) minute_days: u64,
    /// When filling began, and up to when readings were written, Unix s.
    began: u64,
    until: u64,
}

impl Level {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Minute => "1m",
            Self::Hour => "1h",
            Self::Day => "1d",
        }
    }

    const fn seconds(self) -> u64 {
        match self {
            Self::Minute => 60,
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }
}

fn now() -> u64 {
    now_ms().unsigned_abs() / 1_000
}

impl Fill {
    /// Fills it, and lets the views run from then on.
    pub(crate) fn run(stack: &Stack, hosts: u64, days: u64, minute_days: u64) -> Self {
        let began = now() / 60 * 60;
        let mut fill = Self {
            hosts,
            days,
            minute_days,
            began,
            until: began,
        };
        let views = views(stack);
        for view in &views {
            execute(stack, &format!("DETACH TABLE crmscope.{view}"));
        }
        fill.timed(stack, "roll-ups", Self::rollups);
        fill.timed(stack, "requests", Self::requests);
        fill.timed(stack, "readings", |fill, stack| {
            for one in READINGS {
                if one.has_day {
                    fill.before_the_hour(stack, one);
                }
                let from = 1_000 * (fill.began - HOUR);
                fill.readings(stack, one, from, 1_000 * fill.began, one.every_ms);
            }
            let from = 1_000 * (fill.began - HOUR);
            fill.readings(stack, &ARRIVALS, from, 1_000 * fill.began, 10_000);
        });
        for view in &views {
            execute(stack, &format!("ATTACH TABLE crmscope.{view}"));
        }
        // With their views: what users did, arrivals of rules and roll-ups come of the events.
        fill.timed(stack, "the rest", Self::once);
        fill.services(stack);
        fill.catch_up(stack);
        fill
    }

    fn timed(&self, stack: &Stack, what: &str, work: impl Fn(&Self, &Stack)) {
        let begun = Instant::now();
        work(self, stack);
        println!("{what}: written in {:.0} s", begun.elapsed().as_secs_f64());
    }

    /// Readings since the last time: what agents would have sent.
    pub(crate) fn catch_up(&mut self, stack: &Stack) {
        let until = now();
        let (from, to) = (1_000 * self.until, 1_000 * until);
        for one in READINGS {
            self.readings(stack, one, from, to, one.every_ms);
        }
        self.readings(stack, &ARRIVALS, from, to, ARRIVALS.every_ms);
        self.raw_requests(stack, self.until, until);
        self.until = until;
    }

    /// The same, where the last time is half a minute ago.
    pub(crate) fn catch_up_rarely(&mut self, stack: &Stack) {
        if now() >= self.until + 30 {
            self.catch_up(stack);
        }
    }

    const fn count(&self, hosts: Hosts) -> u64 {
        match hosts {
            Hosts::All => self.hosts,
            Hosts::Apps => self.apps(),
            Hosts::Few => {
                if self.hosts < 50 {
                    self.hosts
                } else {
                    50
                }
            }
        }
    }

    /// Hosts that serve requests, each of one service.
    pub(crate) const fn apps(&self) -> u64 {
        let tenth = self.hosts / 10 / SERVICES * SERVICES;
        if tenth < SERVICES { SERVICES } else { tenth }
    }

    const fn steps(&self, level: Level) -> u64 {
        let days = match level {
            Level::Minute => self.minute_days,
            Level::Hour | Level::Day => self.days,
        };
        DAY * days / level.seconds()
    }

    fn rollups(&self, stack: &Stack) {
        for series in ROLLUPS {
            for &level in series.levels {
                let step = level.seconds();
                let count = self.steps(level);
                let hosts = match (level, series.hosts) {
                    (Level::Hour | Level::Day, Hosts::Few) => self.hosts,
                    _ => self.count(series.hosts),
                };
                let table = format!("{}_{}", series.table, level.suffix());
                let start = (self.began - 1) / step * step - step * (count - 1);
                let moment = format!(
                    "toDateTime({start} + {step} * i, 'UTC') AS t, toUInt64({step}) AS step"
                );
                self.write(stack, &table, series, hosts, count, &moment);
            }
        }
    }

    /// `count` rows of every item of `hosts`. Inserts go forward in time, so that parts are of times, as they are where
    /// agents write, and within one in the order of the key.
    fn write(
        &self,
        stack: &Stack,
        table: &str,
        series: &Series,
        hosts: u64,
        count: u64,
        moment: &str,
    ) {
        let (items, columns, select) = (series.items, series.columns, series.select);
        let chunk = (CHUNK_ROWS / (hosts * items)).max(1);
        let mut first = 0;
        while first < count {
            let steps = chunk.min(count - first);
            let rows = steps * items * hosts;
            execute(
                stack,
                &format!(
                    "INSERT INTO crmscope.{table} ({columns}) SELECT {select} FROM (
                        SELECT intDiv(number, {items} * {steps}) AS a, intDiv(number, {steps}) % {items} AS item, {first} + number % {steps} AS i,
                            cityHash64(i, item, a, {salt}) AS h, concat('crm-', leftPad(toString(a), 5, '0')) AS agent,
                            toUUID(concat('5b1d0000-0000-4000-8000-', leftPad(toString(a), 12, '0'))) AS id, {moment}
                        FROM numbers({rows}))",
                    salt = self.until,
                ),
            );
            first += chunk;
        }
    }

    fn readings(&self, stack: &Stack, one: &Readings, from_ms: u64, to_ms: u64, every_ms: u64) {
        let start = from_ms.div_ceil(every_ms) * every_ms;
        if start >= to_ms {
            return;
        }
        let count = (to_ms - start).div_ceil(every_ms);
        // Numbers go on from those before the hour.
        let hour = 1_000 * (self.began - HOUR);
        let number = self.day_rows(one) + start.saturating_sub(hour) / one.every_ms;
        let number = if every_ms == one.every_ms { number } else { 0 };
        let moment = format!(
            "fromUnixTimestamp64Milli(toInt64({start} + {every_ms} * i), 'UTC') AS ts, {number} + i + 1 AS n"
        );
        let hosts = self.count(one.series.hosts);
        self.write(stack, one.series.table, &one.series, hosts, count, &moment);
    }

    fn day_rows(&self, one: &Readings) -> u64 {
        (1_000 * DAY / one.every_ms).min(DAY_ROWS)
    }

    /// As many rows as a day has, between midnight and the last hour.
    fn before_the_hour(&self, stack: &Stack, one: &Readings) {
        let to = 1_000 * (self.began - HOUR);
        let from = (1_000 * (self.began / DAY * DAY)).min(to - 1_000 * HOUR);
        let every = ((to - from) / self.day_rows(one)).max(1);
        let from = to - every * self.day_rows(one);
        let start = from.div_ceil(every) * every;
        self.readings(stack, one, start, to, every);
    }

    fn requests(&self, stack: &Stack) {
        let per_service = self.apps() / SERVICES;
        for level in [Level::Minute, Level::Hour, Level::Day] {
            let step = level.seconds();
            let count = self.steps(level);
            let start = (self.began - 1) / step * step - step * (count - 1);
            let (chance, places) = match level {
                Level::Minute => ("rate", "1 + h % 6"),
                Level::Hour => ("1 - pow(1 - rate, 60)", "if(class = 1, 30, 6)"),
                Level::Day => ("1", "if(class = 1, 60, 20)"),
            };
            let table = format!("requests_{}", level.suffix());
            let chunk = (8 * CHUNK_ROWS / (3 * SERVICES * per_service * ROUTES)).max(1);
            let mut first = 0;
            while first < count {
                let steps = (start + step * first, step, chunk.min(count - first));
                let sql = requests(&table, "t", steps, chance, places, per_service);
                execute(stack, &sql);
                first += chunk;
            }
        }
        let midnight = (self.began / DAY * DAY).min(self.began - 2 * HOUR);
        self.raw_requests(stack, midnight, self.began);
    }

    /// What the views of the roll-up of services would have made of the rows that were written without them.
    fn services(&self, stack: &Stack) {
        for level in ["1m", "1h"] {
            execute(
                stack,
                &format!(
                    "INSERT INTO crmscope.service_requests_{level} SELECT service, status_class, t, sum(requests), sumMap(latency)
                     FROM crmscope.requests_{level} WHERE t < toDateTime({}, 'UTC') GROUP BY service, status_class, t",
                    self.began
                ),
            );
        }
    }

    fn raw_requests(&self, stack: &Stack, from: u64, to: u64) {
        let start = from.div_ceil(10) * 10;
        let count = to.saturating_sub(start).div_ceil(10);
        if count > 0 {
            let steps = (start, 10, count);
            let per_service = self.apps() / SERVICES;
            let sql = requests(
                "requests_raw",
                "bucket_start",
                steps,
                "rate / 5",
                "1 + h % 2",
                per_service,
            );
            execute(stack, &sql);
        }
    }

    fn once(&self, stack: &Stack) {
        let start = self.began - DAY * self.days;
        let sql = include_str!("once.sql")
            .lines()
            .filter(|line| !line.starts_with("--"))
            .collect::<Vec<_>>()
            .join("\n")
            .replace("{now}", &self.began.to_string())
            .replace("{start}", &start.to_string())
            .replace("{hosts}", &self.hosts.to_string())
            .replace("{apps}", &self.apps().to_string())
            .replace("{days}", &self.days.to_string());
        for statement in sql.split(";\n").filter(|one| !one.trim().is_empty()) {
            execute(stack, statement.trim().trim_end_matches(';'));
        }
    }
}

fn views(stack: &Stack) -> Vec<String> {
    stack
        .query::<String>("SELECT name FROM system.tables WHERE database = 'crmscope' AND engine = 'MaterializedView'")
        .unwrap()
}

/// Runs a statement. Blocks are large, so that parts are few, as they are after merges.
pub(crate) fn execute(stack: &Stack, sql: &str) {
    // The engine may take 2 GiB, and columns that are not named come on top.
    let is_wide = ["host_", "transport_", "probe_"]
        .iter()
        .any(|wide| sql.starts_with(&format!("INSERT INTO crmscope.{wide}")));
    let rows = if is_wide { 200_000 } else { 1_000_000 };
    let path = format!(
        "/?database=crmscope&insert_deduplicate=0&async_insert=0&min_insert_block_size_rows={rows}&min_insert_block_size_bytes=134217728&max_block_size=65536&max_insert_threads=1&max_threads=2"
    );
    let (status, body) = http(stack.clickhouse_port, "POST", &path, sql).unwrap();
    let begin: String = sql.chars().take(300).collect();
    assert_eq!(status, 200, "{begin}: {body}");
}
