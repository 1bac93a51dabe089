//! Known load: lines of an access log, counted as they are written.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;

/// Lines of one burst, and the pause after it: 200 a second for each log.
const BURST_LINES: u64 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// A web server that writes its log.
#[derive(Debug)]
pub(super) struct Load {
    lines: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Load {
    /// Begins to write. `offset_ms` is how far this host's clock is off, ms.
    pub(super) fn start(path: &Path, offset_ms: Arc<AtomicI64>) -> anyhow::Result<Self> {
        let mut log = File::create(path).with_context(|| format!("write {}", path.display()))?;
        let lines = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (counted, stopped) = (Arc::clone(&lines), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let first = counted.load(Ordering::Relaxed);
                let burst = burst(first, now_s() + offset_ms.load(Ordering::Relaxed) / 1000);
                log.write_all(burst.as_bytes())?;
                counted.fetch_add(BURST_LINES, Ordering::Relaxed);
                std::thread::sleep(PAUSE);
            }
            Ok(())
        });
        Ok(Self {
            lines,
            stop,
            thread: Some(thread),
        })
    }

    /// Lines written so far.
    pub(super) fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Ends, and tells how many lines there are.
    pub(super) fn finish(&mut self) -> anyhow::Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let written = thread
                .join()
                .map_err(|_| anyhow::anyhow!("the thread of the load panicked"))?;
            written.context("write the access log")?;
        }
        Ok(self.lines())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn burst(first: u64, now_s: i64) -> String {
    let time = nginx_time(now_s);
    (first..first + BURST_LINES)
        .map(|number| {
            let status = [200, 200, 404, 500][(number % 4) as usize];
            format!(
                "192.0.2.{} - - [{time}] \"GET /account/{number}/orders HTTP/1.1\" {status} {number} \"-\" \"drill\" 0.{:03}\n",
                number % 250,
                number % 900,
            )
        })
        .collect()
}

fn now_s() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// Unix seconds as nginx writes them, in UTC.
fn nginx_time(unix_s: i64) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (days, second) = (unix_s.div_euclid(86_400), unix_s.rem_euclid(86_400));
    // Days to a civil date, in years that begin in March, so that a leap day comes last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = era * 400 + year_of_era + i64::from(month < 2);
    let name = usize::try_from(month).map_or("Jan", |month| MONTHS[month]);
    format!(
        "{day:02}/{name}/{year}:{:02}:{:02}:{:02} +0000",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_nginx_times() {
        for (unix_s, expected) in [
            (0, "01/Jan/1970:00:00:00 +0000"),
            (951_782_400, "29/Feb/2000:00:00:00 +0000"),
            (1_735_689_599, "31/Dec/2024:23:59:59 +0000"),
            (1_772_323_200, "01/Mar/2026:00:00:00 +0000"),
        ] {
            assert_eq!(nginx_time(unix_s), expected);
        }
    }

    #[test]
    fn every_line_that_is_counted_is_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let mut load = Load::start(&path, Arc::default()).unwrap();
        while load.lines() < 3 * BURST_LINES {
            std::thread::sleep(Duration::from_millis(5));
        }
        let lines = load.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count() as u64, lines);
    }
}
