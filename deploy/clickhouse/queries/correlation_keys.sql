-- Question: for which keys has a rule over many events new ones, and of what time are they?
-- Parameters:
--   rules Array(String): ids of the rules it looks at
--   fields Array(Array(String)): of each of them, the fields that make up the key
--   keep_empty UInt8: whether keys count in which a field is empty; default 0
--   after_ms Int64: stored after this, by ClickHouse's clock, Unix ms
--   beyond UInt64: keys whose hash is higher than this; default 0
--   limit UInt32: at most so many, by their hash
-- Columns:
--   key: values of the fields (a stranger's text); key_hash
--   first_ms, last_ms: when the earliest and the latest of the events happened, Unix ms
SELECT any(n.key) AS key, n.key_hash AS key_hash,
    min(toUnixTimestamp64Milli(n.ts)) AS first_ms, max(toUnixTimestamp64Milli(n.ts)) AS last_ms
FROM (
    SELECT
        arrayMap(f -> crmscope_security_field(f, a.agent_id, a.kind, a.service, a.method, a.user, a.target_user, a.source_address),
            {fields:Array(Array(String))}[indexOf({rules:Array(String)}, toString(a.rule))]) AS key,
        sipHash64(toString(key)) AS key_hash, a.ts AS ts
    FROM crmscope.security_arrivals AS a
    WHERE a.stored_at > fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC') AND has({rules:Array(String)}, toString(a.rule))
) AS n
WHERE ({keep_empty:UInt8} = 1 OR NOT has(n.key, '')) AND n.key_hash > {beyond:UInt64}
GROUP BY n.key_hash
ORDER BY n.key_hash
LIMIT {limit:UInt32}
