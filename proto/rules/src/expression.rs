//! Whether what a rule looks for can be looked for in bounded time and memory.
//!
//! Pure.

use regex::RegexBuilder;
use rsigma_parser::{Detection, DetectionItem, Detections, Modifier, SigmaValue};

use crate::limits::{
    DEPTH_MAX, EXPRESSION_MAX_BYTES, EXPRESSION_NESTING_MAX, EXPRESSIONS_MAX, VALUE_MAX_BYTES,
    VALUES_MAX, WILDCARDS_MAX,
};

/// Checks all values.
///
/// # Errors
/// The first that is beyond a bound, or no expression.
pub(crate) fn check(detections: &Detections) -> Result<(), String> {
    let mut values = 0;
    let mut expressions = 0;
    for detection in detections.named.values() {
        visit(detection, DEPTH_MAX, &mut |item, value| {
            values += 1;
            if values > VALUES_MAX {
                return Err(format!("more than {VALUES_MAX} values in one rule"));
            }
            if check_value(item, value)? {
                expressions += 1;
            }
            if expressions > EXPRESSIONS_MAX {
                return Err(format!(
                    "more than {EXPRESSIONS_MAX} expressions in one rule"
                ));
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// How large the expressions of a rule are once compiled, bytes: steps of the compiler's bound, and an
/// estimate for values with wildcards.
pub(crate) fn size(detections: &Detections) -> usize {
    let mut size = 0;
    for detection in detections.named.values() {
        let _ = visit(detection, DEPTH_MAX, &mut |item, value| {
            let SigmaValue::String(text) = value else {
                return Ok(());
            };
            size += match item {
                Some(item) if item.field.has_modifier(Modifier::Re) => {
                    let fits =
                        |bytes: &usize| builder(item, &text.original, *bytes).build().is_ok();
                    STEPS_BYTES
                        .into_iter()
                        .find(fits)
                        .unwrap_or(EXPRESSION_MAX_BYTES)
                }
                _ if text.contains_wildcards() => WILD_BYTES * text.original.len(),
                _ => 0,
            };
            Ok(())
        });
    }
    size
}

/// Sizes that expressions are told apart by.
const STEPS_BYTES: [usize; 3] = [4 * 1024, 16 * 1024, 64 * 1024];

/// A letter in both its cases, once compiled.
const WILD_BYTES: usize = 64;

fn builder(item: &DetectionItem, text: &str, max_bytes: usize) -> RegexBuilder {
    let has = |modifier| item.field.has_modifier(modifier);
    let mut builder = RegexBuilder::new(text);
    builder
        .case_insensitive(has(Modifier::IgnoreCase))
        .multi_line(has(Modifier::Multiline))
        .dot_matches_new_line(has(Modifier::DotAll))
        .size_limit(max_bytes)
        .nest_limit(EXPRESSION_NESTING_MAX);
    builder
}

type Check<'a> = dyn FnMut(Option<&DetectionItem>, &SigmaValue) -> Result<(), String> + 'a;

fn visit(detection: &Detection, depth: usize, check: &mut Check<'_>) -> Result<(), String> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("nested deeper than {DEPTH_MAX} levels"));
    };
    match detection {
        Detection::AllOf(items) => items
            .iter()
            .flat_map(|item| item.values.iter().map(move |value| (item, value)))
            .try_for_each(|(item, value)| check(Some(item), value)),
        Detection::Keywords(values) => values.iter().try_for_each(|value| check(None, value)),
        Detection::AnyOf(inner) | Detection::And(inner) => {
            inner.iter().try_for_each(|one| visit(one, depth, check))
        }
        Detection::ArrayMatch { body, .. } => visit(body, depth, check),
        Detection::Conditional { named, .. } => {
            named.values().try_for_each(|one| visit(one, depth, check))
        }
    }
}

/// Whether the value becomes an expression.
fn check_value(item: Option<&DetectionItem>, value: &SigmaValue) -> Result<bool, String> {
    let SigmaValue::String(text) = value else {
        return Ok(false);
    };
    let shown = || crate::document::one_line(text.original.get(..40).unwrap_or(&text.original));
    if text.original.len() > VALUE_MAX_BYTES {
        return Err(format!(
            "a value of {} bytes, of {VALUE_MAX_BYTES} at most, begins with '{}'",
            text.original.len(),
            shown()
        ));
    }
    if let Some(item) = item
        && item.field.has_modifier(Modifier::Re)
    {
        builder(item, &text.original, EXPRESSION_MAX_BYTES)
            .build()
            .map_err(|error| format!("the expression '{}': {}", shown(), reason(&error)))?;
        return Ok(true);
    }
    let wildcards = text.parts.len().saturating_sub(1);
    if wildcards > 2 * WILDCARDS_MAX {
        return Err(format!(
            "more than {WILDCARDS_MAX} wildcards in the value '{}'",
            shown()
        ));
    }
    Ok(text.contains_wildcards())
}

fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("it would take more than {limit} bytes once compiled")
        }
        other => {
            let drawn = other.to_string();
            let said = drawn.lines().find_map(|line| line.strip_prefix("error: "));
            said.unwrap_or(&drawn).to_owned()
        }
    }
}
