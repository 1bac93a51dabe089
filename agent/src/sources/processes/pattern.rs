//! Patterns with `*` and `?` over bytes that anybody may have chosen.
//!
//! Matching takes at most pattern times text steps, whatever both hold: a mismatch goes back to the
//! last `*` only.

/// Longest pattern, bytes.
pub(super) const PATTERN_MAX_BYTES: usize = 256;

/// Whether the whole text fits the pattern: `*` for any bytes, `?` for one.
pub(super) fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut next) = (0, 0);
    // Behind the last star, and what of the text it covers so far.
    let mut star: Option<(usize, usize)> = None;
    while next < text.len() {
        match (pattern.get(at), star) {
            (Some(b'*'), _) => {
                at += 1;
                star = Some((at, next));
            }
            (Some(&byte), _) if byte == b'?' || byte == text[next] => {
                at += 1;
                next += 1;
            }
            (_, Some((behind, covered))) => {
                at = behind;
                next = covered + 1;
                star = Some((behind, next));
            }
            (_, None) => return false,
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// Whether the pattern has wildcards.
pub(super) fn is_glob(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_fit_whole_texts() {
        for (pattern, text, want) in [
            ("nginx", "nginx", true),
            ("nginx", "nginx2", false),
            ("ngin?", "nginx", true),
            ("ngin?", "ngin", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("/opt/*/bin/java", "/opt/a/b/bin/java", true),
            ("/opt/*/bin/java", "/opt/bin/java", false),
            (
                "*odoo*--workers*",
                "python3 /srv/odoo-bin -c x --workers 4",
                true,
            ),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("**", "x", true),
        ] {
            assert_eq!(
                fits(pattern.as_bytes(), text.as_bytes()),
                want,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = "a*".repeat(100) + "b";
        assert!(!fits(pattern.as_bytes(), &[b'a'; 4096]));
    }

    proptest! {
        /// Compared with the plain definition.
        #[test]
        fn it_is_the_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            fn plain(pattern: &[u8], text: &[u8]) -> bool {
                match pattern.split_first() {
                    None => text.is_empty(),
                    Some((b'*', rest)) => (0..=text.len()).any(|covered| plain(rest, &text[covered..])),
                    Some((byte, rest)) => text.split_first().is_some_and(|(first, text)| (*byte == b'?' || byte == first) && plain(rest, text)),
                }
            }
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(fits(pattern, text), plain(pattern, text));
        }
    }
}
