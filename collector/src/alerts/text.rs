//! Untrusted text on its way to receivers: names of hosts, labels and sentences that others wrote.
//!
//! Promises that what leaves here has no control characters, no line or paragraph separators and no marks
//! that turn the direction of text, and is bounded. Quoting is left to each format's own writer.

/// Longest name or label, bytes.
pub(super) const LABEL_MAX_BYTES: usize = 256;
/// Longest sentence, bytes.
pub(super) const SENTENCE_MAX_BYTES: usize = 1000;

/// The text in one line of at most `max_bytes`; what was cut off shows as `…`.
pub(crate) fn one_line(text: &str, max_bytes: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max_bytes));
    for character in text.chars() {
        let character = if is_plain(character) { character } else { ' ' };
        if line.len() + character.len_utf8() > max_bytes {
            while line.len() + '…'.len_utf8() > max_bytes && line.pop().is_some() {}
            line.push('…');
            break;
        }
        line.push(character);
    }
    line.trim().to_owned()
}

fn is_plain(character: char) -> bool {
    let turns_direction = matches!(character,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{061c}');
    let parts_lines = matches!(character, '\u{2028}' | '\u{2029}');
    !character.is_control() && !turns_direction && !parts_lines
}

/// The last time with a year of four digits, as RFC 3339 wants it, Unix ms.
const TIME_MAX_MS: i64 = 253_402_300_799_999;

/// A time as RFC 3339 has it, UTC; what lies outside of 1970 to 9999 is moved to the nearer end.
pub(super) fn time(unix_ms: i64) -> String {
    let unix_ms = unix_ms.clamp(0, TIME_MAX_MS);
    let Ok(time) = tz::UtcDateTime::from_timespec(unix_ms / 1000, 0) else {
        return "1970-01-01T00:00:00.000Z".to_owned();
    };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        time.year(),
        time.month(),
        time.month_day(),
        time.hour(),
        time.minute(),
        time.second(),
        unix_ms % 1000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_becomes_one_bounded_line() {
        for (text, want) in [
            ("web-01", "web-01"),
            ("a\r\nBcc: eve@example.com", "a  Bcc: eve@example.com"),
            ("a\0b\u{1b}[2J\u{85}", "a b [2J"),
            ("safe\u{202e}gnp\u{2028}x", "safe gnp x"),
            ("Zürich 東京", "Zürich 東京"),
            ("", ""),
        ] {
            assert_eq!(one_line(text, 100), want);
        }
        assert_eq!(one_line("abcdef", 6), "abcdef");
        assert_eq!(one_line("abcdefg", 6), "abc…");
        assert_eq!(one_line("ääää", 7), "ää…");
        let long = one_line(&"東".repeat(1000), LABEL_MAX_BYTES);
        assert!(long.len() <= LABEL_MAX_BYTES && long.ends_with('…'));
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(time(-1), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(i64::MAX), "9999-12-31T23:59:59.999Z");
    }
}
