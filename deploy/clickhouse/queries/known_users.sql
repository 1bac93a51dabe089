-- Question: of which users is it known what is usual, and how much?
-- Parameters:
--   user String: one user; default '', all of them
--   limit UInt32: how many; default 50
-- Columns:
--   user: a stranger's text; user_hash: by which roll-ups have it
--   first_ms, last_ms: first and last event, Unix ms; hours: with events
--   events, failed_events, exports, exported_records
SELECT a.user AS user, a.user_hash AS user_hash,
    toUnixTimestamp64Milli(min(a.first_ts)) AS first_ms, toUnixTimestamp64Milli(max(a.last_ts)) AS last_ms,
    uniqExact(a.t) AS hours, sum(a.events) AS events, sumIf(a.events, a.failed = 1) AS failed_events,
    sumIf(a.events, a.kind = 'data_export' AND a.failed = 0) AS exports,
    sumIf(a.records, a.kind = 'data_export' AND a.failed = 0) AS exported_records
FROM crmscope.user_activity_1h AS a
WHERE {user:String} = '' OR a.user_hash = sipHash64({user:String}) AND a.user = {user:String}
GROUP BY user, user_hash
ORDER BY last_ms DESC, user
LIMIT {limit:UInt32}
