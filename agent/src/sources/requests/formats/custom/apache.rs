//! Apache's directives, and how a `LogFormat` is written.

use super::Words;
use super::field::Field;
use super::program::{Builder, Shape};

pub(super) const WORDS: Words = Words {
    time: "%t",
    zone: "%{%z}t, or write the time as %t",
    status: "%>s",
    request: "\\\"%r\\\"",
    method: "%m",
    target: "%U%q",
    nearest: |_| None,
};

/// Directives that are read over: the server's own words.
const SERVER_WORDS: &str = "AILPRSXfklp";

/// Directives that are read over, and hold what a client may choose.
const CLIENT_TEXTS: &str = "Ceinoqu";

/// Bytes of `[25/Nov/2026:10:05:45 +0000]`.
const BRACKETED_BYTES: usize = 28;

/// Reads a pattern.
pub(super) fn read(pattern: &str, builder: &mut Builder) -> Result<(), String> {
    builder.times_begin = true;
    let mut rest = pattern;
    while let Some(special) = rest.find(['%', '\\']) {
        builder.literal(&rest.as_bytes()[..special]);
        let position = pattern.len() - rest.len() + special;
        let after = &rest[special + 1..];
        let Some(first) = after.chars().next() else {
            return Err(format!(
                "the pattern ends in the middle of something at byte {}; take the last character away",
                position + 1
            ));
        };
        rest = if &rest[special..=special] == "\\" {
            match first {
                'n' => builder.literal(b"\n"),
                't' => builder.literal(b"\t"),
                other => builder.literal(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            &after[first.len_utf8()..]
        } else if first == '%' {
            builder.literal(b"%");
            &after[1..]
        } else {
            directive(pattern, position, builder)?
        };
    }
    builder.literal(rest.as_bytes());
    Ok(())
}

/// Reads the directive at a position; returns what follows it.
fn directive<'a>(
    pattern: &'a str,
    position: usize,
    builder: &mut Builder,
) -> Result<&'a str, String> {
    let at = |what: &str| format!("{what} at byte {} of the pattern", position + 1);
    // `%!200,304>s`: conditions, and which of several internal requests is meant.
    let body = pattern[position + 1..].trim_start_matches(|character: char| {
        matches!(character, '!' | ',' | '<' | '>') || character.is_ascii_digit()
    });
    let (argument, body) = match body.strip_prefix('{') {
        Some(inside) => inside
            .split_once('}')
            .map(|(argument, body)| (Some(argument), body))
            .ok_or_else(|| at("`%{` without its `}`"))?,
        None => (None, body),
    };
    // Trailers: `%{Name}^ti`, `%{Name}^to`.
    let (letter, after) = if let Some(after) = ["^ti", "^to"]
        .iter()
        .find_map(|trailer| body.strip_prefix(trailer))
    {
        ('i', after)
    } else {
        let letter = body
            .chars()
            .next()
            .ok_or_else(|| at("`%` without its directive"))?;
        (letter, &body[letter.len_utf8()..])
    };
    let name = &pattern[position..pattern.len() - after.len()];
    let (field, shape) = match (letter, argument) {
        ('t', Some(form)) => {
            time(form, name, position, builder)?;
            return Ok(after);
        }
        ('t', None) => (Field::TimeBracketed, Shape::Fixed(BRACKETED_BYTES)),
        ('h' | 'a', _) => (Field::Client, Shape::Word),
        ('r', _) => (Field::Request, Shape::Wild),
        ('m', _) => (Field::Method, Shape::Word),
        ('U', _) => {
            // The query belongs to the target.
            let query = after.strip_prefix("%q");
            builder.field(name, Field::Target, Shape::Target);
            return Ok(query.unwrap_or(after));
        }
        ('H', _) => (Field::Ignored, Shape::Word),
        ('s', _) => (Field::Status, Shape::Word),
        ('b' | 'B', _) => (Field::BodyBytes, Shape::Word),
        ('O', _) => (Field::SentBytes, Shape::Word),
        ('D', _) | ('T', Some("us")) => (Field::LatencyMicroseconds, Shape::Word),
        ('T', Some("ms")) => (Field::LatencyMilliseconds, Shape::Word),
        ('T', None | Some("s")) => (Field::LatencySeconds, Shape::Word),
        ('T', Some(unit)) => {
            return Err(
                at(&format!("unknown unit `{unit}` in `{name}`")) + "; use %{us}T, %{ms}T or %{s}T"
            );
        }
        ('v' | 'V', _) => (Field::Site, Shape::Word),
        (known, _) if SERVER_WORDS.contains(known) => (Field::Ignored, Shape::Word),
        ('i', Some(header)) if header.eq_ignore_ascii_case("host") => (Field::Site, Shape::Wild),
        (known, _) if CLIENT_TEXTS.contains(known) => (Field::Ignored, Shape::Wild),
        (unknown, _) => {
            let name: String = name.chars().flat_map(char::escape_debug).collect();
            let other_case =
                |letter: &char| letter.eq_ignore_ascii_case(&unknown) && *letter != unknown;
            let hint = "abBCDefhHiIklLmnoOpPqrRsStTuUvVX"
                .chars()
                .find(other_case)
                .map_or_else(
                    || "; Apache's mod_log_config lists the directives there are".to_owned(),
                    |letter| format!("; did you mean `%{letter}`?"),
                );
            return Err(at(&format!("unknown directive `{name}`")) + &hint);
        }
    };
    builder.field(name, field, shape);
    Ok(after)
}

