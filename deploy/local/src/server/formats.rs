//! Which output formats may leave the engine in pieces.
//!
//! The engine formats every piece of a streamed result as a document of its own. Owns the table of
//! formats whose documents, put one after the other, are the document of the whole result: as they
//! are, or without the repeated header. Every other format is a frame around its rows, and has to
//! be formatted in one go. All entries were compared on the engine, piece by piece against whole.

use super::header::Header;

/// How the pieces of a format make a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Rows and nothing else.
    Rows,
    /// A header, then rows; each piece repeats the header.
    Headed(Header),
    /// Anything else, or not known.
    Document,
}

/// Lower case, since the engine takes a format's name in any.
const SHAPES: &[(&str, Shape)] = &[
    ("bsoneachrow", Shape::Rows),
    ("csv", Shape::Rows),
    ("csvwithnames", Shape::Headed(Header::QuotedLines(1))),
    (
        "csvwithnamesandtypes",
        Shape::Headed(Header::QuotedLines(2)),
    ),
    ("jsoncompacteachrow", Shape::Rows),
    (
        "jsoncompacteachrowwithnames",
        Shape::Headed(Header::Lines(1)),
    ),
    (
        "jsoncompacteachrowwithnamesandtypes",
        Shape::Headed(Header::Lines(2)),
    ),
    ("jsoncompactstringseachrow", Shape::Rows),
    (
        "jsoncompactstringseachrowwithnames",
        Shape::Headed(Header::Lines(1)),
    ),
    (
        "jsoncompactstringseachrowwithnamesandtypes",
        Shape::Headed(Header::Lines(2)),
    ),
    ("jsoneachrow", Shape::Rows),
    ("jsonl", Shape::Rows),
    ("jsonlines", Shape::Rows),
    ("jsonstringseachrow", Shape::Rows),
    ("lineasstring", Shape::Rows),
    ("msgpack", Shape::Rows),
    ("native", Shape::Rows),
    ("ndjson", Shape::Rows),
    ("raw", Shape::Rows),
    ("rowbinary", Shape::Rows),
    ("rowbinarywithnames", Shape::Headed(Header::Binary(1))),
    (
        "rowbinarywithnamesandtypes",
        Shape::Headed(Header::Binary(2)),
    ),
    ("tabseparated", Shape::Rows),
    ("tabseparatedraw", Shape::Rows),
    ("tabseparatedwithnames", Shape::Headed(Header::Lines(1))),
    (
        "tabseparatedwithnamesandtypes",
        Shape::Headed(Header::Lines(2)),
    ),
    ("tskv", Shape::Rows),
    ("tsv", Shape::Rows),
    ("tsvraw", Shape::Rows),
    ("tsvwithnames", Shape::Headed(Header::Lines(1))),
    ("tsvwithnamesandtypes", Shape::Headed(Header::Lines(2))),
    // Not here, though their rows only follow each other. RawBLOB and Null: a piece of theirs may
    // be empty, which ends a stream. TSVRawWithNames and its kin: a name may hold a line break.
];

/// Settings that turn rows into a frame, or change how a header is written.
const RESHAPING: [&[u8]; 3] = [
    b"output_format_json_array_of_rows",
    b"output_format_binary_encode_types_in_binary_format",
    b"format_csv_delimiter",
];

/// The shape of a result in `format` of the statement `sql` with the request's `settings`.
pub(super) fn shape(format: &str, sql: &[u8], settings: &[(String, Vec<u8>)]) -> Shape {
    // A mention is enough: whether it applies, and to what, only the engine could tell.
    if RESHAPING.iter().any(|name| mentions(sql, settings, name)) {
        return Shape::Document;
    }
    let shape = SHAPES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(format))
        .map_or(Shape::Document, |(_, shape)| *shape);
    match shape {
        // Totals and extremes come in a last piece, in front of its header.
        Shape::Headed(_) if has_totals(sql, settings) => Shape::Document,
        shape => shape,
    }
}

fn has_totals(sql: &[u8], settings: &[(String, Vec<u8>)]) -> bool {
    let totals = b"TOTALS";
    mentions(sql, settings, b"extremes")
        || sql
            .windows(totals.len())
            .any(|window| window.eq_ignore_ascii_case(totals))
}

/// Whether the request might set the setting `name`.
pub(super) fn mentions(sql: &[u8], settings: &[(String, Vec<u8>)], name: &[u8]) -> bool {
    settings
        .iter()
        .any(|(setting, _)| setting.as_bytes() == name)
        || sql.windows(name.len()).any(|window| window == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_formats_are_documents() {
        for format in ["JSON", "Null", "RawBLOB", "TSVRawWithNames", "Nope", ""] {
            assert_eq!(shape(format, b"SELECT 1", &[]), Shape::Document, "{format}");
        }
        assert_eq!(shape("TsvRaw", b"SELECT 1", &[]), Shape::Rows);
        assert_eq!(
            shape("CSVWithNames", b"SELECT 1", &[]),
            Shape::Headed(Header::QuotedLines(1))
        );
    }

    #[test]
    fn settings_that_reshape_make_a_document() {
        let name = "output_format_json_array_of_rows";
        let in_query = format!("SELECT 1 SETTINGS {name} = 1");
        assert_eq!(
            shape("JSONEachRow", in_query.as_bytes(), &[]),
            Shape::Document
        );
        let in_request = [(name.to_owned(), b"1".to_vec())];
        assert_eq!(
            shape("JSONEachRow", b"SELECT 1", &in_request),
            Shape::Document
        );
    }
}
