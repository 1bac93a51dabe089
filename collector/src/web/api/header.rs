//! Reads the header of a query's file: what it asks, its parameters with defaults and bounds, and what
//! its columns mean. Pure; the header is the documentation, so nothing of it stands elsewhere.

/// Deepest indent at which an entry of a list begins; what stands further in goes on with it.
const ENTRY_INDENT: usize = 3;

/// A header in its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// The question it answers.
    pub(super) question: String,
    /// What has to be known besides.
    pub(super) notes: String,
    /// Names with types, and what they mean.
    pub(super) parameters: Vec<Declared>,
    /// Columns and what they hold.
    pub(super) columns: Vec<Column>,
}

/// A parameter as the header declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) sql_type: String,
    pub(super) description: String,
}

/// A column as the header describes it; a `*` stands for several.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) description: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Question,
    Notes,
    Parameters,
    Columns,
}

/// Reads the comment lines with which `sql` begins.
pub(super) fn read(sql: &str) -> Header {
    let mut header = Header::default();
    let mut section = Section::Notes;
    let (mut parameters, mut columns) = (Vec::new(), Vec::new());
    for line in sql.lines().map_while(|line| line.strip_prefix("--")) {
        let text = line.trim();
        if let Some(question) = text.strip_prefix("Question: ") {
            section = Section::Question;
            push(&mut header.question, question);
        } else if let Some(rest) = text.strip_prefix("Parameters:") {
            section = Section::Parameters;
            entry(&mut parameters, ENTRY_INDENT, rest.trim());
        } else if let Some(rest) = text.strip_prefix("Columns:") {
            section = Section::Columns;
            entry(&mut columns, ENTRY_INDENT, rest.trim());
        } else {
            let indent = line.len() - line.trim_start().len();
            if indent < ENTRY_INDENT {
                section = Section::Notes;
            }
            match section {
                Section::Question | Section::Notes => push(&mut header.notes, text),
                Section::Parameters => entry(&mut parameters, indent, text),
                Section::Columns => entry(&mut columns, indent, text),
            }
        }
    }
    header.parameters = parameters.iter().flat_map(|text| declared(text)).collect();
    header.columns = columns
        .iter()
        .fold(Vec::new(), |columns, text| described(columns, text));
    header
}

fn push(text: &mut String, more: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(more);
}

/// A line of a list: the beginning of an entry, or more of the one before.
fn entry(entries: &mut Vec<String>, indent: usize, text: &str) {
    match entries.last_mut() {
        _ if text.is_empty() => {}
        Some(last) if indent > ENTRY_INDENT => push(last, text),
        _ => entries.push(text.to_owned()),
    }
}

/// `from DateTime('UTC'), to DateTime('UTC'): the range` declares two with one meaning, and
/// `a UInt8: this; b UInt8: that` two with their own.
fn declared(text: &str) -> Vec<Declared> {
    let mut found: Vec<Declared> = Vec::new();
    for part in parts(text, "; ") {
        let names = part.split_once(": ").and_then(|(names, description)| {
            let names: Option<Vec<_>> = names.split(", ").map(name_and_type).collect();
            Some((names?, description))
        });
        match names {
            Some((names, description)) => {
                found.extend(names.into_iter().map(|(name, sql_type)| Declared {
                    name: name.to_owned(),
                    sql_type: sql_type.to_owned(),
                    description: description.to_owned(),
                }));
            }
            // Of all that stand in the entry, since they share it.
            None => {
                for one in &mut found {
                    one.description = format!("{}; {part}", one.description);
                }
            }
        }
    }
    found
}

