-- Question: how loaded is the fleet, and its worst twentieth, minute by minute?
-- Parameters:
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded; default the last hour
-- Columns:
--   t: minute; hosts: hosts that reported in it
--   cpu_busy_ratio_p50, cpu_busy_ratio_p95, memory_used_ratio_p95: over hosts, 0 to 1
--   load1_per_cpu_p95: 1-minute load divided by cores, over hosts
--   disk_busy_ratio_p95: over devices, 0 to 1; NULL where none reported
WITH
host AS (
    SELECT t, agent_id,
        1 - sum(cpu_idle_us + cpu_iowait_us)
            / nullIf(sum(cpu_user_us + cpu_nice_us + cpu_system_us + cpu_idle_us + cpu_iowait_us + cpu_irq_us + cpu_softirq_us + cpu_steal_us), 0) AS busy,
        1 - sum(mem_available_bytes_sum) / nullIf(sum(mem_total_bytes_sum), 0) AS used,
        sum(load1_x100_sum) / 100 / nullIf(sum(cpu_count_sum), 0) AS load
    FROM crmscope.host_1m
    WHERE t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')}
    GROUP BY t, agent_id
),
disk AS (
    SELECT t, quantileExact(0.95)(busy) AS disk_busy_ratio_p95
    FROM (
        SELECT t, agent_id, device, sum(io_time_us) / 1000 / nullIf(sum(interval_ms), 0) AS busy
        FROM crmscope.disk_1m
        WHERE t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')}
        GROUP BY t, agent_id, device
    ) GROUP BY t
)
SELECT h.t AS t, count() AS hosts,
    quantileExact(0.5)(busy) AS cpu_busy_ratio_p50,
    quantileExact(0.95)(busy) AS cpu_busy_ratio_p95,
    quantileExact(0.95)(used) AS memory_used_ratio_p95,
    quantileExact(0.95)(load) AS load1_per_cpu_p95,
    any(d.disk_busy_ratio_p95) AS disk_busy_ratio_p95
FROM host AS h
LEFT JOIN disk AS d ON d.t = h.t
GROUP BY t
ORDER BY t
SETTINGS join_use_nulls = 1
