//! SuiteCRM 7's log: `TIME [PROCESS][USER][LEVEL] MESSAGE`, the time as PHP's `strftime("%c")`.
//!
//! Pure. Read are refused logins: `FAILED LOGIN:attempts[N], ip[ADDRESS], username[NAME]`, before
//! 7.10 `FAILED LOGIN:attempts[N] - NAME`. SuiteCRM logs no login that succeeds at its usual level.
//! The name is the client's text and so is taken from between the line's own ends; the address may
//! be, too: SuiteCRM believes headers such as `Client-IP`. A newline in a name ends the line,
//! and the piece before it lacks the bracket that closes the name; before 7.10 nothing tells.

use super::super::event::{Kind, Status};
use super::super::reading::{Outcome, Reading};
use super::doubt::Claim;
use super::time;
use crate::sources::tail::zone::Zone;

/// Reads a line.
pub(super) fn parse(line: &str, zone: &Zone, now_ms: i64) -> Claim {
    let Some((head, message)) = entry(line) else {
        // The rest of a message of several lines.
        return Claim::Whole(Outcome::Nothing);
    };
    let Some(rest) = message.strip_prefix("FAILED LOGIN:") else {
        return Claim::Whole(Outcome::Nothing);
    };
    let Some(time_ms) = time::parse(head.time, zone, now_ms) else {
        return Claim::Whole(Outcome::Unknown);
    };
    let reading = Reading {
        process_id: head.process_id,
        ..Reading::new(time_ms, Kind::AppLogin, Status::Failure)
    };
    refused(rest, reading).unwrap_or(Claim::Whole(Outcome::Unknown))
}

struct Head<'a> {
    time: &'a str,
    process_id: u32,
}

fn entry(line: &str) -> Option<(Head<'_>, &str)> {
    let (time, rest) = line.split_once(" [")?;
    let (process_id, rest) = rest.split_once("][")?;
    let (_user, rest) = rest.split_once("][")?;
    let (_level, message) = rest.split_once("] ")?;
    let process_id = process_id.parse().ok()?;
    Some((Head { time, process_id }, message))
}

fn refused(text: &str, reading: Reading) -> Option<Claim> {
    let whole = |reading| Some(Claim::Whole(Some(reading).into()));
    let Some(rest) = text.strip_prefix("attempts[") else {
        // `FAILED LOGIN: potential hack attempt`
        return whole(Reading {
            detail: text.trim().to_owned(),
            ..reading
        });
    };
    let (attempts, rest) = rest.split_once(']')?;
    if attempts.len() > 9 || !attempts.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let detail = format!("attempt {attempts}");
    if let Some(user) = rest.strip_prefix(" - ") {
        return whole(Reading {
            user: user.to_owned(),
            detail,
            ..reading
        });
    }
    let (address, user) = rest.strip_prefix(", ip[")?.split_once("], username[")?;
    match user.trim_end().strip_suffix(']') {
        Some(user) => whole(Reading {
            user: user.to_owned(),
            address: address.to_owned(),
            detail,
            ..reading
        }),
        None => Some(Claim::Cut(Reading {
            user: user.to_owned(),
            ..reading
        })),
    }
}
