-- Question: with how many runs was each hour of each service judged, and how many are there now?
-- Parameters:
--   days UInt32: how far back; default 8
-- Columns:
--   service; t: Unix s of the hour
--   runs: how many began in it, by the roll-up; judged_runs: how many there were when it was judged
--   version: when it was judged last, Unix ms; 0 where it was not
SELECT service, toUnixTimestamp(hour) AS t, toUInt64(sum(found)) AS runs, max(judged) AS judged_runs, max(judged_ms) AS version
FROM
(
    SELECT service, t AS hour, sum(ticks) AS found, toUInt64(0) AS judged, toUInt64(0) AS judged_ms
    FROM crmscope.probe_1h
    WHERE t >= now('UTC') - toIntervalDay({days:UInt32})
    GROUP BY service, hour
    UNION ALL
    SELECT service, t, 0, runs, version
    FROM crmscope.service_hours FINAL
    WHERE t >= now('UTC') - toIntervalDay({days:UInt32})
)
GROUP BY service, hour
ORDER BY service, hour
