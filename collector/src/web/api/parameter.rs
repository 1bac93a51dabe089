//! Typed values of parameters: what is not of the type, or out of bounds, never reaches ClickHouse.
//!
//! Pure. Promises: a value is sent as a value, never as text of the query.

use serde::ser::{Serialize, SerializeSeq as _, SerializeStruct as _, Serializer};
use serde_json::{Value as Json, json};

use super::header::{Declared, number_after};
use super::moment::{Moment, Unit, date_time, rfc3339};

/// Longest text, bytes: names of hosts and users are shorter.
pub(crate) const TEXT_MAX_BYTES: usize = 1024;
/// Most values of an array.
pub(crate) const ARRAY_MAX: usize = 1000;

/// What a parameter is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole number between two.
    Integer {
        /// Least.
        min: i128,
        /// Most.
        max: i128,
    },
    /// A number.
    Float,
    /// Any text.
    Text,
    /// One of some words.
    Word(&'static [&'static str]),
    /// A moment; the unit is that of bare numbers.
    Moment(Unit),
    /// Several, with commas between.
    Array(Box<Self>),
}

/// A value that was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Of an integer.
    Integer(i128),
    /// Of a float.
    Float(f64),
    /// Of a text.
    Text(String),
    /// Of a moment.
    Moment(Moment, Unit),
    /// Of an array.
    Array(Vec<Self>),
}

impl Kind {
    /// The kind of a ClickHouse type; an Int64 with `_ms` in its name is a moment.
    pub(super) fn of(name: &str, sql_type: &str) -> Option<Self> {
        if let Some(inner) = sql_type
            .strip_prefix("Array(")
            .and_then(|rest| rest.strip_suffix(')'))
        {
            return match Self::of(name, inner)? {
                Self::Array(_) => None,
                kind => Some(Self::Array(Box::new(kind))),
            };
        }
        let integer = |min: i128, max: i128| Some(Self::Integer { min, max });
        match sql_type {
            "DateTime" | "DateTime('UTC')" => Some(Self::Moment(Unit::Seconds)),
            "Int64" if name.ends_with("_ms") => Some(Self::Moment(Unit::Milliseconds)),
            "UInt8" => integer(0, u8::MAX.into()),
            "UInt16" => integer(0, u16::MAX.into()),
            "UInt32" => integer(0, u32::MAX.into()),
            "UInt64" => integer(0, u64::MAX.into()),
            "Int32" => integer(i32::MIN.into(), i32::MAX.into()),
            "Int64" => integer(i64::MIN.into(), i64::MAX.into()),
            "Float64" => Some(Self::Float),
            "String" => Some(Self::Text),
            _ => None,
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    /// Says what the value would have to be.
    pub(crate) fn parse(&self, text: &str) -> Result<Value, String> {
        match self {
            Self::Integer { min, max } => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                let number: Option<i128> = text.parse().ok().filter(|_| is_number);
                let within = number.filter(|number| (min..=max).contains(&number));
                within
                    .map(Value::Integer)
                    .ok_or_else(|| format!("it must be a whole number from {min} to {max}"))
            }
            Self::Float => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Value::Float(number)),
                _ => Err("it must be a number".to_owned()),
            },
            Self::Text if text.len() <= TEXT_MAX_BYTES => Ok(Value::Text(text.to_owned())),
            Self::Text => Err(format!("it may have up to {TEXT_MAX_BYTES} bytes")),
            Self::Word(words) if words.contains(&text) => Ok(Value::Text(text.to_owned())),
            Self::Word(words) => Err(format!("it must be one of {}", words.join(", "))),
            Self::Moment(unit) => match Moment::parse(text, *unit) {
                Some(moment) => Ok(Value::Moment(moment, *unit)),
                None => Err(format!(
                    "it must be a moment such as 2026-11-29T10:00:00Z, a time ago such as -1h or \
                     -7d, now, or Unix {}, between 1970 and 2106",
                    match unit {
                        Unit::Seconds => "seconds",
                        Unit::Milliseconds => "milliseconds",
                    }
                )),
            },
            Self::Array(_) if text.is_empty() => Ok(Value::Array(Vec::new())),
            Self::Array(inner) => {
                let values: Result<Vec<_>, _> =
                    text.split(',').map(|one| inner.parse(one)).collect();
                let values =
                    values.map_err(|what| format!("of each, with commas between: {what}"))?;
                match values.len() {
                    0..=ARRAY_MAX => Ok(Value::Array(values)),
                    got => Err(format!("it has {got} values, {ARRAY_MAX} are allowed")),
                }
            }
        }
    }

    /// Its schema in OpenAPI.
    pub(crate) fn schema(&self) -> Json {
        match self {
            Self::Integer { min, max } => json!({
                "type": "integer",
                "minimum": number(*min),
                "maximum": number(*max),
            }),
            Self::Float => json!({ "type": "number" }),
            Self::Text => json!({ "type": "string", "maxLength": TEXT_MAX_BYTES }),
            Self::Word(words) => json!({ "type": "string", "enum": words }),
            Self::Moment(_) => json!({ "type": "string", "pattern": MOMENT_PATTERN }),
            Self::Array(inner) => json!({
                "type": "array",
                "items": inner.schema(),
                "maxItems": ARRAY_MAX,
            }),
        }
    }
}

