//! From a program's message to its meaning.

use super::event::{Event, Meaning};
use super::{accounts, privileges, sshd};

/// Names that programs other than [`accounts::TOOLS`] log with.
const IDENTIFIERS: [&str; 5] = ["sshd", "sshd-session", "sshd-auth", "sudo", "su"];

/// Every name that programs log with whose lines are read.
pub(super) fn identifiers() -> impl Iterator<Item = &'static str> {
    IDENTIFIERS.into_iter().chain(accounts::TOOLS)
}

/// A program whose lines are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Sshd,
    Sudo,
    Su,
    /// One of [`accounts::TOOLS`].
    Accounts(&'static str),
}

impl Program {
    /// By the name it logs with. From 9.8 on, sshd's work is done by programs of its own.
    pub(super) fn of(identifier: &str) -> Option<Self> {
        Some(match identifier {
            "sshd" | "sshd-session" | "sshd-auth" => Self::Sshd,
            "sudo" => Self::Sudo,
            "su" => Self::Su,
            other => {
                let tool = accounts::TOOLS.into_iter().find(|tool| *tool == other)?;
                Self::Accounts(tool)
            }
        })
    }

    /// Name in rows.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sshd => "sshd",
            Self::Sudo => "sudo",
            Self::Su => "su",
            Self::Accounts(tool) => tool,
        }
    }
}

/// Reads a message. `message repeated N times: [ … ]` means N times what is in the brackets.
pub(super) fn parse(program: Program, message: &str) -> Meaning<'_> {
    match repeated(message) {
        Some((times, inside)) => match once(program, inside) {
            Meaning::Event(event) => Meaning::Event(Event {
                count: event.count.saturating_mul(times),
                ..event
            }),
            other => other,
        },
        None => once(program, message),
    }
}

fn repeated(message: &str) -> Option<(u32, &str)> {
    let rest = message.strip_prefix("message repeated ")?;
    let (times, rest) = rest.split_once(" times: [")?;
    let inside = rest.strip_suffix(']')?;
    // rsyslog pads with one space; sudo's messages begin with some of their own.
    Some((
        times.parse().ok()?,
        inside.strip_prefix(' ').unwrap_or(inside),
    ))
}

fn once(program: Program, message: &str) -> Meaning<'_> {
    if let Some(meaning) = privileges::pam(message) {
        return meaning;
    }
    match program {
        Program::Sshd => sshd::parse(message),
        Program::Sudo => privileges::sudo(message),
        Program::Su => privileges::su(message),
        Program::Accounts(_) => accounts::parse(message),
    }
}
