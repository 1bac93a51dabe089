-- Question: which routes are slowest?
-- Parameters:
--   service String: one service; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded, whole minutes; default the last hour
--   minimum_requests UInt64: routes with fewer timed requests are left out, as chance rules them; default 20
--   limit UInt32: how many routes; default 20
-- Columns:
--   service, route, method; agents: hosts that served it
--   requests, errors: count; errors are status class 5, client_errors status class 4
--   error_ratio: errors / requests, 0 to 1
--   latency_p50_us, latency_p95_us, latency_p99_us: µs, within 1 %; NULL where no request was timed
--   latency_mean_us, latency_max_us: µs, exact
--   response_bytes: sum
SELECT r.service AS service, r.route AS route, r.method AS method, uniqExact(r.agent_id) AS agents,
    sum(r.requests) AS requests,
    sumIf(r.requests, r.status_class = 5) AS errors,
    sumIf(r.requests, r.status_class = 4) AS client_errors,
    errors / nullIf(requests, 0) AS error_ratio,
    crmscope_quantile(sumMap(r.latency), 0.5) AS latency_p50_us,
    crmscope_quantile(sumMap(r.latency), 0.95) AS latency_p95_us,
    crmscope_quantile(sumMap(r.latency), 0.99) AS latency_p99_us,
    sum(r.latency_sum_us) / nullIf(sum(r.latency_count), 0) AS latency_mean_us,
    max(r.latency_max_us) AS latency_max_us,
    sum(r.response_bytes) AS response_bytes
FROM crmscope.requests_1m AS r
WHERE r.t >= {from:DateTime('UTC')} AND r.t < {to:DateTime('UTC')} AND ({service:String} = '' OR r.service = {service:String})
GROUP BY service, route, method
HAVING sum(latency_count) >= {minimum_requests:UInt64}
ORDER BY latency_p95_us DESC, service, route, method
LIMIT {limit:UInt32}
