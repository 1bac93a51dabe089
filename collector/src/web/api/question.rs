//! A question as it was asked: the query, its values, the page of rows and the form. Pure.
//!
//! Promises: what is not known, comes twice, is out of bounds or asks for too much is refused with the
//! name of the parameter and what to write instead.

use serde_json::{Map, Value as Json};

use super::catalog::{self, Entry, LIMIT, LIMIT_MAX};
use super::fault::{Code, Fault};
use super::parameter::{Bound, Kind, Parameter, Value};

/// Longest range, days.
pub(crate) const DAYS_MAX: i64 = 400;
/// Most steps of a range.
pub(crate) const STEPS_MAX: i64 = 5000;
/// Furthest page.
pub(crate) const OFFSET_MAX: u64 = 1_000_000;
/// Most parameters that are looked at.
const PAIRS_MAX: usize = 64;

/// How the answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// With columns, rows and what was asked.
    Json,
    /// Rows for a spreadsheet.
    Csv,
}

/// A question.
#[derive(Clone, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) entry: &'a Entry,
    /// In the order of the entry's parameters.
    values: Vec<Value>,
    pub(crate) limit: u32,
    pub(crate) offset: u64,
    pub(crate) format: Format,
    /// When it is asked, Unix ms.
    pub(crate) now_ms: i64,
}

/// What every query takes besides its own.
pub(crate) const PAGING: [&str; 3] = [LIMIT, "offset", "format"];

fn given<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let pair = pairs.iter().find(|(given, _)| given == name);
    pair.map(|(_, value)| value.as_str())
}

/// The value of each parameter, in their order: as given, or the default.
///
/// # Errors
/// Names the first that is wrong.
pub(crate) fn values(
    what: &str,
    parameters: &[Parameter],
    besides: &[&str],
    pairs: &[(String, String)],
) -> Result<Vec<Value>, Fault> {
    check_names(what, parameters, besides, pairs)?;
    let value = |parameter: &Parameter| {
        let name = &parameter.name;
        match (given(pairs, name), &parameter.default) {
            (Some(text), _) => {
                let wrong = |what| Fault::parameter(name, format!("{name}: {what}"));
                parameter.kind.parse(text).map_err(wrong)
            }
            (None, Some(default)) => Ok(default.value().clone()),
            (None, None) => {
                let text = format!("{name} is missing: {}", parameter.description);
                Err(Fault::parameter(name, text))
            }
        }
    };
    parameters.iter().map(value).collect()
}

impl<'a> Question<'a> {
    /// Reads the pairs of a query string.
    ///
    /// # Errors
    /// Names the first that is wrong.
    pub(crate) fn read(
        entry: &'a Entry,
        pairs: &[(String, String)],
        now_ms: i64,
    ) -> Result<Self, Fault> {
        let values = values(entry.name, &entry.parameters, &PAGING, pairs)?;
        let given = |name: &str| given(pairs, name);
        let whole = |name: &'static str, default: u64, min: u64, max: u64| {
            let Some(text) = given(name) else {
                return Ok(default);
            };
            let kind = Kind::Integer {
                min: min.into(),
                max: max.into(),
            };
            match kind.parse(text) {
                Ok(Value::Integer(value)) => Ok(u64::try_from(value).unwrap_or(max)),
                Ok(_) => Ok(default),
                Err(what) => Err(Fault::parameter(name, format!("{name}: {what}"))),
            }
        };
        let limit = whole(LIMIT, entry.limit_default.into(), 1, LIMIT_MAX.into())?;
        let question = Self {
            entry,
            values,
            limit: u32::try_from(limit).unwrap_or(LIMIT_MAX),
            offset: whole("offset", 0, 0, OFFSET_MAX)?,
            format: match given("format") {
                None | Some("json") => Format::Json,
                Some("csv") => Format::Csv,
                Some(_) => {
                    return Err(Fault::parameter("format", "format must be json or csv"));
                }
            },
            now_ms,
        };
        question.check_range()?;
        Ok(question)
    }

    fn value(&self, name: &str) -> Option<&Value> {
        let at = self
            .entry
            .parameters
            .iter()
            .position(|one| one.name == name);
        at.and_then(|at| self.values.get(at))
    }

    fn moment_ms(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::Moment(moment, _) => Some(moment.ms(self.now_ms)),
            _ => None,
        }
    }

    /// The range that is asked for, Unix ms, where the query has one.
    pub(crate) fn range_ms(&self) -> Option<(i64, i64)> {
        let pair = |from, to| Some((self.moment_ms(from)?, self.moment_ms(to)?));
        pair("from", "to").or_else(|| pair("from_ms", "to_ms"))
    }

    /// How far back a query looks that has no range but `seconds`.
    pub(crate) fn window_seconds(&self) -> Option<i64> {
        match self.value("seconds")? {
            Value::Integer(seconds) => i64::try_from(*seconds).ok(),
            _ => None,
        }
    }

    fn check_range(&self) -> Result<(), Fault> {
        let Some((from_ms, to_ms)) = self.range_ms() else {
            return Ok(());
        };
        if from_ms >= to_ms {
            return Err(Fault::parameter("from", "from must be before to"));
        }
        if to_ms - from_ms > DAYS_MAX * 86_400_000 {
            let text = format!("from and to are more than {DAYS_MAX} days apart; ask for less");
            return Err(Fault::parameter("from", text));
        }
        if let Some(Value::Integer(step)) = self.value("step_seconds") {
            let seconds = i128::from(to_ms - from_ms) / 1000;
            let steps = seconds / step.max(&1);
            if steps > STEPS_MAX.into() {
                let step = seconds / i128::from(STEPS_MAX) + 1;
                let text = format!(
                    "that is {steps} steps, {STEPS_MAX} are allowed; ask for a shorter range, or \
                     for steps of {step} s or more"
                );
                return Err(Fault::parameter("step_seconds", text));
            }
        }
        Ok(())
    }

    /// Names and values for ClickHouse. One row more than the page has tells whether there is a next.
    pub(crate) fn bound(&self) -> impl Iterator<Item = (&str, Bound<'_>)> {
        let parameters = self.entry.parameters.iter();
        parameters
            .zip(&self.values)
            .map(|(parameter, value)| (parameter.name.as_str(), Bound(value, self.now_ms)))
    }

    /// Rows that the query's own limit lets through, where it has one.
    pub(crate) fn own_limit(&self) -> Option<u64> {
        let rows = self.offset + u64::from(self.limit) + 1;
        self.entry.takes_limit.then_some(rows)
    }

    /// The values as they are told.
    pub(crate) fn told(&self) -> Map<String, Json> {
        let parameters = self.entry.parameters.iter().zip(&self.values);
        parameters
            .map(|(parameter, value)| (parameter.name.clone(), value.told(self.now_ms)))
            .collect()
    }

    /// What the answer is known by: the same for the same question, whenever it is asked and however
    /// its values are written.
    pub(crate) fn key(&self) -> String {
        let mut key = format!("{} {} {}", self.entry.name, self.limit, self.offset);
        for value in &self.values {
            key.push('\n');
            key.push_str(&value.key());
        }
        key
    }
}