/// Everything that is read as a moment, and some that is not: what a pattern cannot tell, such as a
/// day that a month does not have, is refused as well.
const MOMENT_PATTERN: &str = "^(now|-[0-9]+[smhdw]|[0-9]+|[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2}))$";

fn number(value: i128) -> Json {
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(number), _) => number.into(),
        (_, Ok(number)) => number.into(),
        _ => Json::Null,
    }
}

impl Value {
    /// As it is told in the answer.
    pub(crate) fn told(&self, now_ms: i64) -> Json {
        match self {
            Self::Integer(value) => number(*value),
            Self::Float(value) => json!(value),
            Self::Text(text) => json!(text),
            Self::Moment(moment, Unit::Seconds) => {
                json!(rfc3339(moment.ms(now_ms).div_euclid(1000) * 1000))
            }
            Self::Moment(moment, Unit::Milliseconds) => json!(moment.ms(now_ms)),
            Self::Array(values) => values.iter().map(|value| value.told(now_ms)).collect(),
        }
    }

    /// As a part of the key of a question.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Moment(moment, _) => moment.key(),
            Self::Array(values) => {
                let keys: Vec<String> = values.iter().map(Self::key).collect();
                format!("{keys:?}")
            }
            Self::Text(text) => format!("{text:?}"),
            Self::Integer(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
        }
    }
}

/// A value at a time, as ClickHouse is given it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound<'a>(pub(crate) &'a Value, pub(crate) i64);

impl Serialize for Bound<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(value, now_ms) = *self;
        match value {
            Value::Integer(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(number), _) => serializer.serialize_i64(number),
                (_, Ok(number)) => serializer.serialize_u64(number),
                _ => Err(serde::ser::Error::custom("a number of more than 64 bits")),
            },
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Moment(moment, Unit::Seconds) => {
                serializer.serialize_str(&date_time(moment.ms(now_ms)))
            }
            Value::Moment(moment, Unit::Milliseconds) => {
                serializer.serialize_i64(moment.ms(now_ms))
            }
            Value::Array(values) => {
                let mut sequence = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    sequence.serialize_element(&Bound(value, now_ms))?;
                }
                sequence.end()
            }
        }
    }
}

/// What a parameter is where it is left out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DefaultValue(pub(super) Value);

impl DefaultValue {
    pub(super) fn text(text: &str) -> Self {
        Self(Value::Text(text.to_owned()))
    }

    pub(super) const fn empty() -> Self {
        Self(Value::Array(Vec::new()))
    }

    pub(super) const fn moment(moment: Moment) -> Self {
        Self(Value::Moment(moment, Unit::Seconds))
    }

    /// The value.
    pub(crate) const fn value(&self) -> &Value {
        &self.0
    }

    /// As it could be written.
    fn told(&self) -> Json {
        match &self.0 {
            Value::Moment(Moment::Ago(0), _) => json!("now"),
            Value::Moment(Moment::Ago(seconds), _) => json!(match seconds {
                seconds if seconds % 86_400 == 0 => format!("-{}d", seconds / 86_400),
                seconds if seconds % 3600 == 0 => format!("-{}h", seconds / 3600),
                seconds => format!("-{seconds}s"),
            }),
            Value::Moment(Moment::At(ms), _) => json!(rfc3339(*ms)),
            value => value.told(0),
        }
    }
}

/// A parameter of a query.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) sql_type: String,
    pub(crate) kind: Kind,
    pub(crate) default: Option<DefaultValue>,
    pub(crate) description: String,
}

