-- Hours and days of host_1m, each made from the level below as its rows are inserted, so that the
-- cost of a level falls with its resolution. AS copies columns and codecs; days are kept.
CREATE TABLE IF NOT EXISTS crmscope.host_1h AS crmscope.host_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (agent_id, t)
TTL t + INTERVAL 800 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.host_1h_view TO crmscope.host_1h AS
SELECT
    r.agent_id AS agent_id,
    toStartOfHour(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    sum(r.cpu_user_us) AS cpu_user_us,
    sum(r.cpu_nice_us) AS cpu_nice_us,
    sum(r.cpu_system_us) AS cpu_system_us,
    sum(r.cpu_idle_us) AS cpu_idle_us,
    sum(r.cpu_iowait_us) AS cpu_iowait_us,
    sum(r.cpu_irq_us) AS cpu_irq_us,
    sum(r.cpu_softirq_us) AS cpu_softirq_us,
    sum(r.cpu_steal_us) AS cpu_steal_us,
    min(r.cpu_count_min) AS cpu_count_min, max(r.cpu_count_max) AS cpu_count_max, sum(r.cpu_count_sum) AS cpu_count_sum,
    sum(r.context_switches) AS context_switches,
    sum(r.interrupts) AS interrupts,
    sum(r.forks) AS forks,
    min(r.tasks_running_min) AS tasks_running_min, max(r.tasks_running_max) AS tasks_running_max, sum(r.tasks_running_sum) AS tasks_running_sum,
    min(r.tasks_blocked_min) AS tasks_blocked_min, max(r.tasks_blocked_max) AS tasks_blocked_max, sum(r.tasks_blocked_sum) AS tasks_blocked_sum,
    min(r.tasks_min) AS tasks_min, max(r.tasks_max) AS tasks_max, sum(r.tasks_sum) AS tasks_sum,
    min(r.load1_x100_min) AS load1_x100_min, max(r.load1_x100_max) AS load1_x100_max, sum(r.load1_x100_sum) AS load1_x100_sum,
    min(r.load5_x100_min) AS load5_x100_min, max(r.load5_x100_max) AS load5_x100_max, sum(r.load5_x100_sum) AS load5_x100_sum,
    min(r.load15_x100_min) AS load15_x100_min, max(r.load15_x100_max) AS load15_x100_max, sum(r.load15_x100_sum) AS load15_x100_sum,
    min(r.mem_total_bytes_min) AS mem_total_bytes_min, max(r.mem_total_bytes_max) AS mem_total_bytes_max, sum(r.mem_total_bytes_sum) AS mem_total_bytes_sum,
    min(r.mem_free_bytes_min) AS mem_free_bytes_min, max(r.mem_free_bytes_max) AS mem_free_bytes_max, sum(r.mem_free_bytes_sum) AS mem_free_bytes_sum,
    min(r.mem_available_bytes_min) AS mem_available_bytes_min, max(r.mem_available_bytes_max) AS mem_available_bytes_max, sum(r.mem_available_bytes_sum) AS mem_available_bytes_sum,
    min(r.mem_buffers_bytes_min) AS mem_buffers_bytes_min, max(r.mem_buffers_bytes_max) AS mem_buffers_bytes_max, sum(r.mem_buffers_bytes_sum) AS mem_buffers_bytes_sum,
    min(r.mem_cached_bytes_min) AS mem_cached_bytes_min, max(r.mem_cached_bytes_max) AS mem_cached_bytes_max, sum(r.mem_cached_bytes_sum) AS mem_cached_bytes_sum,
    min(r.mem_shared_bytes_min) AS mem_shared_bytes_min, max(r.mem_shared_bytes_max) AS mem_shared_bytes_max, sum(r.mem_shared_bytes_sum) AS mem_shared_bytes_sum,
    min(r.mem_slab_bytes_min) AS mem_slab_bytes_min, max(r.mem_slab_bytes_max) AS mem_slab_bytes_max, sum(r.mem_slab_bytes_sum) AS mem_slab_bytes_sum,
    min(r.mem_dirty_bytes_min) AS mem_dirty_bytes_min, max(r.mem_dirty_bytes_max) AS mem_dirty_bytes_max, sum(r.mem_dirty_bytes_sum) AS mem_dirty_bytes_sum,
    min(r.mem_committed_bytes_min) AS mem_committed_bytes_min, max(r.mem_committed_bytes_max) AS mem_committed_bytes_max, sum(r.mem_committed_bytes_sum) AS mem_committed_bytes_sum,
    min(r.swap_total_bytes_min) AS swap_total_bytes_min, max(r.swap_total_bytes_max) AS swap_total_bytes_max, sum(r.swap_total_bytes_sum) AS swap_total_bytes_sum,
    min(r.swap_free_bytes_min) AS swap_free_bytes_min, max(r.swap_free_bytes_max) AS swap_free_bytes_max, sum(r.swap_free_bytes_sum) AS swap_free_bytes_sum,
    sum(r.swap_in_pages) AS swap_in_pages,
    sum(r.swap_out_pages) AS swap_out_pages,
    sum(r.page_faults) AS page_faults,
    sum(r.major_page_faults) AS major_page_faults,
    sum(r.oom_kills) AS oom_kills,
    min(r.file_descriptors_used_min) AS file_descriptors_used_min, max(r.file_descriptors_used_max) AS file_descriptors_used_max, sum(r.file_descriptors_used_sum) AS file_descriptors_used_sum,
    min(r.file_descriptors_max_min) AS file_descriptors_max_min, max(r.file_descriptors_max_max) AS file_descriptors_max_max, sum(r.file_descriptors_max_sum) AS file_descriptors_max_sum,
    min(r.processes_min) AS processes_min, max(r.processes_max) AS processes_max, sum(r.processes_sum) AS processes_sum, sum(r.processes_ticks) AS processes_ticks,
    min(r.uptime_ms_min) AS uptime_ms_min, max(r.uptime_ms_max) AS uptime_ms_max, sum(r.uptime_ms_sum) AS uptime_ms_sum,
    sum(r.pressure_cpu_some_us) AS pressure_cpu_some_us,
    sum(r.pressure_memory_some_us) AS pressure_memory_some_us,
    sum(r.pressure_memory_full_us) AS pressure_memory_full_us,
    sum(r.pressure_io_some_us) AS pressure_io_some_us,
    sum(r.pressure_io_full_us) AS pressure_io_full_us,
    min(r.cgroup_memory_max_bytes_min) AS cgroup_memory_max_bytes_min, max(r.cgroup_memory_max_bytes_max) AS cgroup_memory_max_bytes_max, sum(r.cgroup_memory_max_bytes_sum) AS cgroup_memory_max_bytes_sum, sum(r.cgroup_memory_max_bytes_ticks) AS cgroup_memory_max_bytes_ticks,
    min(r.cgroup_memory_used_bytes_min) AS cgroup_memory_used_bytes_min, max(r.cgroup_memory_used_bytes_max) AS cgroup_memory_used_bytes_max, sum(r.cgroup_memory_used_bytes_sum) AS cgroup_memory_used_bytes_sum, sum(r.cgroup_memory_used_bytes_ticks) AS cgroup_memory_used_bytes_ticks,
    min(r.cgroup_cpu_max_us_min) AS cgroup_cpu_max_us_min, max(r.cgroup_cpu_max_us_max) AS cgroup_cpu_max_us_max, sum(r.cgroup_cpu_max_us_sum) AS cgroup_cpu_max_us_sum, sum(r.cgroup_cpu_max_us_ticks) AS cgroup_cpu_max_us_ticks,
    sum(r.cgroup_throttled_us) AS cgroup_throttled_us
FROM crmscope.host_1m AS r
GROUP BY agent_id, t;

CREATE TABLE IF NOT EXISTS crmscope.host_1d AS crmscope.host_1m
ENGINE = AggregatingMergeTree
PARTITION BY toYear(t)
ORDER BY (agent_id, t)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS crmscope.host_1d_view TO crmscope.host_1d AS
SELECT
    r.agent_id AS agent_id,
    toStartOfDay(r.t) AS t,
    sum(r.ticks) AS ticks,
    sum(r.interval_ms) AS interval_ms,
    max(r.last_ts) AS last_ts,
    sum(r.cpu_user_us) AS cpu_user_us,
    sum(r.cpu_nice_us) AS cpu_nice_us,
    sum(r.cpu_system_us) AS cpu_system_us,
    sum(r.cpu_idle_us) AS cpu_idle_us,
    sum(r.cpu_iowait_us) AS cpu_iowait_us,
    sum(r.cpu_irq_us) AS cpu_irq_us,
    sum(r.cpu_softirq_us) AS cpu_softirq_us,
    sum(r.cpu_steal_us) AS cpu_steal_us,
    min(r.cpu_count_min) AS cpu_count_min, max(r.cpu_count_max) AS cpu_count_max, sum(r.cpu_count_sum) AS cpu_count_sum,
    sum(r.context_switches) AS context_switches,
    sum(r.interrupts) AS interrupts,
    sum(r.forks) AS forks,
    min(r.tasks_running_min) AS tasks_running_min, max(r.tasks_running_max) AS tasks_running_max, sum(r.tasks_running_sum) AS tasks_running_sum,
    min(r.tasks_blocked_min) AS tasks_blocked_min, max(r.tasks_blocked_max) AS tasks_blocked_max, sum(r.tasks_blocked_sum) AS tasks_blocked_sum,
    min(r.tasks_min) AS tasks_min, max(r.tasks_max) AS tasks_max, sum(r.tasks_sum) AS tasks_sum,
    min(r.load1_x100_min) AS load1_x100_min, max(r.load1_x100_max) AS load1_x100_max, sum(r.load1_x100_sum) AS load1_x100_sum,
    min(r.load5_x100_min) AS load5_x100_min, max(r.load5_x100_max) AS load5_x100_max, sum(r.load5_x100_sum) AS load5_x100_sum,
    min(r.load15_x100_min) AS load15_x100_min, max(r.load15_x100_max) AS load15_x100_max, sum(r.load15_x100_sum) AS load15_x100_sum,
    min(r.mem_total_bytes_min) AS mem_total_bytes_min, max(r.mem_total_bytes_max) AS mem_total_bytes_max, sum(r.mem_total_bytes_sum) AS mem_total_bytes_sum,
    min(r.mem_free_bytes_min) AS mem_free_bytes_min, max(r.mem_free_bytes_max) AS mem_free_bytes_max, sum(r.mem_free_bytes_sum) AS mem_free_bytes_sum,
    min(r.mem_available_bytes_min) AS mem_available_bytes_min, max(r.mem_available_bytes_max) AS mem_available_bytes_max, sum(r.mem_available_bytes_sum) AS mem_available_bytes_sum,
    min(r.mem_buffers_bytes_min) AS mem_buffers_bytes_min, max(r.mem_buffers_bytes_max) AS mem_buffers_bytes_max, sum(r.mem_buffers_bytes_sum) AS mem_buffers_bytes_sum,
    min(r.mem_cached_bytes_min) AS mem_cached_bytes_min, max(r.mem_cached_bytes_max) AS mem_cached_bytes_max, sum(r.mem_cached_bytes_sum) AS mem_cached_bytes_sum,
    min(r.mem_shared_bytes_min) AS mem_shared_bytes_min, max(r.mem_shared_bytes_max) AS mem_shared_bytes_max, sum(r.mem_shared_bytes_sum) AS mem_shared_bytes_sum,
    min(r.mem_slab_bytes_min) AS mem_slab_bytes_min, max(r.mem_slab_bytes_max) AS mem_slab_bytes_max, sum(r.mem_slab_bytes_sum) AS mem_slab_bytes_sum,
    min(r.mem_dirty_bytes_min) AS mem_dirty_bytes_min, max(r.mem_dirty_bytes_max) AS mem_dirty_bytes_max, sum(r.mem_dirty_bytes_sum) AS mem_dirty_bytes_sum,
    min(r.mem_committed_bytes_min) AS mem_committed_bytes_min, max(r.mem_committed_bytes_max) AS mem_committed_bytes_max, sum(r.mem_committed_bytes_sum) AS mem_committed_bytes_sum,
    min(r.swap_total_bytes_min) AS swap_total_bytes_min, max(r.swap_total_bytes_max) AS swap_total_bytes_max, sum(r.swap_total_bytes_sum) AS swap_total_bytes_sum,
    min(r.swap_free_bytes_min) AS swap_free_bytes_min, max(r.swap_free_bytes_max) AS swap_free_bytes_max, sum(r.swap_free_bytes_sum) AS swap_free_bytes_sum,
    sum(r.swap_in_pages) AS swap_in_pages,
    sum(r.swap_out_pages) AS swap_out_pages,
    sum(r.page_faults) AS page_faults,
    sum(r.major_page_faults) AS major_page_faults,
    sum(r.oom_kills) AS oom_kills,
    min(r.file_descriptors_used_min) AS file_descriptors_used_min, max(r.file_descriptors_used_max) AS file_descriptors_used_max, sum(r.file_descriptors_used_sum) AS file_descriptors_used_sum,
    min(r.file_descriptors_max_min) AS file_descriptors_max_min, max(r.file_descriptors_max_max) AS file_descriptors_max_max, sum(r.file_descriptors_max_sum) AS file_descriptors_max_sum,
    min(r.processes_min) AS processes_min, max(r.processes_max) AS processes_max, sum(r.processes_sum) AS processes_sum, sum(r.processes_ticks) AS processes_ticks,
    min(r.uptime_ms_min) AS uptime_ms_min, max(r.uptime_ms_max) AS uptime_ms_max, sum(r.uptime_ms_sum) AS uptime_ms_sum,
    sum(r.pressure_cpu_some_us) AS pressure_cpu_some_us,
    sum(r.pressure_memory_some_us) AS pressure_memory_some_us,
    sum(r.pressure_memory_full_us) AS pressure_memory_full_us,
    sum(r.pressure_io_some_us) AS pressure_io_some_us,
    sum(r.pressure_io_full_us) AS pressure_io_full_us,
    min(r.cgroup_memory_max_bytes_min) AS cgroup_memory_max_bytes_min, max(r.cgroup_memory_max_bytes_max) AS cgroup_memory_max_bytes_max, sum(r.cgroup_memory_max_bytes_sum) AS cgroup_memory_max_bytes_sum, sum(r.cgroup_memory_max_bytes_ticks) AS cgroup_memory_max_bytes_ticks,
    min(r.cgroup_memory_used_bytes_min) AS cgroup_memory_used_bytes_min, max(r.cgroup_memory_used_bytes_max) AS cgroup_memory_used_bytes_max, sum(r.cgroup_memory_used_bytes_sum) AS cgroup_memory_used_bytes_sum, sum(r.cgroup_memory_used_bytes_ticks) AS cgroup_memory_used_bytes_ticks,
    min(r.cgroup_cpu_max_us_min) AS cgroup_cpu_max_us_min, max(r.cgroup_cpu_max_us_max) AS cgroup_cpu_max_us_max, sum(r.cgroup_cpu_max_us_sum) AS cgroup_cpu_max_us_sum, sum(r.cgroup_cpu_max_us_ticks) AS cgroup_cpu_max_us_ticks,
    sum(r.cgroup_throttled_us) AS cgroup_throttled_us
FROM crmscope.host_1h AS r
GROUP BY agent_id, t;
