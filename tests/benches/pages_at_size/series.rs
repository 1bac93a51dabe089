//! What a platform of many hosts writes, as `INSERT … SELECT` from numbers.
//!
//! Owns the SQL. Each series says how many rows a host (or a service) has at a moment, and what is in them, out
//! of `a` (host), `item` (which of its rows), `i` (step), `h` (a hash of these three). Columns that no page reads keep their
//! defaults. Who runs it, with which steps, is [`super::fill`].

/// Of which hosts there are rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hosts {
    /// Of each.
    All,
    /// Of those that serve requests: a tenth.
    Apps,
    /// Of the first ones only: of tables that are read by the host's key alone, where others lie beside what is read.
    Few,
}

/// Length of a roll-up's step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Minute,
    Hour,
    Day,
}

const ALL: &[Level] = &[Level::Minute, Level::Hour, Level::Day];

/// A series of rows by time: a roll-up, or a table of readings.
pub(crate) struct Series {
    /// Table; of roll-ups without what follows.
    pub(crate) table: &'static str,
    /// Which roll-ups there are, or are filled here.
    pub(crate) levels: &'static [Level],
    pub(crate) hosts: Hosts,
    /// Rows of a host at a moment.
    pub(crate) items: u64,
    pub(crate) columns: &'static str,
    pub(crate) select: &'static str,
}

