//! The rules in force, and what they say of an event.
//!
//! Rules that can be for no event of this agent are checked like all others and not kept: they take
//! no memory. What is kept has an engine for each class of events.

use std::collections::HashMap;
use std::sync::Arc;

use crmscope_proto::limits::EVENT_RULES_MAX;
use crmscope_rules::Candidate;
use rsigma_eval::{CompiledRule, Engine};
use rsigma_parser::{FilterRule, Level, LogSource};

use super::local::LocalClock;
use super::logsource::{self, Class, Origin};
use super::record::Record;
use super::sieve::Sieve;
use super::witness::Witness;

/// Rules that an event matched.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Matched {
    /// Their ids, sorted, at most [`EVENT_RULES_MAX`].
    pub rules: Vec<String>,
    /// The highest of their levels, as OCSF numbers severities.
    pub severity: u32,
    /// Those beyond the bound.
    pub unnamed: u64,
}

/// What is known of a rule by its id.
#[derive(Debug)]
struct Facts {
    logsource: LogSource,
    level: u32,
}

/// What the host is called, and what it has.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Name of the host in events.
    pub host: String,
    /// Services of the logs of applications, and formats of access logs.
    pub products: Vec<String>,
    /// Whether access logs are read.
    pub reads_access_logs: bool,
    /// What local time is.
    pub clock: LocalClock,
}

/// See the module.
pub struct RuleSet {
    host: Arc<str>,
    clock: LocalClock,
    engines: [Option<Engine>; Class::ALL.len()],
    facts: HashMap<String, Facts>,
    sieve: Option<Sieve>,
}

impl std::fmt::Debug for RuleSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RuleSet")
            .field("rules", &self.facts.len())
            .finish_non_exhaustive()
    }
}

/// Whether a rule is of use here, and for which classes.
fn classes<'a>(
    rule: &'a LogSource,
    surroundings: &'a Surroundings,
) -> impl Iterator<Item = Class> + 'a {
    Class::ALL.into_iter().filter(|class| {
        (*class != Class::Web || surroundings.reads_access_logs)
            && logsource::can_fit(rule, *class, &surroundings.products)
    })
}

impl RuleSet {
    /// Makes the set of checked rules and filters; `None` when none of them is of use here.
    pub(super) fn build(
        candidates: Vec<Candidate>,
        filters: &[FilterRule],
        surroundings: &Surroundings,
    ) -> Option<Self> {
        let mut of_classes: [Vec<CompiledRule>; Class::ALL.len()] = Default::default();
        let mut facts = HashMap::new();
        let mut of_web = Vec::new();
        for candidate in candidates {
            let mut kept = false;
            for class in classes(&candidate.parsed.logsource, surroundings) {
                if class == Class::Web {
                    let witness = Witness::of(&candidate.parsed.detection);
                    if witness.is_impossible() {
                        continue;
                    }
                    of_web.push(witness);
                }
                let rule = stripped(candidate.compiled.clone(), &candidate.id);
                of_classes[class as usize].push(rule);
                kept = true;
            }
            if !kept {
                continue;
            }
            let fact = Facts {
                level: severity(candidate.parsed.level),
                logsource: candidate.parsed.logsource,
            };
            facts.insert(candidate.id, fact);
        }
        if facts.is_empty() {
            return None;
        }
        let engines = of_classes.map(|rules| {
            (!rules.is_empty()).then(|| {
                let mut engine = Engine::new();
                engine.extend_compiled_rules(rules);
                for filter in filters {
                    // It was tried before.
                    let _ = engine.apply_filter(filter);
                }
                engine
            })
        });
        Some(Self {
            host: surroundings.host.as_str().into(),
            clock: surroundings.clock.clone(),
            sieve: (!of_web.is_empty()).then(|| Sieve::of(of_web)),
            engines,
            facts,
        })
    }

    /// Rules that can match here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// Rules that can match events of a class.
    #[must_use]
    pub fn len_of(&self, class: Class) -> usize {
        let engine = self.engines[class as usize].as_ref();
        engine.map_or(0, Engine::rule_count)
    }

    /// Name of the host in events.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What local time is.
    #[must_use]
    pub const fn clock(&self) -> &LocalClock {
        &self.clock
    }

    /// What decides which lines of access logs are looked at; `None` without rules for them.
    #[must_use]
    pub const fn sieve(&self) -> Option<&Sieve> {
        self.sieve.as_ref()
    }

    /// Asks the rules about an event.
    #[must_use]
    pub fn evaluate(&self, origin: &Origin<'_>, record: &Record<'_>) -> Option<Matched> {
        let engine = self.engines[origin.class as usize].as_ref()?;
        let mut matched = Matched::default();
        for result in engine.evaluate(record) {
            let Some(id) = result.header.rule_id else {
                continue;
            };
            let Some(facts) = self.facts.get(&id) else {
                continue;
            };
            if logsource::fits(&facts.logsource, origin) {
                matched.severity = matched.severity.max(facts.level);
                matched.rules.push(id);
            }
        }
        if matched.rules.is_empty() {
            return None;
        }
        matched.rules.sort_unstable();
        matched.rules.dedup();
        matched.unnamed = matched.rules.len().saturating_sub(EVENT_RULES_MAX) as u64;
        matched.rules.truncate(EVENT_RULES_MAX);
        Some(matched)
    }
}

/// Without what nobody asks for, and under the id that events name.
fn stripped(mut rule: CompiledRule, id: &str) -> CompiledRule {
    rule.id = Some(id.to_owned());
    rule.tags = Vec::new();
    rule.description = None;
    rule.falsepositives = Vec::new();
    rule.custom_attributes = Arc::default();
    rule.include_event = false;
    rule
}

/// OCSF's number; a rule that does not say is informational.
const fn severity(level: Option<Level>) -> u32 {
    match level {
        None | Some(Level::Informational) => 1,
        Some(Level::Low) => 2,
        Some(Level::Medium) => 3,
        Some(Level::High) => 4,
        Some(Level::Critical) => 5,
    }
}
