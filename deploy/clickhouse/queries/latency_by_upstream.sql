-- Question: is a route slow, or the application behind it?
-- Reads whole days and hours of the range as such, and minutes (kept 90 days) of what is left at its ends.
-- Parameters:
--   service String: one service; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded, whole minutes; default the last hour
--   minimum_requests UInt64: routes with fewer timed requests are left out, as chance rules them; default 20
--   limit UInt32: how many routes; default 20
-- Columns:
--   service, route, method
--   requests; upstream_requests: those whose line tells how long the application took
--   latency_p50_us, latency_p95_us, latency_mean_us, latency_max_us: of the whole request, µs
--   upstream_p50_us, upstream_p95_us, upstream_mean_us, upstream_max_us: of the application, µs; NULL where
--     no line tells. Quantiles are within 1 %, means and maxima exact
--   upstream_share: upstream_mean_us / latency_mean_us. Near 1 the application takes the time, near 0 the
--     server, the network or the client; above 1 where only the slow requests reached the application
WITH
    -- Whole days and hours within the range, and what is left of it on both sides; without any, both ends are that of the range.
    toStartOfHour({from:DateTime('UTC')} + INTERVAL 3599 SECOND) AS hour_first, toStartOfHour({to:DateTime('UTC')}) AS hour_last,
    if(hour_first < hour_last, hour_first, {to:DateTime('UTC')}) AS hours_from, if(hour_first < hour_last, hour_last, {to:DateTime('UTC')}) AS hours_to,
    toStartOfDay(hours_from + INTERVAL 86399 SECOND) AS day_first, toStartOfDay(hours_to) AS day_last,
    if(day_first < day_last, day_first, hours_to) AS days_from, if(day_first < day_last, day_last, hours_to) AS days_to
SELECT r.service AS service, r.route AS route, r.method AS method,
    sum(r.requests) AS requests,
    sum(r.upstream_count) AS upstream_requests,
    crmscope_quantile(sumMap(r.latency), 0.5) AS latency_p50_us,
    crmscope_quantile(sumMap(r.latency), 0.95) AS latency_p95_us,
    sum(r.latency_sum_us) / nullIf(sum(r.latency_count), 0) AS latency_mean_us,
    max(r.latency_max_us) AS latency_max_us,
    crmscope_quantile(sumMap(r.upstream), 0.5) AS upstream_p50_us,
    crmscope_quantile(sumMap(r.upstream), 0.95) AS upstream_p95_us,
    sum(r.upstream_sum_us) / nullIf(sum(r.upstream_count), 0) AS upstream_mean_us,
    if(upstream_requests = 0, NULL, max(r.upstream_max_us)) AS upstream_max_us,
    upstream_mean_us / nullIf(latency_mean_us, 0) AS upstream_share
FROM (
    SELECT service, route, method, requests, latency_count, latency_sum_us, latency_max_us, latency, upstream_count, upstream_sum_us, upstream_max_us, upstream FROM crmscope.requests_1m AS m
    WHERE (m.t >= {from:DateTime('UTC')} AND m.t < hours_from OR m.t >= hours_to AND m.t < {to:DateTime('UTC')}) AND ({service:String} = '' OR service = {service:String})
    UNION ALL
    SELECT service, route, method, requests, latency_count, latency_sum_us, latency_max_us, latency, upstream_count, upstream_sum_us, upstream_max_us, upstream FROM crmscope.requests_1h AS h
    WHERE (h.t >= hours_from AND h.t < days_from OR h.t >= days_to AND h.t < hours_to) AND ({service:String} = '' OR service = {service:String})
    UNION ALL
    SELECT service, route, method, requests, latency_count, latency_sum_us, latency_max_us, latency, upstream_count, upstream_sum_us, upstream_max_us, upstream FROM crmscope.requests_1d AS d
    WHERE d.t >= days_from AND d.t < days_to AND ({service:String} = '' OR service = {service:String})
) AS r
GROUP BY service, route, method
HAVING sum(r.latency_count) >= {minimum_requests:UInt64}
ORDER BY latency_p95_us DESC, service, route, method
LIMIT {limit:UInt32}
