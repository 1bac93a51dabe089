//! ClickHouse's Native format: one block, column by column.
//!
//! Owns the bytes of the column types our tables have. Promises: the same calls give the same
//! bytes; a column has as many values as the block has rows. Leaves the meaning and order of rows
//! to the tables.
//!
//! Layout: varint columns, varint rows, then for each column its name and type as strings (varint
//! length, bytes) and its values, little-endian. Over HTTP there is no block info and no custom
//! serialization (protocol revision 0).

use std::collections::HashMap;

use bytes::Bytes;
use crmscope_proto::{Id, Sketch};

/// `LowCardinality` starts with this version: shared dictionaries with additional keys.
const DICTIONARY_VERSION: u64 = 1;
/// The keys stand in the block itself, and all of them are new.
const DICTIONARY_FLAGS: u64 = 1 << 9 | 1 << 10;
/// A varint of one byte holds the number of columns.
const COLUMNS_MAX: usize = 127;

/// One block under construction.
#[derive(Debug)]
pub struct Block {
    rows: usize,
    names: Vec<&'static str>,
    bytes: Vec<u8>,
}

impl Block {
    /// A block of `rows` rows; `row_bytes` is a guess that saves growing.
    #[must_use]
    pub fn new(rows: usize, row_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(1024 + rows.saturating_mul(row_bytes));
        bytes.push(0); // the number of columns, known at the end
        put_varint(&mut bytes, rows as u64);
        Self {
            rows,
            names: Vec::new(),
            bytes,
        }
    }

    /// The column names, and the encoded block.
    #[must_use]
    pub fn finish(mut self) -> (Vec<&'static str>, Bytes) {
        debug_assert!(self.names.len() <= COLUMNS_MAX);
        self.bytes[0] = u8::try_from(self.names.len().min(COLUMNS_MAX)).unwrap_or(0);
        (self.names, self.bytes.into())
    }

    fn begin(&mut self, name: &'static str, data_type: &str) {
        self.names.push(name);
        put_string(&mut self.bytes, name.as_bytes());
        put_string(&mut self.bytes, data_type.as_bytes());
    }

    fn fixed<const N: usize>(
        &mut self,
        name: &'static str,
        data_type: &str,
        values: impl Iterator<Item = [u8; N]>,
    ) {
        self.begin(name, data_type);
        let start = self.bytes.len();
        self.bytes.reserve(self.rows * N);
        values.for_each(|value| self.bytes.extend_from_slice(&value));
        debug_assert_eq!(self.bytes.len() - start, self.rows * N, "rows of {name}");
    }

    /// `UInt8`.
    pub fn u8(&mut self, name: &'static str, values: impl Iterator<Item = u8>) {
        self.fixed(name, "UInt8", values.map(u8::to_le_bytes));
    }

    /// `Int8`.
    pub fn i8(&mut self, name: &'static str, values: impl Iterator<Item = i8>) {
        self.fixed(name, "Int8", values.map(i8::to_le_bytes));
    }

    /// `UInt16`.
    pub fn u16(&mut self, name: &'static str, values: impl Iterator<Item = u16>) {
        self.fixed(name, "UInt16", values.map(u16::to_le_bytes));
    }

    /// `UInt32`.
    pub fn u32(&mut self, name: &'static str, values: impl Iterator<Item = u32>) {
        self.fixed(name, "UInt32", values.map(u32::to_le_bytes));
    }

    /// `UInt64`.
    pub fn u64(&mut self, name: &'static str, values: impl Iterator<Item = u64>) {
        self.fixed(name, "UInt64", values.map(u64::to_le_bytes));
    }

    /// `DateTime('UTC')` of Unix seconds.
    pub fn datetime(&mut self, name: &'static str, values: impl Iterator<Item = u32>) {
        self.fixed(name, "DateTime('UTC')", values.map(u32::to_le_bytes));
    }

    /// `Int64`.
    pub fn i64(&mut self, name: &'static str, values: impl Iterator<Item = i64>) {
        self.fixed(name, "Int64", values.map(i64::to_le_bytes));
    }

