//! Patterns pasted with the directive around them, as a server's configuration has it.

use std::borrow::Cow;

/// The format alone: of `log_format name escape=json '…' '…';` the strings joined, of
/// `LogFormat "…" name` the string. Anything else is the format already.
pub(super) fn format_of(text: &str) -> Result<Cow<'_, str>, String> {
    let trimmed = text.trim();
    let after = |name: &str| {
        let rest = trimmed.strip_prefix(name)?;
        rest.starts_with(char::is_whitespace)
            .then(|| rest.trim_start())
    };
    if let Some(rest) = after("log_format") {
        return log_format(rest).map(Cow::Owned);
    }
    if let Some(rest) = after("LogFormat") {
        let quote = rest
            .chars()
            .next()
            .filter(|first| matches!(first, '"' | '\''));
        let quote = quote.ok_or_else(|| {
            "LogFormat is not followed by a string in quotes; paste the whole directive, or the format alone".to_owned()
        })?;
        return Ok(Cow::Borrowed(closed(&rest[1..], quote)?.0));
    }
    Ok(Cow::Borrowed(text))
}

fn log_format(text: &str) -> Result<String, String> {
    // The name of the format.
    let mut rest = text
        .find(char::is_whitespace)
        .map_or("", |end| text[end..].trim_start());
    if let Some(parameter) = rest.strip_prefix("escape=") {
        let end = parameter
            .find(char::is_whitespace)
            .unwrap_or(parameter.len());
        if &parameter[..end] == "none" {
            return Err("with escape=none a client can write log lines of its own, so that nothing in them can be trusted; use escape=default or escape=json".to_owned());
        }
        rest = parameter[end..].trim_start();
    }
    let mut format = String::new();
    while let Some(quote) = rest.chars().next().filter(|&first| first != ';') {
        let (inside, after) = if matches!(quote, '\'' | '"') {
            closed(&rest[1..], quote)?
        } else {
            let end = rest
                .find(|end: char| end == ';' || end.is_whitespace())
                .unwrap_or(rest.len());
            rest.split_at(end)
        };
        let mut characters = inside.chars().peekable();
        while let Some(character) = characters.next() {
            // nginx takes a backslash away in front of these only.
            let escaped = |next: &char| matches!(next, '\'' | '"' | '\\');
            match characters.next_if(|next| character == '\\' && escaped(next)) {
                Some(next) => format.push(next),
                None => format.push(character),
            }
        }
        rest = after.trim_start();
    }
    Ok(format)
}

/// A string up to its quote, and what follows.
fn closed(text: &str, quote: char) -> Result<(&str, &str), String> {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        if character == quote && !escaped {
            return Ok((&text[..at], &text[at + 1..]));
        }
        escaped = character == '\\' && !escaped;
    }
    Err(format!(
        "a {quote} of the pattern is not closed; paste the whole directive, or the format alone"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_unwrapped() {
        for (text, format) in [
            ("$a $b", "$a $b"),
            (" $a ", " $a "),
            ("log_format main '$a - ' \"$b\"\n  '[$c]';", "$a - $b[$c]"),
            (
                "log_format  j  escape=json  '{\"a\":\"$a\"}'",
                "{\"a\":\"$a\"}",
            ),
            (r"log_format q '\'$a\' \\ \x22 \t';", r"'$a' \ \x22 \t"),
            ("log_format bare $a|$b;", "$a|$b"),
            (r#"LogFormat "%h \"%r\" \\ %t" name"#, r#"%h \"%r\" \\ %t"#),
            ("log_formats '$a'", "log_formats '$a'"),
        ] {
            assert_eq!(format_of(text).as_deref(), Ok(format), "{text}");
        }
        for (text, said) in [
            ("log_format main '$a", "not closed"),
            ("log_format main escape=none '$a';", "escape=json"),
            ("LogFormat \"%h", "not closed"),
            ("LogFormat combined", "in quotes"),
        ] {
            let error = format_of(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
