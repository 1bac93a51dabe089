//! Every bound that both ends must agree on. Each has a counter at the place that enforces it.

/// Version of the contract; the major part of compatibility between agent and collector.
pub const PROTOCOL_VERSION: u32 = 1;

/// Largest encoded batch, bytes. Well under gRPC's 4 MiB and Kafka's 1 MB message limits.
pub const BATCH_MAX_BYTES: usize = 512 * 1024;

/// Largest payload once decompressed, bytes. Bounds what a hostile zstd frame can unfold to.
pub const PAYLOAD_MAX_BYTES: usize = 2 * 1024 * 1024;

/// Most rows (items) in one batch. With the payload's size it bounds what a batch can unfold to
/// in memory: hostile ones stay below 128 MiB.
pub const BATCH_MAX_ITEMS: usize = 16_384;

/// Most strings in a batch's dictionary.
pub const DICTIONARY_MAX_ENTRIES: usize = 16_384;

/// Longest string anywhere in a batch, bytes. Agents cut longer ones at a character.
pub const STRING_MAX_BYTES: usize = 1024;

/// Most rules that an event can name.
pub const EVENT_RULES_MAX: usize = 16;

/// Longest id of a rule, bytes.
pub const RULE_ID_MAX_BYTES: usize = 128;

/// Most refusals of rules that a heartbeat tells.
pub const REFUSED_RULES_MAX: usize = 32;

/// Largest overlay of settings that an agent is given, bytes.
pub const OVERLAY_MAX_BYTES: usize = 64 * 1024;

/// Longest agent id, bytes.
pub const AGENT_ID_MAX_BYTES: usize = 128;

/// How far back a row's time may lie from the collector's clock, ms: 35 days. More would open
/// more daily partitions in one insert than ClickHouse accepts (100).
pub const TIMESTAMP_MAX_PAST_MS: i64 = 35 * 24 * 3600 * 1000;

/// How far ahead a row's time may lie, ms: 1 hour, for clocks that are off.
pub const TIMESTAMP_MAX_FUTURE_MS: i64 = 3600 * 1000;

/// Length of a request bucket, ms.
pub const REQUEST_BUCKET_MS: i64 = 10_000;

/// Length of a window in which the networks of clients are counted, ms.
pub const CLIENT_WINDOW_MS: i64 = 60_000;

/// Largest gRPC message that either end accepts, bytes: a batch and its envelope.
pub const MESSAGE_MAX_BYTES: usize = BATCH_MAX_BYTES + 16 * 1024;

/// Metadata of a refusal: how long the agent is to stay away, ms.
pub const PAUSE_METADATA: &str = "crmscope-pause-ms";
