//! Routes as the operator wrote them.
//!
//! Syntax: `/account/{account}/edit`, where `{name}` is any one segment and a `*` at the end is one
//! segment or more. The first template that matches a path gives the route its name; a trailing `/`
//! of the path makes no difference. Pure. The templates of a log become one tree of segments, so
//! that a path costs as much with a thousand of them as with one, and allocates nothing.

use super::route::{SEGMENT_MAX_BYTES, SEGMENTS_MAX, segments};

/// Most templates in the whole configuration.
pub(super) const TEMPLATES_MAX: usize = 1000;

/// Longest name between braces, bytes.
const NAME_MAX_BYTES: usize = 32;

/// One place in the tree.
#[derive(Debug, Default)]
struct Node {
    /// The segments that are spelt out, sorted, and where each leads.
    literals: Vec<(Box<[u8]>, usize)>,
    /// Where any other segment leads.
    any: Option<usize>,
    /// The first template that ends here.
    end: Option<usize>,
    /// The first template that takes everything below.
    rest: Option<usize>,
}

/// Templates, ready to be matched.
#[derive(Debug)]
pub(super) struct Configured {
    names: Vec<Box<str>>,
    nodes: Vec<Node>,
}

/// Places in the tree that a path has reached; scratch space.
#[derive(Debug, Default)]
pub(super) struct Reached {
    now: Vec<usize>,
    next: Vec<usize>,
}

impl Configured {
    /// A tree of templates, the ones that win first. Those that [`check`] refuses are left out.
    pub(super) fn new<'a>(templates: impl Iterator<Item = &'a str>) -> Self {
        let mut tree = Self {
            names: Vec::new(),
            nodes: vec![Node::default()],
        };
        for template in templates.filter(|template| check(template).is_ok()) {
            tree.insert(template);
        }
        tree
    }

    fn insert(&mut self, template: &str) {
        let number = self.names.len();
        self.names.push(template.into());
        let mut node = 0;
        for segment in segments(template.as_bytes()) {
            if segment == b"*" {
                self.nodes[node].rest.get_or_insert(number);
                return;
            }
            let fresh = self.nodes.len();
            let here = &mut self.nodes[node];
            let next = if segment.starts_with(b"{") {
                *here.any.get_or_insert(fresh)
            } else {
                let found = here
                    .literals
                    .binary_search_by(|(literal, _)| literal.as_ref().cmp(segment));
                match found {
                    Ok(place) => here.literals[place].1,
                    Err(place) => {
                        here.literals.insert(place, (segment.into(), fresh));
                        fresh
                    }
                }
            };
            if next == fresh {
                self.nodes.push(Node::default());
            }
            node = next;
        }
        self.nodes[node].end.get_or_insert(number);
    }

    /// The template that a path belongs to.
    pub(super) fn find(&self, path: &[u8], reached: &mut Reached) -> Option<&str> {
        if self.names.is_empty() {
            return None;
        }
        let Reached { now, next } = reached;
        now.clear();
        now.push(0);
        let mut first = usize::MAX;
        // Ends with the tree, however long the path is.
        for segment in segments(path) {
            next.clear();
            for node in now.iter().map(|&node| &self.nodes[node]) {
                first = first.min(node.rest.unwrap_or(usize::MAX));
                let found = node
                    .literals
                    .binary_search_by(|(literal, _)| literal.as_ref().cmp(segment));
                next.extend(found.ok().map(|place| node.literals[place].1));
                next.extend(node.any);
            }
            std::mem::swap(now, next);
            if now.is_empty() {
                break;
            }
        }
        for &node in now.iter() {
            first = first.min(self.nodes[node].end.unwrap_or(usize::MAX));
        }
        self.names.get(first).map(AsRef::as_ref)
    }
}

/// Whether a template is well-formed.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub(super) fn check(template: &str) -> Result<(), String> {
    let Some(rest) = template.strip_prefix('/') else {
        return Err("must begin with /".to_owned());
    };
    if rest.is_empty() {
        return Ok(());
    }
    let count = rest.split('/').count();
    if count > SEGMENTS_MAX {
        return Err(format!("has {count} segments; use at most {SEGMENTS_MAX}"));
    }
    for (position, segment) in rest.split('/').enumerate() {
        let last = position + 1 == count;
        match segment {
            "" => return Err("has an empty segment; leave out the / at its end".to_owned()),
            "*" if last => {}
            "*" => return Err("has a * that is not its end; use {name} for one segment".to_owned()),
            _ if segment.starts_with('{') => check_name(segment)?,
            _ => check_literal(segment)?,
        }
    }
    Ok(())
}

fn check_name(segment: &str) -> Result<(), String> {
    let name = segment
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    let right = |name: &str| {
        (1..=NAME_MAX_BYTES).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if name.is_some_and(right) {
        return Ok(());
    }
    Err(format!(
        "has the segment {segment:?}; a name is 1 to {NAME_MAX_BYTES} of A-Z a-z 0-9 _ between braces, and a whole segment"
    ))
}

fn check_literal(segment: &str) -> Result<(), String> {
    let right = |byte: u8| byte.is_ascii_graphic() && !b"{}*?#;\\".contains(&byte);
    if segment.len() <= SEGMENT_MAX_BYTES && segment.bytes().all(right) {
        return Ok(());
    }
    Err(format!(
        "has the segment {segment:?}; use at most {SEGMENT_MAX_BYTES} bytes of ASCII as the path is sent, without {{ }} * ? # ; \\"
    ))
}
