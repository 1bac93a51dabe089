-- Question: of which times was something told about some users?
-- Parameters:
--   users Array(UInt64): hashes of their names
--   from_ms Int64: findings that were seen since then, Unix ms
-- Columns:
--   user_hash, user: a stranger's text; from_ms, to_ms: first event, and when a rule fired last, Unix ms
SELECT sipHash64(user) AS user_hash, user,
    toUnixTimestamp64Milli(least(f.events_from, f.first_seen)) AS from_ms, toUnixTimestamp64Milli(f.last_seen) AS to_ms
FROM crmscope.findings AS f FINAL
ARRAY JOIN f.users AS user
WHERE sipHash64(user) IN {users:Array(UInt64)} AND f.last_seen >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND f.level IN ('medium', 'high', 'critical') AND f.merged_into = toUUID('00000000-0000-0000-0000-000000000000')
ORDER BY from_ms, to_ms, user
LIMIT 1000 BY user_hash
