//! What a line must hold so that a rule can match it.
//!
//! Pure. A witness is derived from the rule: texts of which at least one stands in every line that the
//! rule matches, in any case, and statuses that such a line has. Where a rule has no witness, every line
//! has to be looked at.

use regex_syntax::hir::{Class, Hir, HirKind};
use rsigma_parser::{
    ConditionExpr, Detection, DetectionItem, Detections, Modifier, Quantifier, SelectorPattern,
    SigmaString, SigmaValue, StringPart, detection_name_matches,
};

/// Shortest text that tells anything, bytes.
const NEEDLE_MIN_BYTES: usize = 2;

/// Deepest tree of a rule.
const DEPTH_MAX: usize = 80;

/// A text, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Needle {
    pub(super) text: String,
    /// It stands in the request's target; else anywhere in the line.
    pub(super) in_target: bool,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Witness {
    /// At least one of these.
    pub(super) needles: Option<Vec<Needle>>,
    /// One of these.
    pub(super) statuses: Option<Vec<u16>>,
}

impl Witness {
    /// Of what must hold together: the best of both.
    fn and(self, other: Self) -> Self {
        let better = |a: &Vec<Needle>, b: &Vec<Needle>| worth(a) >= worth(b);
        Self {
            needles: match (self.needles, other.needles) {
                (Some(a), Some(b)) => Some(if better(&a, &b) { a } else { b }),
                (a, b) => a.or(b),
            },
            statuses: match (self.statuses, other.statuses) {
                (Some(a), Some(b)) => Some(if a.len() <= b.len() { a } else { b }),
                (a, b) => a.or(b),
            },
        }
    }

    /// Of what holds instead of each other.
    fn or(self, other: Self) -> Self {
        Self {
            needles: self.needles.zip(other.needles).map(|(mut a, b)| {
                a.extend(b);
                a
            }),
            statuses: self.statuses.zip(other.statuses).map(|(mut a, b)| {
                a.extend(b);
                a
            }),
        }
    }

    fn any(all: impl Iterator<Item = Self>) -> Self {
        all.reduce(Self::or).unwrap_or_default()
    }

    fn all(all: impl Iterator<Item = Self>) -> Self {
        all.reduce(Self::and).unwrap_or_default()
    }

    /// Whether no request can match.
    pub(super) fn is_impossible(&self) -> bool {
        self.needles.as_ref().is_some_and(Vec::is_empty)
    }

    /// Of a rule.
    pub(super) fn of(detections: &Detections) -> Self {
        let conditions = detections.conditions.iter();
        Self::any(conditions.map(|condition| of_condition(condition, detections, DEPTH_MAX)))
    }
}

/// The shortest text decides how rare they are; what needs one of none cannot be.
fn worth(needles: &[Needle]) -> usize {
    let shortest = needles.iter().map(|needle| needle.text.len()).min();
    shortest.unwrap_or(usize::MAX)
}

fn of_condition(condition: &ConditionExpr, all: &Detections, depth: usize) -> Witness {
    let Some(depth) = depth.checked_sub(1) else {
        return Witness::default();
    };
    let of = |inner: &ConditionExpr| of_condition(inner, all, depth);
    match condition {
        ConditionExpr::And(inner) => Witness::all(inner.iter().map(of)),
        ConditionExpr::Or(inner) => Witness::any(inner.iter().map(of)),
        ConditionExpr::Not(_) => Witness::default(),
        ConditionExpr::Identifier(name) => all
            .named
            .get(name)
            .map_or_else(Witness::default, |one| of_detection(one, depth)),
        ConditionExpr::Selector {
            quantifier,
            pattern,
        } => {
            let chosen = all.named.iter().filter(|(name, _)| match pattern {
                SelectorPattern::Them => true,
                SelectorPattern::Pattern(pattern) => detection_name_matches(name, pattern),
            });
            let of = |(_, one)| of_detection(one, depth);
            match quantifier {
                // `them` may leave out names that begin with a mark: none of those has to hold.
                Quantifier::All => {
                    Witness::all(chosen.filter(|(name, _)| !name.starts_with('_')).map(of))
                }
                Quantifier::Count(0) => Witness::default(),
                Quantifier::Any | Quantifier::Count(_) => Witness::any(chosen.map(of)),
            }
        }
    }
}

