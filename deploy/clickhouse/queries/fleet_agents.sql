-- Question: which agents are there, of which version, on what, and what do they cost and hold back?
-- Every agent that ever connected has its row.
-- Parameters:
--   agent String: one agent; default '', all of them
--   seconds UInt32: how far back heartbeats are looked at; default 900
-- Columns:
--   agent_id, hostname, agent_version, operating_system, kernel_version, architecture, cpu_count, memory_bytes,
--     connected_at: as the agent said at its last hello, and when that was
--   config_version: of the collector's settings in force: a hash in hexadecimal, or the number that somebody
--     gave the intervals of agents of before; 0 is the agent's own file; NULL, as everything that follows,
--     where no heartbeat came in that time
--   spool_state: of its newest heartbeat
--   spooled_batches, spooled_bytes: on its disk, not yet acknowledged
--   agent_cores: CPU time the agent used per second of wall time; NULL where it started anew, too
--   agent_resident_bytes: its memory
--   clock_offset_ms: the collector's clock minus the agent's
--   heartbeat_age_seconds: since the newest
SELECT a.agent_id AS agent_id, a.hostname AS hostname, a.agent_version AS agent_version, a.operating_system AS operating_system,
    a.kernel_version AS kernel_version, a.architecture AS architecture, a.cpu_count AS cpu_count, a.memory_bytes AS memory_bytes,
    a.connected_at AS connected_at,
    b.config_version AS config_version, b.spool_state AS spool_state,
    l.spooled_batches AS spooled_batches, l.spooled_bytes AS spooled_bytes,
    b.agent_cores AS agent_cores, b.agent_resident_bytes AS agent_resident_bytes, b.clock_offset_ms AS clock_offset_ms,
    b.heartbeat_age_seconds AS heartbeat_age_seconds
FROM (SELECT * FROM crmscope.agents FINAL) AS a
LEFT JOIN
(
    SELECT h.agent_id AS agent_id, argMax(if(h.config_version < 4294967296, toString(h.config_version), lower(leftPad(hex(h.config_version), 16, '0'))), h.ts) AS config_version, argMax(toString(h.spool_state), h.ts) AS spool_state,
        if(min(h.start_id) = max(h.start_id),
            (max(h.agent_cpu_us) - min(h.agent_cpu_us)) / nullIf(1000 * dateDiff('millisecond', min(h.ts), max(h.ts)), 0), NULL) AS agent_cores,
        argMax(h.agent_resident_bytes, h.ts) AS agent_resident_bytes, argMax(tuple(h.clock_offset_ms), h.ts).1 AS clock_offset_ms,
        greatest(0, dateDiff('millisecond', max(h.ts), now64(3, 'UTC'))) / 1000 AS heartbeat_age_seconds
    FROM crmscope.heartbeats AS h
    WHERE h.ts >= now64(3, 'UTC') - toIntervalSecond({seconds:UInt32}) AND ({agent:String} = '' OR h.agent_id = {agent:String})
    GROUP BY h.agent_id
) AS b ON b.agent_id = a.agent_id
LEFT JOIN
(
    SELECT agent_id, sum(queued_batches) AS spooled_batches, sum(queued_bytes) AS spooled_bytes
    FROM
    (
        SELECT s.agent_id AS agent_id, argMax(s.queued_batches, s.ts) AS queued_batches, argMax(s.queued_bytes, s.ts) AS queued_bytes
        FROM crmscope.lane_states AS s
        WHERE s.ts >= now64(3, 'UTC') - toIntervalSecond({seconds:UInt32}) AND ({agent:String} = '' OR s.agent_id = {agent:String})
        GROUP BY s.agent_id, s.lane
    )
    GROUP BY agent_id
) AS l ON l.agent_id = a.agent_id
WHERE {agent:String} = '' OR a.agent_id = {agent:String}
ORDER BY agent_id
SETTINGS join_use_nulls = 1
