-- Question: which services were probed, or judged?
-- Parameters:
--   service String: one service; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the time, from a full hour on; default the last 30 days
-- Columns:
--   service; first_t, last_t: Unix s of the first and the last hour of which something is known
SELECT service, toUnixTimestamp(min(hour)) AS first_t, toUnixTimestamp(max(hour)) AS last_t
FROM
(
    SELECT service, t AS hour FROM crmscope.probe_1h
    WHERE t >= {from:DateTime('UTC')} - INTERVAL 1 DAY AND t < {to:DateTime('UTC')}
    UNION ALL
    SELECT service, t FROM crmscope.service_hours
    WHERE t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')}
)
WHERE {service:String} = '' OR service = {service:String}
GROUP BY service
ORDER BY service
