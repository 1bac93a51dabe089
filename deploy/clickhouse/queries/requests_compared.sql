-- Question: how do requests go beside the same time a week before, and how much of that is known?
-- Reads minutes (kept 90 days) below an hour a step, hours (kept 800 days) from there on, of services as wholes
-- (service_requests_1m, service_requests_1h) as far back as these reach.
-- Parameters:
--   service String: one service; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded; default the last hour
--   step_seconds UInt32: length of a step, whole minutes; default 60
-- Columns:
--   t: start of the step; steps of which nothing is known in either week have no row
--   requests_per_second: 0 where hosts looked and saw none, NULL where nobody looked
--   error_ratio: status class 5, 0 to 1; latency_p50_us, latency_p95_us, latency_p99_us: µs, within 1 %; NULL
--     where there was no request
--   before_requests_per_second, before_error_ratio, before_p50_us, before_p95_us, before_p99_us: a week before
--   covered_ratio: how much of the step the hosts that follow access logs reported of, 0 to 1; NULL where none follows any
WITH
    INTERVAL 7 DAY AS week,
    -- Before that, the roll-up of services is not whole.
    (SELECT if(count() = 0, toDateTime(4294967295, 'UTC'), max(g.since)) FROM crmscope.rollup_starts AS g WHERE g.name = 'service_requests') AS since,
    (
        SELECT uniqExact(s.agent_id) FROM crmscope.source_1h AS s
        WHERE s.source = 'requests' AND s.t >= toStartOfHour({from:DateTime('UTC')}) AND s.t < {to:DateTime('UTC')}
            AND ({service:String} = '' OR s.agent_id IN (SELECT agent_id FROM crmscope.requests_1h AS served WHERE served.service = {service:String}
                AND served.t >= toStartOfHour({from:DateTime('UTC')}) AND served.t < {to:DateTime('UTC')}))
    ) AS hosts
SELECT toStartOfInterval(r.at, toIntervalSecond({step_seconds:UInt32})) AS t,
    if(sumIf(r.requests, NOT r.before) = 0 AND sum(r.covered_ms) = 0, NULL, sumIf(r.requests, NOT r.before) / {step_seconds:UInt32}) AS requests_per_second,
    sumIf(r.requests, NOT r.before AND r.status_class = 5) / nullIf(sumIf(r.requests, NOT r.before), 0) AS error_ratio,
    crmscope_quantile(sumMapIf(r.latency, NOT r.before), 0.5) AS latency_p50_us,
    crmscope_quantile(sumMapIf(r.latency, NOT r.before), 0.95) AS latency_p95_us,
    crmscope_quantile(sumMapIf(r.latency, NOT r.before), 0.99) AS latency_p99_us,
    if(sumIf(r.requests, r.before) = 0, NULL, sumIf(r.requests, r.before) / {step_seconds:UInt32}) AS before_requests_per_second,
    sumIf(r.requests, r.before AND r.status_class = 5) / nullIf(sumIf(r.requests, r.before), 0) AS before_error_ratio,
    crmscope_quantile(sumMapIf(r.latency, r.before), 0.5) AS before_p50_us,
    crmscope_quantile(sumMapIf(r.latency, r.before), 0.95) AS before_p95_us,
    crmscope_quantile(sumMapIf(r.latency, r.before), 0.99) AS before_p99_us,
    -- least() passes over NULL.
    if(hosts = 0, NULL, least(1, sum(r.covered_ms) / 1000 / {step_seconds:UInt32} / hosts)) AS covered_ratio
FROM (
    SELECT m.t AS at, 0 AS before, status_class, requests, latency, 0 AS covered_ms
    FROM crmscope.service_requests_1m AS m
    WHERE {step_seconds:UInt32} < 3600 AND m.t >= {from:DateTime('UTC')} AND m.t < {to:DateTime('UTC')} AND m.t >= since AND ({service:String} = '' OR service = {service:String})
    UNION ALL
    SELECT m.t, 0, status_class, requests, latency, 0
    FROM crmscope.requests_1m AS m
    WHERE {step_seconds:UInt32} < 3600 AND m.t >= {from:DateTime('UTC')} AND m.t < {to:DateTime('UTC')} AND m.t < since AND ({service:String} = '' OR service = {service:String})
    UNION ALL
    SELECT m.t + week, 1, status_class, requests, latency, 0
    FROM crmscope.service_requests_1m AS m
    WHERE {step_seconds:UInt32} < 3600 AND m.t >= {from:DateTime('UTC')} - week AND m.t < {to:DateTime('UTC')} - week AND m.t >= since AND ({service:String} = '' OR service = {service:String})
    UNION ALL
    SELECT m.t + week, 1, status_class, requests, latency, 0
    FROM crmscope.requests_1m AS m
    WHERE {step_seconds:UInt32} < 3600 AND m.t >= {from:DateTime('UTC')} - week AND m.t < {to:DateTime('UTC')} - week AND m.t < since AND ({service:String} = '' OR service = {service:String})
    UNION ALL
    SELECT m.t, 0, status_class, requests, latency, 0
    FROM crmscope.service_requests_1h AS m
    WHERE {step_seconds:UInt32} >= 3600 AND m.t >= {from:DateTime('UTC')} AND m.t < {to:DateTime('UTC')} AND m.t >= since AND ({service:String} = '' OR service = {service:String})
    UNION ALL
    SELECT m.t, 0, status_class, requests, latency, 0
    FROM crmscope.requests_1h AS m
    WHERE {step_seconds:UInt32} >= 3600 AND m.t >= {from:DateTime('UTC')} AND m.t < {to:DateTime('UTC')} AND m.t < since AND ({service:String} = '' OR service = {service:String})
    UNION ALL
    SELECT m.t + week, 1, status_class, requests, latency, 0
    FROM crmscope.service_requests_1h AS m
    WHERE {step_seconds:UInt32} >= 3600 AND m.t >= {from:DateTime('UTC')} - week AND m.t < {to:DateTime('UTC')} - week AND m.t >= since AND ({service:String} = '' OR service = {service:String})
    UNION ALL
    SELECT m.t + week, 1, status_class, requests, latency, 0
    FROM crmscope.requests_1h AS m
    WHERE {step_seconds:UInt32} >= 3600 AND m.t >= {from:DateTime('UTC')} - week AND m.t < {to:DateTime('UTC')} - week AND m.t < since AND ({service:String} = '' OR service = {service:String})
    UNION ALL
    SELECT s.t, 0, 0, 0, map(), interval_ms
    FROM crmscope.source_1m AS s
    WHERE {step_seconds:UInt32} < 3600 AND s.source = 'requests' AND s.t >= {from:DateTime('UTC')} AND s.t < {to:DateTime('UTC')}
        AND ({service:String} = '' OR s.agent_id IN (SELECT agent_id FROM crmscope.requests_1h AS served WHERE served.service = {service:String}
            AND served.t >= toStartOfHour({from:DateTime('UTC')}) AND served.t < {to:DateTime('UTC')}))
    UNION ALL
    SELECT s.t, 0, 0, 0, map(), interval_ms
    FROM crmscope.source_1h AS s
    WHERE {step_seconds:UInt32} >= 3600 AND s.source = 'requests' AND s.t >= {from:DateTime('UTC')} AND s.t < {to:DateTime('UTC')}
        AND ({service:String} = '' OR s.agent_id IN (SELECT agent_id FROM crmscope.requests_1h AS served WHERE served.service = {service:String}
            AND served.t >= toStartOfHour({from:DateTime('UTC')}) AND served.t < {to:DateTime('UTC')}))
) AS r
GROUP BY t
ORDER BY t
