-- Question: which batches are missing?
-- The sweep is the one of ledger_proof.sql; the batches of all gaps of a lane are its `missing`.
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'): looks at sequences from the first that was received since then; default 0,
--     which is sequence 1 of each spool (right as long as the spool is younger than the ledger's 400 days)
-- Columns:
--   agent_id, spool_id, lane
--   first_sequence, last_sequence: the gap, both ends missing
--   batches: its length
--   settled_sequence: the highest that arrived on the lane
WITH
-- What is known of each sequence: the highest that arrived here, and the highest that exists.
known AS (
    SELECT agent_id, spool_id, lane,
        max(arrived) AS settled_sequence,
        max(emitted) AS last_sequence,
        max(acked) AS acked_sequence,
        if(toUnixTimestamp({from:DateTime('UTC')}) = 0, 1, coalesce(min(recent), settled_sequence + 1)) AS first_sequence
    FROM (
        -- A dropped range is announced on another lane, so what lies before it may still be on its way.
        SELECT agent_id, spool_id, lane, if(disposition = 'dropped', 0, last_sequence) AS arrived, last_sequence AS emitted,
            0 AS acked, if(received_at >= {from:DateTime('UTC')}, first_sequence, NULL) AS recent
        FROM crmscope.ledger WHERE {agent:String} = '' OR agent_id = {agent:String}
        UNION ALL
        SELECT agent_id, spool_id, lane, 0, toUInt64(greatest(next_sequence, 1) - 1), acked_sequence, NULL
        FROM crmscope.lane_states WHERE {agent:String} = '' OR agent_id = {agent:String}
    )
    GROUP BY agent_id, spool_id, lane
    HAVING first_sequence <= last_sequence
),
rows AS (
    SELECT l.*, k.first_sequence AS from_sequence FROM crmscope.ledger AS l
    INNER JOIN known AS k ON k.agent_id = l.agent_id AND k.spool_id = l.spool_id AND k.lane = l.lane
    WHERE ({agent:String} = '' OR l.agent_id = {agent:String}) AND l.last_sequence >= k.first_sequence
),
-- A sweep over the ends of all ranges: between two neighbouring ends every sequence has the same
-- fate, however many batches lie there. Depth is how many rows of a disposition cover the segment.
points AS (
    SELECT agent_id, spool_id, lane, edge.1 AS position,
        sumIf(edge.2, fate = 'stored') AS stored_step, sumIf(edge.2, fate = 'sampled') AS sampled_step,
        sumIf(edge.2, fate = 'rejected') AS rejected_step, sumIf(edge.2, fate = 'dropped') AS dropped_step
    FROM (
        SELECT agent_id, spool_id, lane, toString(disposition) AS fate,
            arrayJoin([(greatest(first_sequence, from_sequence), 1), (last_sequence + 1, -1)]) AS edge
        FROM rows
        UNION ALL
        SELECT agent_id, spool_id, lane, '', arrayJoin([(first_sequence, 0), (settled_sequence + 1, 0), (last_sequence + 1, 0)])
        FROM known
    )
    GROUP BY agent_id, spool_id, lane, position
    -- Where one batch ends and the next of the same fate begins, the two ends cancel out.
    HAVING stored_step != 0 OR sampled_step != 0 OR rejected_step != 0 OR dropped_step != 0 OR max(fate = '')
),
segments AS (
    SELECT agent_id, spool_id, lane, position, leadInFrame(position, 1, position) OVER following - position AS length,
        sum(stored_step) OVER running AS stored_depth, sum(sampled_step) OVER running AS sampled_depth,
        sum(rejected_step) OVER running AS rejected_depth, sum(dropped_step) OVER running AS dropped_depth
    FROM points
    WINDOW
        running AS (PARTITION BY agent_id, spool_id, lane ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
        following AS (PARTITION BY agent_id, spool_id, lane ORDER BY position ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING)
)
SELECT s.agent_id AS agent_id, s.spool_id AS spool_id, s.lane AS lane,
    s.position AS first_sequence,
    s.position + s.length - 1 AS last_sequence,
    s.length AS batches,
    k.settled_sequence AS settled_sequence
FROM segments AS s
INNER JOIN known AS k ON k.agent_id = s.agent_id AND k.spool_id = s.spool_id AND k.lane = s.lane
WHERE s.length > 0 AND s.stored_depth + s.sampled_depth + s.rejected_depth + s.dropped_depth = 0 AND s.position <= k.settled_sequence
ORDER BY agent_id, lane, spool_id, first_sequence
