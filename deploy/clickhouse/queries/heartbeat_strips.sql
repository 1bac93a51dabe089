-- Question: in which parts of the last 60 minutes was each host heard?
-- Times are those of the agents' clocks. A host that was not heard in the hour has no row.
-- Parameters:
--   none
-- Columns:
--   agent_id
--   newest_ms: begin of the newest minute, which is not over yet, by ClickHouse's clock, Unix ms
--   slots: for each minute, the oldest first, in how many of its 6 slots of 10 s a heartbeat was made
WITH toStartOfMinute(now('UTC')) AS newest
SELECT
    agent_id,
    1000 * toInt64(toUnixTimestamp(newest)) AS newest_ms,
    arrayMap(place -> toUInt8(bitCount(bitAnd(bitShiftRight(words[intDiv(place, 10) + 1], 6 * (place % 10)), 63))), range(60)) AS slots
FROM
(
    -- Ten minutes of six bits a word: one group a host, where one a minute would be sixty times as many.
    SELECT
        agent_id,
        [groupBitOr(if(word = 0, bits, 0)), groupBitOr(if(word = 1, bits, 0)), groupBitOr(if(word = 2, bits, 0)),
            groupBitOr(if(word = 3, bits, 0)), groupBitOr(if(word = 4, bits, 0)), groupBitOr(if(word = 5, bits, 0))] AS words
    FROM
    (
        SELECT
            agent_id,
            59 - dateDiff('minute', t, newest) AS place,
            intDiv(place, 10) AS word,
            bitShiftLeft(bitAnd(up, toUInt64(63)), 6 * (place % 10)) AS bits
        FROM crmscope.presence_1m
        WHERE t > newest - INTERVAL 60 MINUTE AND t <= newest
    )
    GROUP BY agent_id
)
ORDER BY agent_id