    /// `DateTime64(3, 'UTC')` of Unix milliseconds.
    pub fn datetime_ms(&mut self, name: &'static str, values: impl Iterator<Item = i64>) {
        self.fixed(name, "DateTime64(3, 'UTC')", values.map(i64::to_le_bytes));
    }

    /// An `Enum8` of the given full type name.
    pub fn enum8(&mut self, name: &'static str, data_type: &str, values: impl Iterator<Item = i8>) {
        self.fixed(name, data_type, values.map(i8::to_le_bytes));
    }

    /// `UUID`: each half of eight bytes stands reversed.
    pub fn uuid(&mut self, name: &'static str, values: impl Iterator<Item = Id>) {
        self.fixed(
            name,
            "UUID",
            values.map(|Id(mut bytes)| {
                bytes[..8].reverse();
                bytes[8..].reverse();
                bytes
            }),
        );
    }

    /// `Nullable(Int64)`: a map of nulls, then the values.
    pub fn nullable_i64(
        &mut self,
        name: &'static str,
        values: impl Iterator<Item = Option<i64>> + Clone,
    ) {
        self.begin(name, "Nullable(Int64)");
        let nulls = values.clone().map(|value| u8::from(value.is_none()));
        self.bytes.extend(nulls);
        values.for_each(|value| {
            self.bytes
                .extend_from_slice(&value.unwrap_or(0).to_le_bytes());
        });
    }

    /// `Nullable(UInt64)`: a map of nulls, then the values.
    pub fn nullable_u64(
        &mut self,
        name: &'static str,
        values: impl Iterator<Item = Option<u64>> + Clone,
    ) {
        self.begin(name, "Nullable(UInt64)");
        let nulls = values.clone().map(|value| u8::from(value.is_none()));
        self.bytes.extend(nulls);
        values.for_each(|value| {
            self.bytes
                .extend_from_slice(&value.unwrap_or(0).to_le_bytes());
        });
    }

