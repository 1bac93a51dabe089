-- Question: how did one host fare over time?
-- Reads single ticks below 60 s a step (kept 7 days), minutes below an hour (kept 90 days), hours from there on
-- (kept 800 days). Steps without data have no row.
-- Parameters:
--   agent String: the agent's id
--   from DateTime('UTC'), to DateTime('UTC'): the range, `to` excluded; default the last hour
--   step_seconds UInt32: length of a step; default 60
-- Columns:
--   t: start of the step
--   cpu_*_ratio: share of all cores' time, 0 to 1; busy is all but idle and iowait
--   load1: load average over 1 minute, mean of the step
--   memory_used_ratio, swap_used_ratio: 0 to 1; NULL without swap
--   memory_available_bytes: lowest of the step
--   major_page_faults_per_second, context_switches_per_second
--   disk_*_bytes_per_second: all devices together; disk_busy_ratio: the busiest device
--   network_*_bytes_per_second: all interfaces but lo; network_faults_per_second: errors and drops
--   covered_ratio: how much of the step the host's rows cover, 0 to 1
WITH
host AS (
    SELECT ts AS at, interval_ms, 1 AS ticks, cpu_user_us + cpu_nice_us AS user_us, cpu_system_us + cpu_irq_us + cpu_softirq_us AS system_us,
        cpu_iowait_us AS iowait_us, cpu_steal_us AS steal_us, cpu_idle_us AS idle_us, load1_x100 AS load, mem_available_bytes AS available_low,
        mem_available_bytes AS available, mem_total_bytes AS total, swap_free_bytes AS swap_free, swap_total_bytes AS swap_total,
        major_page_faults AS faults, context_switches AS switches
    FROM crmscope.host_raw
    WHERE {step_seconds:UInt32} < 60 AND agent_id = {agent:String} AND ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')}
    UNION ALL
    SELECT t, interval_ms, ticks, cpu_user_us + cpu_nice_us, cpu_system_us + cpu_irq_us + cpu_softirq_us,
        cpu_iowait_us, cpu_steal_us, cpu_idle_us, load1_x100_sum, mem_available_bytes_min,
        mem_available_bytes_sum, mem_total_bytes_sum, swap_free_bytes_sum, swap_total_bytes_sum,
        major_page_faults, context_switches
    FROM crmscope.host_1m
    WHERE {step_seconds:UInt32} >= 60 AND {step_seconds:UInt32} < 3600 AND agent_id = {agent:String} AND t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')}
    UNION ALL
    SELECT t, interval_ms, ticks, cpu_user_us + cpu_nice_us, cpu_system_us + cpu_irq_us + cpu_softirq_us,
        cpu_iowait_us, cpu_steal_us, cpu_idle_us, load1_x100_sum, mem_available_bytes_min,
        mem_available_bytes_sum, mem_total_bytes_sum, swap_free_bytes_sum, swap_total_bytes_sum,
        major_page_faults, context_switches
    FROM crmscope.host_1h
    WHERE {step_seconds:UInt32} >= 3600 AND agent_id = {agent:String} AND t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')}
),
host_steps AS (
    SELECT toStartOfInterval(toDateTime(at, 'UTC'), toIntervalSecond({step_seconds:UInt32})) AS t,
        sum(user_us + system_us + iowait_us + steal_us + idle_us) AS cpu_us,
        sum(user_us) / nullIf(cpu_us, 0) AS cpu_user_ratio,
        sum(system_us) / nullIf(cpu_us, 0) AS cpu_system_ratio,
        sum(iowait_us) / nullIf(cpu_us, 0) AS cpu_iowait_ratio,
        sum(steal_us) / nullIf(cpu_us, 0) AS cpu_steal_ratio,
        sum(user_us + system_us + steal_us) / nullIf(cpu_us, 0) AS cpu_busy_ratio,
        sum(load) / 100 / sum(ticks) AS load1,
        1 - sum(available) / nullIf(sum(total), 0) AS memory_used_ratio,
        min(available_low) AS memory_available_bytes,
        1 - sum(swap_free) / nullIf(sum(swap_total), 0) AS swap_used_ratio,
        1000 * sum(faults) / nullIf(sum(interval_ms), 0) AS major_page_faults_per_second,
        1000 * sum(switches) / nullIf(sum(interval_ms), 0) AS context_switches_per_second,
        least(1, sum(interval_ms) / 1000 / {step_seconds:UInt32}) AS covered_ratio
    FROM host GROUP BY t
),
disk AS (
    SELECT ts AS at, device, interval_ms, read_bytes, write_bytes, io_time_us FROM crmscope.disk_raw
    WHERE {step_seconds:UInt32} < 60 AND agent_id = {agent:String} AND ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')}
    UNION ALL
    SELECT t, device, interval_ms, read_bytes, write_bytes, io_time_us FROM crmscope.disk_1m
    WHERE {step_seconds:UInt32} >= 60 AND {step_seconds:UInt32} < 3600 AND agent_id = {agent:String} AND t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')}
    UNION ALL
    SELECT t, device, interval_ms, read_bytes, write_bytes, io_time_us FROM crmscope.disk_1h
    WHERE {step_seconds:UInt32} >= 3600 AND agent_id = {agent:String} AND t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')}
),
-- Each device by the time its own rows cover, then together: a device may come or go within a step.
disk_steps AS (
    SELECT t, sum(read_rate) AS disk_read_bytes_per_second, sum(write_rate) AS disk_write_bytes_per_second, max(busy) AS disk_busy_ratio
    FROM (
        SELECT toStartOfInterval(toDateTime(at, 'UTC'), toIntervalSecond({step_seconds:UInt32})) AS t, device,
            1000 * sum(read_bytes) / nullIf(sum(interval_ms), 0) AS read_rate,
            1000 * sum(write_bytes) / nullIf(sum(interval_ms), 0) AS write_rate,
            sum(io_time_us) / 1000 / nullIf(sum(interval_ms), 0) AS busy
        FROM disk GROUP BY t, device
    ) GROUP BY t
),
network AS (
    SELECT ts AS at, interface, interval_ms, receive_bytes, transmit_bytes, receive_errors + receive_drops + transmit_errors + transmit_drops AS faults
    FROM crmscope.interface_raw
    WHERE {step_seconds:UInt32} < 60 AND agent_id = {agent:String} AND interface != 'lo' AND ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')}
    UNION ALL
    SELECT t, interface, interval_ms, receive_bytes, transmit_bytes, receive_errors + receive_drops + transmit_errors + transmit_drops
    FROM crmscope.interface_1m
    WHERE {step_seconds:UInt32} >= 60 AND {step_seconds:UInt32} < 3600 AND agent_id = {agent:String} AND interface != 'lo' AND t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')}
    UNION ALL
    SELECT t, interface, interval_ms, receive_bytes, transmit_bytes, receive_errors + receive_drops + transmit_errors + transmit_drops
    FROM crmscope.interface_1h
    WHERE {step_seconds:UInt32} >= 3600 AND agent_id = {agent:String} AND interface != 'lo' AND t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')}
),
network_steps AS (
    SELECT t, sum(receive_rate) AS network_receive_bytes_per_second, sum(transmit_rate) AS network_transmit_bytes_per_second,
        sum(fault_rate) AS network_faults_per_second
    FROM (
        SELECT toStartOfInterval(toDateTime(at, 'UTC'), toIntervalSecond({step_seconds:UInt32})) AS t, interface,
            1000 * sum(receive_bytes) / nullIf(sum(interval_ms), 0) AS receive_rate,
            1000 * sum(transmit_bytes) / nullIf(sum(interval_ms), 0) AS transmit_rate,
            1000 * sum(faults) / nullIf(sum(interval_ms), 0) AS fault_rate
        FROM network GROUP BY t, interface
    ) GROUP BY t
)
SELECT h.t AS t, cpu_user_ratio, cpu_system_ratio, cpu_iowait_ratio, cpu_steal_ratio, cpu_busy_ratio, load1,
    memory_used_ratio, memory_available_bytes, swap_used_ratio, major_page_faults_per_second, context_switches_per_second,
    disk_read_bytes_per_second, disk_write_bytes_per_second, disk_busy_ratio,
    network_receive_bytes_per_second, network_transmit_bytes_per_second, network_faults_per_second,
    covered_ratio
FROM host_steps AS h
LEFT JOIN disk_steps AS d ON d.t = h.t
LEFT JOIN network_steps AS n ON n.t = h.t
ORDER BY t
SETTINGS join_use_nulls = 1