fn check_names(
    what: &str,
    parameters: &[Parameter],
    besides: &[&str],
    pairs: &[(String, String)],
) -> Result<(), Fault> {
    if pairs.len() > PAIRS_MAX {
        let text = format!("more than {PAIRS_MAX} parameters");
        return Err(Fault::new(Code::InvalidArgument, text));
    }
    let known = || {
        let own = parameters.iter().map(|one| one.name.as_str());
        own.chain(besides.iter().copied())
    };
    for (at, (name, _)) in pairs.iter().enumerate() {
        if !known().any(|one| one == name) {
            let shown: String = name.chars().take(64).collect();
            let hint = match catalog::nearest(name, known()) {
                Some(nearest) => format!("did you mean {nearest}?"),
                None => format!("it has {}", known().collect::<Vec<_>>().join(", ")),
            };
            let text = format!("{what} has no parameter {shown:?}; {hint}");
            return Err(Fault::parameter(name, text));
        }
        if pairs[..at].iter().any(|(before, _)| before == name) {
            let text = format!("{name} is given twice; of several values, write them with commas");
            return Err(Fault::parameter(name, text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::catalog::Catalog;
    use super::*;

    const NOW: i64 = 1_795_946_400_000;

    fn ask(name: &str, text: &str) -> Result<(String, Map<String, Json>), Fault> {
        let catalog = Catalog::read().unwrap();
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pairs: Vec<(String, String)> = pairs
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let question = Question::read(catalog.find(name).unwrap(), &pairs, NOW)?;
        Ok((question.key(), question.told()))
    }

    #[test]
    fn what_is_left_out_is_as_the_header_says() {
        let (_, told) = ask("host_timeline", "agent=a").unwrap();
        assert_eq!(told["from"], "2026-11-29T09:00:00Z");
        assert_eq!(told["to"], "2026-11-29T10:00:00Z");
        assert_eq!(told["step_seconds"], 60);
        let missing = ask("host_timeline", "").unwrap_err();
        assert_eq!(missing.parameter.as_deref(), Some("agent"));
        let (_, told) = ask("ledger_proof", "").unwrap();
        assert_eq!(told["from"], "1970-01-01T00:00:00Z");
        let (_, told) = ask("objective_windows", "service=crm&latency_us=0").unwrap();
        assert_eq!(told["idle_from"], Json::Array(Vec::new()));
    }

    #[test]
    fn the_key_is_of_the_question_and_not_of_its_time() {
        let key = |text: &str| ask("host_timeline", text).unwrap().0;
        assert_eq!(key("agent=a"), key("to=now&from=-60m&agent=a&limit=1000"));
        assert_ne!(key("agent=a"), key("agent=b"));
        assert_ne!(key("agent=a"), key("agent=a&offset=1"));
        // One value cannot pass for two.
        assert_ne!(key("agent=a\n-3600s"), key("agent=a"));
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for (text, parameter, want) in [
            ("agent=a&agent=b", "agent", "twice"),
            ("agnet=a", "agnet", "did you mean agent?"),
            ("agent=a&zzz=1", "zzz", "it has agent, from"),
            ("agent=a&from=x", "from", "must be a moment"),
            ("agent=a&from=now", "from", "before to"),
            ("agent=a&from=-500d&step_seconds=86400", "from", "400 days"),
            ("agent=a&from=-7d", "step_seconds", "steps of 121 s"),
            ("agent=a&step_seconds=0", "step_seconds", "from 1 to"),
            ("agent=a&limit=0", "limit", "from 1 to 10000"),
            ("agent=a&limit=10001", "limit", "from 1 to 10000"),
            ("agent=a&offset=-1", "offset", "whole number"),
            ("agent=a&format=xml", "format", "json or csv"),
        ] {
            let fault = ask("host_timeline", text).unwrap_err();
            assert_eq!(fault.parameter.as_deref(), Some(parameter), "{text}");
            assert!(fault.message.contains(want), "{text}: {}", fault.message);
        }
        let long = format!("{}=1", "x".repeat(10_000));
        let fault = ask("host_timeline", &long).unwrap_err();
        assert!(fault.message.len() < 300 && fault.parameter.unwrap().len() == 64);
        let many: String = (0..100).map(|n| format!("a{n}=1&")).collect();
        assert!(ask("host_timeline", &many).is_err());
    }
}