/// `%{…}t`: one of Apache's own words, or strftime's.
fn time(form: &str, name: &str, position: usize, builder: &mut Builder) -> Result<(), String> {
    let form = match form.strip_prefix("end:") {
        Some(form) => {
            // Of two times the first one counts.
            builder.times_begin = builder.has(Field::TimeBracketed);
            form
        }
        None => form.strip_prefix("begin:").unwrap_or(form),
    };
    let own = match form {
        "sec" => Some((Field::EpochSeconds, Shape::Word)),
        "msec" => Some((Field::EpochMilliseconds, Shape::Word)),
        "usec" => Some((Field::EpochMicroseconds, Shape::Word)),
        "msec_frac" => Some((Field::Ignored, Shape::Fixed(3))),
        "usec_frac" => Some((Field::Ignored, Shape::Fixed(6))),
        _ => None,
    };
    if let Some((field, shape)) = own {
        builder.field(name, field, shape);
        return Ok(());
    }
    let mut rest = form;
    while let Some(percent) = rest.find('%') {
        builder.literal(&rest.as_bytes()[..percent]);
        let letter = rest[percent + 1..].chars().next().unwrap_or(' ');
        let parts: &[(Field, usize, &[u8])] = match letter {
            'Y' => &[(Field::Year, 4, b"")],
            'm' => &[(Field::Month, 2, b"")],
            'b' | 'h' => &[(Field::MonthName, 3, b"")],
            'd' | 'e' => &[(Field::Day, 2, b"")],
            'H' => &[(Field::Hour, 2, b"")],
            'M' => &[(Field::Minute, 2, b"")],
            'S' => &[(Field::Second, 2, b"")],
            'z' => &[(Field::Zone, 5, b"")],
            'a' => &[(Field::Ignored, 3, b"")],
            'F' => &[
                (Field::Year, 4, b"-"),
                (Field::Month, 2, b"-"),
                (Field::Day, 2, b""),
            ],
            'T' => &[
                (Field::Hour, 2, b":"),
                (Field::Minute, 2, b":"),
                (Field::Second, 2, b""),
            ],
            'R' => &[(Field::Hour, 2, b":"), (Field::Minute, 2, b"")],
            '%' => {
                builder.literal(b"%");
                &[]
            }
            other => {
                return Err(format!(
                    "unknown `%{}` in the time at byte {} of the pattern; use %Y %m %b %d %e %H %M %S %F %T %R %z, or write %t",
                    other.escape_debug(),
                    position + 1
                ));
            }
        };
        for &(field, width, after) in parts {
            builder.field(name, field, Shape::Fixed(width));
            builder.literal(after);
        }
        rest = &rest[percent + 1 + letter.len_utf8()..];
    }
    builder.literal(rest.as_bytes());
    Ok(())
}
