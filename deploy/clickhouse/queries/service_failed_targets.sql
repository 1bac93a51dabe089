-- Question: which targets of a service failed in each of some times?
-- By minutes (kept 90 days): a minute that is partly in a time counts whole.
-- Parameters:
--   service String: the service
--   from_ms Array(Int64), to_ms Array(Int64): where the times begin and end, Unix ms, `to_ms` excluded
--   at_most UInt32: targets of each time, those with the most failed runs
-- Columns:
--   number: of the time, from 1; target
--   failed_runs: how many; agents: by how many agents
--   targets: how many failed in this time, with those left out
SELECT number, target, sum(failed) AS failed_runs, uniqExact(agent_id) AS agents,
    count() OVER (PARTITION BY number) AS targets
FROM
(
    SELECT agent_id, target, t, ticks - up_sum AS failed
    FROM crmscope.probe_1m
    WHERE service = {service:String} AND ticks > up_sum
        AND t >= toStartOfMinute(toDateTime(intDiv(arrayMin({from_ms:Array(Int64)}), 1000), 'UTC'))
        AND t < fromUnixTimestamp64Milli(arrayMax({to_ms:Array(Int64)}), 'UTC')
)
ARRAY JOIN arrayFilter(
    (number, from_ms, to_ms) -> 1000 * (toUnixTimestamp(t) + 60) > from_ms AND 1000 * toUnixTimestamp(t) < to_ms,
    arrayEnumerate({from_ms:Array(Int64)}), {from_ms:Array(Int64)}, {to_ms:Array(Int64)}) AS number
GROUP BY number, target
ORDER BY number, failed_runs DESC, target
LIMIT {at_most:UInt32} BY number
