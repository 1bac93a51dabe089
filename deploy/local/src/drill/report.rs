//! What a person sees: which drill is at what, its account, and the table at the end.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::Verdict;
use super::proof::Proof;
use crate::up::say;

/// What came of one drill.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) verdict: Verdict,
    name: &'static str,
    lines: u64,
    took: Duration,
    /// The account, or why there is none.
    text: String,
}

impl Outcome {
    pub(super) fn of(name: &'static str, proof: anyhow::Result<Proof>, took: Duration) -> Self {
        match proof {
            Ok(proof) => {
                let faults = proof.faults();
                let mut text = proof.text();
                for fault in &faults {
                    let _ = writeln!(text, "  NOT WHOLE: {fault}");
                }
                Self {
                    verdict: if faults.is_empty() {
                        Verdict::Whole
                    } else {
                        Verdict::NotWhole
                    },
                    name,
                    lines: proof.lines(),
                    took,
                    text,
                }
            }
            Err(error) => Self {
                verdict: Verdict::CouldNotRun,
                name,
                lines: 0,
                took,
                text: format!("  could not run: {error:#}\n"),
            },
        }
    }

    const fn word(&self) -> &'static str {
        match self.verdict {
            Verdict::Whole => "whole",
            Verdict::NotWhole => "NOT WHOLE",
            Verdict::CouldNotRun => "COULD NOT RUN",
            Verdict::Interrupted => "INTERRUPTED",
        }
    }
}

/// The table at the end.
pub(super) fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!("{:<18} {:>9} {:>7}  result\n", "drill", "lines", "seconds");
    for outcome in outcomes {
        let _ = writeln!(
            text,
            "{:<18} {:>9} {:>7.1}  {}",
            outcome.name,
            outcome.lines,
            outcome.took.as_secs_f64(),
            outcome.word()
        );
    }
    let whole = outcomes
        .iter()
        .filter(|outcome| outcome.verdict == Verdict::Whole)
        .count();
    let _ = write!(text, "\n{whole} of {} whole", outcomes.len());
    text
}

/// A bar on a terminal, a line for each phase elsewhere.
#[derive(Debug)]
pub(super) struct Display {
    bar: Option<ProgressBar>,
}

impl Display {
    pub(super) fn new(drills: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{spinner} [{pos}/{len}] {prefix}: {msg} ({elapsed})")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = ProgressBar::new(drills as u64).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar }
    }

    pub(super) fn begin(&self, drill: &'static str) {
        match &self.bar {
            Some(bar) => bar.set_prefix(drill),
            None => say(drill),
        }
    }

    /// What is being done.
    pub(super) fn phase(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    /// Something that happened and stays to be read.
    pub(super) fn event(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => say(&format!("  {text}")),
        }
    }

    pub(super) fn done(&self, outcome: &Outcome) {
        let text = format!(
            "{} {} after {:.1} s\n{}",
            outcome.name,
            outcome.word(),
            outcome.took.as_secs_f64(),
            outcome.text
        );
        match &self.bar {
            Some(bar) => {
                bar.inc(1);
                bar.suspend(|| say(&text));
            }
            None => say(&text),
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_drill_decides() {
        let outcome = |name, proof| Outcome::of(name, proof, Duration::from_millis(1500));
        let broken = outcome("a", Ok(Proof::default()));
        assert_eq!(broken.verdict, Verdict::NotWhole);
        let failed = outcome("b", Err(anyhow::anyhow!("no engine")));
        assert_eq!(failed.verdict.exit_code(), 2);
        assert!(failed.text.contains("no engine"));
        assert!(Verdict::CouldNotRun > Verdict::NotWhole && Verdict::NotWhole > Verdict::Whole);
        let table = table(&[broken, failed]);
        assert!(table.contains("NOT WHOLE") && table.contains("COULD NOT RUN"));
        assert!(table.ends_with("0 of 2 whole"), "{table}");
    }
}
