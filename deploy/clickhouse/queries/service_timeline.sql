-- Question: how did a service answer over time?
-- Reads 10-second buckets below 60 s a step (kept 7 days), minutes below an hour (kept 90 days), hours from there on
-- (kept 800 days).
-- Parameters:
--   service String: one service; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded; default the last hour
--   step_seconds UInt32: length of a step, at least 10; default 60
-- Columns:
--   t: start of the step; agents: hosts that served
--   requests: count; requests_per_second; response_bytes_per_second
--   errors: status class 5; error_ratio, client_error_ratio (status class 4): 0 to 1
--   latency_p50_us, latency_p95_us, latency_p99_us: µs, within 1 %; NULL where no request was timed
--   latency_mean_us, latency_max_us: µs, exact
SELECT toStartOfInterval(r.at, toIntervalSecond({step_seconds:UInt32})) AS t,
    uniqExact(r.agent_id) AS agents,
    sum(r.requests) AS requests,
    requests / {step_seconds:UInt32} AS requests_per_second,
    sum(r.response_bytes) / {step_seconds:UInt32} AS response_bytes_per_second,
    sumIf(r.requests, r.status_class = 5) AS errors,
    errors / nullIf(requests, 0) AS error_ratio,
    sumIf(r.requests, r.status_class = 4) / nullIf(requests, 0) AS client_error_ratio,
    crmscope_quantile(sumMap(r.latency), 0.5) AS latency_p50_us,
    crmscope_quantile(sumMap(r.latency), 0.95) AS latency_p95_us,
    crmscope_quantile(sumMap(r.latency), 0.99) AS latency_p99_us,
    sum(r.latency_sum_us) / nullIf(sum(r.latency_count), 0) AS latency_mean_us,
    max(r.latency_max_us) AS latency_max_us
FROM (
    SELECT bucket_start AS at, agent_id, status_class, requests, response_bytes, latency_count, latency_sum_us, latency_max_us, latency
    FROM crmscope.requests_raw
    WHERE {step_seconds:UInt32} < 60 AND bucket_start >= {from:DateTime('UTC')} AND bucket_start < {to:DateTime('UTC')}
        AND ({service:String} = '' OR service = {service:String})
    UNION ALL
    SELECT t, agent_id, status_class, requests, response_bytes, latency_count, latency_sum_us, latency_max_us, latency
    FROM crmscope.requests_1m
    WHERE {step_seconds:UInt32} >= 60 AND {step_seconds:UInt32} < 3600 AND t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')}
        AND ({service:String} = '' OR service = {service:String})
    UNION ALL
    SELECT t, agent_id, status_class, requests, response_bytes, latency_count, latency_sum_us, latency_max_us, latency
    FROM crmscope.requests_1h
    WHERE {step_seconds:UInt32} >= 3600 AND t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')}
        AND ({service:String} = '' OR service = {service:String})
) AS r
GROUP BY t
ORDER BY t
