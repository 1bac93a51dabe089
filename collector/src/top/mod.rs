//! `crmscope-collector top`: the overview in a terminal.
//!
//! Picture: [`crate::overview`] is asked every few seconds beside the keys; [`view`] is what is shown and
//! chosen, [`draw`] lays it out, [`plain`] prints it once (all three pure), [`screen`] has the terminal and
//! gives it back. Promises: the terminal is as it was however this ends, but for a kill; text of others
//! moves no cursor; colour is never the only sign; what is shown has its age when ClickHouse does not answer.
//! Leaves what is true to [`crate::overview`].

mod draw;
mod plain;
mod screen;
#[cfg(test)]
mod tests;
mod view;

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::pin::Pin;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ratatui::crossterm::event::{Event, KeyEventKind};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::MissedTickBehavior;

use self::draw::Look;
use self::screen::Screen;
use self::view::{Asked, Next, View};
use crate::error::Error;
use crate::overview::{self, Level, Overview, Settings};
use crate::storage::Storage;

/// How it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// From one question to the next.
    pub every: Duration,
    /// Print it, and leave.
    pub once: bool,
}

/// Something asked that was not answered yet.
type Asking = Pin<Box<dyn Future<Output = Result<Overview, Error>> + Send>>;

/// Shows the overview until it is left. Returns the exit code: with `once` that of the verdict, else 0.
///
/// # Errors
/// When there is no terminal, or it fails; with `once` when an answer is not what the schema says.
pub async fn run(storage: Storage, settings: Settings, options: Options) -> anyhow::Result<u8> {
    if options.once {
        let overview = overview::read(&storage, &settings).await?;
        std::io::stdout().write_all(plain::text(&overview).as_bytes())?;
        return Ok(exit_code(overview.verdict.level));
    }
    let is_dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    anyhow::ensure!(
        std::io::stdout().is_terminal() && std::io::stdin().is_terminal() && !is_dumb,
        "there is no terminal to draw on: `top --once` prints the same and leaves"
    );
    anyhow::ensure!(
        !options.every.is_zero(),
        "--every is 0s; it must be at least 1s"
    );
    let mut signals = Signals::new()?;
    let mut screen = Screen::enter().context("the terminal cannot be set up")?;
    let shown = show(
        &mut screen,
        &mut signals,
        &storage,
        &settings,
        options.every,
    )
    .await;
    drop(screen);
    shown?;
    Ok(0)
}

/// For scripts: 0 good, 1 something is wrong, 3 not known.
#[must_use]
pub const fn exit_code(level: Level) -> u8 {
    match level {
        Level::Good => 0,
        Level::Warn | Level::Bad => 1,
        Level::Unknown => 3,
    }
}

/// What ends it from outside.
struct Signals(Signal, Signal, Signal);

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self(
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        ))
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
            _ = self.2.recv() => {}
        }
    }
}

async fn show(
    screen: &mut Screen,
    signals: &mut Signals,
    storage: &Storage,
    settings: &Settings,
    every: Duration,
) -> anyhow::Result<()> {
    let look = Look::of_environment(|name| std::env::var(name).ok());
    let mut view = View::default();
    let mut events = screen::events();
    let mut asking: Option<Asking> = None;
    let mut answered = Instant::now();
    let mut questions = tokio::time::interval(every);
    questions.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The age of what is shown goes on.
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        screen.draw(|frame| draw::frame(frame, &mut view, answered.elapsed(), look))?;
        tokio::select! {
            () = signals.any() => return Ok(()),
            event = events.recv() => match event {
                // Nobody is there to look.
                None => return Ok(()),
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                    match view.press(key) {
                        Next::Leave => return Ok(()),
                        Next::Ask => questions.reset_immediately(),
                        Next::Stay => {}
                    }
                }
                Some(_) => {}
            },
            _ = questions.tick(), if asking.is_none() && !view.is_paused() => {
                asking = Some(ask(storage.clone(), settings.clone()));
            }
            answer = answered_of(&mut asking) => {
                asking = None;
                if answer.is_ok() {
                    answered = Instant::now();
                }
                view.take(match answer {
                    Ok(overview) => Asked::Answer(Box::new(overview)),
                    Err(error) => Asked::Failure(error.message),
                });
            }
            _ = seconds.tick() => {}
        }
    }
}

fn ask(storage: Storage, settings: Settings) -> Asking {
    Box::pin(async move { overview::ask(&storage, &settings).await })
}

/// The answer, or nothing for ever where nothing is asked.
async fn answered_of(asking: &mut Option<Asking>) -> Result<Overview, Error> {
    match asking {
        Some(asking) => asking.await,
        None => std::future::pending().await,
    }
}
