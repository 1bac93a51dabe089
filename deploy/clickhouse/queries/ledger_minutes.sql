-- Question: what became of what was emitted, minute by minute, and what is not accounted for?
-- For every row: emitted = stored + sampled + rejected + dropped + missing + in_flight, in batches.
-- The sums over all minutes are those of ledger_proof.sql.
-- A batch stands in the minute in which its agent made it, by the agent's clock; a dropped range in
-- that of its last batch. A missing batch has no time of its own: it stands in the minute of the
-- next batch that is known. What is in flight stands in the minute in which the agent last said so.
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'): looks at sequences from the first that was received since then; default 0,
--     which is sequence 1 of each spool
-- Columns:
--   agent_id, lane; t: minute
--   emitted, stored, sampled, rejected, dropped, missing, in_flight: batches
--   reasons: batches by reason, for those that are dropped or rejected
WITH
-- What is known of each sequence: the highest that arrived here, and the highest that exists.
known AS (
    SELECT agent_id, spool_id, lane,
        max(arrived) AS settled_sequence,
        max(emitted) AS last_sequence,
        max(told_at) AS told_at,
        if(toUnixTimestamp({from:DateTime('UTC')}) = 0, 1, coalesce(min(recent), settled_sequence + 1)) AS first_sequence
    FROM (
        -- A dropped range is announced on another lane, so what lies before it may still be on its way.
        SELECT agent_id, spool_id, lane, if(disposition = 'dropped', 0, last_sequence) AS arrived, last_sequence AS emitted,
            if(received_at >= {from:DateTime('UTC')}, first_sequence, NULL) AS recent,
            toDateTime(0, 'UTC') AS told_at
        FROM crmscope.ledger WHERE {agent:String} = '' OR agent_id = {agent:String}
        UNION ALL
        SELECT agent_id, spool_id, lane, 0, toUInt64(greatest(next_sequence, 1) - 1), NULL, toDateTime(ts)
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
-- The sweep of ledger_proof.sql, with an end at every batch, so that each piece has one time.
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
pieces AS (
    SELECT s.agent_id AS agent_id, s.spool_id AS spool_id, s.lane AS lane, s.position AS position, s.length AS length,
        k.told_at AS told_at,
        multiIf(stored_depth > 0, 'stored', sampled_depth > 0, 'sampled', rejected_depth > 0, 'rejected',
            dropped_depth > 0, 'dropped', s.position <= k.settled_sequence, 'missing', 'in_flight') AS fate
    FROM segments AS s
    INNER JOIN known AS k ON k.agent_id = s.agent_id AND k.spool_id = s.spool_id AND k.lane = s.lane
    WHERE s.length > 0
),
fates AS (
    SELECT agent_id, spool_id, lane, toString(disposition) AS fate, first_sequence,
        toDateTime(created_at) AS created_at, toString(reason) AS reason
    FROM rows
),
timed AS (
    SELECT p.agent_id AS agent_id, p.lane AS lane, p.fate AS fate, p.length AS length, covering.reason AS reason,
        multiIf(p.fate = 'missing', next.created_at, p.fate = 'in_flight', p.told_at, covering.created_at) AS at
    FROM pieces AS p
    ASOF LEFT JOIN fates AS covering ON covering.agent_id = p.agent_id AND covering.spool_id = p.spool_id
        AND covering.lane = p.lane AND covering.fate = p.fate AND p.position >= covering.first_sequence
    ASOF LEFT JOIN fates AS next ON next.agent_id = p.agent_id AND next.spool_id = p.spool_id
        AND next.lane = p.lane AND p.position <= next.first_sequence
)
SELECT agent_id, lane, toStartOfMinute(at) AS t,
    sum(length) AS emitted,
    sumIf(length, fate = 'stored') AS stored,
    sumIf(length, fate = 'sampled') AS sampled,
    sumIf(length, fate = 'rejected') AS rejected,
    sumIf(length, fate = 'dropped') AS dropped,
    sumIf(length, fate = 'missing') AS missing,
    sumIf(length, fate = 'in_flight') AS in_flight,
    sumMap(if(reason = '', map(), map(reason, toUInt64(length)))) AS reasons
FROM timed
GROUP BY agent_id, lane, t
ORDER BY agent_id, lane, t
