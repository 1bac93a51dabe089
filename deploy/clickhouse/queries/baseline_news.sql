-- Question: which users have new events, and in which hours did these happen?
-- Parameters:
--   after_ms Int64: stored after this, by ClickHouse's clock, Unix ms
--   beyond UInt64: users whose hash is higher than this; default 0
--   limit UInt32: at most so many, by their hash
-- Columns:
--   user: a stranger's text; user_hash
--   hours_ms: beginnings of the hours, in order, Unix ms; the door refuses what is older than 35 days, so
--     up to 1000 of them
SELECT any(a.user) AS user, sipHash64(a.user) AS user_hash,
    arraySort(groupUniqArray(1000)(toInt64(toUnixTimestamp(a.t)) * 1000)) AS hours_ms
FROM crmscope.baseline_arrivals AS a
WHERE a.stored_at > fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC') AND sipHash64(a.user) > {beyond:UInt64}
GROUP BY user_hash
ORDER BY user_hash
LIMIT {limit:UInt32}
