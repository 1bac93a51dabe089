//! Bounds of rules.
//!
//! Together they bound memory and the time of an event: expressions run in time linear in the text
//! times their own size, and both are bounded here.

/// Most directories, and most sets that a collector delivers.
pub const DIRECTORIES_MAX: usize = 16;

/// Most files.
pub const FILES_MAX: usize = 4096;

/// Deepest folder below a directory.
pub const FOLDERS_MAX: usize = 8;

/// Largest file, bytes.
pub const FILE_MAX_BYTES: u64 = 256 * 1024;

/// Largest of all files together, bytes.
pub const FILES_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Most rules in force.
pub const RULES_MAX: usize = 2_000;

/// Most filters: each takes a pass over all rules.
pub const FILTERS_MAX: usize = 100;

/// Most refusals that are told one by one.
pub const FAULTS_MAX: usize = 1_000;

/// Most nodes of one document, aliases written out.
pub const NODES_MAX: usize = 20_000;

/// Deepest nesting of one document.
pub const DEPTH_MAX: usize = 32;

/// Most brackets that a document may leave open at any place, those in its texts included.
pub const BRACKETS_MAX: usize = 500;

/// Most words and brackets of one condition: the engine takes it apart by calling itself.
pub const CONDITION_MAX_WORDS: usize = 256;

/// Most values in one rule.
pub const VALUES_MAX: usize = 4_000;

/// Longest value, bytes.
pub const VALUE_MAX_BYTES: usize = 4_096;

/// Most wildcards in one value.
pub const WILDCARDS_MAX: usize = 32;

/// Most expressions in one rule, values with wildcards included.
pub const EXPRESSIONS_MAX: usize = 64;

/// Largest of all expressions together once compiled, in steps, bytes: what an event takes at worst is
/// in proportion to it.
pub const ALL_EXPRESSIONS_MAX_BYTES: usize = 2 * 1024 * 1024;

/// Largest compiled expression, bytes.
pub const EXPRESSION_MAX_BYTES: usize = 256 * 1024;

/// Deepest nesting of groups in an expression.
pub const EXPRESSION_NESTING_MAX: u32 = 32;

/// Most files of the sets that one agent is given.
pub const DELIVERED_FILES_MAX: usize = 2_048;

/// Largest of these together, bytes.
pub const DELIVERED_MAX_BYTES: usize = 4 * 1024 * 1024;

/// The same compressed, bytes: an agent keeps it in memory.
pub const PACKED_MAX_BYTES: usize = 1024 * 1024;

/// Largest piece that it is sent in, bytes: well under what a message may have.
pub const PIECE_MAX_BYTES: usize = 256 * 1024;

/// Longest name of a delivered file, that of its set included, bytes.
pub const FILE_NAME_MAX_BYTES: usize = 256;
