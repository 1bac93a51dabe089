-- Question: does what agents send get through, how late, and was any of it lost lately?
-- One row. `ledger_proof` is the whole proof; this looks at a short time, so that it can be asked often.
-- Parameters:
--   seconds UInt32: how far back drops and missing batches are looked for; default 900
-- Columns:
--   now_ms: by ClickHouse's clock, Unix ms
--   received_ms: until when a collector was there to receive, within the last day, Unix ms, else 0
--   agents: of how many agents a heartbeat was stored within five minutes
--   stored_ms: when the newest one was stored, within five minutes, Unix ms, else 0
--   insert_delay_ms: from receiving to storing, of 19 of 20 heartbeats stored in the last minute; NULL for none
--   queued_batches, queued_bytes: what waits in the spools of agents, by their heartbeats of five minutes
--   agents_behind: how many of them have more than 100 batches waiting
--   kafka_partitions: partitions of which a writer told within ten minutes how far it is; 0 without Kafka
--   kafka_lag_batches: what they have that is not in the tables yet, by what was told within a minute; NULL
--     where that is not known of every one of them
--   dropped_items: rows, lines and events that were dropped or rejected, by when a collector was told
--   missing_batches: batches of which nothing is known between others of their lane that came in that time
WITH
    now64(3, 'UTC') AS now_ts,
    lately AS (SELECT agent_id, stored_at, received_at FROM crmscope.arrivals WHERE stored_at > now_ts - INTERVAL 5 MINUTE),
    waiting AS
    (
        SELECT agent_id, sum(newest_batches) AS batches, sum(newest_bytes) AS bytes
        FROM
        (
            SELECT agent_id, argMax(queued_batches, ts) AS newest_batches, argMax(queued_bytes, ts) AS newest_bytes
            FROM crmscope.lane_states WHERE ts > now_ts - INTERVAL 5 MINUTE
            GROUP BY agent_id, spool_id, lane
        )
        GROUP BY agent_id
    ),
    positions AS
    (
        SELECT max(ts) AS told_at, argMax(next_offset - position, ts) AS lag
        FROM crmscope.log_positions WHERE ts > now_ts - INTERVAL 10 MINUTE
        GROUP BY log_partition
    ),
    -- Lanes on which something between the first and the last that came is not there, as far as this time shows.
    gaps AS
    (
        SELECT
            agent_id, spool_id, lane,
            minIf(first_sequence, disposition != 'dropped') AS first,
            maxIf(last_sequence, disposition != 'dropped') AS last
        FROM crmscope.ledger WHERE received_at > now_ts - toIntervalSecond({seconds:UInt32})
        GROUP BY agent_id, spool_id, lane
        HAVING countIf(disposition != 'dropped') > 0
            AND sumIf(last_sequence - first_sequence + 1, disposition != 'dropped') != last - first + 1
    ),
    -- What became of it may have been told at any time: it is dropped then, or came twice, and not missing.
    covered AS
    (
        SELECT
            any(g.last - g.first + 1) AS expected,
            intervalLengthSum(greatest(l.first_sequence, g.first), least(l.last_sequence, g.last) + 1) AS known
        FROM crmscope.ledger AS l
        INNER JOIN gaps AS g ON g.agent_id = l.agent_id AND g.spool_id = l.spool_id AND g.lane = l.lane
        WHERE (l.agent_id, l.spool_id, l.lane) IN (SELECT agent_id, spool_id, lane FROM gaps)
            AND l.first_sequence <= g.last AND l.last_sequence >= g.first
        GROUP BY l.agent_id, l.spool_id, l.lane
    )
SELECT
    toUnixTimestamp64Milli(now_ts) AS now_ms,
    ifNull((
        SELECT toUnixTimestamp64Milli(max(watched_to)) FROM crmscope.collector_watch
        WHERE watched_from > now_ts - INTERVAL 1 DAY HAVING count() > 0
    ), 0) AS received_ms,
    (SELECT uniqExact(agent_id) FROM lately) AS agents,
    ifNull((SELECT toUnixTimestamp64Milli(max(stored_at)) FROM lately HAVING count() > 0), 0) AS stored_ms,
    (
        SELECT quantileExactOrNull(0.95)(greatest(0, dateDiff('millisecond', received_at, stored_at)))
        FROM lately WHERE stored_at > now_ts - INTERVAL 1 MINUTE
    ) AS insert_delay_ms,
    (SELECT sum(batches) FROM waiting) AS queued_batches,
    (SELECT sum(bytes) FROM waiting) AS queued_bytes,
    (SELECT countIf(batches > 100) FROM waiting) AS agents_behind,
    (SELECT count() FROM positions) AS kafka_partitions,
    (
        SELECT if(count() > 0 AND min(told_at) > now_ts - INTERVAL 1 MINUTE, sum(lag), NULL) FROM positions
    ) AS kafka_lag_batches,
    (
        SELECT sumIf(items, disposition IN ('dropped', 'rejected')) FROM crmscope.ledger
        WHERE received_at > now_ts - toIntervalSecond({seconds:UInt32})
    ) AS dropped_items,
    (SELECT sum(expected - known) FROM covered) AS missing_batches
