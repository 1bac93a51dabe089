//! Which lines of access logs are worth asking the rules about.
//!
//! Pure. Nearly all lines are not, and these must cost next to nothing: one vectorised pass over the
//! target, or over the line where rules look beyond it, in lower case, for four bytes of each text
//! that a rule must find ([`super::witness`]), and a look at the status. What passes may still match no rule.

use aho_corasick::{AhoCorasick, packed};

use super::witness::{Needle, Witness};

/// Statuses in the table.
const STATUSES: usize = 1000;

/// Bytes of a fragment; fewer of a shorter text.
const FRAGMENT_BYTES: usize = 4;

/// Shortest text that is searched by vectors; a shorter one is filled up.
const SEARCHED_MIN_BYTES: usize = 64;

/// Most fragments that one vectorised search takes.
const FRAGMENTS_IN_SEARCH: usize = 48;

/// Most vectorised searches over a text; beyond it one automaton is cheaper.
const SEARCHES_MAX: usize = 4;

/// Most groups of rules by the statuses they want; the rest shares the last one.
const GROUPS_MAX: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct Sieve {
    /// Of rules that say nothing of the status.
    always: Haystacks,
    /// By status: what a line with it takes to be looked at.
    statuses: Vec<StatusNeed>,
    /// Of rules that want a status and a text, by the statuses they want.
    groups: Vec<Haystacks>,
    /// Rules without a witness.
    every_line: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct StatusNeed {
    /// A bit for each group whose texts are looked for.
    groups: u64,
    /// The status is enough.
    enough: bool,
}

impl Sieve {
    /// For rules.
    pub(super) fn of(witnesses: Vec<Witness>) -> Self {
        let mut always = Vec::new();
        let mut groups: Vec<(Vec<u16>, Vec<Needle>)> = Vec::new();
        let mut statuses = vec![StatusNeed::default(); STATUSES];
        let mut every_line = 0;
        for witness in witnesses {
            let (needles, mut wanted) = match (witness.needles, witness.statuses) {
                (None, None) => {
                    every_line += 1;
                    continue;
                }
                (Some(needles), None) => {
                    always.extend(needles);
                    continue;
                }
                (needles, Some(wanted)) => (needles, wanted),
            };
            wanted.sort_unstable();
            wanted.dedup();
            let group = needles.map(|needles| {
                let known = groups.iter().position(|(known, _)| *known == wanted);
                let full = groups.len() == GROUPS_MAX;
                let position = known.unwrap_or(groups.len() - usize::from(full));
                if position == groups.len() {
                    groups.push((wanted.clone(), Vec::new()));
                }
                groups[position].1.extend(needles);
                position
            });
            for status in wanted {
                if let Some(need) = statuses.get_mut(usize::from(status)) {
                    match group {
                        Some(group) => need.groups |= 1 << group,
                        None => need.enough = true,
                    }
                }
            }
        }
        Self {
            always: Haystacks::of(always),
            statuses,
            groups: groups
                .into_iter()
                .map(|(_, needles)| Haystacks::of(needles))
                .collect(),
            every_line,
        }
    }

    /// Rules for which every line has to be looked at.
    #[must_use]
    pub const fn rules_of_every_line(&self) -> usize {
        self.every_line
    }

    /// Whether a rule could match a line. The target is what of it was asked for.
    /// `plain` is scratch space.
    #[must_use]
    pub fn lets_through(
        &self,
        line: &[u8],
        target: &[u8],
        status: u16,
        plain: &mut Vec<u8>,
    ) -> bool {
        if self.every_line > 0 || self.always.hold(line, target, plain) {
            return true;
        }
        let need = self.statuses.get(usize::from(status));
        need.is_some_and(|need| {
            let groups = self.groups.iter().enumerate();
            let mut asked = groups.filter(|(group, _)| need.groups >> group & 1 == 1);
            need.enough || asked.any(|(_, haystacks)| haystacks.hold(line, target, plain))
        })
    }
}

/// Texts to find in the target, and in the whole line.
#[derive(Debug)]
struct Haystacks {
    target: Option<Needles>,
    line: Option<Needles>,
}

impl Haystacks {
    fn of(needles: Vec<Needle>) -> Self {
        let (target, line): (Vec<_>, Vec<_>) =
            needles.into_iter().partition(|needle| needle.in_target);
        Self {
            target: Needles::of(target),
            line: Needles::of(line),
        }
    }

    fn hold(&self, line: &[u8], target: &[u8], plain: &mut Vec<u8>) -> bool {
        let mut found = |needles: &Option<Needles>, text: &[u8]| {
            needles.as_ref().is_some_and(|needles| {
                plain.clear();
                plain.extend_from_slice(text);
                plain.make_ascii_lowercase();
                let length = plain.len().max(SEARCHED_MIN_BYTES);
                plain.resize(length, 0);
                needles.are_in(plain)
            })
        };
        // JSON may write a text in other words.
        let escaped = || {
            line.first() == Some(&b'{')
                && self.line.is_some()
                && memchr::memchr_iter(b'\\', line)
                    .any(|at| matches!(line.get(at + 1), Some(b'u' | b'/')))
        };
        found(&self.target, target) || found(&self.line, line) || escaped()
    }
}

#[derive(Debug)]
struct Needles {
    /// Fragments of all texts; empty where the processor or their number forbid it.
    fragments: Vec<packed::Searcher>,
    exact: AhoCorasick,
}

impl Needles {
    fn of(needles: Vec<Needle>) -> Option<Self> {
        let mut texts: Vec<String> = needles.into_iter().map(|needle| needle.text).collect();
        texts.sort_unstable();
        texts.dedup();
        if texts.is_empty() {
            return None;
        }
        let exact = AhoCorasick::new(&texts);
        Some(Self {
            fragments: searches(&texts),
            // Bounds of files and values keep it far from the automaton's own.
            exact: exact.ok()?,
        })
    }

    /// Of a text in lower case.
    fn are_in(&self, text: &[u8]) -> bool {
        let may = self.fragments.is_empty()
            || self
                .fragments
                .iter()
                .any(|fragments| fragments.find(text).is_some());
        may && self.exact.is_match(text)
    }
}

/// Vectorised searches for the rarest fragment of each text.
fn searches(texts: &[String]) -> Vec<packed::Searcher> {
    let mut fragments: Vec<Vec<u8>> = Vec::new();
    for text in texts {
        let windows = text.as_bytes().windows(text.len().min(FRAGMENT_BYTES));
        let Some(rarest) = windows.min_by_key(|window| commonness(window)) else {
            return Vec::new();
        };
        fragments.push(rarest.to_vec());
    }
    fragments.sort_unstable();
    fragments.dedup();
    // The shortest of a search decides how much of the others is looked at.
    let (whole, short): (Vec<_>, Vec<_>) = fragments
        .into_iter()
        .partition(|fragment| fragment.len() == FRAGMENT_BYTES);
    let chunks = [&whole, &short].into_iter();
    let chunks = chunks.flat_map(|fragments| fragments.chunks(FRAGMENTS_IN_SEARCH));
    let search = |chunk: &[Vec<u8>]| packed::Config::new().builder().extend(chunk).build();
    let searches: Option<Vec<_>> = chunks.map(search).collect();
    let searches = searches.unwrap_or_default();
    if searches.len() > SEARCHES_MAX {
        return Vec::new();
    }
    searches
}

/// How often bytes stand in lines that are as they should be, roughly.
fn commonness(window: &[u8]) -> u32 {
    let weight = |byte: &u8| match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' | b'/' => 8,
        b'0'..=b'9' | b'.' | b' ' | b'-' => 6,
        b'a'..=b'z' => 5,
        b'=' | b'"' | b'&' | b'?' | b'_' => 3,
        _ => 1,
    };
    window.iter().map(weight).sum()
}
