//! What the fuzzer calls.

use super::super::reader::Reader;
use super::answers;
use super::csv::{self, Csv, Record};
use super::record::{self, Columns, EventType};

/// Any bytes as a file of any type, as a list, as users, and as a refusal.
///
/// # Panics
/// When the pieces in which it comes make a difference, or a bound does not hold.
pub fn read_answers(data: &[u8]) {
    let _ = answers::read_refusal(data);
    for (id, name) in answers::read_users(data).unwrap_or_default() {
        assert!(record::user_id(&id).is_some() && !name.is_empty());
    }
    if let Ok((files, next)) = answers::read_page(data, &EventType::USUAL) {
        for file in files {
            assert!(file.id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
        assert!(next.is_none_or(|next| next.starts_with("/services/data/")));
    }
    let Some((&choice, file)) = data.split_first() else {
        return;
    };
    let whole = records(&[file]);
    let (left, right) = file.split_at(usize::from(choice) % (file.len() + 1));
    assert_eq!(whole, records(&[left, right]));
    let Ok(mut records) = whole else {
        return;
    };
    if records.is_empty() {
        return;
    }
    let Ok(columns) = Columns::of(records.remove(0)) else {
        return;
    };
    let of = EventType::USUAL[usize::from(choice) % EventType::USUAL.len()];
    let mut reader = Reader::new("salesforce", "fuzz", &record::mapping("fuzz"));
    let reader = reader.as_mut().expect("the mapping is this module's own");
    for record in &records {
        let mut counts = crate::sources::line_counts::LineCounts::default();
        let words = columns.words(of, record);
        reader.read_as(&words, &columns.object(record), "key", 0, &mut counts);
        let unnamed = columns.unnamed(of, record);
        assert!(unnamed.ids().all(|id| record::user_id(id) == Some(id)));
        assert_eq!(columns.identity(of, record), columns.identity(of, record));
    }
}

/// Records of a file that comes in pieces.
fn records(pieces: &[&[u8]]) -> Result<Vec<Record>, &'static str> {
    let mut csv = Csv::default();
    let mut records = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let (record, left) = csv.next(rest)?;
            if let Some(record) = record {
                assert!(record.fields.len() <= csv::COLUMNS_MAX);
                // Bytes that are no UTF-8 become three.
                assert!(
                    record
                        .fields
                        .iter()
                        .all(|field| field.len() <= 3 * csv::FIELD_MAX_BYTES)
                );
                records.push(record);
            }
            rest = left;
        }
    }
    records.extend(csv.end()?);
    Ok(records)
}
