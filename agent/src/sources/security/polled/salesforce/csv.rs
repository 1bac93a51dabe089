//! CSV as it comes, in pieces of any size. Pure.
//!
//! Fields may be quoted and hold commas, quotes (doubled) and ends of lines; lines end with LF or
//! CRLF. Promises that the pieces make no difference, that of a field beyond [`FIELD_MAX_BYTES`]
//! only the beginning is held, and that a record beyond [`RECORD_MAX_BYTES`] or [`COLUMNS_MAX`] is an
//! error: it is no CSV, or a quote that nobody closes.

/// Kept of a field; as much as rules look at.
pub(super) const FIELD_MAX_BYTES: usize = 8 * 1024;

/// Longest record as it comes.
pub(super) const RECORD_MAX_BYTES: usize = 1024 * 1024;

/// Most columns.
pub(super) const COLUMNS_MAX: usize = 512;

/// A record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) fields: Vec<String>,
    /// Something stood behind a closed quote: the fields are not as they were meant.
    pub(super) odd: bool,
}

impl Record {
    /// Whether it is an empty line.
    pub(super) fn is_blank(&self) -> bool {
        matches!(&self.fields[..], [only] if only.is_empty())
    }
}

/// Where in a record the last byte stood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// At the beginning of a field.
    #[default]
    Begin,
    Bare,
    Quoted,
    /// Behind a quote within quotes: the end, or half of a quote.
    Quote,
    /// Behind a CR that may belong to the end of the line.
    Return,
}

/// The reader.
#[derive(Debug, Default)]
pub(super) struct Csv {
    place: Place,
    field: Vec<u8>,
    record: Record,
    bytes: usize,
    /// Quotes were closed before the CR.
    closed: bool,
}

