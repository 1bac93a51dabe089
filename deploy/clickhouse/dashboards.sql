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
('crmscope', 'File systems [share used]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t,
    quantileExact(0.5)(used) AS median, max(used) AS fullest
FROM (
    SELECT t AS at, agent_id, mount_point, sum(size_bytes_sum - free_bytes_sum) / sum(size_bytes_sum - free_bytes_sum + available_bytes_sum) AS used FROM crmscope.filesystem_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32} GROUP BY t, agent_id, mount_point HAVING sum(size_bytes_sum) > 0
    UNION ALL
    SELECT t AS at, agent_id, mount_point, sum(size_bytes_sum - free_bytes_sum) / sum(size_bytes_sum - free_bytes_sum + available_bytes_sum) AS used FROM crmscope.filesystem_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32} GROUP BY t, agent_id, mount_point HAVING sum(size_bytes_sum) > 0
)
GROUP BY t ORDER BY t WITH FILL STEP {rounding:UInt32} INTERPOLATE (median AS nan, fullest AS nan)
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
('crmscope', 'TCP that does not go smoothly [per second, fleet]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t,
    sum(again) / greatest({rounding:UInt32}, 60) AS segments_sent_again, sum(overflows) / greatest({rounding:UInt32}, 60) AS listen_overflows
FROM (
    SELECT t AS at, tcp_retransmitted_segments AS again, ifNull(tcp_listen_overflows, 0) AS overflows FROM crmscope.transport_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, tcp_retransmitted_segments AS again, ifNull(tcp_listen_overflows, 0) AS overflows FROM crmscope.transport_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
)
GROUP BY t ORDER BY t WITH FILL STEP {rounding:UInt32} INTERPOLATE (segments_sent_again AS nan, listen_overflows AS nan)
$query$),
('crmscope', 'Processes [share of one core, by group, the mean of hosts]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, process, avg(cpu) AS mean
FROM (
    SELECT t AS at, agent_id, toString(process) AS process, sum(cpu_user_us + cpu_system_us) / 1000 / sum(interval_ms) AS cpu FROM crmscope.process_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32} GROUP BY t, agent_id, process HAVING sum(interval_ms) > 0
    UNION ALL
    SELECT t AS at, agent_id, toString(process) AS process, sum(cpu_user_us + cpu_system_us) / 1000 / sum(interval_ms) AS cpu FROM crmscope.process_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32} GROUP BY t, agent_id, process HAVING sum(interval_ms) > 0
)
GROUP BY t, process ORDER BY t
$query$),
('crmscope', 'Containers [share of one core, the ten busiest]', $query$
WITH busiest AS (
    SELECT agent_id, container FROM crmscope.container_1h WHERE t >= toStartOfHour(now() - {seconds:UInt32})
    GROUP BY agent_id, container ORDER BY sum(cpu_us) DESC, agent_id, container LIMIT 10
)
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, concat(agent_id, ' ', container) AS name, avg(cpu) AS mean
FROM (
    SELECT t AS at, agent_id, container, sum(cpu_us) / 1000 / sum(interval_ms) AS cpu FROM crmscope.container_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32} GROUP BY t, agent_id, container HAVING sum(interval_ms) > 0
    UNION ALL
    SELECT t AS at, agent_id, container, sum(cpu_us) / 1000 / sum(interval_ms) AS cpu FROM crmscope.container_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32} GROUP BY t, agent_id, container HAVING sum(interval_ms) > 0
)
WHERE (agent_id, container) IN busiest AND cpu IS NOT NULL
GROUP BY t, name ORDER BY t
$query$),
('crmscope', 'Containers: memory [share of the limit]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t,
    quantileExact(0.5)(used) AS median, max(used) AS fullest
FROM (
    SELECT t AS at, agent_id, container, assumeNotNull(max(memory_bytes_max) / min(memory_max_bytes_min)) AS used FROM crmscope.container_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32} GROUP BY t, agent_id, container HAVING max(memory_bytes_max) / min(memory_max_bytes_min) IS NOT NULL
    UNION ALL
    SELECT t AS at, agent_id, container, assumeNotNull(max(memory_bytes_max) / min(memory_max_bytes_min)) AS used FROM crmscope.container_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32} GROUP BY t, agent_id, container HAVING max(memory_bytes_max) / min(memory_max_bytes_min) IS NOT NULL
)
GROUP BY t ORDER BY t WITH FILL STEP {rounding:UInt32} INTERPOLATE (median AS nan, fullest AS nan)
$query$),
('crmscope', 'Temperatures [°C]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t,
    quantileExact(0.5)(celsius) AS median, max(celsius) AS hottest
FROM (
    SELECT t AS at, agent_id, chip, device, sensor, max(temperature_mk_max) / 1000 - 273.15 AS celsius FROM crmscope.sensor_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32} GROUP BY t, agent_id, chip, device, sensor
    UNION ALL
    SELECT t AS at, agent_id, chip, device, sensor, max(temperature_mk_max) / 1000 - 273.15 AS celsius FROM crmscope.sensor_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32} GROUP BY t, agent_id, chip, device, sensor
)
GROUP BY t ORDER BY t WITH FILL STEP {rounding:UInt32} INTERPOLATE (median AS nan, hottest AS nan)
$query$),
('crmscope', 'Clocks beside the collectors [seconds off]', $query$
SELECT toStartOfInterval(ts, toIntervalSecond({rounding:UInt32}))::INT AS t,
    quantileExact(0.5)(abs(clock_offset_ms)) / 1000 AS median, max(abs(clock_offset_ms)) / 1000 AS worst
FROM crmscope.heartbeats WHERE ts >= now() - {seconds:UInt32} AND clock_offset_ms IS NOT NULL
GROUP BY t ORDER BY t WITH FILL STEP {rounding:UInt32} INTERPOLATE (median AS nan, worst AS nan)
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
('crmscope', 'Requests [per second, by status]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, concat(toString(status_class), 'xx') AS status, sum(requests) / greatest({rounding:UInt32}, 60) AS requests_per_second
FROM (
    SELECT t AS at, status_class, requests FROM crmscope.requests_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, status_class, requests FROM crmscope.requests_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
)
GROUP BY t, status ORDER BY t
$query$),
('crmscope', 'Bytes sent [bytes per second, by service]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, service, sum(response_bytes) / greatest({rounding:UInt32}, 60) AS bytes
FROM (
    SELECT t AS at, toString(service) AS service, response_bytes FROM crmscope.requests_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, toString(service) AS service, response_bytes FROM crmscope.requests_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
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
('crmscope', 'Server errors [share of requests, by service]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, service, sumIf(requests, status_class = 5) / sum(requests) AS server_errors
FROM (
    SELECT t AS at, toString(service) AS service, status_class, requests FROM crmscope.requests_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, toString(service) AS service, status_class, requests FROM crmscope.requests_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
)
GROUP BY t, service HAVING sum(requests) > 0 ORDER BY t
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
('crmscope', 'Latency of 95 % [ms, by service]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, service,
    ifNull(crmscope_quantile(sumMap(latency), 0.95), nan) / 1000 AS p95
FROM (
    SELECT t AS at, toString(service) AS service, latency FROM crmscope.requests_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, toString(service) AS service, latency FROM crmscope.requests_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
)
GROUP BY t, service ORDER BY t
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
('crmscope', 'Security events [by kind]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, kind, sum(events) AS happened
FROM (
    SELECT t AS at, toString(kind) AS kind, events FROM crmscope.security_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, toString(kind) AS kind, events FROM crmscope.security_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
)
GROUP BY t, kind ORDER BY t
$query$),
('crmscope', 'Hosts whose security logs are read, and of which that failed', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t,
    uniqExactIf(agent_id, faults = 0) * 1. AS watching, uniqExactIf(agent_id, faults > 0) * 1. AS failing
FROM (
    SELECT t AS at, agent_id, sum(failures) + sum(timeouts) AS faults FROM crmscope.source_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32} AND source = 'security' GROUP BY t, agent_id HAVING sum(runs) > 0
    UNION ALL
    SELECT t AS at, agent_id, sum(failures) + sum(timeouts) AS faults FROM crmscope.source_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32} AND source = 'security' GROUP BY t, agent_id HAVING sum(runs) > 0
)
GROUP BY t ORDER BY t WITH FILL STEP {rounding:UInt32} INTERPOLATE (watching AS nan, failing AS nan)
$query$),
('crmscope', 'Findings first seen [by level]', $query$
SELECT toStartOfInterval(first_seen, toIntervalSecond({rounding:UInt32}))::INT AS t, toString(level) AS level, count() AS findings
FROM crmscope.findings FINAL
WHERE first_seen >= now() - {seconds:UInt32} AND merged_into = toUUID('00000000-0000-0000-0000-000000000000')
GROUP BY t, level ORDER BY t
$query$),
('crmscope', 'Security batches that were not stored as sealed', $query$
SELECT toStartOfInterval(received_at, toIntervalSecond({rounding:UInt32}))::INT AS t, toString(found) AS found, count() AS batches
FROM crmscope.chain_links WHERE received_at >= now() - {seconds:UInt32} AND found != 'matched'
GROUP BY t, found ORDER BY t
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
('crmscope', 'Agents heard of [hosts, by the version that they told last]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, agent_version, uniqExact(h.agent_id) AS hosts
FROM (
    SELECT t AS at, agent_id FROM crmscope.presence_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32} AND up > 0
    UNION ALL
    SELECT t AS at, agent_id FROM crmscope.presence_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
) AS h
INNER JOIN (SELECT agent_id, toString(agent_version) AS agent_version FROM crmscope.agents FINAL) AS a ON a.agent_id = h.agent_id
GROUP BY t, agent_version ORDER BY t
$query$),
('crmscope', 'Proven of hosts [share of judged time]', $query$
SELECT toStartOfInterval(r.t, toIntervalSecond(greatest({rounding:UInt32}, 3600)))::INT AS t,
    sum(total_up_ms) / sum(total_up_ms + total_down_ms + total_unknown_ms) AS up_at_least,
    1 - sum(total_down_ms) / sum(total_up_ms + total_down_ms + total_unknown_ms) AS up_at_most
FROM crmscope.presence_hours AS r FINAL WHERE r.t >= now() - {seconds:UInt32}
GROUP BY t HAVING sum(total_up_ms + total_down_ms + total_unknown_ms) > 0 ORDER BY t
$query$),
('crmscope', 'Proven of services [share of judged time that each target answered somewhere, at least]', $query$
SELECT toStartOfInterval(r.t, toIntervalSecond(greatest({rounding:UInt32}, 3600)))::INT AS t, toString(service) AS service,
    sum(answered_up_ms) / sum(answered_up_ms + answered_down_ms + answered_unknown_ms) AS answered
FROM crmscope.service_hours AS r FINAL WHERE r.t >= now() - {seconds:UInt32}
GROUP BY t, service HAVING sum(answered_up_ms + answered_down_ms + answered_unknown_ms) > 0 ORDER BY t
$query$),
('crmscope', 'Incidents that began [by kind]', $query$
SELECT toStartOfInterval(fromUnixTimestamp64Milli(began_ms, 'UTC'), toIntervalSecond({rounding:UInt32}))::INT AS t, toString(kind) AS kind, count() AS incidents
FROM crmscope.incidents FINAL WHERE began_ms >= 1000 * (toUnixTimestamp(now()) - {seconds:UInt32})
GROUP BY t, kind ORDER BY t
$query$),
('crmscope', 'Time in which a collector watched [share of time]', $query$
-- Several collectors may watch at once: a moment counts once.
SELECT toStartOfInterval(toDateTime(watched_from, 'UTC'), toIntervalSecond({rounding:UInt32}))::INT AS t,
    least(1, intervalLengthSum(toUnixTimestamp64Milli(watched_from), toUnixTimestamp64Milli(watched_to)) / 1000 / {rounding:UInt32}) AS watched
FROM crmscope.collector_watch WHERE watched_from >= now() - {seconds:UInt32}
GROUP BY t ORDER BY t WITH FILL STEP {rounding:UInt32} INTERPOLATE (watched AS nan)
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
('crmscope', 'Probes: time of good runs [ms, by service]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, service, sum(good_us) / nullIf(sum(good_runs), 0) / 1000 AS mean
FROM (
    SELECT t AS at, toString(service) AS service, good_duration_us_sum AS good_us, good_duration_us_ticks AS good_runs FROM crmscope.probe_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, toString(service) AS service, good_duration_us_sum AS good_us, good_duration_us_ticks AS good_runs FROM crmscope.probe_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
)
GROUP BY t, service HAVING mean IS NOT NULL ORDER BY t
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
('crmscope', 'Sources of agents that failed or took too long [runs, by source]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, source, sum(faults) AS runs
FROM (
    SELECT t AS at, toString(source) AS source, failures + timeouts AS faults FROM crmscope.source_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, toString(source) AS source, failures + timeouts AS faults FROM crmscope.source_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
)
GROUP BY t, source HAVING runs > 0 ORDER BY t
$query$),
('crmscope', 'What agents left out to stay within their budgets [seconds, by subject]', $query$
SELECT toStartOfInterval(at, toIntervalSecond({rounding:UInt32}))::INT AS t, subject, sum(shed_ms) / 1000 AS shed
FROM (
    SELECT t AS at, toString(subject) AS subject, shed_ms FROM crmscope.shedding_1m WHERE {rounding:UInt32} < 3600 AND t >= now() - {seconds:UInt32}
    UNION ALL
    SELECT t AS at, toString(subject) AS subject, shed_ms FROM crmscope.shedding_1h WHERE {rounding:UInt32} >= 3600 AND t >= now() - {seconds:UInt32}
)
GROUP BY t, subject HAVING shed > 0 ORDER BY t
$query$),
('crmscope', 'Ledger [items by disposition]', $query$
SELECT toStartOfInterval(r.t, toIntervalSecond({rounding:UInt32}))::INT AS t,
    toFloat64(sumIf(items, disposition = 'stored')) AS stored, toFloat64(sumIf(items, disposition = 'sampled')) AS sampled,
    toFloat64(sumIf(items, disposition = 'rejected')) AS rejected, toFloat64(sumIf(items, disposition = 'dropped')) AS dropped
FROM crmscope.ledger_1m AS r WHERE r.t >= now() - {seconds:UInt32}
GROUP BY t ORDER BY t WITH FILL STEP {rounding:UInt32} INTERPOLATE (stored AS nan, sampled AS nan, rejected AS nan, dropped AS nan)
$query$),
('crmscope', 'Lost batches [by reason]', $query$
SELECT toStartOfInterval(r.t, toIntervalSecond({rounding:UInt32}))::INT AS t, toString(reason) AS reason, sum(batches) AS batches
FROM crmscope.ledger_1m AS r WHERE r.t >= now() - {seconds:UInt32} AND disposition IN ('dropped', 'rejected')
GROUP BY t, reason ORDER BY t
$query$),
('crmscope', 'Received [bytes per second, by lane]', $query$
SELECT toStartOfInterval(r.t, toIntervalSecond({rounding:UInt32}))::INT AS t, toString(lane) AS lane, sum(bytes) / greatest({rounding:UInt32}, 60) AS bytes
FROM crmscope.ledger_1m AS r WHERE r.t >= now() - {seconds:UInt32} AND disposition != 'dropped'
GROUP BY t, lane ORDER BY t
$query$),
('crmscope', 'Batches that wait in spools [by lane]', $query$
SELECT t, lane, sum(queued) AS batches
FROM (
    SELECT toStartOfInterval(ts, toIntervalSecond({rounding:UInt32}))::INT AS t, toString(lane) AS lane, argMax(queued_batches, ts) AS queued
    FROM crmscope.lane_states WHERE ts >= now() - {seconds:UInt32} GROUP BY t, lane, agent_id, spool_id
)
GROUP BY t, lane ORDER BY t
$query$),
('crmscope', 'From made to received [seconds]', $query$
SELECT toStartOfInterval(received_at, toIntervalSecond({rounding:UInt32}))::INT AS t,
    quantile(0.5)(greatest(0, dateDiff('millisecond', created_at, received_at))) / 1000 AS median,
    quantile(0.95)(greatest(0, dateDiff('millisecond', created_at, received_at))) / 1000 AS p95
FROM crmscope.ledger WHERE received_at >= now() - {seconds:UInt32} AND disposition = 'stored'
GROUP BY t ORDER BY t WITH FILL STEP {rounding:UInt32} INTERPOLATE (median AS nan, p95 AS nan)
$query$),
('crmscope', 'From received to stored [seconds, heartbeats of the last day]', $query$
SELECT toStartOfInterval(stored_at, toIntervalSecond({rounding:UInt32}))::INT AS t,
    quantileExact(0.5)(greatest(0, dateDiff('millisecond', received_at, stored_at))) / 1000 AS median,
    quantileExact(0.95)(greatest(0, dateDiff('millisecond', received_at, stored_at))) / 1000 AS p95
FROM crmscope.arrivals WHERE stored_at >= now() - {seconds:UInt32}
GROUP BY t ORDER BY t WITH FILL STEP {rounding:UInt32} INTERPOLATE (median AS nan, p95 AS nan)
$query$),
('crmscope', 'Dead letters [by why nobody could read them]', $query$
SELECT toStartOfInterval(received_at, toIntervalSecond({rounding:UInt32}))::INT AS t, left(reason, 60) AS why, count() AS batches
FROM crmscope.dead_letters WHERE received_at >= now() - {seconds:UInt32}
GROUP BY t, why ORDER BY t
$query$)
);
