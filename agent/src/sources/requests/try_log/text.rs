//! Foreign text for terminals and for TOML.

use std::fmt::Write as _;

/// Longest part of a line that is shown, bytes.
pub(super) const SHOWN_MAX_BYTES: usize = 400;

/// Letters by Unicode's tables that nobody sees.
const FILLERS: [char; 6] = [
    '\u{115f}', '\u{1160}', '\u{17b4}', '\u{17b5}', '\u{3164}', '\u{ffa0}',
];

fn is_plain(character: char) -> bool {
    matches!(character, ' ' | char::REPLACEMENT_CHARACTER)
        || character.is_ascii_graphic()
        || (character.is_alphanumeric() && !FILLERS.contains(&character))
}

/// Text without anything a terminal would obey or hide.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        if is_plain(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_unicode());
        }
    }
    shown
}

/// A line, cut if it is long.
pub(super) fn shown_line(line: &[u8]) -> String {
    let cut = &line[..line.len().min(SHOWN_MAX_BYTES)];
    let mut shown = String::new();
    for &byte in cut {
        if byte == b' ' || byte.is_ascii_graphic() {
            shown.push(char::from(byte));
        } else {
            let _ = write!(shown, "\\x{byte:02X}");
        }
    }
    if cut.len() < line.len() {
        let _ = write!(shown, " … and {} bytes more", line.len() - cut.len());
    }
    shown
}

/// A string of TOML, as people would write it where that can be.
pub(super) fn toml(text: &str) -> String {
    let plain = text.chars().all(is_plain);
    if plain && text.contains(['"', '\\']) && !text.contains('\'') {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            plain if is_plain(plain) => quoted.push(plain),
            other => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(other));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// `1 line`, `2 lines`.
pub(super) fn lines(count: u64) -> String {
    if count == 1 {
        "1 line".to_owned()
    } else {
        format!("{count} lines")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::is_printable;

    #[test]
    fn no_character_is_printed_that_is_not_seen() {
        for character in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            let shown = shown(character.encode_utf8(&mut [0; 4]));
            assert!(
                is_printable(&shown) && shown != "\n",
                "U+{:04X}",
                u32::from(character)
            );
        }
    }
}