/// Roll-ups of hosts: `t`, `step` (s) are at hand. All hosts have hours and days.
pub(crate) const ROLLUPS: &[Series] = &[
    Series {
        table: "host",
        levels: ALL,
        hosts: Hosts::Few,
        items: 1,
        columns: "agent_id, t, ticks, interval_ms, last_ts, cpu_user_us, cpu_system_us, cpu_iowait_us, cpu_idle_us, cpu_count_sum, context_switches, load1_x100_sum, mem_total_bytes_sum, mem_available_bytes_min, mem_available_bytes_sum, swap_total_bytes_sum, swap_free_bytes_sum, major_page_faults",
        select: "agent, t, step, 1000 * step, t + step - 1, step * (h % 2000000), step * (h % 300000), step * (h % 50000), step * (4000000 - h % 2350000), 4 * step, step * (h % 9000), step * (h % 800), step * 16000000000, 2000000000 + h % 6000000000, step * (2000000000 + h % 6000000000), step * 4000000000, step * (4000000000 - h % 1000000), h % 3",
    },
    Series {
        table: "presence",
        levels: &[Level::Minute],
        hosts: Hosts::All,
        items: 1,
        columns: "agent_id, t, up, last_ts",
        select: "agent, t, if(h % 5000 = 0, 7, 63), t + 55",
    },
    Series {
        table: "source",
        levels: ALL,
        hosts: Hosts::All,
        items: 1,
        columns: "agent_id, source, t, ticks, interval_ms, last_ts, runs, failures, duration_us, items, unparsed, dropped",
        select: "agent, 'security', t, step / 5, 1000 * step, t + step - 1, step, h % 5000 = 0, step * (h % 400), step * (h % 9), h % 20000 = 0, h % 20000 = 0",
    },
    Series {
        table: "source",
        levels: ALL,
        hosts: Hosts::Apps,
        items: 1,
        columns: "agent_id, source, t, ticks, interval_ms, last_ts, runs, failures, duration_us, items, unparsed, dropped",
        select: "agent, 'requests', t, step / 5, 1000 * step, t + step - 1, step, 0, step * (h % 400), step * (h % 90), h % 500 = 0, 0",
    },
    Series {
        table: "source",
        levels: ALL,
        hosts: Hosts::Few,
        items: 6,
        columns: "agent_id, source, t, ticks, interval_ms, last_ts, runs, duration_us, items",
        select: "agent, ['clock', 'filesystem', 'host', 'process', 'transport', 'unit'][item + 1], t, step / 15, 1000 * step, t + step - 1, step / 15, step * (h % 400), step",
    },
    Series {
        table: "disk",
        levels: ALL,
        hosts: Hosts::Few,
        items: 2,
        columns: "agent_id, device, t, ticks, interval_ms, last_ts, reads, read_bytes, writes, write_bytes, io_time_us",
        select: "agent, ['sda', 'sdb'][item + 1], t, step, 1000 * step, t + step - 1, step * (h % 90), step * (h % 9000000), step * (h % 50), step * (h % 4000000), step * (h % 900000)",
    },
    Series {
        table: "interface",
        levels: ALL,
        hosts: Hosts::Few,
        items: 2,
        columns: "agent_id, interface, t, ticks, interval_ms, last_ts, receive_bytes, transmit_bytes, receive_drops",
        select: "agent, ['eth0', 'lo'][item + 1], t, step, 1000 * step, t + step - 1, step * (h % 9000000), step * (h % 4000000), h % 2",
    },
    Series {
        table: "filesystem",
        levels: ALL,
        hosts: Hosts::Few,
        items: 3,
        columns: "agent_id, mount_point, device, filesystem_type, t, ticks, interval_ms, last_ts, size_bytes_sum, free_bytes_sum, available_bytes_min, available_bytes_sum, inodes_sum, inodes_free_sum",
        select: "agent, ['/', '/srv', '/var'][item + 1], 'sda1', 'ext4', t, step / 15, 1000 * step, t + step - 1, step / 15 * 100000000000, step / 15 * (20000000000 + h % 9000000000), 19000000000, step / 15 * (19000000000 + h % 9000000000), step / 15 * 6000000, step / 15 * 5000000",
    },
    Series {
        table: "transport",
        levels: ALL,
        hosts: Hosts::Few,
        items: 1,
        columns: "agent_id, t, ticks, interval_ms, last_ts, tcp_established_max, tcp_close_wait_max, tcp_time_wait_max, tcp_transmit_segments, tcp_retransmitted_segments",
        select: "agent, t, step / 15, 1000 * step, t + step - 1, 100 + h % 900, h % 9, h % 3000, step * (1000 + h % 9000), step * (h % 20)",
    },
    Series {
        table: "process",
        levels: ALL,
        hosts: Hosts::Few,
        items: 3,
        columns: "agent_id, process, t, ticks, interval_ms, last_ts, processes_min, cpu_user_us, cpu_system_us, resident_bytes_sum",
        select: "agent, ['nginx', 'php-fpm', 'postgres'][item + 1], t, step / 15, 1000 * step, t + step - 1, 1 + h % 8, step * (h % 400000), step * (h % 90000), step / 15 * (h % 900000000)",
    },
    // Two or three probes look at each service, from three hosts; that is no more than a few of all rows.
    Series {
        table: "probe",
        levels: ALL,
        hosts: Hosts::Few,
        items: 2,
        columns: "agent_id, target, service, kind, t, ticks, interval_ms, last_ts, up_min, up_max, up_sum, duration_us_max, duration_us_sum, good_duration_us_max, good_duration_us_sum, good_duration_us_ticks, certificate_expires_seconds_min",
        select: "agent, concat('https://crm-', toString(a % 10), '.example/', toString(item)), concat('service-', toString(a % 10)), 'http', t, step / 60, 1000 * step, t + step - 1, 1, 1, step / 60, 90000, step / 60 * (20000 + h % 70000), 90000, step / 60 * (20000 + h % 70000), step / 60, 7000000",
    },
    Series {
        table: "ledger",
        levels: &[Level::Minute],
        hosts: Hosts::All,
        items: 2,
        columns: "agent_id, lane, t, disposition, reason, batches, items, bytes",
        select: "agent, CAST(3 * item + 1, 'Enum8(\\'metrics\\' = 1, \\'presence\\' = 4)'), t, if(h % 50000 = 0, 'dropped', 'stored'), if(h % 50000 = 0, 'spool_full', ''), 12 / (item + 1), 12 * (40 + h % 9), 12 * (900 + h % 400)",
    },
    Series {
        table: "request_clients",
        levels: &[Level::Minute, Level::Hour],
        hosts: Hosts::Apps,
        items: 5,
        columns: "agent_id, service, network, t, requests, client_errors, response_bytes, in_other_max",
        select: "agent, concat('service-', toString(a % 10)), if(item = 0, 'OTHER', concat('198.51.', toString(h % (40 * item)), '.0/24')), t, step / 10 + h % 90, h % 3, 900 * (h % 90), if(item = 0, 2, 0)",
    },
];

/// Readings, with their time between two, ms: `ts` is at hand, and `n`, which counts them.
pub(crate) struct Readings {
    pub(crate) every_ms: u64,
    /// Whether rows of the day lie beside those of the hour.
    pub(crate) has_day: bool,
    pub(crate) series: Series,
}

const fn readings(
    every_ms: u64,
    table: &'static str,
    hosts: Hosts,
    items: u64,
    columns: &'static str,
    select: &'static str,
) -> Readings {
    Readings {
        every_ms,
        has_day: true,
        series: Series {
            table,
            levels: &[],
            hosts,
            items,
            columns,
            select,
        },
    }
}

const fn hour_of(readings: Readings) -> Readings {
    Readings {
        has_day: false,
        ..readings
    }
}

