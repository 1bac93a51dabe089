-- Question: what did rules find that is not over, or was seen lately?
-- Parameters:
--   from_ms Int64: those that ended or were seen since then besides those that last, Unix ms; default a day ago
--   open UInt8: only those that last; default 0
--   merged UInt8: also those that are a part of another; default 0
--   limit UInt32: at most so many, the latest first; default 1000
-- Columns:
--   finding_id, rule_id, title, level; group_by, group_key: the key (a stranger's text); key_hash
--   first_ms, last_ms: first and last event at which the rule fired, Unix ms
--   timespan_ms, suppress_ms: the rule's window, and the longest pause within a finding
--   events, distinct_values; hosts, users, sources: up to 50 of each; hosts_total, users_total, sources_total: how many; from_ms, to_ms: of the events
--   summary: all that in a sentence; found_ms, changed_ms; ended_ms: 0 while it lasts; Unix ms
--   merged_into: the finding that it is a part of, or nil; generation: how often it went on after its end
--   version: of the row
SELECT toString(f.finding_id) AS finding_id, rule_id, title, level, group_by, group_key, key_hash,
    toUnixTimestamp64Milli(f.first_seen) AS first_ms, toUnixTimestamp64Milli(f.last_seen) AS last_ms, timespan_ms, suppress_ms,
    events, distinct_values, hosts, hosts_total, users, users_total, sources, sources_total,
    toUnixTimestamp64Milli(f.events_from) AS from_ms, toUnixTimestamp64Milli(f.events_to) AS to_ms,
    summary, found_ms, changed_ms, ended_ms, toString(f.merged_into) AS merged_into, generation, version
FROM crmscope.findings AS f FINAL
WHERE (f.ended_ms = 0 OR (f.ended_ms >= {from_ms:Int64} OR f.last_seen >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')) AND {open:UInt8} = 0)
    AND (f.merged_into = toUUID('00000000-0000-0000-0000-000000000000') OR {merged:UInt8} = 1)
ORDER BY f.last_seen DESC, finding_id
LIMIT {limit:UInt32}