impl Csv {
    /// Takes the next bytes, up to the end of a record; gives what is left of them with it.
    pub(super) fn next<'a>(
        &mut self,
        bytes: &'a [u8],
    ) -> Result<(Option<Record>, &'a [u8]), &'static str> {
        for (at, &byte) in bytes.iter().enumerate() {
            self.bytes += 1;
            if self.bytes > RECORD_MAX_BYTES {
                return Err("a record has more than 1 MiB: no CSV, or a quote that nobody closes");
            }
            if self.step(byte)? {
                return Ok((Some(self.take()?), bytes.get(at + 1..).unwrap_or_default()));
            }
        }
        Ok((None, &[]))
    }

    /// The end: the last record, where its line had no end.
    pub(super) fn end(&mut self) -> Result<Option<Record>, &'static str> {
        match self.place {
            Place::Quoted => Err("it ends within quotes"),
            Place::Begin if self.record.fields.is_empty() => Ok(None),
            _ => Ok(Some(self.take()?)),
        }
    }

    /// Takes a byte; whether it ended a record.
    fn step(&mut self, byte: u8) -> Result<bool, &'static str> {
        if self.place == Place::Return {
            if byte == b'\n' {
                return Ok(true);
            }
            // It was part of the field.
            self.record.odd |= self.closed;
            self.keep(b'\r');
            self.place = Place::Bare;
        }
        match (self.place, byte) {
            (Place::Quoted, b'"') => self.place = Place::Quote,
            (Place::Quoted, _) => self.keep(byte),
            (Place::Quote, b'"') => {
                self.keep(b'"');
                self.place = Place::Quoted;
            }
            (Place::Begin, b'"') => self.place = Place::Quoted,
            (_, b',') => self.cut()?,
            (_, b'\n') => return Ok(true),
            (place, b'\r') => {
                self.closed = place == Place::Quote;
                self.place = Place::Return;
            }
            (place, _) => {
                self.record.odd |= place == Place::Quote;
                self.keep(byte);
                self.place = Place::Bare;
            }
        }
        Ok(false)
    }

    fn keep(&mut self, byte: u8) {
        if self.field.len() < FIELD_MAX_BYTES {
            self.field.push(byte);
        }
    }

    /// Ends a field.
    fn cut(&mut self) -> Result<(), &'static str> {
        if self.record.fields.len() >= COLUMNS_MAX {
            return Err("a record has more than 512 columns");
        }
        let text = String::from_utf8_lossy(&self.field).into_owned();
        self.record.fields.push(text);
        self.field.clear();
        self.place = Place::Begin;
        Ok(())
    }

    /// Ends a record.
    fn take(&mut self) -> Result<Record, &'static str> {
        self.cut()?;
        self.bytes = 0;
        Ok(std::mem::take(&mut self.record))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<Record>, &'static str> {
        let mut csv = Csv::default();
        let mut records = Vec::new();
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (record, left) = csv.next(rest)?;
                records.extend(record);
                rest = left;
            }
        }
        records.extend(csv.end()?);
        Ok(records)
    }

    fn fields(text: &str) -> Vec<Vec<String>> {
        let records = read(&[text.as_bytes()]).unwrap();
        records.into_iter().map(|record| record.fields).collect()
    }

    #[test]
    fn quotes_hold_commas_quotes_and_ends_of_lines() {
        assert_eq!(
            fields("a,\"b,\"\"c\"\"\r\nd\",\"\"\r\n,x\"y,\n"),
            [vec!["a", "b,\"c\"\r\nd", ""], vec!["", "x\"y", ""]]
        );
        assert_eq!(fields("a\rb,c"), [["a\rb", "c"]]);
        assert_eq!(fields(""), Vec::<Vec<String>>::new());
        assert_eq!(fields("a,"), [["a", ""]]);
        assert_eq!(fields("\"\""), [[""]]);
        let records = read(&[b"\n\r\nx\n"]).unwrap();
        let blank: Vec<bool> = records.iter().map(Record::is_blank).collect();
        assert_eq!(blank, [true, true, false]);
    }

    #[test]
    fn what_is_no_csv_is_told_and_bounded() {
        assert_eq!(read(&[b"a,\"b\nc"]), Err("it ends within quotes"));
        let odd = |text: &str| read(&[text.as_bytes()]).unwrap()[0].odd;
        assert!(odd("\"a\"b,c\n") && odd("\"a\"\rb\n"));
        assert!(!odd("\"a\"\r\n") && !odd("a\"b\n"));
        let long = format!("\"{}\",b\n", "x".repeat(100_000));
        assert_eq!(fields(&long)[0][0].len(), FIELD_MAX_BYTES);
        assert_eq!(fields(&long)[0][1], "b");
        assert!(read(&[format!("\"{}", "x".repeat(2_000_000)).as_bytes()]).is_err());
        assert!(read(&[",".repeat(512).as_bytes()]).is_err());
        assert!(read(&[",".repeat(511).as_bytes()]).is_ok());
    }

    fn text() -> impl Strategy<Value = String> {
        let characters = prop::collection::vec(
            prop::sample::select(vec!['a', 'ü', ',', '"', '\r', '\n', ' ', '\u{1b}']),
            0..8,
        );
        characters.prop_map(|characters| characters.into_iter().collect())
    }

    proptest! {
        /// What is written as CSV is read as it was, however it is cut.
        #[test]
        fn records_are_read_as_written(
            table in prop::collection::vec(prop::collection::vec(text(), 1..5), 0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
            line_end in prop::sample::select(vec!["\n", "\r\n"]),
        ) {
            let line = |record: &Vec<String>| {
                let quoted = record.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\"")));
                quoted.collect::<Vec<_>>().join(",") + line_end
            };
            let bytes = table.iter().map(line).collect::<String>().into_bytes();
            let records = read(&pieces(&bytes, &cuts)).unwrap();
            prop_assert!(records.iter().all(|record| !record.odd));
            let records: Vec<_> = records.into_iter().map(|record| record.fields).collect();
            prop_assert_eq!(records, table);
        }

        /// Any bytes give the same, however they are cut.
        #[test]
        fn pieces_make_no_difference(
            bytes in prop::collection::vec(prop::sample::select(b"ab,\"\r\n\xff".to_vec()), 0..60),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            prop_assert_eq!(read(&[&bytes]), read(&pieces(&bytes, &cuts)));
        }
    }

    fn pieces<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        places
            .windows(2)
            .map(|pair| &bytes[pair[0]..pair[1]])
            .collect()
    }
}
