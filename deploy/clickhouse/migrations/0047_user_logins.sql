-- Logins that succeeded, by user, network and client, hour by hour. network is the /24 or /64, empty where
-- the log tells none. client is what it was logged in with: service, method, and what the log says of the
-- program or the key, up to 256 characters of it. user and client are a stranger's text.
CREATE TABLE IF NOT EXISTS crmscope.user_logins_1h (
    user_hash UInt64 CODEC(ZSTD(1)),
    user      String CODEC(ZSTD(1)),
    network   String CODEC(ZSTD(1)),
    client    String CODEC(ZSTD(1)),
    t         DateTime('UTC') CODEC(Delta, ZSTD(1)),
    logins    SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    first_ts  SimpleAggregateFunction(min, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    last_ts   SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (user_hash, user, network, client, t)
TTL t + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.user_logins_1h_view TO crmscope.user_logins_1h AS
SELECT
    sipHash64(leftUTF8(r.user, 256)) AS user_hash, leftUTF8(r.user, 256) AS user,
    crmscope_network(r.source_address) AS network,
    leftUTF8(trimBoth(concat(toString(r.service), ' ', toString(r.method), ' ', r.detail)), 256) AS client,
    toDateTime(toStartOfHour(r.ts), 'UTC') AS t,
    sum(r.count) AS logins,
    min(r.ts) AS first_ts, max(r.ts) AS last_ts
FROM crmscope.security_events AS r
WHERE r.user != '' AND r.status_id = 1 AND r.kind IN ('app_login', 'ssh_login')
GROUP BY user_hash, user, network, client, t;