/// The pieces between separators that are not in brackets.
fn parts<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && at >= begin && text[at..].starts_with(separator) => {
                parts.push(&text[begin..at]);
                begin = at + separator.len();
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

fn name_and_type(text: &str) -> Option<(&str, &str)> {
    let (name, sql_type) = text.split_once(' ')?;
    let is_type =
        sql_type.starts_with(|first: char| first.is_ascii_uppercase()) && !sql_type.contains(' ');
    (is_name(name) && is_type).then_some((name, sql_type))
}

fn is_name(text: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '*';
    !text.is_empty() && text.chars().all(is_of_name)
}

/// Adds the columns of an entry; what names none belongs to those before it.
fn described(mut columns: Vec<Column>, text: &str) -> Vec<Column> {
    for part in parts(text, "; ") {
        let (names, description) = part.split_once(": ").unwrap_or((part, ""));
        // A unit or a bound may stand behind the name: `number (from 1 at every start)`.
        let named: Option<Vec<(&str, &str)>> = parts(names, ", ")
            .into_iter()
            .map(|name| match name.split_once(" (") {
                Some((name, aside)) => Some((name, aside.strip_suffix(')')?)),
                None => Some((name, "")),
            })
            .map(|name| name.filter(|(name, _)| is_name(name)))
            .collect();
        if let Some(named) = named {
            columns.extend(named.into_iter().map(|(name, aside)| Column {
                name: name.to_owned(),
                description: match (aside, description) {
                    ("", text) | (text, "") => text.to_owned(),
                    (aside, text) => format!("{text} ({aside})"),
                },
            }));
        } else if let Some(last) = columns.last_mut() {
            let before = std::mem::take(&mut last.description);
            last.description = match before.as_str() {
                "" => part.to_owned(),
                before => format!("{before}; {part}"),
            };
        }
    }
    columns
}

/// What a description says of a value that is left out, such as `default the last hour`.
pub(super) fn default_of(description: &str) -> Option<&str> {
    let (_, text) = description.split_once("default ")?;
    Some(text.split([',', ';']).next().unwrap_or(text).trim())
}

/// A number behind these words, such as `at least 10`; with a unit of time it is in seconds.
pub(super) fn number_after(description: &str, words: &str) -> Option<i128> {
    let (_, rest) = description.split_once(words)?;
    let mut words = rest.trim_start().split([' ', ',', ';']);
    let number: i128 = words.next()?.parse().ok()?;
    let unit = match words.next().unwrap_or_default() {
        "day" | "days" => 86_400,
        "hour" | "hours" => 3600,
        "minute" | "minutes" => 60,
        _ => 1,
    };
    Some(number * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_taken_apart() {
        let header = read(
            "-- Question: how is it?\n-- Of one host.\n-- Parameters:\n\
             --   agent String: one agent; default '', all of them\n\
             --   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded; default the\n\
             --     last hour\n\
             --   a UInt8: this; b UInt8: that; default 0\n\
             -- Columns:\n--   t: start; hosts, cpu_*: how many; NULL where unknown\n\
             --   agent_id, kind (a word): whose\n-- The worst first.\nSELECT 1 -- Columns:\n",
        );
        assert_eq!(header.question, "how is it?");
        assert_eq!(header.notes, "Of one host. The worst first.");
        let names: Vec<_> = header.parameters.iter().map(|one| &*one.name).collect();
        assert_eq!(names, ["agent", "from", "to", "a", "b"]);
        assert_eq!(header.parameters[2].sql_type, "DateTime('UTC')");
        assert_eq!(
            default_of(&header.parameters[1].description),
            Some("the last hour")
        );
        assert_eq!(default_of(&header.parameters[0].description), Some("''"));
        let columns: Vec<_> = header.columns.iter().map(|one| &*one.name).collect();
        assert_eq!(columns, ["t", "hosts", "cpu_*", "agent_id", "kind"]);
        assert_eq!(
            header.columns[2].description,
            "how many; NULL where unknown"
        );
        assert_eq!(header.columns[4].description, "whose (a word)");
        assert_eq!(read("SELECT 1"), Header::default());
        assert!(read("-- Parameters: none\nSELECT 1").parameters.is_empty());
    }

    #[test]
    fn bounds_are_read_out_of_words() {
        let text = "length of a step, at least 10; default 60, at most 7 days";
        assert_eq!(number_after(text, "at least "), Some(10));
        assert_eq!(number_after(text, "at most "), Some(7 * 86_400));
        assert_eq!(number_after("at least twice", "at least "), None);
    }
}
