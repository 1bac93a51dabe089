-- Question: when was at least one collector there to receive?
-- Parameters:
--   from DateTime('UTC'), to DateTime('UTC'): the time
-- Columns:
--   from_ms, to_ms: a stretch without a gap, by the collectors' clocks, Unix ms
SELECT toInt64(min(started)) AS from_ms, toInt64(max(ended)) AS to_ms
FROM
(
    SELECT started, ended, sum(is_new) OVER (ORDER BY started, ended ROWS UNBOUNDED PRECEDING) AS stretch
    FROM
    (
        SELECT
            toUnixTimestamp64Milli(watched_from) AS started,
            toUnixTimestamp64Milli(watched_to) AS ended,
            started > max(ended) OVER (ORDER BY started, ended ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS is_new
        FROM crmscope.collector_watch
        WHERE watched_to >= {from:DateTime('UTC')} AND watched_from < {to:DateTime('UTC')}
    )
)
GROUP BY stretch
ORDER BY from_ms
