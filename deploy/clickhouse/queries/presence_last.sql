-- Question: when were the hosts last heard that were not heard lately?
-- Parameters:
--   seconds UInt32: not within this time; default 900
-- Columns:
--   agent_id, start_id, number, goodbye: of the last heartbeat that is kept
--   received_ms: by the collector's clock, Unix ms; age_ms: how long ago, by ClickHouse's
SELECT
    agent_id,
    toString(argMax(h.start_id, (received_at, beat))) AS start_id,
    argMax(beat, (received_at, beat)) AS number,
    argMax(h.goodbye, (received_at, beat)) AS goodbye,
    toUnixTimestamp64Milli(max(received_at)) AS received_ms,
    greatest(0, toUnixTimestamp64Milli(now64(3, 'UTC')) - received_ms) AS age_ms
FROM crmscope.heartbeats AS h
WHERE agent_id IN
(
    SELECT agent_id FROM crmscope.agents
    WHERE agent_id NOT IN
    (
        SELECT agent_id FROM crmscope.arrivals
        WHERE stored_at > now64(3, 'UTC') - toIntervalSecond({seconds:UInt32})
    )
)
GROUP BY agent_id
ORDER BY agent_id