impl Parameter {
    pub(super) fn new(declared: &Declared, kind: Kind, default: Option<DefaultValue>) -> Self {
        let kind = match kind {
            Kind::Integer { min, max } => {
                let text = &declared.description;
                // Nobody can go on from a step of nothing.
                let least = i128::from(declared.name == "step_seconds");
                Kind::Integer {
                    min: number_after(text, "at least ").unwrap_or(least).max(min),
                    max: number_after(text, "at most ").unwrap_or(max).min(max),
                }
            }
            kind => kind,
        };
        let default = default.map(|DefaultValue(value)| match (value, &kind) {
            (Value::Moment(moment, _), Kind::Moment(unit)) => {
                DefaultValue(Value::Moment(moment, *unit))
            }
            (value, _) => DefaultValue(value),
        });
        Self {
            name: declared.name.clone(),
            sql_type: declared.sql_type.clone(),
            kind,
            default,
            description: declared.description.clone(),
        }
    }

    /// One that no header declares.
    pub(super) fn of_report(
        name: &str,
        sql_type: &str,
        kind: Kind,
        default: Option<Value>,
        description: &str,
    ) -> Self {
        Self {
            name: name.to_owned(),
            sql_type: sql_type.to_owned(),
            kind,
            default: default.map(DefaultValue),
            description: description.to_owned(),
        }
    }

    /// The default of one that is a number.
    pub(super) fn default_integer(&self) -> Option<i128> {
        match &self.default {
            Some(DefaultValue(Value::Integer(value))) => Some(*value),
            _ => None,
        }
    }

    /// The default as it could be written; `null` where the parameter is required.
    pub(crate) fn default_told(&self) -> Json {
        self.default.as_ref().map_or(Json::Null, DefaultValue::told)
    }
}

impl Serialize for Parameter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut one = serializer.serialize_struct("Parameter", 5)?;
        one.serialize_field("name", &self.name)?;
        one.serialize_field("type", &self.sql_type)?;
        one.serialize_field("default", &self.default_told())?;
        one.serialize_field("required", &self.default.is_none())?;
        one.serialize_field("description", &self.description)?;
        one.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str, sql_type: &str) -> Kind {
        Kind::of(name, sql_type).unwrap()
    }

    #[test]
    fn values_are_of_their_type_or_refused() {
        for (sql_type, good, wrong) in [
            ("UInt8", "255", "256"),
            ("UInt32", "0", "-1"),
            ("UInt64", "18446744073709551615", "18446744073709551616"),
            ("Int64", "-9223372036854775808", "9223372036854775808"),
            ("UInt32", "007", "+7"),
            ("UInt32", "7", "7 OR 1=1"),
            ("Float64", "-1.5e3", "nan"),
            ("DateTime('UTC')", "-1h", "yesterday"),
            ("Array(UInt64)", "1,2", "1,,2"),
            ("Array(Int64)", "", "[1]"),
        ] {
            let kind = kind("x", sql_type);
            assert!(kind.parse(good).is_ok(), "{sql_type} {good}");
            let told = kind.parse(wrong).unwrap_err();
            assert!(told.contains("it must be"), "{sql_type} {wrong}: {told}");
        }
        let text = kind("x", "String");
        assert!(text.parse(&"x".repeat(TEXT_MAX_BYTES)).is_ok());
        assert!(text.parse(&"x".repeat(TEXT_MAX_BYTES + 1)).is_err());
        let array = kind("x", "Array(UInt64)");
        assert!(array.parse(&vec!["1"; ARRAY_MAX + 1].join(",")).is_err());
        assert_eq!(Kind::of("x", "Array(Array(String))"), None);
        assert_eq!(kind("a_ms", "Int64"), Kind::Moment(Unit::Milliseconds));
    }

    #[test]
    fn headers_bound_numbers() {
        let of = |description: &str| {
            let declared = Declared {
                name: "step_seconds".to_owned(),
                sql_type: "UInt32".to_owned(),
                description: description.to_owned(),
            };
            Parameter::new(&declared, kind("step_seconds", "UInt32"), None).kind
        };
        let integer = |min, max| Kind::Integer { min, max };
        assert_eq!(of("length, at least 10"), integer(10, u32::MAX.into()));
        assert_eq!(of("at most 7 days"), integer(1, 604_800));
    }

    #[test]
    fn the_same_question_has_the_same_key() {
        let kind = kind("from", "DateTime('UTC')");
        let key = |text: &str| kind.parse(text).unwrap().key();
        assert_eq!(key("-60m"), key("-1h"));
        assert_eq!(key("2026-11-29T10:00:00Z"), key("1795946400"));
        assert_ne!(key("0"), key("now"));
        assert_ne!(Value::Text("1".to_owned()).key(), Value::Integer(1).key());
    }
}
