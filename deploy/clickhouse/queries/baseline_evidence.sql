-- Question: which events of a user show what is unusual, from where and on which hosts?
-- Parameters:
--   user UInt64: hash of the name
--   kinds Array(String): kinds of events; outcome String: failed, succeeded, or other than failed: unfailed
--   network String, client String: only of these; default '', all of them
--   from_ms Int64, to_ms Int64: the time, both included, Unix ms
-- Columns:
--   events, records; hosts, sources: up to 50 of each in order, and hosts_total, sources_total of them
--   events_from_ms, events_to_ms: first and last event, Unix ms
SELECT sum(toUInt64(e.count)) AS events, sum(least(e.records, 1000000000) * least(e.count, 1000000)) AS records,
    arraySort(groupUniqArray(50)(toString(e.agent_id))) AS hosts, uniqExact(e.agent_id) AS hosts_total,
    arraySort(groupUniqArrayIf(50)(leftUTF8(e.source_address, 256), e.source_address != '')) AS sources,
    uniqExactIf(e.source_address, e.source_address != '') AS sources_total,
    toUnixTimestamp64Milli(min(e.ts)) AS events_from_ms, toUnixTimestamp64Milli(max(e.ts)) AS events_to_ms
FROM crmscope.security_events AS e
-- The hour leads the key, so it is what skips granules.
WHERE toStartOfHour(e.ts) >= toStartOfHour(fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC'))
    AND toStartOfHour(e.ts) <= toStartOfHour(fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC'))
    AND e.ts >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND e.ts <= fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    AND has({kinds:Array(String)}, toString(e.kind))
    AND multiIf({outcome:String} = 'failed', e.status_id = 2, {outcome:String} = 'succeeded', e.status_id = 1, e.status_id != 2)
    AND sipHash64(leftUTF8(e.user, 256)) = {user:UInt64}
    AND ({network:String} = '' OR crmscope_network(e.source_address) = {network:String})
    AND ({client:String} = '' OR leftUTF8(trimBoth(concat(toString(e.service), ' ', toString(e.method), ' ', e.detail)), 256) = {client:String})
HAVING events > 0
