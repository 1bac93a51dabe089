//! Bounds of rules and of what they are asked about.
//!
//! Together they bound memory and the time of an event: expressions run in time linear in the text
//! times their own size, and both are bounded here.

/// Most directories.
pub(super) const DIRECTORIES_MAX: usize = 16;

/// Most files.
pub(super) const FILES_MAX: usize = 4096;

/// Deepest folder below a directory.
pub(super) const FOLDERS_MAX: usize = 8;

/// Largest file, bytes.
pub(super) const FILE_MAX_BYTES: u64 = 256 * 1024;

/// Largest of all files together, bytes.
pub(super) const FILES_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Most rules in force.
pub(super) const RULES_MAX: usize = 2_000;

/// Most filters: each takes a pass over all rules.
pub(super) const FILTERS_MAX: usize = 100;

/// Most refusals that are told one by one.
pub(super) const FAULTS_MAX: usize = 1_000;

/// Most nodes of one document, aliases written out.
pub(super) const NODES_MAX: usize = 20_000;

/// Deepest nesting of one document.
pub(super) const DEPTH_MAX: usize = 32;

/// Most brackets that a document may leave open at any place, those in its texts included.
pub(super) const BRACKETS_MAX: usize = 500;

/// Most words and brackets of one condition: the engine takes it apart by calling itself.
pub(super) const CONDITION_MAX_WORDS: usize = 256;

/// Most values in one rule.
pub(super) const VALUES_MAX: usize = 4_000;

/// Longest value, bytes.
pub(super) const VALUE_MAX_BYTES: usize = 4_096;

/// Most wildcards in one value.
pub(super) const WILDCARDS_MAX: usize = 32;

/// Most expressions in one rule, values with wildcards included.
pub(super) const EXPRESSIONS_MAX: usize = 64;

/// Largest of all expressions together once compiled, in steps, bytes: what an event takes at worst is
/// in proportion to it.
pub(super) const ALL_EXPRESSIONS_MAX_BYTES: usize = 2 * 1024 * 1024;

/// Largest compiled expression, bytes.
pub(super) const EXPRESSION_MAX_BYTES: usize = 256 * 1024;

/// Deepest nesting of groups in an expression.
pub(super) const EXPRESSION_NESTING_MAX: u32 = 32;

/// Longest text that is looked at, bytes: what web servers take as the first line of a request, by
/// default. What is behind it is not seen.
pub(super) const TEXT_MAX_BYTES: usize = 8 * 1024;