/// What has no roll-up, or is read as it came: the last hour at its pace.
pub(crate) const READINGS: &[Readings] = &[
    readings(
        1_000,
        "host_raw",
        Hosts::All,
        1,
        "agent_id, ts, interval_ms, cpu_user_us, cpu_system_us, cpu_iowait_us, cpu_idle_us, cpu_count, context_switches, load1_x100, mem_total_bytes, mem_available_bytes, swap_total_bytes, swap_free_bytes",
        "agent, ts, 1000, h % 2000000, h % 300000, h % 50000, 4000000 - h % 2350000, 4, h % 9000, h % 800, 16000000000, 2000000000 + h % 6000000000, 4000000000, 4000000000 - h % 1000000",
    ),
    readings(
        1_000,
        "disk_raw",
        Hosts::Few,
        2,
        "agent_id, device, ts, interval_ms, read_bytes, write_bytes, io_time_us",
        "agent, ['sda', 'sdb'][item + 1], ts, 1000, h % 9000000, h % 4000000, h % 900000",
    ),
    readings(
        1_000,
        "interface_raw",
        Hosts::Few,
        2,
        "agent_id, interface, ts, interval_ms, receive_bytes, transmit_bytes",
        "agent, ['eth0', 'lo'][item + 1], ts, 1000, h % 9000000, h % 4000000",
    ),
    hour_of(readings(
        5_000,
        "source_raw",
        Hosts::All,
        6,
        "agent_id, source, ts, interval_ms, runs, failures, duration_us, items",
        "agent, ['clock', 'filesystem', 'host', 'process', 'transport', 'unit'][item + 1], ts, 5000, 5, h % 5000 = 0, h % 2000, h % 40",
    )),
    readings(
        5_000,
        "source_raw",
        Hosts::All,
        1,
        "agent_id, source, ts, interval_ms, runs, failures, duration_us, items",
        "agent, 'security', ts, 5000, 5, h % 5000 = 0, h % 2000, h % 40",
    ),
    readings(
        5_000,
        "source_raw",
        Hosts::Apps,
        1,
        "agent_id, source, ts, interval_ms, runs, failures, duration_us, items",
        "agent, 'requests', ts, 5000, 5, 0, h % 2000, h % 40",
    ),
    readings(
        15_000,
        "filesystem_raw",
        Hosts::Few,
        3,
        "agent_id, mount_point, device, filesystem_type, ts, interval_ms, size_bytes, free_bytes, available_bytes, inodes, inodes_free",
        "agent, ['/', '/srv', '/var'][item + 1], 'sda1', 'ext4', ts, 15000, 100000000000, 20000000000 + h % 9000000000, 19000000000 + h % 9000000000, 6000000, 5000000",
    ),
    readings(
        15_000,
        "process_raw",
        Hosts::Few,
        3,
        "agent_id, process, ts, interval_ms, processes, cpu_user_us, cpu_system_us, resident_bytes",
        "agent, ['nginx', 'php-fpm', 'postgres'][item + 1], ts, 15000, 1 + h % 8, h % 4000000, h % 900000, h % 900000000",
    ),
    readings(
        30_000,
        "unit_raw",
        Hosts::Few,
        4,
        "agent_id, unit, ts, interval_ms, loaded, active_state, starts, automatic_restarts",
        "agent, ['cron.service', 'nginx.service', 'postgresql.service', 'ssh.service'][item + 1], ts, 30000, 1, 1, 0, 0",
    ),
    readings(
        15_000,
        "transport_raw",
        Hosts::Few,
        1,
        "agent_id, ts, interval_ms, tcp_established, tcp_transmit_segments",
        "agent, ts, 15000, h % 900, h % 9000",
    ),
    readings(
        60_000,
        "clock_raw",
        Hosts::All,
        1,
        "agent_id, keeper, ts, interval_ms, synchronized, ahead_us, behind_us, error_us, since_update_ms",
        "agent, 'chrony', ts, 60000, h % 900 > 0, h % 400, 0, h % 9000, h % 60000",
    ),
    readings(
        60_000,
        "probe_raw",
        Hosts::Few,
        2,
        "agent_id, target, service, kind, ts, interval_ms, up, duration_us, good_duration_us, status, certificate_expires_seconds",
        "agent, concat('https://crm-', toString(a % 10), '.example/', toString(item)), concat('service-', toString(a % 10)), 'http', ts, 60000, 1, 20000 + h % 70000, 20000 + h % 70000, 200, 7000000",
    ),
    readings(
        10_000,
        "heartbeats",
        Hosts::All,
        1,
        "agent_id, boot_id, start_id, spool_id, ts, boottime_ms, monotonic_ms, beat, agent_cpu_us, agent_resident_bytes, clock_offset_ms, rules_version, rules_attempted_version, rules, rules_usable, rules_takes_delivered, rules_delivered_version, rules_delivered_attempted_version, rules_delivered, spool_state, received_at, sequence",
        "agent, id, id, id, ts, 10000 * n, 10000 * n, n, 10000 * n, 8000000, 3, 77, 77, 60, 50, 1, 99, 99, 50, 'good', ts + 0.05, n",
    ),
    readings(
        10_000,
        "lane_states",
        Hosts::All,
        3,
        "agent_id, spool_id, lane, ts, next_sequence, acked_sequence, queued_batches, queued_bytes",
        "agent, id, CAST(item + 2, 'Enum8(\\'requests\\' = 2, \\'security\\' = 3, \\'presence\\' = 4)'), ts, 1, 0, h % 2, h % 2 * 900",
    ),
    readings(
        5_000,
        "ledger",
        Hosts::All,
        1,
        "agent_id, boot_id, start_id, spool_id, lane, first_sequence, last_sequence, items, bytes, disposition, created_at, received_at, block",
        "agent, id, id, id, 'metrics', n, n, 40 + h % 9, 900 + h % 400, 'stored', ts, ts + 0.05, toUnixTimestamp64Milli(ts)",
    ),
    readings(
        10_000,
        "ledger",
        Hosts::All,
        1,
        "agent_id, boot_id, start_id, spool_id, lane, first_sequence, last_sequence, items, bytes, disposition, created_at, received_at, block",
        "agent, id, id, id, 'presence', n, n, 1, 300, 'stored', ts, ts + 0.05, toUnixTimestamp64Milli(ts)",
    ),
    readings(
        5_000,
        "ledger",
        Hosts::Apps,
        1,
        "agent_id, boot_id, start_id, spool_id, lane, first_sequence, last_sequence, items, bytes, disposition, created_at, received_at, block",
        "agent, id, id, id, 'requests', n, n, 90 + h % 9, 2900 + h % 400, 'stored', ts, ts + 0.05, toUnixTimestamp64Milli(ts)",
    ),
];

