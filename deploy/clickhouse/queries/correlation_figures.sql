-- Question: how many events do findings of a rule have, of whom, from where and on which hosts?
-- Parameters:
--   rules Array(String): ids of the rules that it looks at
--   fields Array(Array(String)): of each of them, the fields that make up the key
--   counted Array(Array(String)): of each of them, the fields whose values are counted; empty for none
--   keys Array(UInt64): hash of the key of each finding
--   froms Array(Int64), tos Array(Int64): of each finding, after when (excluded) and until when (included), Unix ms
--   from_ms Int64, to_ms Int64: the least and the greatest of them
-- Columns:
--   place: which finding, from 1; events; distinct_values: of what is counted
--   hosts, users, sources: up to 50 of each in order, and hosts_total, users_total, sources_total of them
--   events_from_ms, events_to_ms: first and last event, Unix ms
SELECT y.place AS place, sum(y.events) AS events,
    uniqExactIf(y.parts, notEmpty(y.parts) AND NOT has(y.parts, '')) AS distinct_values,
    arraySort(groupUniqArray(50)(y.agent_id)) AS hosts, uniqExact(y.agent_id) AS hosts_total,
    arraySort(groupUniqArrayIf(50)(leftUTF8(y.user, 256), y.user != '')) AS users, uniqExactIf(y.user, y.user != '') AS users_total,
    arraySort(groupUniqArrayIf(50)(leftUTF8(y.source, 256), y.source != '')) AS sources, uniqExactIf(y.source, y.source != '') AS sources_total,
    min(toUnixTimestamp64Milli(y.ts)) AS events_from_ms, max(toUnixTimestamp64Milli(y.ts)) AS events_to_ms
FROM (
    -- An event that matched two of the rules counts once.
    SELECT place, x.event_id AS event_id, x.ts AS ts, any(x.events) AS events, any(x.agent_id) AS agent_id,
        any(x.user) AS user, any(x.source) AS source, argMin(x.parts, x.rule_place) AS parts
    FROM (
        SELECT e.ts AS ts, e.event_id AS event_id, e.count AS events, rule_place,
            toString(e.agent_id) AS agent_id, e.user AS user, e.source_address AS source,
            arrayMap(f -> crmscope_security_field(f, e.agent_id, e.kind, e.service, e.method, e.user, e.target_user, e.source_address),
                {fields:Array(Array(String))}[rule_place]) AS key,
            sipHash64(toString(key)) AS key_hash,
            arrayMap(f -> crmscope_security_field(f, e.agent_id, e.kind, e.service, e.method, e.user, e.target_user, e.source_address),
                {counted:Array(Array(String))}[rule_place]) AS parts
        FROM crmscope.security_events AS e
        ARRAY JOIN arrayFilter(i -> has(e.rules, {rules:Array(String)}[i]), arrayEnumerate({rules:Array(String)})) AS rule_place
        WHERE toStartOfHour(e.ts) >= toStartOfHour(fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC'))
            AND toStartOfHour(e.ts) <= toStartOfHour(fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC'))
            AND e.ts > fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND e.ts <= fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
            AND hasAny(e.rules, {rules:Array(String)})
    ) AS x
    ARRAY JOIN arrayFilter(
        i -> {keys:Array(UInt64)}[i] = x.key_hash
            AND toUnixTimestamp64Milli(x.ts) > {froms:Array(Int64)}[i] AND toUnixTimestamp64Milli(x.ts) <= {tos:Array(Int64)}[i],
        arrayEnumerate({keys:Array(UInt64)})) AS place
    WHERE has({keys:Array(UInt64)}, x.key_hash)
    GROUP BY place, x.event_id, x.ts
) AS y
GROUP BY y.place
ORDER BY y.place
