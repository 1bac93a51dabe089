-- Question: whose clock cannot be trusted?
-- Parameters:
--   agent String: one agent; default '', all of them
--   seconds UInt32: how far back; default 900
-- Columns:
--   agent_id
--   collector_offset_ms: the collector's clock minus the agent's, newest; NULL while not known
--   keeper: program that keeps the clock; '' where none is known
--   synchronized: 1 while it follows a source of time; NULL where no keeper tells
--   offset_us: the clock minus its source's, newest: above 0 is ahead; NULL where the keeper does not tell
--   error_us: bound of the error; NULL likewise
--   since_update_seconds: since the source was heard; NULL likewise
-- Hosts that were heard lately, by the collector's clock. Of those whose own clock says otherwise, all that is kept is read.
SELECT b.agent_id AS agent_id, b.collector_offset_ms AS collector_offset_ms, c.keeper AS keeper,
    if(c.keeper = '', NULL, c.synchronized) AS synchronized,
    c.offset_us AS offset_us, c.error_us AS error_us, c.since_update_seconds AS since_update_seconds
FROM (
    SELECT agent_id, argMax(tuple(clock_offset_ms), tuple(received_at, beat)).1 AS collector_offset_ms
    FROM crmscope.heartbeats
    WHERE ({agent:String} = '' OR agent_id = {agent:String})
        AND (ts >= now64(3, 'UTC') - toIntervalSecond({seconds:UInt32}) OR agent_id IN
            (
                SELECT agent_id FROM crmscope.arrivals
                WHERE stored_at >= now64(3, 'UTC') - toIntervalSecond({seconds:UInt32})
                    AND agent_id NOT IN (SELECT agent_id FROM crmscope.heartbeats WHERE ts >= now64(3, 'UTC') - toIntervalSecond({seconds:UInt32}))
            ))
    GROUP BY agent_id
) AS b
LEFT JOIN (
    SELECT agent_id, argMax(toString(keeper), ts) AS keeper,
        argMax(synchronized, ts) AS synchronized,
        argMax(tuple(toInt64(ahead_us) - toInt64(behind_us)), ts).1 AS offset_us,
        argMax(tuple(error_us), ts).1 AS error_us,
        argMax(tuple(since_update_ms), ts).1 / 1000 AS since_update_seconds
    FROM crmscope.clock_raw
    WHERE ts >= now64(3, 'UTC') - toIntervalSecond({seconds:UInt32}) AND ({agent:String} = '' OR agent_id = {agent:String})
    GROUP BY agent_id
) AS c ON b.agent_id = c.agent_id
ORDER BY synchronized = 0 DESC, greatest(abs(ifNull(offset_us, 0)), abs(ifNull(collector_offset_ms, 0)) * 1000) DESC, agent_id
