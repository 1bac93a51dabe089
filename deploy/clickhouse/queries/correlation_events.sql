-- Question: which events does a rule over many events look at, for some keys?
-- Parameters:
--   rules Array(String): ids of the rules it looks at
--   fields Array(Array(String)): of each of them, the fields that make up the key
--   counted Array(Array(String)): of each of them, the fields whose values are counted; empty for none
--   keys Array(UInt64): hashes of the keys
--   froms Array(Int64), tos Array(Int64): of each key, after and before when, both excluded, Unix ms
--   from_ms Int64, to_ms Int64: the least and the greatest of them
--   per_key UInt32: the newest so many of each key
-- Columns:
--   key_place, rule_place: in `keys` and `rules`, from 1
--   ts_ms, event_id; events: how often it happened
--   value: what stands for the values, empty where one of them is
SELECT x.key_place AS key_place, x.rule_place AS rule_place,
    toUnixTimestamp64Milli(x.ts) AS ts_ms, toString(x.event_id) AS event_id, x.events AS events,
    if(empty(x.parts) OR has(x.parts, ''), '', lower(hex(sipHash128(toString(x.parts))))) AS value
FROM (
    SELECT e.ts AS ts, e.event_id AS event_id, e.count AS events, rule_place,
        arrayMap(f -> crmscope_security_field(f, e.agent_id, e.kind, e.service, e.method, e.user, e.target_user, e.source_address),
            {fields:Array(Array(String))}[rule_place]) AS key,
        indexOf({keys:Array(UInt64)}, sipHash64(toString(key))) AS key_place,
        arrayMap(f -> crmscope_security_field(f, e.agent_id, e.kind, e.service, e.method, e.user, e.target_user, e.source_address),
            {counted:Array(Array(String))}[rule_place]) AS parts
    FROM crmscope.security_events AS e
    ARRAY JOIN arrayFilter(i -> has(e.rules, {rules:Array(String)}[i]), arrayEnumerate({rules:Array(String)})) AS rule_place
    WHERE toStartOfHour(e.ts) >= toStartOfHour(fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC'))
        AND toStartOfHour(e.ts) <= toStartOfHour(fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC'))
        AND e.ts > fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND e.ts < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        AND hasAny(e.rules, {rules:Array(String)})
) AS x
WHERE x.key_place > 0
    AND toUnixTimestamp64Milli(x.ts) > {froms:Array(Int64)}[x.key_place]
    AND toUnixTimestamp64Milli(x.ts) < {tos:Array(Int64)}[x.key_place]
ORDER BY x.ts DESC, x.event_id DESC
LIMIT {per_key:UInt32} BY x.key_place
