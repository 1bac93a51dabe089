-- Question: which services had requests, how many, how fast, and how many failed?
-- Reads whole days and hours of the range as such, and minutes (kept 90 days) of what is left at its ends.
-- Parameters:
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded; default the last hour
-- Columns:
--   service; agents: hosts that served it
--   requests; requests_per_second: over the range
--   error_ratio: status class 5, 0 to 1
--   latency_p50_us, latency_p95_us, latency_p99_us: µs, within 1 %; NULL where no request was timed
--   last_t: the newest minute, or hour, with a request
WITH
    -- Whole days and hours within the range, and what is left of it on both sides; without any, both ends are that of the range.
    toStartOfHour({from:DateTime('UTC')} + INTERVAL 3599 SECOND) AS hour_first, toStartOfHour({to:DateTime('UTC')}) AS hour_last,
    if(hour_first < hour_last, hour_first, {to:DateTime('UTC')}) AS hours_from, if(hour_first < hour_last, hour_last, {to:DateTime('UTC')}) AS hours_to,
    toStartOfDay(hours_from + INTERVAL 86399 SECOND) AS day_first, toStartOfDay(hours_to) AS day_last,
    if(day_first < day_last, day_first, hours_to) AS days_from, if(day_first < day_last, day_last, hours_to) AS days_to
SELECT r.service AS service, uniqExactIf(r.agent_id, r.agent_id != '') AS agents,
    sum(r.requests) AS requests,
    requests / nullIf(dateDiff('second', {from:DateTime('UTC')}, {to:DateTime('UTC')}), 0) AS requests_per_second,
    sumIf(r.requests, r.status_class = 5) / nullIf(requests, 0) AS error_ratio,
    crmscope_quantile(sumMap(r.latency), 0.5) AS latency_p50_us,
    crmscope_quantile(sumMap(r.latency), 0.95) AS latency_p95_us,
    crmscope_quantile(sumMap(r.latency), 0.99) AS latency_p99_us,
    max(r.at) AS last_t
FROM (
    SELECT m.t AS at, agent_id, service, status_class, requests, latency FROM crmscope.requests_1m AS m
    WHERE (m.t >= {from:DateTime('UTC')} AND m.t < hours_from OR m.t >= hours_to AND m.t < {to:DateTime('UTC')})
    UNION ALL
    SELECT h.t, agent_id, service, status_class, requests, latency FROM crmscope.requests_1h AS h
    WHERE (h.t >= hours_from AND h.t < days_from OR h.t >= days_to AND h.t < hours_to)
    UNION ALL
    SELECT d.t, agent_id, service, status_class, requests, latency FROM crmscope.requests_1d AS d
    WHERE d.t >= days_from AND d.t < days_to
    UNION ALL
    -- In which hour of these days.
    SELECT max(h.t), '', service, 0, 0, map() FROM crmscope.requests_1h AS h
    WHERE h.t >= days_from AND h.t < days_to
    GROUP BY service
) AS r
GROUP BY service
ORDER BY requests DESC, service