fn of_detection(detection: &Detection, depth: usize) -> Witness {
    let Some(depth) = depth.checked_sub(1) else {
        return Witness::default();
    };
    match detection {
        Detection::AllOf(items) => Witness::all(items.iter().map(of_item)),
        Detection::AnyOf(inner) => Witness::any(inner.iter().map(|one| of_detection(one, depth))),
        Detection::And(inner) => Witness::all(inner.iter().map(|one| of_detection(one, depth))),
        Detection::Keywords(values) => {
            Witness::any(values.iter().map(|value| of_text(value, false)))
        }
        Detection::ArrayMatch { .. } | Detection::Conditional { .. } => Witness::default(),
    }
}

fn of_item(item: &DetectionItem) -> Witness {
    let name = item.field.name.as_deref().unwrap_or_default();
    let modifiers = &item.field.modifiers;
    let of = |value: &SigmaValue| -> Witness {
        if modifiers.contains(&Modifier::Re) {
            return of_expression(value, item);
        }
        let plain = |modifier: &Modifier| {
            use Modifier::{All, Cased, Contains, EndsWith, StartsWith};
            matches!(modifier, All | Cased | Contains | EndsWith | StartsWith)
        };
        if !modifiers.iter().all(plain) {
            return Witness::default();
        }
        match name {
            "sc-status" | "http.response.status_code" => of_status(value, modifiers),
            "kind" | "event.action" => of_kind(value, modifiers),
            name => match place_of(name) {
                Some(in_target) => of_text(value, in_target),
                None => Witness::default(),
            },
        }
    };
    let witnesses = item.values.iter().map(of);
    if modifiers.contains(&Modifier::All) {
        Witness::all(witnesses)
    } else {
        Witness::any(witnesses)
    }
}

/// Requests have one kind: a rule about another one matches none.
fn of_kind(value: &SigmaValue, modifiers: &[Modifier]) -> Witness {
    let kind = match value {
        SigmaValue::String(text) if modifiers.is_empty() => text.as_plain(),
        _ => None,
    };
    Witness {
        needles: kind
            .filter(|kind| !kind.eq_ignore_ascii_case("web_request"))
            .map(|_| Vec::new()),
        ..Witness::default()
    }
}

fn of_status(value: &SigmaValue, modifiers: &[Modifier]) -> Witness {
    let status = match value {
        SigmaValue::Integer(number) => u16::try_from(*number).ok(),
        SigmaValue::String(text) if modifiers.is_empty() => {
            text.as_plain().and_then(|text| text.parse().ok())
        }
        _ => None,
    };
    Witness {
        statuses: status.filter(|_| modifiers.is_empty()).map(|one| vec![one]),
        ..Witness::default()
    }
}

/// Whether a field is a part of the target, or of the line; `None` of what the line does not hold in
/// these words, and of what every line has one of few of.
fn place_of(name: &str) -> Option<bool> {
    match name {
        ""
        | "message"
        | "cs-user-agent"
        | "c-useragent"
        | "user_agent.original"
        | "cs-referer"
        | "cs-referrer"
        | "http.request.referrer"
        | "cs-host"
        | "url.domain" => Some(false),
        _ if name.starts_with("cs-uri") || name.starts_with("c-uri") => Some(true),
        "url.original" | "url.path" | "url.query" | "url.extension" => Some(true),
        _ => None,
    }
}

fn of_text(value: &SigmaValue, in_target: bool) -> Witness {
    let needle = match value {
        SigmaValue::String(text) => longest(text),
        _ => None,
    };
    Witness {
        needles: needle.map(|text| vec![Needle { text, in_target }]),
        ..Witness::default()
    }
}

