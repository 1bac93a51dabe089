//! What a rule over many events fires at, or a sentence why it cannot be. Pure.

use rsigma_parser::{
    ConditionExpr, ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType,
    Quantifier, SelectorPattern,
};

use super::compile::Bases;
use super::field::Field;
use super::rule::{COUNT_MAX, Kind, Wanted};

/// The field behind a name, for events of one rule, and whether the name is an alias.
pub(super) fn field(
    rule: &CorrelationRule,
    name: &str,
    reference: &str,
    bases: &Bases,
) -> Result<(Field, bool), String> {
    let Some(alias) = rule.aliases.iter().find(|alias| alias.alias == name) else {
        return Field::parse(name).map(|field| (field, false));
    };
    let is_it = |of: &&String| {
        **of == reference
            || bases
                .get(*of)
                .is_some_and(|base| bases.get(reference) == Some(base))
    };
    let of = alias.mapping.keys().find(is_it);
    let field = of
        .and_then(|of| alias.mapping.get(of))
        .ok_or_else(|| format!("alias {name:?} says nothing of rule {reference:?}"))?;
    Field::parse(field).map(|field| (field, true))
}

/// What it fires at.
pub(super) fn kind(rule: &CorrelationRule, bases: &Bases) -> Result<Kind, String> {
    let kind = rule.correlation_type;
    match (kind, &rule.condition) {
        (CorrelationType::EventCount, CorrelationCondition::Threshold { predicates, .. }) => {
            let at_least = threshold(predicates)?;
            Ok(Kind::EventCount { at_least })
        }
        (
            CorrelationType::ValueCount,
            CorrelationCondition::Threshold {
                predicates,
                field: Some(names),
                ..
            },
        ) => {
            let at_least = threshold(predicates)?;
            let of = |reference: &String| {
                let fields = names.iter().map(|name| field(rule, name, reference, bases));
                fields.map(|found| found.map(|(field, _)| field)).collect()
            };
            let values: Result<_, String> = rule.rules.iter().map(of).collect();
            Ok(Kind::ValueCount {
                at_least,
                values: values?,
            })
        }
        (CorrelationType::ValueCount, _) => {
            Err("value_count needs `condition` with `field`: whose values are counted".to_owned())
        }
        (CorrelationType::Temporal, CorrelationCondition::Extended(condition)) => {
            wanted(condition, rule, bases).map(Kind::Temporal)
        }
        (CorrelationType::Temporal, CorrelationCondition::Threshold { predicates, .. }) => {
            let all: Vec<Wanted> = (0..rule.rules.len()).map(Wanted::Base).collect();
            // Where no condition is written the parser says 1, and Sigma means all of them.
            Ok(Kind::Temporal(match threshold(predicates)? {
                1 => Wanted::All(all),
                count if count > all.len() as u64 => {
                    let rules = all.len();
                    return Err(format!("of {rules} rules there are never {count}"));
                }
                count => Wanted::AtLeast(count, all),
            }))
        }
        (CorrelationType::TemporalOrdered, CorrelationCondition::Threshold { predicates, .. })
            if [1, rule.rules.len() as u64].contains(&threshold(predicates)?) =>
        {
            Ok(Kind::Ordered)
        }
        (CorrelationType::TemporalOrdered, _) => Err(
            "temporal_ordered looks for all of its rules, in their order; leave `condition` out"
                .to_owned(),
        ),
        (
            CorrelationType::ValueSum
            | CorrelationType::ValueAvg
            | CorrelationType::ValuePercentile
            | CorrelationType::ValueMedian,
            _,
        ) => Err(format!(
            "type {} is not looked for; there are event_count, value_count, temporal and temporal_ordered",
            kind.as_str()
        )),
        (_, CorrelationCondition::Extended(_)) => Err(format!(
            "{} needs a number in `condition`, such as gte: 8",
            kind.as_str()
        )),
    }
}

/// The least count that is enough.
fn threshold(predicates: &[(ConditionOperator, u64)]) -> Result<u64, String> {
    let mut at_least = 1;
    for &(operator, value) in predicates {
        let count = match operator {
            ConditionOperator::Gte => value,
            ConditionOperator::Gt => value.saturating_add(1),
            ConditionOperator::Lt
            | ConditionOperator::Lte
            | ConditionOperator::Eq
            | ConditionOperator::Neq => {
                let operator = format!("{operator:?}").to_lowercase();
                return Err(format!(
                    "condition {operator} cannot be kept: an event that comes late would take the finding back; use gte or gt"
                ));
            }
        };
        at_least = at_least.max(count);
    }
    if at_least > COUNT_MAX {
        return Err(format!(
            "condition asks for {at_least}; up to {COUNT_MAX} can be"
        ));
    }
    Ok(at_least)
}

fn wanted(
    condition: &ConditionExpr,
    rule: &CorrelationRule,
    bases: &Bases,
) -> Result<Wanted, String> {
    let parts = |parts: &[ConditionExpr]| -> Result<Vec<Wanted>, String> {
        parts.iter().map(|part| wanted(part, rule, bases)).collect()
    };
    match condition {
        ConditionExpr::And(all) => parts(all).map(Wanted::All),
        ConditionExpr::Or(any) => parts(any).map(|any| Wanted::AtLeast(1, any)),
        ConditionExpr::Not(_) => Err(
            "condition `not` cannot be kept: an event that comes late would take the finding back"
                .to_owned(),
        ),
        ConditionExpr::Identifier(name) => {
            let is_it = |of: &String| {
                of == name
                    || bases
                        .get(name)
                        .is_some_and(|base| bases.get(of) == Some(base))
            };
            let place = rule.rules.iter().position(is_it);
            place
                .map(Wanted::Base)
                .ok_or_else(|| format!("condition names {name:?}, which is not in `rules`"))
        }
        ConditionExpr::Selector {
            quantifier,
            pattern: SelectorPattern::Them,
        } => {
            let all: Vec<Wanted> = (0..rule.rules.len()).map(Wanted::Base).collect();
            Ok(match quantifier {
                Quantifier::Any => Wanted::AtLeast(1, all),
                Quantifier::All => Wanted::All(all),
                Quantifier::Count(count) => Wanted::AtLeast(*count, all),
            })
        }
        ConditionExpr::Selector { .. } => {
            Err("condition names rules by a pattern; name each of them".to_owned())
        }
    }
}
