-- Charts for ClickHouse's own /dashboard page. There, in the field for the query of charts, enter
--   SELECT title, query FROM crmscope.dashboards WHERE dashboard = 'crmscope'
-- A view of constants rather than a table: replaced in one step at every start of a collector, so
-- running it twice, or by two collectors together, cannot double or mix charts. The page binds
-- {rounding:UInt32} and {seconds:UInt32}. From an hour of rounding on, charts read the hourly
-- tables: minutes are kept 90 days, hours 800. Where nothing was heard the value is NaN, which the
-- page draws as a hole: a line at 0 would look like rest.
CREATE OR REPLACE VIEW crmscope.dashboards AS
SELECT dashboard, title, query
FROM values('dashboard String, title String, query String',
('crmscope', 'CPU by mode, fleet [share of all cores]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t,
    sum(user_us) / sum(all_us) AS user, sum(system_us) / sum(all_us) AS system,
    sum(iowait_us) / sum(all_us) AS iowait, sum(steal_us) / sum(all_us) AS steal
FROM (
    SELECT t AS at, cpu_user_us + cpu_nice_us AS user_us, cpu_system_us + cpu_irq_us + cpu_softirq_us AS system_us, cpu_iowait_us AS iowait_us,
        cpu_steal_us AS steal_us, user_us + system_us + iowait_us + steal_us + cpu_idle_us AS all_us
    FROM crmscope.host_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, cpu_user_us + cpu_nice_us AS user_us, cpu_system_us + cpu_irq_us + cpu_softirq_us AS system_us, cpu_iowait_us AS iowait_us,
        cpu_steal_us AS steal_us, user_us + system_us + iowait_us + steal_us + cpu_idle_us AS all_us
    FROM crmscope.host_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
)
GROUP BY t ORDER BY t WITH FILL STEP {rounding:UInt32} INTERPOLATE (user AS nan, system AS nan, iowait AS nan, steal AS nan)
$query$),
('crmscope', 'Load per core [1 minute]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t,
    avg(load) AS mean, max(load) AS worst_host
FROM (
    SELECT t AS at, agent_id, sum(load1_x100_sum) / 100 / sum(cpu_count_sum) AS load
    FROM crmscope.host_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32} GROUP BY t, agent_id
    UNION ALL
    SELECT t AS at, agent_id, sum(load1_x100_sum) / 100 / sum(cpu_count_sum) AS load
    FROM crmscope.host_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32} GROUP BY t, agent_id
)
GROUP BY t ORDER BY t WITH FILL STEP {rounding:UInt32} INTERPOLATE (mean AS nan, worst_host AS nan)
$query$),
('crmscope', 'Memory available [share]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t,
    sum(available) / sum(total) AS fleet, min(lowest) AS worst_host
FROM (
    SELECT t AS at, mem_available_bytes_sum AS available, mem_total_bytes_sum AS total, mem_available_bytes_min / mem_total_bytes_max AS lowest
    FROM crmscope.host_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, mem_available_bytes_sum AS available, mem_total_bytes_sum AS total, mem_available_bytes_min / mem_total_bytes_max AS lowest
    FROM crmscope.host_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
)
GROUP BY t ORDER BY t WITH FILL STEP {rounding:UInt32} INTERPOLATE (fleet AS nan, worst_host AS nan)
$query$),
('crmscope', 'Disk throughput [bytes per second, fleet]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t,
    sum(read_bytes) / greatest({rounding:UInt32}, 60) AS read, sum(write_bytes) / greatest({rounding:UInt32}, 60) AS write
FROM (
    SELECT t AS at, read_bytes, write_bytes FROM crmscope.disk_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, read_bytes, write_bytes FROM crmscope.disk_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
)
GROUP BY t ORDER BY t WITH FILL STEP {rounding:UInt32} INTERPOLATE (read AS nan, write AS nan)
$query$),
('crmscope', 'Disk busy [share of time]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t,
    quantileExact(0.5)(busy) AS median, quantileExact(0.95)(busy) AS p95, max(busy) AS busiest
FROM (
    SELECT t AS at, agent_id, device, sum(io_time_us) / 1000 / sum(interval_ms) AS busy
    FROM crmscope.disk_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32} GROUP BY t, agent_id, device HAVING sum(interval_ms) > 0
    UNION ALL
    SELECT t AS at, agent_id, device, sum(io_time_us) / 1000 / sum(interval_ms) AS busy
    FROM crmscope.disk_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32} GROUP BY t, agent_id, device HAVING sum(interval_ms) > 0
)
GROUP BY t ORDER BY t WITH FILL STEP {rounding:UInt32} INTERPOLATE (median AS nan, p95 AS nan, busiest AS nan)
$query$),
('crmscope', 'Network [bytes per second, fleet, without lo]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t,
    sum(receive_bytes) / greatest({rounding:UInt32}, 60) AS receive, sum(transmit_bytes) / greatest({rounding:UInt32}, 60) AS transmit
FROM (
    SELECT t AS at, receive_bytes, transmit_bytes FROM crmscope.interface_1m
    WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32} AND interface != 'lo'
    UNION ALL
    SELECT t AS at, receive_bytes, transmit_bytes FROM crmscope.interface_1h
    WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32} AND interface != 'lo'
)
GROUP BY t ORDER BY t WITH FILL STEP {rounding:UInt32} INTERPOLATE (receive AS nan, transmit AS nan)
$query$),
('crmscope', 'Requests [per second, by service]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, service, sum(requests) / greatest({rounding:UInt32}, 60) AS requests_per_second
FROM (
    SELECT t AS at, toString(service) AS service, requests FROM crmscope.requests_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, toString(service) AS service, requests FROM crmscope.requests_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
)
GROUP BY t, service ORDER BY t
$query$),
('crmscope', 'Errors [share of requests]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t,
    sumIf(requests, status_class = 5) / sum(requests) AS server_errors, sumIf(requests, status_class = 4) / sum(requests) AS client_errors
FROM (
    SELECT t AS at, status_class, requests FROM crmscope.requests_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, status_class, requests FROM crmscope.requests_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
)
GROUP BY t HAVING sum(requests) > 0 ORDER BY t
$query$),
('crmscope', 'Latency [ms]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t,
    ifNull(crmscope_quantile(sumMap(latency), 0.5), nan) / 1000 AS p50,
    ifNull(crmscope_quantile(sumMap(latency), 0.95), nan) / 1000 AS p95,
    ifNull(crmscope_quantile(sumMap(latency), 0.99), nan) / 1000 AS p99
FROM (
    SELECT t AS at, latency FROM crmscope.requests_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, latency FROM crmscope.requests_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
)
GROUP BY t ORDER BY t
$query$),
('crmscope', 'Latency of 95 %: whole and application [ms]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t,
    ifNull(crmscope_quantile(sumMap(latency), 0.95), nan) / 1000 AS whole,
    ifNull(crmscope_quantile(sumMap(upstream), 0.95), nan) / 1000 AS application
FROM (
    SELECT t AS at, latency, upstream FROM crmscope.requests_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, latency, upstream FROM crmscope.requests_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
)
GROUP BY t ORDER BY t
$query$),
('crmscope', 'Requests by client network [per second, the ten busiest]', $query$
WITH busiest AS (
    SELECT network FROM crmscope.request_clients_1h WHERE t >= toStartOfHour(now() - {seconds:UInt32}) AND network != 'OTHER'
    GROUP BY network ORDER BY sum(requests) DESC, network LIMIT 10
)
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, network, sum(requests) / greatest({rounding:UInt32}, 60) AS requests_per_second
FROM (
    SELECT t AS at, network, requests FROM crmscope.request_clients_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, network, requests FROM crmscope.request_clients_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
)
WHERE network IN busiest
GROUP BY t, network ORDER BY t
$query$),
('crmscope', 'Slow and failed requests [per second]', $query$
SELECT toStartOfInterval(bucket_start, toIntervalSecond({rounding:UInt32}))::INT AS t, toString(kind) AS kind, sum(eligible) / greatest({rounding:UInt32}, 10) AS requests_per_second
FROM crmscope.request_sampling WHERE bucket_start >= now() - {seconds:UInt32}
GROUP BY t, kind ORDER BY t
$query$),
('crmscope', 'Log lines not counted [by reason]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, reason.1 AS why, sum(reason.2) AS lines
FROM (
    SELECT t AS at, * FROM crmscope.source_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, * FROM crmscope.source_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
)
ARRAY JOIN [('not_understood', toNullable(unparsed)), ('too_long_lines', lost_too_long_lines), ('unfinished_lines', lost_unfinished_lines), ('untimely_lines', lost_untimely_lines),
    ('forged_lines', lost_forged_lines), ('rotated_files', lost_rotated_files), ('truncated_files', lost_truncated_files), ('unreadable_files', lost_unreadable_files)] AS reason
WHERE source IN ('requests', 'security')
GROUP BY t, why HAVING lines > 0 ORDER BY t
$query$),
('crmscope', 'Security events that failed [by kind]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, kind, sum(events) AS failed
FROM (
    SELECT t AS at, toString(kind) AS kind, events FROM crmscope.security_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32} AND status_id = 2
    UNION ALL
    SELECT t AS at, toString(kind) AS kind, events FROM crmscope.security_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32} AND status_id = 2
)
GROUP BY t, kind ORDER BY t
$query$),
('crmscope', 'Hosts heard of, of those that ever connected', $query$
SELECT t, sum(up) AS heard, max(known) AS enrolled
FROM (
    SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, uniqExact(agent_id) AS up, 0 AS known
    FROM (
        SELECT t AS at, agent_id FROM crmscope.presence_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32} AND up > 0
        UNION ALL
        SELECT t AS at, agent_id FROM crmscope.presence_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
    ) GROUP BY t
    UNION ALL
    SELECT arrayJoin(range(toUInt32(intDiv(toUnixTimestamp(now()) - {seconds:UInt32}, {rounding:UInt32}) + 1) * {rounding:UInt32}, toUnixTimestamp(now()), {rounding:UInt32}))::INT AS t, 0 AS up, known
    FROM (SELECT uniqExact(agent_id) AS known FROM crmscope.agents)
)
GROUP BY t ORDER BY t
$query$),
('crmscope', 'Probes that were good [share of runs, by service, and the worst agent]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, toString(service) AS service,
    sum(good_runs) / sum(runs) AS good, min(good_runs / runs) AS worst
FROM (
    SELECT t AS at, service, agent_id, sum(up_sum) AS good_runs, sum(ticks) AS runs
    FROM crmscope.probe_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32} GROUP BY t, service, agent_id
    UNION ALL
    SELECT t AS at, service, agent_id, sum(up_sum) AS good_runs, sum(ticks) AS runs
    FROM crmscope.probe_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32} GROUP BY t, service, agent_id
)
GROUP BY t, service ORDER BY t
$query$),
('crmscope', 'Age of the newest heartbeat [seconds, hosts of today and yesterday]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, max(age) AS oldest, quantileExact(0.5)(age) AS median
FROM (
    SELECT now() AS at, agent_id, greatest(0, dateDiff('second', max(last_ts), now64(3))) AS age
    FROM crmscope.presence_1d WHERE t >= today() - 1 GROUP BY agent_id
)
WHERE {seconds:UInt32} > 0
GROUP BY t ORDER BY t
$query$),
('crmscope', 'What the agents cost [share of one core, mean and worst]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, avg(cpu) AS mean, max(cpu) AS worst
FROM (
    -- One start of one agent at a time: the counter begins at 0 with each.
    SELECT toStartOfMinute(ts) AS at, agent_id, start_id,
        (max(agent_cpu_us) - min(agent_cpu_us)) / 1000 / nullIf(max(boottime_ms) - min(boottime_ms), 0) AS cpu
    FROM crmscope.heartbeats WHERE ts >= now() - {seconds:UInt32} GROUP BY at, agent_id, start_id HAVING count() > 1
)
GROUP BY t ORDER BY t
$query$),
('crmscope', 'What the agents hold [resident bytes, mean and worst]', $query$
SELECT toStartOfInterval(ts, toIntervalSecond({rounding:UInt32}))::INT AS t, avg(agent_resident_bytes) AS mean, max(agent_resident_bytes) AS worst
FROM crmscope.heartbeats WHERE ts >= now() - {seconds:UInt32}
GROUP BY t ORDER BY t
$query$),
('crmscope', 'Ledger [items by disposition]', $query$
SELECT toStartOfInterval(r.t, toIntervalSecond({rounding:UInt32}))::INT AS t,
    sumIf(items, disposition = 'stored') AS stored, sumIf(items, disposition = 'sampled') AS sampled,
    sumIf(items, disposition = 'rejected') AS rejected, sumIf(items, disposition = 'dropped') AS dropped
FROM crmscope.ledger_1m AS r WHERE r.t >= now() - {seconds:UInt32}
GROUP BY t ORDER BY t WITH FILL STEP {rounding:UInt32}
$query$),
('crmscope', 'Lost batches [by reason]', $query$
SELECT toStartOfInterval(r.t, toIntervalSecond({rounding:UInt32}))::INT AS t, toString(reason) AS reason, sum(batches) AS batches
FROM crmscope.ledger_1m AS r WHERE r.t >= now() - {seconds:UInt32} AND disposition IN ('dropped', 'rejected')
GROUP BY t, reason ORDER BY t
$query$)
);
