-- Question: was anything lost, and can it be shown that nothing was?
-- For every row: emitted = stored + sampled + rejected + dropped + missing + in_flight, in batches.
-- A sequence that several rows claim counts once, in that order, and shows under overlaps.
-- Read from ledger_spans and ledger_ranges, which tell every sequence.
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'): looks at sequences from the first of the 1,024 (n·1024 on) in which one was received
--     since then; default 0, which is sequence 1 of each spool (right as long as the spool is younger than the
--     ledger's 400 days)
-- Columns:
--   agent_id, spool_id, lane; first_sequence, last_sequence: what was looked at
--   emitted: batches that exist, from the ledger and from what the agent says of its lanes
--   stored, sampled, rejected, dropped: batches by what became of them
--   missing: batches below the highest that arrived, of which nothing is known: a loss
--   in_flight: batches above it, still with the agent or on their way
--   duplicates: how often one disposition holds a batch beyond the first time: rows counted twice
--   overlaps: dispositions of a batch beyond the first (stored, but the agent dropped its copy before the ack came)
--   *_items: rows, lines and events of the batches, as the ledger has them
--   reasons: batches by reason, as the ledger has them, for those that have one
--   acked_sequence: up to where the agent knows to be settled
--   whole: 1 when missing and duplicates are 0
WITH
(SELECT if(count() = 0, toDateTime(4294967295, 'UTC'), max(g.since)) FROM crmscope.rollup_starts AS g WHERE g.name = 'ledger_spans') AS since,
toUnixTimestamp({from:DateTime('UTC')}) > 0 AS is_cut,
-- What the ledger tells of each lane: what was stored in spans of 1,024 sequences, with a bit for each, and everything
-- else as ranges. What it has of before there were such spans is turned into them here.
told AS (
    SELECT agent_id, spool_id, lane, span, stored, items, first_sequence, last_sequence, received_at,
        present_0, present_1, present_2, present_3, '' AS fate, '' AS reason
    FROM crmscope.ledger_spans WHERE t >= since AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT agent_id, spool_id, lane, intDiv(first_sequence, 1024), times, items, first_sequence, last_sequence, received_at,
        0, 0, 0, 0, toString(disposition), toString(reason)
    FROM crmscope.ledger_ranges WHERE t >= since AND ({agent:String} = '' OR agent_id = {agent:String})
    UNION ALL
    SELECT agent_id, spool_id, lane, intDiv(first_sequence, 1024), 1, items, first_sequence, last_sequence, received_at,
        if(is_single AND intDiv(first_sequence, 256) % 4 = 0, bitShiftLeft(toUInt256(1), first_sequence % 256), toUInt256(0)),
        if(is_single AND intDiv(first_sequence, 256) % 4 = 1, bitShiftLeft(toUInt256(1), first_sequence % 256), toUInt256(0)),
        if(is_single AND intDiv(first_sequence, 256) % 4 = 2, bitShiftLeft(toUInt256(1), first_sequence % 256), toUInt256(0)),
        if(is_single AND intDiv(first_sequence, 256) % 4 = 3, bitShiftLeft(toUInt256(1), first_sequence % 256), toUInt256(0)),
        if(first_sequence = last_sequence AND disposition = 'stored' AND reason = '' AS is_single, '', toString(disposition)), toString(reason)
    FROM crmscope.ledger WHERE received_at < since AND ({agent:String} = '' OR agent_id = {agent:String})
),
-- A row for each lane. A dropped range is announced on another lane, so what lies before it may still be on its way.
lanes AS (
    SELECT p.agent_id AS agent_id, p.spool_id AS spool_id, p.lane AS lane,
        maxIf(p.last_sequence, p.fate NOT IN ('dropped', 'end')) AS settled_sequence, max(p.last_sequence) AS last_sequence,
        max(p.acked_sequence) AS acked_sequence,
        groupArrayIf((p.first_sequence, p.last_sequence, p.stored, p.items, p.fate, p.reason, p.received_at), p.fate NOT IN ('', 'end')) AS ranges,
        -- Of each span: number, stored, items, first, received, bits, how many of these. Only where they are looked into.
        groupArrayIf((p.span, p.stored, p.items, p.first_sequence, p.received_at, [p.present_0, p.present_1, p.present_2, p.present_3], p.present),
            p.fate = '' AND (is_cut OR p.has_ranges)) AS all_spans,
        sumIf(p.stored, p.fate = '') AS rows_in_all, sumIf(p.items, p.fate = '') AS items_in_all, sumIf(p.present, p.fate = '') AS present_in_all
    FROM (
        SELECT u.agent_id AS agent_id, u.spool_id AS spool_id, u.lane AS lane, u.span AS span, u.fate AS fate, u.reason AS reason,
            if(fate = '', 0, u.first_sequence) AS range_first, if(fate = '', 0, u.last_sequence) AS range_last,
            min(u.first_sequence) AS first_sequence, max(u.last_sequence) AS last_sequence, max(u.received_at) AS received_at,
            sum(u.stored) AS stored, sum(u.items) AS items,
            groupBitOr(u.present_0) AS present_0, groupBitOr(u.present_1) AS present_1,
            groupBitOr(u.present_2) AS present_2, groupBitOr(u.present_3) AS present_3,
            toUInt64(bitCount(present_0)) + bitCount(present_1) + bitCount(present_2) + bitCount(present_3) AS present,
            (agent_id, spool_id, lane) IN (
                SELECT agent_id, spool_id, lane FROM crmscope.ledger_ranges
                UNION ALL
                SELECT agent_id, spool_id, lane FROM crmscope.ledger
                WHERE received_at < since AND NOT (first_sequence = last_sequence AND disposition = 'stored' AND reason = '')
            ) AS has_ranges,
            toUInt64(0) AS acked_sequence
        FROM told AS u
        GROUP BY agent_id, spool_id, lane, span, fate, reason, range_first, range_last
        UNION ALL
        SELECT agent_id, spool_id, lane, 0, 'end', '', 0, 0, 0, toUInt64(greatest(next_sequence, 1) - 1), ts, 0, 0, 0, 0, 0, 0, 0, 0, acked_sequence
        FROM crmscope.lane_ends WHERE {agent:String} = '' OR agent_id = {agent:String}
    ) AS p
    GROUP BY agent_id, spool_id, lane
)
SELECT agent_id, spool_id, lane, first_sequence, last_sequence,
    last_sequence - first_sequence + 1 AS emitted,
    up_to[1] AS stored, up_to[2] - up_to[1] AS sampled, up_to[3] - up_to[2] AS rejected, up_to[4] - up_to[3] AS dropped,
    greatest(settled_sequence + 1, first_sequence) - first_sequence - (up_to[4] - beyond) AS missing,
    last_sequence + 1 - greatest(settled_sequence + 1, first_sequence) - beyond AS in_flight,
    rows - present + arraySum(p -> p.4 * (p.2 - p.1), parts) - arraySum(alone) + inside[1] AS duplicates,
    up_to[1] + alone[2] + alone[3] + alone[4] - up_to[4] AS overlaps,
    items + arraySum(p -> if(p.3 = 1, p.5, 0), parts) AS stored_items,
    arraySum(p -> if(p.3 = 2, p.5, 0), parts) AS sampled_items,
    arraySum(p -> if(p.3 = 3, p.5, 0), parts) AS rejected_items,
    arraySum(p -> if(p.3 = 4, p.5, 0), parts) AS dropped_items,
    mapFromArrays(
        arrayFilter(name -> name != '', arrayDistinct(parts.6)) AS names,
        arrayMap(name -> toUInt64(arraySum(p -> if(p.6 = name, p.4 * (p.2 - p.1), 0), parts)), names)) AS reasons,
    acked_sequence,
    missing = 0 AND duplicates = 0 AS whole
FROM (
    SELECT *,
        -- Of each fate and those before it: the length of its ranges, and how many stored ones lie in them.
        arrayMap(fate -> arrayReduce('intervalLengthSum', arrayMap(p -> p.1, arrayFilter(p -> p.3 <= fate, parts)), arrayMap(p -> p.2, arrayFilter(p -> p.3 <= fate, parts))), [1, 2, 3, 4]) AS long,
        arrayMap(fate -> arraySum(s -> arraySum(
            (word, begin) -> bitCount(bitAnd(word, arrayFold(
                (mask, p) -> if(p.3 > fate OR p.1 > begin + 255 OR p.2 <= begin, mask, bitOr(mask, bitAnd(
                    bitShiftLeft(bitNot(toUInt256(0)), toUInt64(greatest(p.1, begin) - begin)),
                    bitShiftRight(bitNot(toUInt256(0)), toUInt64(begin + 256 - least(p.2, begin + 256)))))),
                parts, toUInt256(0)))),
            s.6, [s.1 * 1024, s.1 * 1024 + 256, s.1 * 1024 + 512, s.1 * 1024 + 768]), spans), [1, 2, 3, 4]) AS inside,
        arrayMap((long, inside) -> present + long - inside, long, inside) AS up_to,
        arrayMap(fate -> arrayReduce('intervalLengthSum', arrayMap(p -> p.1, arrayFilter(p -> p.3 = fate, parts)), arrayMap(p -> p.2, arrayFilter(p -> p.3 = fate, parts))), [1, 2, 3, 4]) AS alone,
        -- Beyond the highest that arrived there are only dropped ones.
        arrayFilter(p -> p.2 > settled_sequence + 1, parts) AS last_parts,
        arrayReduce('intervalLengthSum', arrayMap(p -> greatest(p.1, settled_sequence + 1), last_parts), arrayMap(p -> p.2, last_parts)) AS beyond
    FROM (
        SELECT agent_id, spool_id, lane, settled_sequence, last_sequence, acked_sequence, spans,
            if(is_cut, arrayMin(arrayConcat(
                arrayMap(s -> s.4, spans), arrayMap(r -> r.1, arrayFilter(r -> intDiv(r.1, 1024) >= first_span, ranges)),
                [settled_sequence + 1])), materialize(toUInt64(1))) AS first_sequence,
            if(is_cut, arraySum(s -> s.2, spans), rows_in_all) AS rows,
            if(is_cut, arraySum(s -> s.3, spans), items_in_all) AS items,
            if(is_cut, arraySum(s -> s.7, spans), present_in_all) AS present,
            -- Begin, end, fate, times, items, reason.
            arrayMap(r -> (greatest(r.1, first_sequence), r.2 + 1, indexOf(['stored', 'sampled', 'rejected', 'dropped'], r.5), r.3, r.4, r.6),
                arrayFilter(r -> r.2 >= first_sequence, ranges)) AS parts
        FROM (
            SELECT * EXCEPT (all_spans), arrayFilter(s -> s.1 >= first_span, all_spans) AS spans
            FROM (
                SELECT *,
                    if(is_cut, arrayMin(arrayConcat(
                        arrayMap(s -> s.1, arrayFilter(s -> s.5 >= {from:DateTime('UTC')}, all_spans)),
                        arrayMap(r -> intDiv(r.1, 1024), arrayFilter(r -> r.7 >= {from:DateTime('UTC')}, ranges)),
                        [18446744073709551615])), materialize(toUInt64(0))) AS first_span
                FROM lanes
            )
        )
    )
    WHERE first_sequence <= last_sequence
)
ORDER BY agent_id, lane, spool_id
