-- Question: how is every host right now, and how old is what is known?
-- Every agent that ever connected has its row. NULL means that nothing is known: silence is never
-- green. Zero failed logins are claimed only of an agent whose security source ran in the window and
-- never failed, zero drops only of one that was heard in it.
-- Parameters:
--   seconds UInt32: how far the window reaches back; default 300, at most 7 days
-- Columns:
--   agent_id, hostname, agent_version; connected_at: last hello
--   heartbeat_age_seconds, data_age_seconds: since the newest beat, and the newest host row, ever
--   cpu_busy_ratio, memory_used_ratio: 0 to 1, mean of the window and newest
--   load1: newest
--   requests_per_second, error_ratio (status class 5, 0 to 1), latency_p95_us (µs, within 1 %)
--   failed_logins: count; dropped_items: rows, lines and events that were dropped or are rejected
WITH
now64(3, 'UTC') AS now_ts,
now_ts - toIntervalSecond({seconds:UInt32}) AS from_ts,
-- The daily tables are small and are as fresh as the raw ones, since views run with the insert.
beat AS (SELECT agent_id, max(last_ts) AS beat_ts FROM crmscope.presence_1d GROUP BY agent_id),
data AS (SELECT agent_id, max(last_ts) AS data_ts FROM crmscope.host_1d GROUP BY agent_id),
host AS (
    SELECT agent_id,
        1 - sum(cpu_idle_us + cpu_iowait_us)
            / nullIf(sum(cpu_user_us + cpu_nice_us + cpu_system_us + cpu_idle_us + cpu_iowait_us + cpu_irq_us + cpu_softirq_us + cpu_steal_us), 0) AS cpu_busy_ratio,
        1 - argMax(mem_available_bytes, ts) / nullIf(argMax(mem_total_bytes, ts), 0) AS memory_used_ratio,
        argMax(load1_x100, ts) / 100 AS load1
    FROM crmscope.host_raw WHERE ts >= from_ts GROUP BY agent_id
),
request AS (
    SELECT agent_id, sum(requests) AS total,
        sum(requests) / {seconds:UInt32} AS requests_per_second,
        sumIf(requests, status_class = 5) / nullIf(total, 0) AS error_ratio,
        crmscope_quantile(sumMap(latency), 0.95) AS latency_p95_us
    FROM crmscope.requests_raw WHERE bucket_start >= toDateTime(from_ts, 'UTC') GROUP BY agent_id
),
login AS (
    SELECT agent_id, sum(count) AS failed_logins
    FROM crmscope.security_events
    WHERE toStartOfHour(ts) >= toStartOfHour(from_ts) AND ts >= from_ts AND kind IN ('ssh_login', 'app_login', 'sudo_password') AND status_id = 2
    GROUP BY agent_id
),
watch AS (
    SELECT agent_id, sum(runs) > 0 AND sum(failures) + sum(timeouts) = 0 AS is_watching
    FROM crmscope.source_raw WHERE ts >= from_ts AND source = 'security' GROUP BY agent_id
),
lost AS (
    SELECT agent_id, sumIf(items, disposition IN ('dropped', 'rejected')) AS dropped_items
    FROM crmscope.ledger WHERE received_at >= from_ts GROUP BY agent_id
)
SELECT a.agent_id AS agent_id, a.hostname AS hostname, a.agent_version AS agent_version, a.connected_at AS connected_at,
    -- An agent whose clock is ahead is not younger than now. Not greatest(0, …), which skips NULL and
    -- would make an agent that was never heard look fresh.
    if(beat_ts > now_ts, 0, dateDiff('millisecond', beat_ts, now_ts)) / 1000 AS heartbeat_age_seconds,
    if(data_ts > now_ts, 0, dateDiff('millisecond', data_ts, now_ts)) / 1000 AS data_age_seconds,
    cpu_busy_ratio, memory_used_ratio, load1, requests_per_second, error_ratio, latency_p95_us,
    coalesce(login.failed_logins, if(watch.is_watching, 0, NULL)) AS failed_logins,
    coalesce(lost.dropped_items, if(beat_ts >= from_ts, 0, NULL)) AS dropped_items
FROM (SELECT * FROM crmscope.agents FINAL) AS a
LEFT JOIN beat ON beat.agent_id = a.agent_id
LEFT JOIN data ON data.agent_id = a.agent_id
LEFT JOIN host ON host.agent_id = a.agent_id
LEFT JOIN request ON request.agent_id = a.agent_id
LEFT JOIN login ON login.agent_id = a.agent_id
LEFT JOIN watch ON watch.agent_id = a.agent_id
LEFT JOIN lost ON lost.agent_id = a.agent_id
ORDER BY agent_id
SETTINGS join_use_nulls = 1