/// The longest run of ASCII between wildcards.
fn longest(text: &SigmaString) -> Option<String> {
    let plain = text.parts.iter().filter_map(|part| match part {
        StringPart::Plain(text) => Some(text.as_str()),
        StringPart::Special(_) => None,
    });
    let runs = plain.flat_map(|text| text.split(|character: char| !character.is_ascii()));
    chosen(runs)
}

fn chosen<'a>(runs: impl Iterator<Item = &'a str>) -> Option<String> {
    runs.max_by_key(|run| run.len())
        .filter(|run| {
            // Two letters stand in many a line.
            let letters = run.bytes().all(|byte| byte.is_ascii_alphanumeric());
            run.len() >= NEEDLE_MIN_BYTES + usize::from(letters)
        })
        .map(str::to_ascii_lowercase)
}

fn of_expression(value: &SigmaValue, item: &DetectionItem) -> Witness {
    let SigmaValue::String(text) = value else {
        return Witness::default();
    };
    let has = |modifier| item.field.has_modifier(modifier);
    let parsed = regex_syntax::ParserBuilder::new()
        .case_insensitive(has(Modifier::IgnoreCase))
        .dot_matches_new_line(has(Modifier::DotAll))
        .build()
        .parse(&text.original);
    let name = item.field.name.as_deref().unwrap_or_default();
    let Some(in_target) = place_of(name) else {
        return Witness::default();
    };
    let needles = parsed.ok().and_then(|hir| texts_of(&hir));
    Witness {
        needles: needles.map(|texts| {
            let needle = |text| Needle { text, in_target };
            texts.into_iter().map(needle).collect()
        }),
        ..Witness::default()
    }
}

/// Texts of which one stands in whatever the expression matches.
fn texts_of(hir: &Hir) -> Option<Vec<String>> {
    const ALTERNATIVES_MAX: usize = 64;
    match hir.kind() {
        HirKind::Capture(inner) => texts_of(&inner.sub),
        HirKind::Repetition(inner) if inner.min > 0 => texts_of(&inner.sub),
        HirKind::Alternation(inner) => {
            let texts: Option<Vec<_>> = inner.iter().map(texts_of).collect();
            let texts: Vec<_> = texts?.into_iter().flatten().collect();
            (texts.len() <= ALTERNATIVES_MAX).then_some(texts)
        }
        HirKind::Literal(_) | HirKind::Class(_) => run_of(std::slice::from_ref(hir)),
        HirKind::Concat(inner) => {
            let own = run_of(inner);
            let others = inner.iter().filter_map(texts_of);
            let shortest = |texts: &Vec<String>| texts.iter().map(String::len).min();
            others.chain(own).max_by_key(shortest)
        }
        _ => None,
    }
}

/// The longest run of letters and marks that stand side by side.
fn run_of(hirs: &[Hir]) -> Option<Vec<String>> {
    let mut runs = vec![String::new()];
    for hir in hirs {
        match hir.kind() {
            HirKind::Literal(literal) if literal.0.is_ascii() => {
                let text = String::from_utf8_lossy(&literal.0);
                if let Some(run) = runs.last_mut() {
                    run.push_str(&text);
                }
            }
            HirKind::Class(class) => match letter_of(class) {
                Some(letter) => runs.last_mut()?.push(letter),
                None => runs.push(String::new()),
            },
            _ => runs.push(String::new()),
        }
    }
    chosen(runs.iter().map(String::as_str)).map(|run| vec![run])
}

/// The letter of a class that holds it in both cases.
fn letter_of(class: &Class) -> Option<char> {
    let Class::Unicode(class) = class else {
        return None;
    };
    let mut letters = class
        .iter()
        .filter(|range| range.start().is_ascii())
        .map(|range| (range.start(), range.end()));
    let (first, end) = letters.next()?;
    let (second, second_end) = letters.next()?;
    let one = first == end && second == second_end && letters.next().is_none();
    // Folding adds letters beyond ASCII to k and s; a server does not take these for the same.
    let few = class.ranges().len() <= 3;
    (one && few && first.eq_ignore_ascii_case(&second)).then(|| second.to_ascii_lowercase())
}
