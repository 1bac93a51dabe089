//! Odoo's server log: `2026-11-25 09:35:36,123 4711 INFO DATABASE LOGGER: MESSAGE`, times in UTC.
//!
//! Pure. Read are the lines of `res_users` (logins, changes of passwords), of the export
//! controller and of `models.unlink` (deletions). The login is the client's text: the address is behind the last ` from `. Behind a
//! proxy it is the proxy's unless Odoo runs with `proxy_mode`. Odoo writes a newline in a login as
//! it is: what stands behind it is a line of its own and may look like any other. From Odoo 12 on a
//! login line has an address, and one without is the piece before a newline.

use super::super::event::{Kind, Status};
use super::super::reading::{Outcome, Reading};
use super::doubt::Claim;
use super::time;
use crate::sources::tail::zone::Zone;

/// Reads a line.
pub(super) fn parse(line: &str, zone: &Zone, now_ms: i64) -> Claim {
    let Some(entry) = entry(line, zone, now_ms) else {
        // The rest of a message of several lines.
        return Claim::Whole(Outcome::Nothing);
    };
    let event = |kind, status| Reading {
        process_id: entry.process_id,
        ..Reading::new(entry.time_ms, kind, status)
    };
    let logger = entry.logger;
    if logger.ends_with(".res_users") {
        for (start, status) in [
            ("Login failed for db:", Status::Failure),
            ("Login successful for db:", Status::Success),
        ] {
            if let Some(rest) = entry.message.strip_prefix(start) {
                return login(rest, logger, event(Kind::AppLogin, status));
            }
        }
        if let Some(rest) = entry.message.strip_prefix("Password change for ") {
            let event = event(Kind::PasswordChanged, Status::Success);
            return Claim::Whole(password(rest, event).into());
        }
    }
    if (logger.ends_with(".controllers.export") || logger.ends_with(".controllers.main"))
        && let Some(rest) = entry.message.strip_prefix("User ")
        && rest.contains(" exported ")
    {
        let event = event(Kind::DataExport, Status::Success);
        return Claim::Whole(export(rest, event).into());
    }
    if logger.ends_with(".models.unlink")
        && let Some(rest) = entry.message.strip_prefix("User #")
    {
        let event = event(Kind::DataDelete, Status::Success);
        return Claim::Whole(deletion(rest, event).into());
    }
    Claim::Whole(Outcome::Nothing)
}

struct Entry<'a> {
    time_ms: i64,
    process_id: u32,
    logger: &'a str,
    message: &'a str,
}

fn entry<'a>(line: &'a str, zone: &Zone, now_ms: i64) -> Option<Entry<'a>> {
    let (time, rest) = line.split_at_checked(23)?;
    let time_ms = time::parse(time, zone, now_ms)?;
    let (process_id, rest) = rest.strip_prefix(' ')?.split_once(' ')?;
    let (_level, rest) = rest.split_once(' ')?;
    let (_database, rest) = rest.split_once(' ')?;
    let (logger, message) = rest.split_once(": ")?;
    let known = logger.starts_with("odoo.") || logger.starts_with("openerp.");
    (known && !logger.contains(' ')).then_some(Entry {
        time_ms,
        process_id: process_id.parse().ok()?,
        logger,
        message,
    })
}

/// `DATABASE login:USER from ADDRESS`; up to Odoo 10 without an address.
fn login(text: &str, logger: &str, reading: Reading) -> Claim {
    // The name of the database is the client's, too.
    let Some((_database, rest)) = text.split_once(" login:") else {
        return Claim::Cut(reading);
    };
    let Some((user, address)) = behind_from(rest) else {
        let user = rest.to_owned();
        return if logger.ends_with(".models.res_users") {
            Claim::Cut(Reading { user, ..reading })
        } else {
            let detail = "no source address".to_owned();
            Claim::Whole(
                Some(Reading {
                    user,
                    detail,
                    ..reading
                })
                .into(),
            )
        };
    };
    let (user, address) = (user.to_owned(), address.to_owned());
    Claim::Whole(
        Some(Reading {
            user,
            address,
            ..reading
        })
        .into(),
    )
}

/// `'LOGIN' (#2) by 'LOGIN' (#1) from ADDRESS`
fn password(text: &str, reading: Reading) -> Option<Reading> {
    let (who, address) = behind_from(text)?;
    let (target, by) = who.rsplit_once(") by ")?;
    let target_user = quoted(target)?.to_owned();
    let user = quoted(by.strip_suffix(')')?)?.to_owned();
    Some(Reading {
        kind: if user == target_user {
            Kind::PasswordChanged
        } else {
            Kind::PasswordReset
        },
        user,
        target_user,
        address: address.to_owned(),
        ..reading
    })
}

/// `'LOGIN' (#2`
fn quoted(text: &str) -> Option<&str> {
    let (login, _number) = text.rsplit_once(" (#")?;
    let quote = login.chars().next().filter(|mark| "'\"".contains(*mark))?;
    login.strip_prefix(quote)?.strip_suffix(quote)
}

/// `2 exported 5000 'res.partner' records from ADDRESS. Fields: …`, where the user is a number and
/// the fields, behind, are the client's.
fn export(text: &str, reading: Reading) -> Option<Reading> {
    let (user, rest) = text.split_once(" exported ")?;
    let (records, rest) = rest.split_once(" '")?;
    let (model, rest) = rest.split_once("' records from ")?;
    let (address, _fields) = rest.split_once(". Fields: ")?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    number(user).then_some(())?;
    Some(Reading {
        user: user.to_owned(),
        records: records.parse().ok()?,
        address: address.to_owned(),
        detail: model.to_owned(),
        ..reading
    })
}

/// `2 deleted res.partner records with IDs: [7, 8]`, all of it the server's own words. Of a line that was
/// cut for its length, the numbers that are there.
fn deletion(text: &str, reading: Reading) -> Option<Reading> {
    let (user, rest) = text.split_once(" deleted ")?;
    let (model, ids) = rest.split_once(" records with IDs: [")?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (number(user) && !model.contains(' ')).then_some(())?;
    let ids = ids
        .trim_end_matches(']')
        .split(", ")
        .filter(|id| !id.is_empty());
    Some(Reading {
        user: user.to_owned(),
        records: ids.count().try_into().ok()?,
        detail: model.to_owned(),
        ..reading
    })
}

/// Takes ` from ADDRESS` off the end.
fn behind_from(text: &str) -> Option<(&str, &str)> {
    let (rest, address) = text.trim_end().rsplit_once(" from ")?;
    (!address.is_empty() && !address.contains(' ')).then_some((rest, address))
}
