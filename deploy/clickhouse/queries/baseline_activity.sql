-- Question: what did some users do, hour by hour?
-- Parameters:
--   users Array(UInt64): hashes of their names
--   from_ms Int64, to_ms Int64: hours that begin in this time, `to_ms` excluded, Unix ms
--   per_user UInt32: the newest so many rows of each
-- Columns:
--   user_hash, user: a stranger's text
--   kind, failed: what happened, and 1 where it failed; hour_ms: beginning of the hour, Unix ms
--   events, records: how often, and how many data records it was about
--   first_ms, last_ms: first and last event, Unix ms
SELECT a.user_hash AS user_hash, a.user AS user, toString(a.kind) AS kind, a.failed AS failed,
    toInt64(toUnixTimestamp(a.t)) * 1000 AS hour_ms, sum(a.events) AS events, sum(a.records) AS records,
    toUnixTimestamp64Milli(min(a.first_ts)) AS first_ms, toUnixTimestamp64Milli(max(a.last_ts)) AS last_ms
FROM crmscope.user_activity_1h AS a
WHERE a.user_hash IN {users:Array(UInt64)}
    AND a.t >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND a.t < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
GROUP BY user_hash, user, kind, failed, hour_ms
ORDER BY hour_ms DESC, user_hash, user, kind, failed
LIMIT {per_user:UInt32} BY user_hash