    /// `UInt64` of runs that stand one after the other.
    pub fn u64_runs<'a>(&mut self, name: &'static str, runs: impl Iterator<Item = &'a [u64]>) {
        self.begin(name, "UInt64");
        let start = self.bytes.len();
        self.bytes.reserve(self.rows * 8);
        runs.for_each(|run| put_u64s(&mut self.bytes, run));
        debug_assert_eq!(self.bytes.len() - start, self.rows * 8, "rows of {name}");
    }

    /// `Nullable(UInt64)` of runs; a run of nulls has its length alone.
    pub fn nullable_u64_runs<'a>(
        &mut self,
        name: &'static str,
        runs: impl Iterator<Item = (Option<&'a [u64]>, usize)> + Clone,
    ) {
        self.begin(name, "Nullable(UInt64)");
        let start = self.bytes.len();
        self.bytes.reserve(self.rows * 9);
        for (values, rows) in runs.clone() {
            let end = self.bytes.len() + rows;
            self.bytes.resize(end, u8::from(values.is_none()));
        }
        for (values, rows) in runs {
            match values {
                Some(values) => put_u64s(&mut self.bytes, values),
                None => self.bytes.resize(self.bytes.len() + rows * 8, 0),
            }
        }
        debug_assert_eq!(self.bytes.len() - start, self.rows * 9, "rows of {name}");
    }

    /// `String`.
    pub fn string<'a>(&mut self, name: &'static str, values: impl Iterator<Item = &'a [u8]>) {
        self.begin(name, "String");
        values.for_each(|value| put_string(&mut self.bytes, value));
    }

    /// `Array` of values of a fixed size: where each row ends, then all values.
    fn arrays<const N: usize, T: Copy>(
        &mut self,
        name: &'static str,
        data_type: &str,
        rows: &[Vec<T>],
        put: impl Fn(T) -> [u8; N],
    ) {
        self.begin(name, data_type);
        self.ends(rows.iter().map(Vec::len));
        for &value in rows.iter().flatten() {
            self.bytes.extend_from_slice(&put(value));
        }
    }

    fn ends(&mut self, lengths: impl Iterator<Item = usize>) {
        let mut end = 0u64;
        for length in lengths {
            end += length as u64;
            self.bytes.extend_from_slice(&end.to_le_bytes());
        }
    }

    /// `Array(Int64)`.
    pub fn i64_arrays(&mut self, name: &'static str, rows: &[Vec<i64>]) {
        self.arrays(name, "Array(Int64)", rows, i64::to_le_bytes);
    }

    /// `Array(UInt8)`.
    pub fn u8_arrays(&mut self, name: &'static str, rows: &[Vec<u8>]) {
        self.arrays(name, "Array(UInt8)", rows, u8::to_le_bytes);
    }

    /// `Array(String)`.
    pub fn string_arrays(&mut self, name: &'static str, rows: &[Vec<&str>]) {
        self.begin(name, "Array(String)");
        self.ends(rows.iter().map(Vec::len));
        for text in rows.iter().flatten() {
            put_string(&mut self.bytes, text.as_bytes());
        }
    }

    /// `LowCardinality(String)` of runs of equal text.
    pub fn text_runs<'a>(
        &mut self,
        name: &'static str,
        runs: impl Iterator<Item = (&'a str, usize)>,
    ) {
        self.begin(name, "LowCardinality(String)");
        let mut keys: Vec<&str> = Vec::new();
        let mut positions: HashMap<&str, usize> = HashMap::new();
        let mut indexes: Vec<(usize, usize)> = Vec::new();
        for (text, rows) in runs {
            match indexes.last_mut() {
                Some((key, total)) if keys[*key] == text => *total += rows,
                _ => {
                    let key = *positions.entry(text).or_insert_with(|| {
                        keys.push(text);
                        keys.len() - 1
                    });
                    indexes.push((key, rows));
                }
            }
        }
        let width = match keys.len() {
            0..=0x100 => 0u64,
            0x101..=0x1_0000 => 1,
            _ => 2,
        };
        for word in [
            DICTIONARY_VERSION,
            DICTIONARY_FLAGS | width,
            keys.len() as u64,
        ] {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
        keys.iter()
            .for_each(|key| put_string(&mut self.bytes, key.as_bytes()));
        self.bytes
            .extend_from_slice(&(self.rows as u64).to_le_bytes());
        let start = self.bytes.len();
        let index_bytes = 1usize << width;
        for (key, rows) in indexes {
            let index = (key as u64).to_le_bytes();
            for _ in 0..rows {
                self.bytes.extend_from_slice(&index[..index_bytes]);
            }
        }
        debug_assert_eq!(self.bytes.len() - start, self.rows * index_bytes, "{name}");
    }

    /// `LowCardinality(String)`, row by row.
    pub fn text<'a>(&mut self, name: &'static str, values: impl Iterator<Item = &'a str>) {
        self.text_runs(name, values.map(|value| (value, 1)));
    }

    /// `Map(Int16, UInt64)` of sketches: where each row ends, then all keys, then all values.
    pub fn sketches<'a>(
        &mut self,
        name: &'static str,
        values: impl Iterator<Item = &'a Sketch> + Clone,
    ) {
        self.begin(name, "Map(Int16, UInt64)");
        let mut end = 0u64;
        for sketch in values.clone() {
            end += sketch.buckets().len() as u64;
            self.bytes.extend_from_slice(&end.to_le_bytes());
        }
        for (index, _) in values.clone().flat_map(Sketch::buckets) {
            self.bytes.extend_from_slice(&index.to_le_bytes());
        }
        for (_, count) in values.flat_map(Sketch::buckets) {
            self.bytes.extend_from_slice(&count.to_le_bytes());
        }
    }
}

/// Appends in one sweep: the compiler turns it into a copy on little-endian machines.
fn put_u64s(bytes: &mut Vec<u8>, values: &[u64]) {
    let start = bytes.len();
    bytes.resize(start + values.len() * 8, 0);
    for (slot, value) in bytes[start..].chunks_exact_mut(8).zip(values) {
        slot.copy_from_slice(&value.to_le_bytes());
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn put_string(bytes: &mut Vec<u8>, text: &[u8]) {
    put_varint(bytes, text.len() as u64);
    bytes.extend_from_slice(text);
}

#[cfg(test)]
#[path = "native_tests.rs"]
mod tests;
