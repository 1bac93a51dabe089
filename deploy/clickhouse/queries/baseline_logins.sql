-- Question: from where and by what did some users log in, hour by hour?
-- Parameters:
--   users Array(UInt64): hashes of their names
--   from_ms Int64, to_ms Int64: hours that begin in this time, `to_ms` excluded, Unix ms
--   per_user UInt32: the newest so many rows of each
-- Columns:
--   user_hash, user: a stranger's text
--   network: empty where the log tells none; client: service, method and what the log says of program or key
--   hour_ms: beginning of the hour, first_ms, last_ms: first and last login, Unix ms; logins
SELECT l.user_hash AS user_hash, l.user AS user, l.network AS network, l.client AS client,
    toInt64(toUnixTimestamp(l.t)) * 1000 AS hour_ms, sum(l.logins) AS logins,
    toUnixTimestamp64Milli(min(l.first_ts)) AS first_ms, toUnixTimestamp64Milli(max(l.last_ts)) AS last_ms
FROM crmscope.user_logins_1h AS l
WHERE l.user_hash IN {users:Array(UInt64)}
    AND l.t >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND l.t < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
GROUP BY user_hash, user, network, client, hour_ms
ORDER BY hour_ms DESC, user_hash, user, network, client
LIMIT {per_user:UInt32} BY user_hash
