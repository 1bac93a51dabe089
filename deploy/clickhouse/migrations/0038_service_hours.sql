-- What the runs of probes proved of a service in an hour, as intervals that lie one after the other: states
-- are 0 unknown, 1 up, 2 down. answered: each target somewhere; everywhere: each target in all places that
-- know something. Judged anew when runs come late; the newest version of an hour is in force, so read with
-- FINAL. The sums are of the same intervals, ms.
CREATE TABLE IF NOT EXISTS crmscope.service_hours (
    service               LowCardinality(String) CODEC(ZSTD(1)),
    t                     DateTime('UTC') CODEC(Delta, ZSTD(1)),
    version               UInt64 CODEC(Delta, ZSTD(1)),
    -- Runs that began in this hour when it was judged; where probe_1h counts others, it is stale.
    runs                  UInt64 CODEC(T64, ZSTD(1)),
    from_ms               Array(Int64) CODEC(Delta, ZSTD(1)),
    to_ms                 Array(Int64) CODEC(Delta, ZSTD(1)),
    answered              Array(UInt8) CODEC(ZSTD(1)),
    everywhere            Array(UInt8) CODEC(ZSTD(1)),
    answered_up_ms        Int64 CODEC(T64, ZSTD(1)),
    answered_down_ms      Int64 CODEC(T64, ZSTD(1)),
    answered_unknown_ms   Int64 CODEC(T64, ZSTD(1)),
    everywhere_up_ms      Int64 CODEC(T64, ZSTD(1)),
    everywhere_down_ms    Int64 CODEC(T64, ZSTD(1)),
    everywhere_unknown_ms Int64 CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(t)
ORDER BY (service, t)
TTL t + INTERVAL 1200 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- Hours of services that were judged otherwise once more runs were there: what was claimed before, and after.
CREATE TABLE IF NOT EXISTS crmscope.service_audit (
    service     LowCardinality(String) CODEC(ZSTD(1)),
    t           DateTime('UTC') CODEC(Delta, ZSTD(1)),
    changed_at  DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    before      String CODEC(ZSTD(1)),
    after       String CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(changed_at)
ORDER BY (service, t, changed_at)
TTL toDateTime(changed_at) + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

-- A window may be for a service: then agent_id and host_group are empty.
ALTER TABLE crmscope.maintenance_changes ADD COLUMN IF NOT EXISTS service LowCardinality(String) CODEC(ZSTD(1));