/// Heartbeats as they are stored: only lately, as the table is in that order.
pub(crate) const ARRIVALS: Readings = readings(
    10_000,
    "arrivals",
    Hosts::All,
    1,
    "stored_at, agent_id, start_id, beat, received_at, late_ms",
    "ts + 0.1, agent, id, n, ts + 0.05, 5",
);

/// Buckets of a sketch: `places` of them with `each` requests.
const SKETCH: &str = "CAST((arrayMap(j -> toInt16(380 + 3 * route + 5 * j + h % 5), range(places)), arrayMap(j -> toUInt64(each), range(places))), 'Map(Int16, UInt64)')";

/// Requests of all routes: `{table}`, `{time}` (column), `{step}` s, `{count}` steps from `{start}`, `{chance}` that a route
/// of a host has requests in a step, `{places}` of a sketch. The first routes are asked most, and a tenth and a
/// fiftieth of rows are of class 4 and 5.
pub(crate) fn requests(
    table: &str,
    time: &str,
    (start, step, count): (u64, u64, u64),
    chance: &str,
    places: &str,
    hosts_per_service: u64,
) -> String {
    let rows = ROUTES * SERVICES * 3 * hosts_per_service * count;
    format!(
        "INSERT INTO crmscope.{table} (agent_id, service, route, method, status_class, {time}, requests, response_bytes, latency_count, latency_sum_us, latency_max_us, latency, upstream_count, upstream_sum_us, upstream_max_us, upstream)
        SELECT concat('crm-', leftPad(toString(service + {SERVICES} * place), 5, '0')), concat('service-', toString(service)), concat('/crm/route-', leftPad(toString(route), 2, '0')),
            if(route % 4 = 0, 'POST', 'GET'), [2, 4, 5][class], t, places * each AS times, 900 * times, times, 40000 * times, 900000, {SKETCH}, times, 30000 * times, 800000, {SKETCH}
        FROM (
            SELECT number % {count} AS i, intDiv(number, {count}) % {hosts_per_service} AS place, intDiv(number, {count} * {hosts_per_service}) % 3 + 1 AS class,
                intDiv(number, {count} * {hosts_per_service} * 3) % {ROUTES} AS route, intDiv(number, {count} * {hosts_per_service} * 3 * {ROUTES}) AS service,
                toDateTime({start} + {step} * i, 'UTC') AS t, cityHash64(number, route, {start}) AS h,
                least(0.95, 1.5 / pow(route + 1, 0.8)) / [1, 10, 50][class] AS rate,
                toUInt64({places}) AS places, 1 + h % 3 AS each
            FROM numbers({rows}) WHERE h % 100000 < 100000 * ({chance}))"
    )
}

pub(crate) const SERVICES: u64 = 10;
pub(crate) const ROUTES: u64 = 50;
