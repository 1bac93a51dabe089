-- Series of the host as a whole, one row per tick: the columns of SeriesKind in proto/src/catalog.rs, in its
-- order (a test in collector/src/schema compares them). Increments are small and close to each
-- other, which T64 packs; gauges move slowly, which Delta packs. A day is a partition, so that the
-- TTL drops whole parts and never rewrites one.
CREATE TABLE IF NOT EXISTS crmscope.host_raw (
    agent_id                 LowCardinality(String) CODEC(ZSTD(1)),
    ts                       DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    interval_ms              UInt32 CODEC(T64, ZSTD(1)),
    cpu_user_us              UInt64 CODEC(T64, ZSTD(1)),
    cpu_nice_us              UInt64 CODEC(T64, ZSTD(1)),
    cpu_system_us            UInt64 CODEC(T64, ZSTD(1)),
    cpu_idle_us              UInt64 CODEC(T64, ZSTD(1)),
    cpu_iowait_us            UInt64 CODEC(T64, ZSTD(1)),
    cpu_irq_us               UInt64 CODEC(T64, ZSTD(1)),
    cpu_softirq_us           UInt64 CODEC(T64, ZSTD(1)),
    cpu_steal_us             UInt64 CODEC(T64, ZSTD(1)),
    cpu_count                UInt64 CODEC(Delta, ZSTD(1)),
    context_switches         UInt64 CODEC(T64, ZSTD(1)),
    interrupts               UInt64 CODEC(T64, ZSTD(1)),
    forks                    UInt64 CODEC(T64, ZSTD(1)),
    tasks_running            UInt64 CODEC(Delta, ZSTD(1)),
    tasks_blocked            UInt64 CODEC(Delta, ZSTD(1)),
    tasks                    UInt64 CODEC(Delta, ZSTD(1)),
    load1_x100               UInt64 CODEC(Delta, ZSTD(1)),
    load5_x100               UInt64 CODEC(Delta, ZSTD(1)),
    load15_x100              UInt64 CODEC(Delta, ZSTD(1)),
    mem_total_bytes          UInt64 CODEC(Delta, ZSTD(1)),
    mem_free_bytes           UInt64 CODEC(Delta, ZSTD(1)),
    mem_available_bytes      UInt64 CODEC(Delta, ZSTD(1)),
    mem_buffers_bytes        UInt64 CODEC(Delta, ZSTD(1)),
    mem_cached_bytes         UInt64 CODEC(Delta, ZSTD(1)),
    mem_shared_bytes         UInt64 CODEC(Delta, ZSTD(1)),
    mem_slab_bytes           UInt64 CODEC(Delta, ZSTD(1)),
    mem_dirty_bytes          UInt64 CODEC(Delta, ZSTD(1)),
    mem_committed_bytes      UInt64 CODEC(Delta, ZSTD(1)),
    swap_total_bytes         UInt64 CODEC(Delta, ZSTD(1)),
    swap_free_bytes          UInt64 CODEC(Delta, ZSTD(1)),
    swap_in_pages            UInt64 CODEC(T64, ZSTD(1)),
    swap_out_pages           UInt64 CODEC(T64, ZSTD(1)),
    page_faults              UInt64 CODEC(T64, ZSTD(1)),
    major_page_faults        UInt64 CODEC(T64, ZSTD(1)),
    oom_kills                Nullable(UInt64) CODEC(T64, ZSTD(1)),
    file_descriptors_used    UInt64 CODEC(Delta, ZSTD(1)),
    file_descriptors_max     UInt64 CODEC(Delta, ZSTD(1)),
    processes                Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    uptime_ms                UInt64 CODEC(Delta, ZSTD(1)),
    pressure_cpu_some_us     Nullable(UInt64) CODEC(T64, ZSTD(1)),
    pressure_memory_some_us  Nullable(UInt64) CODEC(T64, ZSTD(1)),
    pressure_memory_full_us  Nullable(UInt64) CODEC(T64, ZSTD(1)),
    pressure_io_some_us      Nullable(UInt64) CODEC(T64, ZSTD(1)),
    pressure_io_full_us      Nullable(UInt64) CODEC(T64, ZSTD(1)),
    cgroup_memory_max_bytes  Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    cgroup_memory_used_bytes Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    cgroup_cpu_max_us        Nullable(UInt64) CODEC(Delta, ZSTD(1)),
    cgroup_throttled_us      Nullable(UInt64) CODEC(T64, ZSTD(1)),
    load1                    Float32 ALIAS load1_x100 / 100,
    load5                    Float32 ALIAS load5_x100 / 100,
    load15                   Float32 ALIAS load15_x100 / 100
)
ENGINE = MergeTree
PARTITION BY toDate(ts)
ORDER BY (agent_id, ts)
TTL toDateTime(ts) + INTERVAL 7 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
