-- Question: was anything lost, and can it be shown that nothing was?
-- For every row: emitted = stored + sampled + rejected + dropped + missing + in_flight, in batches.
-- A sequence that several rows claim counts once, in that order, and shows under overlaps.
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'): looks at sequences from the first that was received since then; default 0,
--     which is sequence 1 of each spool (right as long as the spool is younger than the ledger's 400 days)
-- Columns:
--   agent_id, spool_id, lane; first_sequence, last_sequence: what was looked at
--   emitted: batches that exist, from the ledger and from what the agent says of its lanes
--   stored, sampled, rejected, dropped: batches by what became of them
--   missing: batches below the highest that arrived, of which nothing is known: a loss
--   in_flight: batches above it, still with the agent or on their way
--   duplicates: batches that one disposition holds more than once: rows counted twice
--   overlaps: batches with two dispositions (stored, but the agent dropped its copy before the ack came)
--   *_items: rows, lines and events of the batches, as the ledger has them
--   reasons: batches by reason, as the ledger has them, for those that have one
--   acked_sequence: up to where the agent knows to be settled
--   whole: 1 when missing and duplicates are 0
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
),
fates AS (
    SELECT agent_id, spool_id, lane,
        sumIf(length, stored_depth > 0) AS stored,
        sumIf(length, stored_depth = 0 AND sampled_depth > 0) AS sampled,
        sumIf(length, stored_depth + sampled_depth = 0 AND rejected_depth > 0) AS rejected,
        sumIf(length, stored_depth + sampled_depth + rejected_depth = 0 AND dropped_depth > 0) AS dropped,
        sumIf(length, stored_depth + sampled_depth + rejected_depth + dropped_depth = 0 AND position <= k.settled_sequence) AS missing,
        sumIf(length, stored_depth + sampled_depth + rejected_depth + dropped_depth = 0 AND position > k.settled_sequence) AS in_flight,
        sumIf(length, greatest(stored_depth, sampled_depth, rejected_depth, dropped_depth) > 1) AS duplicates,
        sumIf(length, (stored_depth > 0) + (sampled_depth > 0) + (rejected_depth > 0) + (dropped_depth > 0) > 1) AS overlaps
    FROM segments AS s
    INNER JOIN known AS k ON k.agent_id = s.agent_id AND k.spool_id = s.spool_id AND k.lane = s.lane
    GROUP BY agent_id, spool_id, lane
),
sums AS (
    SELECT agent_id, spool_id, lane,
        sumIf(items, disposition = 'stored') AS stored_items, sumIf(items, disposition = 'sampled') AS sampled_items,
        sumIf(items, disposition = 'rejected') AS rejected_items, sumIf(items, disposition = 'dropped') AS dropped_items,
        sumMap(if(reason = '', map(), map(toString(reason), last_sequence - greatest(first_sequence, from_sequence) + 1))) AS reasons
    FROM rows GROUP BY agent_id, spool_id, lane
)
SELECT k.agent_id AS agent_id, k.spool_id AS spool_id, k.lane AS lane,
    k.first_sequence AS first_sequence, k.last_sequence AS last_sequence,
    k.last_sequence - k.first_sequence + 1 AS emitted,
    stored, sampled, rejected, dropped, missing, in_flight, duplicates, overlaps,
    stored_items, sampled_items, rejected_items, dropped_items, reasons,
    k.acked_sequence AS acked_sequence,
    missing = 0 AND duplicates = 0 AS whole
FROM known AS k
INNER JOIN fates AS f ON f.agent_id = k.agent_id AND f.spool_id = k.spool_id AND f.lane = k.lane
LEFT JOIN sums AS i ON i.agent_id = k.agent_id AND i.spool_id = k.spool_id AND i.lane = k.lane
ORDER BY agent_id, lane, spool_id
