-- The network of an address: the /24 of IPv4 (also where it is written in IPv6's way), the /64 of IPv6;
-- empty for what is no address.
CREATE FUNCTION IF NOT EXISTS crmscope_network AS (address) -> multiIf(
    isIPv4String(replaceOne(lower(address), '::ffff:', '')),
    concat(toString(tupleElement(IPv4CIDRToRange(toIPv4OrDefault(replaceOne(lower(address), '::ffff:', '')), 24), 1)), '/24'),
    isIPv6String(address),
    concat(toString(tupleElement(IPv6CIDRToRange(toIPv6OrDefault(address), 64), 1)), '/64'),
    '');

-- What a rule over many events groups or counts by: a column of a security event, by its name.
CREATE FUNCTION IF NOT EXISTS crmscope_security_field AS (field, agent_id, kind, service, method, user, target_user, source_address) -> multiIf(
    field = 'source_address', toString(source_address),
    field = 'source_network', crmscope_network(toString(source_address)),
    field = 'user', toString(user),
    field = 'target_user', toString(target_user),
    field = 'agent_id', toString(agent_id),
    field = 'service', toString(service),
    field = 'method', toString(method),
    field = 'kind', toString(kind),
    '');

-- Findings as they were last: one row each once merged, so read with FINAL. What is part of another finding
-- names it in merged_into. ended_ms is 0 while it lasts. hosts, users and sources are up to 50 each, and the
-- totals say how many there are. group_key, users and sources are a stranger's text.
CREATE TABLE IF NOT EXISTS crmscope.findings (
    rule_id         LowCardinality(String) CODEC(ZSTD(1)),
    key_hash        UInt64 CODEC(ZSTD(1)),
    finding_id      UUID CODEC(ZSTD(1)),
    title           LowCardinality(String) CODEC(ZSTD(1)),
    level           LowCardinality(String) CODEC(ZSTD(1)),
    group_by        Array(String) CODEC(ZSTD(1)),
    group_key       Array(String) CODEC(ZSTD(1)),
    first_seen      DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    last_seen       DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    timespan_ms     Int64 CODEC(ZSTD(1)),
    suppress_ms     Int64 CODEC(ZSTD(1)),
    events          UInt64 CODEC(ZSTD(1)),
    distinct_values UInt64 CODEC(ZSTD(1)),
    hosts           Array(String) CODEC(ZSTD(1)),
    hosts_total     UInt64 CODEC(ZSTD(1)),
    users           Array(String) CODEC(ZSTD(1)),
    users_total     UInt64 CODEC(ZSTD(1)),
    sources         Array(String) CODEC(ZSTD(1)),
    sources_total   UInt64 CODEC(ZSTD(1)),
    events_from     DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    events_to       DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    summary         String CODEC(ZSTD(1)),
    found_ms        Int64 CODEC(ZSTD(1)),
    changed_ms      Int64 CODEC(ZSTD(1)),
    ended_ms        Int64 CODEC(ZSTD(1)),
    merged_into     UUID CODEC(ZSTD(1)),
    generation      UInt16 CODEC(ZSTD(1)),
    version         UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(found_ms, 'UTC'))
ORDER BY (rule_id, key_hash, found_ms, finding_id)
TTL toDateTime(fromUnixTimestamp64Milli(found_ms, 'UTC')) + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Up to when arrivals were looked at, by ClickHouse's clock, and with which rules.
CREATE TABLE IF NOT EXISTS crmscope.correlation_looks (
    looked_ms Int64 CODEC(Delta, ZSTD(1)),
    rules     LowCardinality(String) CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(looked_ms, 'UTC'))
ORDER BY looked_ms
TTL toDateTime(fromUnixTimestamp64Milli(looked_ms, 'UTC')) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
