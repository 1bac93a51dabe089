//! One JSON object a line.

use std::borrow::Cow;

use serde_json::Value;

use super::super::reading::Outcome;
use super::config::LogConfig;
use super::mapping::{Field, Mapping};
use crate::sources::tail::zone::Zone;

/// Longest path of a field, members.
const PATH_MAX: usize = 16;

/// Reads objects by where their values stand.
#[derive(Debug)]
pub(in super::super) struct Json {
    paths: Vec<(Field, Path)>,
    conditions: Vec<(Path, Vec<String>)>,
    mapping: Mapping,
}

impl Json {
    pub(in super::super) fn of(config: &LogConfig) -> Result<Self, String> {
        if config.pattern.is_some() {
            return Err("pattern is for format \"regex\"; use fields".to_owned());
        }
        let fields = &config.fields;
        let named = |field| match field {
            Field::Time => &fields.time,
            Field::User => &fields.user,
            Field::TargetUser => &fields.target_user,
            Field::SourceAddress => &fields.source_address,
            Field::Outcome => &fields.outcome,
            Field::Kind => &fields.kind,
            Field::Method => &fields.method,
            Field::Service => &fields.service,
            Field::Records => &fields.records,
            Field::Detail => &fields.detail,
        };
        let mut paths = Vec::new();
        for field in Field::ALL {
            if let Some(text) = named(field) {
                let path =
                    Path::of(text).map_err(|error| format!("fields.{}: {error}", field.name()))?;
                paths.push((field, path));
            }
        }
        let mut conditions = Vec::new();
        for condition in &config.conditions {
            let path = Path::of(&condition.field).map_err(|error| format!("where: {error}"))?;
            if condition.values.is_empty() {
                return Err(format!("where: {:?} has no values", condition.field));
            }
            conditions.push((path, condition.values.clone()));
        }
        let mapping = Mapping::of(config, |field| named(field).is_some())?;
        Ok(Self {
            paths,
            conditions,
            mapping,
        })
    }

    pub(super) fn read(&mut self, line: &str, zone: &Zone, now_ms: i64) -> Outcome {
        if line.trim().is_empty() {
            return Outcome::Nothing;
        }
        match serde_json::from_str::<Value>(line) {
            Ok(object) => self.read_object(&object, zone, now_ms),
            Err(_) => Outcome::Unknown,
        }
    }

    /// What an object says that was read elsewhere.
    pub(in super::super) fn read_object(
        &mut self,
        object: &Value,
        zone: &Zone,
        now_ms: i64,
    ) -> Outcome {
        let holds = |(path, values): &(Path, Vec<String>)| {
            path.find(object)
                .is_some_and(|value| values.iter().any(|one| *one == value))
        };
        if !self.conditions.iter().all(holds) {
            return Outcome::Nothing;
        }
        let paths = &self.paths;
        let value = |field| {
            let (_, path) = paths.iter().find(|(one, _)| *one == field)?;
            path.find(object)
        };
        self.mapping.read(value, zone, now_ms)
    }
}

/// Where a value stands.
#[derive(Debug)]
struct Path {
    members: Vec<String>,
    /// The whole text: a member may have dots in its name.
    whole: String,
}

impl Path {
    fn of(text: &str) -> Result<Self, String> {
        let members: Vec<String> = text.split('.').map(str::to_owned).collect();
        if members.iter().any(String::is_empty) || members.len() > PATH_MAX {
            return Err(format!(
                "{text:?} is no path; use names of members with dots between, {PATH_MAX} at most"
            ));
        }
        Ok(Self {
            members,
            whole: text.to_owned(),
        })
    }

    /// A text, a number or a truth value. A number in the path is a place in a list.
    fn find<'a>(&self, object: &'a Value) -> Option<Cow<'a, str>> {
        let found = object.get(&self.whole).or_else(|| {
            self.members
                .iter()
                .try_fold(object, |inner, member| match inner {
                    Value::Array(list) => list.get(member.parse::<usize>().ok()?),
                    _ => inner.get(member),
                })
        })?;
        match found {
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            Value::Bool(true) => Some(Cow::Borrowed("true")),
            Value::Bool(false) => Some(Cow::Borrowed("false")),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}
