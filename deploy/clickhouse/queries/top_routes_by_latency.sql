-- Question: which routes are slowest?
-- Reads whole days and hours of the range as such, and minutes (kept 90 days) of what is left at its ends.
-- Parameters:
--   service String: one service; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded, whole minutes; default the last hour
--   minimum_requests UInt64: routes with fewer timed requests are left out, as chance rules them; default 20
--   limit UInt32: how many routes; default 20
-- Columns:
--   service, route, method; agents: hosts that served it
--   requests, errors, client_errors: count; errors are status class 5, client errors status class 4
--   error_ratio: errors / requests, 0 to 1
--   latency_p50_us, latency_p95_us, latency_p99_us: µs, within 1 %; NULL where no request was timed
--   latency_mean_us, latency_max_us: µs, exact
--   response_bytes: sum
WITH
    -- Whole days and hours within the range, and what is left of it on both sides; without any, both ends are that of the range.
    toStartOfHour({from:DateTime('UTC')} + INTERVAL 3599 SECOND) AS hour_first, toStartOfHour({to:DateTime('UTC')}) AS hour_last,
    if(hour_first < hour_last, hour_first, {to:DateTime('UTC')}) AS hours_from, if(hour_first < hour_last, hour_last, {to:DateTime('UTC')}) AS hours_to,
    toStartOfDay(hours_from + INTERVAL 86399 SECOND) AS day_first, toStartOfDay(hours_to) AS day_last,
    if(day_first < day_last, day_first, hours_to) AS days_from, if(day_first < day_last, day_last, hours_to) AS days_to
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
FROM (
    SELECT agent_id, service, route, method, status_class, requests, response_bytes, latency_count, latency_sum_us, latency_max_us, latency FROM crmscope.requests_1m AS m
    WHERE (m.t >= {from:DateTime('UTC')} AND m.t < hours_from OR m.t >= hours_to AND m.t < {to:DateTime('UTC')}) AND ({service:String} = '' OR service = {service:String})
    UNION ALL
    SELECT agent_id, service, route, method, status_class, requests, response_bytes, latency_count, latency_sum_us, latency_max_us, latency FROM crmscope.requests_1h AS h
    WHERE (h.t >= hours_from AND h.t < days_from OR h.t >= days_to AND h.t < hours_to) AND ({service:String} = '' OR service = {service:String})
    UNION ALL
    SELECT agent_id, service, route, method, status_class, requests, response_bytes, latency_count, latency_sum_us, latency_max_us, latency FROM crmscope.requests_1d AS d
    WHERE d.t >= days_from AND d.t < days_to AND ({service:String} = '' OR service = {service:String})
) AS r
GROUP BY service, route, method
HAVING sum(latency_count) >= {minimum_requests:UInt64}
ORDER BY latency_p95_us DESC, service, route, method
LIMIT {limit:UInt32}
