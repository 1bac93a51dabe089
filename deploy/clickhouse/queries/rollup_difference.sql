-- Question: do the roll-ups say exactly what the raw rows say?
-- Recomputes every column of host_1m and requests_1m from the raw tables and returns what differs:
-- no row is the right answer. Later levels are made from these by the same sums.
-- Parameters:
--   agent String: one agent; default '', all of them
--   from DateTime('UTC'), to DateTime('UTC'): whole minutes, `to` excluded, within the 7 days for
--     which raw rows are kept; default the last hour
-- Columns:
--   table, agent_id, series (service, method, route and status class; '' for hosts), t: the row
--   column: which figure (latency_hash: a hash of all latency buckets)
--   rolled_up, recomputed: the two values; 0 where a side has no row
SELECT `table`, agent_id, series, t, column,
    sumIf(value, side = 'rolled_up') AS rolled_up,
    sumIf(value, side = 'recomputed') AS recomputed
FROM (
    SELECT 'host_1m' AS `table`, 'rolled_up' AS side, agent_id, '' AS series, t, arrayJoin([
        ('ticks', toUInt64(sum(ticks))),
        ('interval_ms', toUInt64(sum(interval_ms))),
        ('cpu_user_us', toUInt64(sum(cpu_user_us))),
        ('cpu_nice_us', toUInt64(sum(cpu_nice_us))),
        ('cpu_system_us', toUInt64(sum(cpu_system_us))),
        ('cpu_idle_us', toUInt64(sum(cpu_idle_us))),
        ('cpu_iowait_us', toUInt64(sum(cpu_iowait_us))),
        ('cpu_irq_us', toUInt64(sum(cpu_irq_us))),
        ('cpu_softirq_us', toUInt64(sum(cpu_softirq_us))),
        ('cpu_steal_us', toUInt64(sum(cpu_steal_us))),
        ('cpu_count_min', toUInt64(min(cpu_count_min))),
        ('cpu_count_max', toUInt64(max(cpu_count_max))),
        ('cpu_count_sum', toUInt64(sum(cpu_count_sum))),
        ('context_switches', toUInt64(sum(context_switches))),
        ('interrupts', toUInt64(sum(interrupts))),
        ('forks', toUInt64(sum(forks))),
        ('tasks_running_min', toUInt64(min(tasks_running_min))),
        ('tasks_running_max', toUInt64(max(tasks_running_max))),
        ('tasks_running_sum', toUInt64(sum(tasks_running_sum))),
        ('tasks_blocked_min', toUInt64(min(tasks_blocked_min))),
        ('tasks_blocked_max', toUInt64(max(tasks_blocked_max))),
        ('tasks_blocked_sum', toUInt64(sum(tasks_blocked_sum))),
        ('tasks_min', toUInt64(min(tasks_min))),
        ('tasks_max', toUInt64(max(tasks_max))),
        ('tasks_sum', toUInt64(sum(tasks_sum))),
        ('load1_x100_min', toUInt64(min(load1_x100_min))),
        ('load1_x100_max', toUInt64(max(load1_x100_max))),
        ('load1_x100_sum', toUInt64(sum(load1_x100_sum))),
        ('load5_x100_min', toUInt64(min(load5_x100_min))),
        ('load5_x100_max', toUInt64(max(load5_x100_max))),
        ('load5_x100_sum', toUInt64(sum(load5_x100_sum))),
        ('load15_x100_min', toUInt64(min(load15_x100_min))),
        ('load15_x100_max', toUInt64(max(load15_x100_max))),
        ('load15_x100_sum', toUInt64(sum(load15_x100_sum))),
        ('mem_total_bytes_min', toUInt64(min(mem_total_bytes_min))),
        ('mem_total_bytes_max', toUInt64(max(mem_total_bytes_max))),
        ('mem_total_bytes_sum', toUInt64(sum(mem_total_bytes_sum))),
        ('mem_free_bytes_min', toUInt64(min(mem_free_bytes_min))),
        ('mem_free_bytes_max', toUInt64(max(mem_free_bytes_max))),
        ('mem_free_bytes_sum', toUInt64(sum(mem_free_bytes_sum))),
        ('mem_available_bytes_min', toUInt64(min(mem_available_bytes_min))),
        ('mem_available_bytes_max', toUInt64(max(mem_available_bytes_max))),
        ('mem_available_bytes_sum', toUInt64(sum(mem_available_bytes_sum))),
        ('mem_buffers_bytes_min', toUInt64(min(mem_buffers_bytes_min))),
        ('mem_buffers_bytes_max', toUInt64(max(mem_buffers_bytes_max))),
        ('mem_buffers_bytes_sum', toUInt64(sum(mem_buffers_bytes_sum))),
        ('mem_cached_bytes_min', toUInt64(min(mem_cached_bytes_min))),
        ('mem_cached_bytes_max', toUInt64(max(mem_cached_bytes_max))),
        ('mem_cached_bytes_sum', toUInt64(sum(mem_cached_bytes_sum))),
        ('mem_shared_bytes_min', toUInt64(min(mem_shared_bytes_min))),
        ('mem_shared_bytes_max', toUInt64(max(mem_shared_bytes_max))),
        ('mem_shared_bytes_sum', toUInt64(sum(mem_shared_bytes_sum))),
        ('mem_slab_bytes_min', toUInt64(min(mem_slab_bytes_min))),
        ('mem_slab_bytes_max', toUInt64(max(mem_slab_bytes_max))),
        ('mem_slab_bytes_sum', toUInt64(sum(mem_slab_bytes_sum))),
        ('mem_dirty_bytes_min', toUInt64(min(mem_dirty_bytes_min))),
        ('mem_dirty_bytes_max', toUInt64(max(mem_dirty_bytes_max))),
        ('mem_dirty_bytes_sum', toUInt64(sum(mem_dirty_bytes_sum))),
        ('mem_committed_bytes_min', toUInt64(min(mem_committed_bytes_min))),
        ('mem_committed_bytes_max', toUInt64(max(mem_committed_bytes_max))),
        ('mem_committed_bytes_sum', toUInt64(sum(mem_committed_bytes_sum))),
        ('swap_total_bytes_min', toUInt64(min(swap_total_bytes_min))),
        ('swap_total_bytes_max', toUInt64(max(swap_total_bytes_max))),
        ('swap_total_bytes_sum', toUInt64(sum(swap_total_bytes_sum))),
        ('swap_free_bytes_min', toUInt64(min(swap_free_bytes_min))),
        ('swap_free_bytes_max', toUInt64(max(swap_free_bytes_max))),
        ('swap_free_bytes_sum', toUInt64(sum(swap_free_bytes_sum))),
        ('swap_in_pages', toUInt64(sum(swap_in_pages))),
        ('swap_out_pages', toUInt64(sum(swap_out_pages))),
        ('page_faults', toUInt64(sum(page_faults))),
        ('major_page_faults', toUInt64(sum(major_page_faults))),
        ('oom_kills', toUInt64(ifNull(sum(oom_kills), 0))),
        ('file_descriptors_used_min', toUInt64(min(file_descriptors_used_min))),
        ('file_descriptors_used_max', toUInt64(max(file_descriptors_used_max))),
        ('file_descriptors_used_sum', toUInt64(sum(file_descriptors_used_sum))),
        ('file_descriptors_max_min', toUInt64(min(file_descriptors_max_min))),
        ('file_descriptors_max_max', toUInt64(max(file_descriptors_max_max))),
        ('file_descriptors_max_sum', toUInt64(sum(file_descriptors_max_sum))),
        ('processes_min', toUInt64(ifNull(min(processes_min), 0))),
        ('processes_max', toUInt64(ifNull(max(processes_max), 0))),
        ('processes_sum', toUInt64(ifNull(sum(processes_sum), 0))),
        ('processes_ticks', toUInt64(sum(processes_ticks))),
        ('uptime_ms_min', toUInt64(min(uptime_ms_min))),
        ('uptime_ms_max', toUInt64(max(uptime_ms_max))),
        ('uptime_ms_sum', toUInt64(sum(uptime_ms_sum))),
        ('pressure_cpu_some_us', toUInt64(ifNull(sum(pressure_cpu_some_us), 0))),
        ('pressure_memory_some_us', toUInt64(ifNull(sum(pressure_memory_some_us), 0))),
        ('pressure_memory_full_us', toUInt64(ifNull(sum(pressure_memory_full_us), 0))),
        ('pressure_io_some_us', toUInt64(ifNull(sum(pressure_io_some_us), 0))),
        ('pressure_io_full_us', toUInt64(ifNull(sum(pressure_io_full_us), 0))),
        ('cgroup_memory_max_bytes_min', toUInt64(ifNull(min(cgroup_memory_max_bytes_min), 0))),
        ('cgroup_memory_max_bytes_max', toUInt64(ifNull(max(cgroup_memory_max_bytes_max), 0))),
        ('cgroup_memory_max_bytes_sum', toUInt64(ifNull(sum(cgroup_memory_max_bytes_sum), 0))),
        ('cgroup_memory_max_bytes_ticks', toUInt64(sum(cgroup_memory_max_bytes_ticks))),
        ('cgroup_memory_used_bytes_min', toUInt64(ifNull(min(cgroup_memory_used_bytes_min), 0))),
        ('cgroup_memory_used_bytes_max', toUInt64(ifNull(max(cgroup_memory_used_bytes_max), 0))),
        ('cgroup_memory_used_bytes_sum', toUInt64(ifNull(sum(cgroup_memory_used_bytes_sum), 0))),
        ('cgroup_memory_used_bytes_ticks', toUInt64(sum(cgroup_memory_used_bytes_ticks))),
        ('cgroup_cpu_max_us_min', toUInt64(ifNull(min(cgroup_cpu_max_us_min), 0))),
        ('cgroup_cpu_max_us_max', toUInt64(ifNull(max(cgroup_cpu_max_us_max), 0))),
        ('cgroup_cpu_max_us_sum', toUInt64(ifNull(sum(cgroup_cpu_max_us_sum), 0))),
        ('cgroup_cpu_max_us_ticks', toUInt64(sum(cgroup_cpu_max_us_ticks))),
        ('cgroup_throttled_us', toUInt64(ifNull(sum(cgroup_throttled_us), 0)))
    ]) AS figure, figure.1 AS column, figure.2 AS value
    FROM crmscope.host_1m
    WHERE t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    GROUP BY agent_id, t
    UNION ALL
    SELECT 'host_1m', 'recomputed', agent_id, '', toStartOfMinute(ts) AS t, arrayJoin([
        ('ticks', toUInt64(count())),
        ('interval_ms', toUInt64(sum(interval_ms))),
        ('cpu_user_us', toUInt64(sum(cpu_user_us))),
        ('cpu_nice_us', toUInt64(sum(cpu_nice_us))),
        ('cpu_system_us', toUInt64(sum(cpu_system_us))),
        ('cpu_idle_us', toUInt64(sum(cpu_idle_us))),
        ('cpu_iowait_us', toUInt64(sum(cpu_iowait_us))),
        ('cpu_irq_us', toUInt64(sum(cpu_irq_us))),
        ('cpu_softirq_us', toUInt64(sum(cpu_softirq_us))),
        ('cpu_steal_us', toUInt64(sum(cpu_steal_us))),
        ('cpu_count_min', toUInt64(min(cpu_count))),
        ('cpu_count_max', toUInt64(max(cpu_count))),
        ('cpu_count_sum', toUInt64(sum(cpu_count))),
        ('context_switches', toUInt64(sum(context_switches))),
        ('interrupts', toUInt64(sum(interrupts))),
        ('forks', toUInt64(sum(forks))),
        ('tasks_running_min', toUInt64(min(tasks_running))),
        ('tasks_running_max', toUInt64(max(tasks_running))),
        ('tasks_running_sum', toUInt64(sum(tasks_running))),
        ('tasks_blocked_min', toUInt64(min(tasks_blocked))),
        ('tasks_blocked_max', toUInt64(max(tasks_blocked))),
        ('tasks_blocked_sum', toUInt64(sum(tasks_blocked))),
        ('tasks_min', toUInt64(min(tasks))),
        ('tasks_max', toUInt64(max(tasks))),
        ('tasks_sum', toUInt64(sum(tasks))),
        ('load1_x100_min', toUInt64(min(load1_x100))),
        ('load1_x100_max', toUInt64(max(load1_x100))),
        ('load1_x100_sum', toUInt64(sum(load1_x100))),
        ('load5_x100_min', toUInt64(min(load5_x100))),
        ('load5_x100_max', toUInt64(max(load5_x100))),
        ('load5_x100_sum', toUInt64(sum(load5_x100))),
        ('load15_x100_min', toUInt64(min(load15_x100))),
        ('load15_x100_max', toUInt64(max(load15_x100))),
        ('load15_x100_sum', toUInt64(sum(load15_x100))),
        ('mem_total_bytes_min', toUInt64(min(mem_total_bytes))),
        ('mem_total_bytes_max', toUInt64(max(mem_total_bytes))),
        ('mem_total_bytes_sum', toUInt64(sum(mem_total_bytes))),
        ('mem_free_bytes_min', toUInt64(min(mem_free_bytes))),
        ('mem_free_bytes_max', toUInt64(max(mem_free_bytes))),
        ('mem_free_bytes_sum', toUInt64(sum(mem_free_bytes))),
        ('mem_available_bytes_min', toUInt64(min(mem_available_bytes))),
        ('mem_available_bytes_max', toUInt64(max(mem_available_bytes))),
        ('mem_available_bytes_sum', toUInt64(sum(mem_available_bytes))),
        ('mem_buffers_bytes_min', toUInt64(min(mem_buffers_bytes))),
        ('mem_buffers_bytes_max', toUInt64(max(mem_buffers_bytes))),
        ('mem_buffers_bytes_sum', toUInt64(sum(mem_buffers_bytes))),
        ('mem_cached_bytes_min', toUInt64(min(mem_cached_bytes))),
        ('mem_cached_bytes_max', toUInt64(max(mem_cached_bytes))),
        ('mem_cached_bytes_sum', toUInt64(sum(mem_cached_bytes))),
        ('mem_shared_bytes_min', toUInt64(min(mem_shared_bytes))),
        ('mem_shared_bytes_max', toUInt64(max(mem_shared_bytes))),
        ('mem_shared_bytes_sum', toUInt64(sum(mem_shared_bytes))),
        ('mem_slab_bytes_min', toUInt64(min(mem_slab_bytes))),
        ('mem_slab_bytes_max', toUInt64(max(mem_slab_bytes))),
        ('mem_slab_bytes_sum', toUInt64(sum(mem_slab_bytes))),
        ('mem_dirty_bytes_min', toUInt64(min(mem_dirty_bytes))),
        ('mem_dirty_bytes_max', toUInt64(max(mem_dirty_bytes))),
        ('mem_dirty_bytes_sum', toUInt64(sum(mem_dirty_bytes))),
        ('mem_committed_bytes_min', toUInt64(min(mem_committed_bytes))),
        ('mem_committed_bytes_max', toUInt64(max(mem_committed_bytes))),
        ('mem_committed_bytes_sum', toUInt64(sum(mem_committed_bytes))),
        ('swap_total_bytes_min', toUInt64(min(swap_total_bytes))),
        ('swap_total_bytes_max', toUInt64(max(swap_total_bytes))),
        ('swap_total_bytes_sum', toUInt64(sum(swap_total_bytes))),
        ('swap_free_bytes_min', toUInt64(min(swap_free_bytes))),
        ('swap_free_bytes_max', toUInt64(max(swap_free_bytes))),
        ('swap_free_bytes_sum', toUInt64(sum(swap_free_bytes))),
        ('swap_in_pages', toUInt64(sum(swap_in_pages))),
        ('swap_out_pages', toUInt64(sum(swap_out_pages))),
        ('page_faults', toUInt64(sum(page_faults))),
        ('major_page_faults', toUInt64(sum(major_page_faults))),
        ('oom_kills', toUInt64(ifNull(sum(oom_kills), 0))),
        ('file_descriptors_used_min', toUInt64(min(file_descriptors_used))),
        ('file_descriptors_used_max', toUInt64(max(file_descriptors_used))),
        ('file_descriptors_used_sum', toUInt64(sum(file_descriptors_used))),
        ('file_descriptors_max_min', toUInt64(min(file_descriptors_max))),
        ('file_descriptors_max_max', toUInt64(max(file_descriptors_max))),
        ('file_descriptors_max_sum', toUInt64(sum(file_descriptors_max))),
        ('processes_min', toUInt64(ifNull(min(processes), 0))),
        ('processes_max', toUInt64(ifNull(max(processes), 0))),
        ('processes_sum', toUInt64(ifNull(sum(processes), 0))),
        ('processes_ticks', toUInt64(count(processes))),
        ('uptime_ms_min', toUInt64(min(uptime_ms))),
        ('uptime_ms_max', toUInt64(max(uptime_ms))),
        ('uptime_ms_sum', toUInt64(sum(uptime_ms))),
        ('pressure_cpu_some_us', toUInt64(ifNull(sum(pressure_cpu_some_us), 0))),
        ('pressure_memory_some_us', toUInt64(ifNull(sum(pressure_memory_some_us), 0))),
        ('pressure_memory_full_us', toUInt64(ifNull(sum(pressure_memory_full_us), 0))),
        ('pressure_io_some_us', toUInt64(ifNull(sum(pressure_io_some_us), 0))),
        ('pressure_io_full_us', toUInt64(ifNull(sum(pressure_io_full_us), 0))),
        ('cgroup_memory_max_bytes_min', toUInt64(ifNull(min(cgroup_memory_max_bytes), 0))),
        ('cgroup_memory_max_bytes_max', toUInt64(ifNull(max(cgroup_memory_max_bytes), 0))),
        ('cgroup_memory_max_bytes_sum', toUInt64(ifNull(sum(cgroup_memory_max_bytes), 0))),
        ('cgroup_memory_max_bytes_ticks', toUInt64(count(cgroup_memory_max_bytes))),
        ('cgroup_memory_used_bytes_min', toUInt64(ifNull(min(cgroup_memory_used_bytes), 0))),
        ('cgroup_memory_used_bytes_max', toUInt64(ifNull(max(cgroup_memory_used_bytes), 0))),
        ('cgroup_memory_used_bytes_sum', toUInt64(ifNull(sum(cgroup_memory_used_bytes), 0))),
        ('cgroup_memory_used_bytes_ticks', toUInt64(count(cgroup_memory_used_bytes))),
        ('cgroup_cpu_max_us_min', toUInt64(ifNull(min(cgroup_cpu_max_us), 0))),
        ('cgroup_cpu_max_us_max', toUInt64(ifNull(max(cgroup_cpu_max_us), 0))),
        ('cgroup_cpu_max_us_sum', toUInt64(ifNull(sum(cgroup_cpu_max_us), 0))),
        ('cgroup_cpu_max_us_ticks', toUInt64(count(cgroup_cpu_max_us))),
        ('cgroup_throttled_us', toUInt64(ifNull(sum(cgroup_throttled_us), 0)))
    ]) AS figure, figure.1, figure.2
    FROM crmscope.host_raw
    WHERE ts >= {from:DateTime('UTC')} AND ts < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    GROUP BY agent_id, t
    UNION ALL
    SELECT 'requests_1m', 'rolled_up', agent_id, concat(service, ' ', method, ' ', route, ' ', toString(status_class)) AS series, t, arrayJoin([
        ('requests', toUInt64(sum(requests))),
        ('response_bytes', toUInt64(sum(response_bytes))),
        ('latency_count', toUInt64(sum(latency_count))),
        ('latency_sum_us', toUInt64(sum(latency_sum_us))),
        ('latency_max_us', toUInt64(max(latency_max_us))),
        ('latency_hash', toUInt64(cityHash64(mapSort(sumMap(latency))))),
        ('upstream_count', toUInt64(sum(upstream_count))),
        ('upstream_sum_us', toUInt64(sum(upstream_sum_us))),
        ('upstream_max_us', toUInt64(max(upstream_max_us))),
        ('upstream_hash', toUInt64(cityHash64(mapSort(sumMap(upstream)))))
    ]) AS figure, figure.1, figure.2
    FROM crmscope.requests_1m
    WHERE t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    GROUP BY agent_id, series, t
    UNION ALL
    SELECT 'requests_1m', 'recomputed', agent_id, concat(service, ' ', method, ' ', route, ' ', toString(status_class)) AS series,
        toStartOfMinute(bucket_start) AS t, arrayJoin([
        ('requests', toUInt64(sum(requests))),
        ('response_bytes', toUInt64(sum(response_bytes))),
        ('latency_count', toUInt64(sum(latency_count))),
        ('latency_sum_us', toUInt64(sum(latency_sum_us))),
        ('latency_max_us', toUInt64(max(latency_max_us))),
        ('latency_hash', toUInt64(cityHash64(mapSort(sumMap(latency))))),
        ('upstream_count', toUInt64(sum(upstream_count))),
        ('upstream_sum_us', toUInt64(sum(upstream_sum_us))),
        ('upstream_max_us', toUInt64(max(upstream_max_us))),
        ('upstream_hash', toUInt64(cityHash64(mapSort(sumMap(upstream)))))
    ]) AS figure, figure.1, figure.2
    FROM crmscope.requests_raw
    WHERE bucket_start >= {from:DateTime('UTC')} AND bucket_start < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    GROUP BY agent_id, series, t
    UNION ALL
    SELECT 'request_clients_1m', 'rolled_up', agent_id, concat(service, ' ', network) AS series, t, arrayJoin([
        ('requests', toUInt64(sum(requests))),
        ('client_errors', toUInt64(sum(client_errors))),
        ('server_errors', toUInt64(sum(server_errors))),
        ('response_bytes', toUInt64(sum(response_bytes))),
        ('in_other_max', toUInt64(sum(in_other_max)))
    ]) AS figure, figure.1, figure.2
    FROM crmscope.request_clients_1m
    WHERE t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    GROUP BY agent_id, series, t
    UNION ALL
    SELECT 'request_clients_1m', 'recomputed', agent_id, concat(service, ' ', network) AS series, toStartOfMinute(window_start) AS t, arrayJoin([
        ('requests', toUInt64(sum(requests))),
        ('client_errors', toUInt64(sum(client_errors))),
        ('server_errors', toUInt64(sum(server_errors))),
        ('response_bytes', toUInt64(sum(response_bytes))),
        ('in_other_max', toUInt64(sum(in_other_max)))
    ]) AS figure, figure.1, figure.2
    FROM crmscope.request_clients_raw
    WHERE window_start >= {from:DateTime('UTC')} AND window_start < {to:DateTime('UTC')} AND ({agent:String} = '' OR agent_id = {agent:String})
    GROUP BY agent_id, series, t
)
GROUP BY `table`, agent_id, series, t, column
HAVING rolled_up != recomputed
ORDER BY `table`, agent_id, series, t, column
