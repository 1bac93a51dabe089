//! From a rule as Sigma has it to one that is looked for, or a sentence why not. Pure.

use std::collections::BTreeMap;

use rsigma_parser::{CorrelationRule, Level as SigmaLevel, SigmaRule, WindowMode};

use super::condition::{field, kind};
use super::field::{Field, similarity};
use super::rule::{BASES_MAX, Kind, Level, Rule, SUPPRESS_MAX_MS, SUPPRESS_MS, TIMESPAN_MAX_MS};

/// Longest title, characters.
const TITLE_MAX: usize = 200;
/// Longest id or name, bytes: as events may have it.
const ID_MAX_BYTES: usize = crmscope_proto::limits::RULE_ID_MAX_BYTES;

/// What a rule says besides Sigma's own words: what its events are called, and its pause.
macro_rules! attributes {
    ($rule:expr) => {{
        let get = |name: &str| $rule.custom_attributes.get(name);
        let what = get("crmscope.events").and_then(|value| value.as_str());
        let suppress = get("crmscope.suppress").or_else(|| get("suppress"));
        // What is no text is no time either.
        (
            what,
            suppress.map(|value| value.as_str().unwrap_or_default()),
        )
    }};
}
/// A rule of the agent, as others refer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    /// As events have it: its id, or its name where it has none.
    pub(super) id: String,
    /// As people know it.
    pub(super) title: String,
}

/// Rules of the agent by id and by name.
pub(super) type Bases = BTreeMap<String, Base>;

/// What a rule of the agent is known by in events.
pub(super) fn base(rule: &SigmaRule) -> Result<Base, String> {
    let id = identity(rule.id.as_deref(), rule.name.as_deref())?;
    Ok(Base {
        id,
        title: rule.title.chars().take(TITLE_MAX).collect(),
    })
}

fn identity(id: Option<&str>, name: Option<&str>) -> Result<String, String> {
    let of = |text: Option<&str>| text.map(str::to_owned).filter(|text| !text.is_empty());
    let known = of(id).or_else(|| of(name));
    let known = known.ok_or("it has neither id nor name; give it one")?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.: ".contains(&byte);
    if known.len() > ID_MAX_BYTES || !known.bytes().all(fits) {
        return Err(format!(
            "its id {:?} does not fit; it may have up to {ID_MAX_BYTES} letters, digits, spaces and - _ . :",
            known.chars().take(ID_MAX_BYTES).collect::<String>()
        ));
    }
    Ok(known)
}

/// A rule of the agent that is bad enough to be a finding by itself: every address, user and host on which
/// it matched is one.
pub(super) fn single(rule: &SigmaRule, base: &Base) -> Result<Option<Rule>, String> {
    let Some(level) = rule.level.map(level).filter(|level| level.is_told()) else {
        return Ok(None);
    };
    let fields = vec![Field::SourceAddress, Field::User, Field::AgentId];
    let (called, suppress) = attributes!(rule);
    Ok(Some(Rule {
        id: base.id.clone(),
        title: base.title.clone(),
        level,
        what: what(called),
        bases: vec![base.id.clone()],
        group_by: fields.iter().map(|field| field.name().to_owned()).collect(),
        fields: vec![fields],
        keeps_empty: true,
        timespan_ms: 1,
        suppress_ms: suppress_ms(suppress, 1)?,
        kind: Kind::EventCount { at_least: 1 },
    }))
}

/// A rule over many events.
pub(super) fn correlation(rule: &CorrelationRule, bases: &Bases) -> Result<Rule, String> {
    let id = identity(rule.id.as_deref(), rule.name.as_deref())?;
    if rule.window != WindowMode::Sliding {
        return Err(format!(
            "window {:?} is not looked for; leave it out for windows that slide",
            rule.window.as_str()
        ));
    }
    let timespan_ms = ms(rule.timespan.seconds);
    if !(1_000..=TIMESPAN_MAX_MS).contains(&timespan_ms) {
        let given = &rule.timespan.original;
        return Err(format!("timespan {given} is not within 1s and 7d"));
    }
    if rule.rules.is_empty() || rule.rules.len() > BASES_MAX {
        let count = rule.rules.len();
        return Err(format!(
            "it looks at {count} rules; 1 to {BASES_MAX} can be named in `rules`"
        ));
    }
    let mut ids = Vec::new();
    for reference in &rule.rules {
        let base = bases
            .get(reference)
            .ok_or_else(|| unknown(reference, bases))?;
        if ids.contains(&base.id) {
            return Err(format!("rule {reference:?} stands twice in `rules`"));
        }
        ids.push(base.id.clone());
    }
    let (called, suppress) = attributes!(rule);
    let mut group_by = Vec::new();
    let mut fields = vec![Vec::new(); rule.rules.len()];
    for name in &rule.group_by {
        let mut own = None;
        for (of, reference) in fields.iter_mut().zip(&rule.rules) {
            let (field, is_alias) = field(rule, name, reference, bases)?;
            own = Some(if is_alias {
                name.as_str()
            } else {
                field.name()
            });
            of.push(field);
        }
        group_by.extend(own.map(str::to_owned));
    }
    Ok(Rule {
        id,
        title: rule.title.chars().take(TITLE_MAX).collect(),
        level: rule.level.map_or(Level::Medium, level),
        what: what(called),
        bases: ids,
        group_by,
        fields,
        keeps_empty: false,
        timespan_ms,
        suppress_ms: suppress_ms(suppress, timespan_ms)?,
        kind: kind(rule, bases)?,
    })
}

fn unknown(reference: &str, bases: &Bases) -> String {
    let nearest = bases
        .keys()
        .max_by(|a, b| similarity(reference, a).total_cmp(&similarity(reference, b)));
    match nearest.filter(|nearest| similarity(reference, nearest) > 0.8) {
        Some(nearest) => format!(
            "there is no rule of an agent with the id or name {reference:?}; did you mean {nearest:?}?"
        ),
        None => format!(
            "there is no rule of an agent with the id or name {reference:?} in correlation.directories"
        ),
    }
}

fn what(given: Option<&str>) -> String {
    let what: String = given.unwrap_or("events").chars().take(60).collect();
    what.escape_debug().to_string()
}

/// `given` is what the rule says; none where it says nothing.
fn suppress_ms(given: Option<&str>, timespan_ms: i64) -> Result<i64, String> {
    let Some(text) = given else {
        return Ok(SUPPRESS_MS.max(timespan_ms));
    };
    let span = rsigma_parser::Timespan::parse(text).map(|span| ms(span.seconds));
    match span {
        Ok(ms) if (1_000..=SUPPRESS_MAX_MS).contains(&ms) => Ok(ms),
        _ => Err(format!(
            "suppress {text:?} is not a time within 1s and 30d, such as 1h"
        )),
    }
}

fn ms(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
}

const fn level(level: SigmaLevel) -> Level {
    match level {
        SigmaLevel::Informational => Level::Informational,
        SigmaLevel::Low => Level::Low,
        SigmaLevel::Medium => Level::Medium,
        SigmaLevel::High => Level::High,
        SigmaLevel::Critical => Level::Critical,
    }
}
