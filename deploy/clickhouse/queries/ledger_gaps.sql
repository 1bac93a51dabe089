-- Question: which batches are missing?
-- The batches of all gaps of a lane are its `missing` in ledger_proof.sql. Read from ledger_spans and ledger_ranges, as
-- that is.
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'): looks at sequences from the first of the 1,024 (n·1024 on) in which one was received
--     since then; default 0, which is sequence 1 of each spool (right as long as the spool is younger than the
--     ledger's 400 days)
-- Columns:
--   agent_id, spool_id, lane
--   first_sequence, last_sequence: the gap, both ends missing
--   batches: its length
--   settled_sequence: the highest that arrived on the lane
WITH
(SELECT if(count() = 0, toDateTime(4294967295, 'UTC'), max(g.since)) FROM crmscope.rollup_starts AS g WHERE g.name = 'ledger_spans') AS since,
toUnixTimestamp({from:DateTime('UTC')}) > 0 AS is_cut,
-- What was stored, in spans of 1,024 sequences, and everything else as ranges. What the ledger has of before there were
-- such spans is turned into them here.
told AS (
    SELECT u.agent_id AS agent_id, u.spool_id AS spool_id, u.lane AS lane, u.span AS span, u.fate AS fate,
        if(fate = '', 0, u.first_sequence) AS range_first, if(fate = '', 0, u.last_sequence) AS range_last,
        min(u.first_sequence) AS first_sequence, max(u.last_sequence) AS last_sequence, max(u.received_at) AS received_at,
        [groupBitOr(u.present_0), groupBitOr(u.present_1), groupBitOr(u.present_2), groupBitOr(u.present_3)] AS words,
        arraySum(word -> bitCount(word), words) AS present
    FROM (
        SELECT agent_id, spool_id, lane, span, '' AS fate, first_sequence, last_sequence, received_at, present_0, present_1, present_2, present_3
        FROM crmscope.ledger_spans WHERE t >= since AND ({agent:String} = '' OR agent_id = {agent:String})
        UNION ALL
        SELECT agent_id, spool_id, lane, intDiv(first_sequence, 1024), toString(disposition), first_sequence, last_sequence, received_at, 0, 0, 0, 0
        FROM crmscope.ledger_ranges WHERE t >= since AND ({agent:String} = '' OR agent_id = {agent:String})
        UNION ALL
        SELECT agent_id, spool_id, lane, intDiv(first_sequence, 1024),
            if(first_sequence = last_sequence AND disposition = 'stored' AND reason = '' AS is_single, '', toString(disposition)),
            first_sequence, last_sequence, received_at,
            if(is_single AND intDiv(first_sequence, 256) % 4 = 0, bitShiftLeft(toUInt256(1), first_sequence % 256), toUInt256(0)),
            if(is_single AND intDiv(first_sequence, 256) % 4 = 1, bitShiftLeft(toUInt256(1), first_sequence % 256), toUInt256(0)),
            if(is_single AND intDiv(first_sequence, 256) % 4 = 2, bitShiftLeft(toUInt256(1), first_sequence % 256), toUInt256(0)),
            if(is_single AND intDiv(first_sequence, 256) % 4 = 3, bitShiftLeft(toUInt256(1), first_sequence % 256), toUInt256(0))
        FROM crmscope.ledger WHERE received_at < since AND ({agent:String} = '' OR agent_id = {agent:String})
    ) AS u
    GROUP BY agent_id, spool_id, lane, span, fate, range_first, range_last
)
SELECT agent_id, spool_id, lane, gap.1 AS first_sequence, gap.2 - 1 AS last_sequence, gap.2 - gap.1 AS batches, settled_sequence
FROM (
    SELECT agent_id, spool_id, lane, settled_sequence,
        -- Over what is there, by where it begins: a gap is between the end of all before and the next beginning.
        arrayJoin(arrayFold(
            (done, piece) -> (greatest(done.1, piece.2), if(piece.1 > done.1, arrayPushBack(done.2, (done.1, piece.1)), done.2)),
            arraySort(arrayPushBack(arrayFilter(piece -> piece.1 <= settled_sequence, pieces), (settled_sequence + 1, settled_sequence + 1))),
            (toUInt64(first_sequence), CAST([], 'Array(Tuple(UInt64, UInt64))'))).2) AS gap
    FROM (
        SELECT agent_id, spool_id, lane, settled_sequence, pieces,
            if(is_cut, arrayMin(arrayConcat(arrayMap(b -> b.2, arrayFilter(b -> b.1 >= first_span, beginnings)), [settled_sequence + 1])), materialize(toUInt64(1))) AS first_sequence
        FROM (
            SELECT agent_id, spool_id, lane,
                -- A dropped range is announced on another lane, so what lies before it may still be on its way.
                maxIf(last_sequence, fate != 'dropped') AS settled_sequence,
                groupArrayIf((span, first_sequence), is_cut) AS beginnings,
                minIf(span, received_at >= {from:DateTime('UTC')}) AS first_span, countIf(received_at >= {from:DateTime('UTC')}) AS recent,
                -- Where it begins and ends; of a span with a hole in it each that is there.
                groupArrayArray(if(fate != '' OR present = last_sequence - first_sequence + 1,
                    [(first_sequence, last_sequence + 1)],
                    arrayMap(sequence -> (sequence, sequence + 1), arrayConcat(
                        arrayMap(bit -> span * 1024 + bit, bitPositionsToArray(words[1])), arrayMap(bit -> span * 1024 + 256 + bit, bitPositionsToArray(words[2])),
                        arrayMap(bit -> span * 1024 + 512 + bit, bitPositionsToArray(words[3])), arrayMap(bit -> span * 1024 + 768 + bit, bitPositionsToArray(words[4])))))) AS pieces
            FROM told
            -- Lanes that are not stored from their first sequence to the highest that arrived.
            WHERE (agent_id, spool_id, lane) IN (
                SELECT agent_id, spool_id, lane FROM told GROUP BY agent_id, spool_id, lane
                HAVING sumIf(present, fate = '') < maxIf(last_sequence, fate != 'dropped')
            )
            GROUP BY agent_id, spool_id, lane
            HAVING recent > 0
        )
    )
)
ORDER BY agent_id, lane, spool_id, first_sequence
