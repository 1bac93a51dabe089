//! How much a document of YAML is, before anything is built of it.
//!
//! Pure. Aliases are counted as often as they stand for something, so that a small file cannot become
//! a large tree; nothing is kept.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::limits::{BRACKETS_MAX, CONDITION_MAX_WORDS, DEPTH_MAX, NODES_MAX};

/// Whether every document of a text is within the bounds.
///
/// # Errors
/// The reason, with the place as the YAML reader tells it.
pub(crate) fn check(text: &str) -> Result<(), String> {
    check_marks(text)?;
    for document in yaml_serde::Deserializer::from_str(text) {
        let left = Cell::new(NODES_MAX);
        let node = Node {
            left: &left,
            depth: 0,
            is_condition: false,
        };
        node.deserialize(document)
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The reader's time is quadratic in nesting, so what nests without measure is refused before it: by
/// brackets that stay open, and by marks of lists that follow each other in a line.
fn check_marks(text: &str) -> Result<(), String> {
    let mut open = 0_usize;
    for (number, line) in text.lines().enumerate() {
        for byte in line.bytes() {
            match byte {
                b'[' | b'{' => open += 1,
                b']' | b'}' => open = open.saturating_sub(1),
                _ => {}
            }
            if open > BRACKETS_MAX {
                return Err(format!(
                    "more than {BRACKETS_MAX} open brackets at line {}",
                    number + 1
                ));
            }
        }
        let marks = line.split(' ').filter(|word| !word.is_empty());
        let marks = marks.take_while(|word| matches!(*word, "-" | "?" | ":"));
        if marks.count() > DEPTH_MAX {
            return Err(format!(
                "nested deeper than {DEPTH_MAX} levels at line {}",
                number + 1
            ));
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Node<'a> {
    left: &'a Cell<usize>,
    depth: usize,
    /// It stands under a key of that name.
    is_condition: bool,
}

impl Node<'_> {
    fn take<E: serde::de::Error>(self) -> Result<(), E> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => {
                return Err(E::custom(format_args!(
                    "more than {NODES_MAX} values, with aliases written out"
                )));
            }
        }
        if self.depth > DEPTH_MAX {
            return Err(E::custom(format_args!(
                "nested deeper than {DEPTH_MAX} levels"
            )));
        }
        Ok(())
    }

    fn inner(self) -> Self {
        Self {
            depth: self.depth + 1,
            ..self
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.take()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value without a tag")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let brackets = text.bytes().filter(|byte| *byte == b'(').count();
        if self.is_condition && text.split_whitespace().count() + brackets > CONDITION_MAX_WORDS {
            return Err(E::custom(format_args!(
                "a condition of more than {CONDITION_MAX_WORDS} words and brackets"
            )));
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.inner())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(is_condition) = entries.next_key_seed(Key(self.inner()))? {
            entries.next_value_seed(Node {
                is_condition,
                ..self.inner()
            })?;
        }
        Ok(())
    }
}

/// A key; tells whether a condition stands under it.
struct Key<'a>(Node<'a>);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        self.0.take()?;
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        Ok(text == "condition")
    }
}
