-- Question: which heartbeats of an agent are there in a time, and the nearest before and after it?
-- Parameters:
--   agent String: the agent
--   from DateTime('UTC'), to DateTime('UTC'): the time, by the collector's clock as far as the agent's
--     was measured; of one that was not, within two days
-- Columns:
--   boot_id, start_id, spool_id: of the host, the agent and its numbering
--   number: from 1 at every start; sequence: of the batch, 0 where it is not known
--   boottime_ms, monotonic_ms, wall_ms: the agent's clocks; clock_offset_ms: collector's minus wall, if measured
--   received_ms: by the collector's clock, Unix ms; goodbye: for the last one of an orderly stop 1, and 2 where the host stopped as well
WITH
    -- Nearly all are within a day of the collector's clock and found by their own. A host whose clock is
    -- further off is found by its offsets, which costs reading all of that one column of the agent.
    beats AS
    (
        SELECT *, toUnixTimestamp64Milli(ts) + ifNull(clock_offset_ms, 0) AS at_ms,
            abs(ifNull(clock_offset_ms, 0)) >= 86400000 AS is_far
        FROM crmscope.heartbeats
        WHERE agent_id = {agent:String}
    ),
    1000 * toInt64(toUnixTimestamp({from:DateTime('UTC')})) AS from_ms,
    1000 * toInt64(toUnixTimestamp({to:DateTime('UTC')})) AS to_ms
SELECT
    toString(boot_id) AS boot_id, toString(start_id) AS start_id, toString(spool_id) AS spool_id,
    beat AS number, sequence, boottime_ms, monotonic_ms,
    toUnixTimestamp64Milli(ts) AS wall_ms, clock_offset_ms,
    toUnixTimestamp64Milli(received_at) AS received_ms, goodbye
FROM
(
    SELECT * FROM beats
    WHERE NOT is_far AND at_ms >= from_ms AND at_ms < to_ms
        AND ts >= {from:DateTime('UTC')} - INTERVAL 2 DAY AND ts < {to:DateTime('UTC')} + INTERVAL 2 DAY
    UNION ALL
    SELECT * FROM (SELECT * FROM beats WHERE NOT is_far AND ts < {from:DateTime('UTC')} ORDER BY ts DESC, beat DESC LIMIT 1)
    UNION ALL
    SELECT * FROM (SELECT * FROM beats WHERE NOT is_far AND ts >= {to:DateTime('UTC')} ORDER BY ts ASC, beat ASC LIMIT 1)
    UNION ALL
    SELECT * FROM beats WHERE is_far AND at_ms >= from_ms AND at_ms < to_ms
    UNION ALL
    SELECT * FROM (SELECT * FROM beats WHERE is_far AND at_ms < from_ms ORDER BY at_ms DESC, beat DESC LIMIT 1)
    UNION ALL
    SELECT * FROM (SELECT * FROM beats WHERE is_far AND at_ms >= to_ms ORDER BY at_ms ASC, beat ASC LIMIT 1)
)
ORDER BY received_ms, number
