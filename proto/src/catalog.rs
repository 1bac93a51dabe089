//! The catalog: every figure that travels as a series, with its id, column name and meaning.
//!
//! One list serves the agent (what to fill in), the wire (ids), and the collector (columns and
//! their order). Ids are never reused. Values are unsigned 64-bit integers in the unit that the
//! name ends with; a ratio travels as its two parts.

/// How a figure behaves in time, which decides how it is coded and rolled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// What was added since the row before; rolls up by sum. The agent has already taken resets out.
    Increment,
    /// A level at the row's time; rolls up by minimum, maximum and mean.
    Gauge,
}

/// Whether every row of the kind has the figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A row without it is not sent.
    Required,
    /// The kernel may lack it; the column is `Nullable`.
    Optional,
}

/// One figure of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Number on the wire, unique within the kind, never reused.
    pub id: u32,
    /// Column name in ClickHouse; the unit is its last word.
    pub name: &'static str,
    /// Coding and roll-up.
    pub behaviour: Behaviour,
    /// Whether it may be missing.
    pub presence: Presence,
}

/// What a series is about. The number is the wire's `SeriesBlock.kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum SeriesKind {
    /// The host as a whole.
    Host = 1,
    /// One block device.
    Disk = 2,
    /// One mounted file system.
    Filesystem = 3,
    /// One network interface.
    Interface = 4,
    /// One of the agent's own sources.
    Source = 5,
    /// TCP and UDP of the host as a whole.
    Transport = 6,
    /// One watched group of processes.
    Process = 7,
    /// One watched unit of systemd.
    Unit = 8,
    /// One container, by its control group.
    Container = 9,
    /// One temperature sensor.
    Sensor = 10,
    /// The host's clock, by the program that keeps it.
    Clock = 11,
    /// What the agent stopped measuring to stay within its budget, and why.
    Shedding = 12,
    /// One target that is probed: a page, a port or a name.
    Probe = 13,
}

impl SeriesKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::Host,
        Self::Disk,
        Self::Filesystem,
        Self::Interface,
        Self::Source,
        Self::Transport,
        Self::Process,
        Self::Unit,
        Self::Container,
        Self::Sensor,
        Self::Clock,
        Self::Shedding,
        Self::Probe,
    ];

    /// The kind with this number on the wire.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u32 == number)
    }

    /// Base table that holds the kind's rows.
    #[must_use]
    pub const fn table(self) -> &'static str {
        match self {
            Self::Host => "host_raw",
            Self::Disk => "disk_raw",
            Self::Filesystem => "filesystem_raw",
            Self::Interface => "interface_raw",
            Self::Source => "source_raw",
            Self::Transport => "transport_raw",
            Self::Process => "process_raw",
            Self::Unit => "unit_raw",
            Self::Container => "container_raw",
            Self::Sensor => "sensor_raw",
            Self::Clock => "clock_raw",
            Self::Shedding => "shedding_raw",
            Self::Probe => "probe_raw",
        }
    }

    /// Label columns, in the order in which `SeriesBlock.labels` has them.
    #[must_use]
    pub const fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Host | Self::Transport => &[],
            Self::Disk => &["device"],
            Self::Filesystem => &["mount_point", "device", "filesystem_type"],
            Self::Interface => &["interface"],
            Self::Source => &["source"],
            Self::Process => &["process"],
            Self::Unit => &["unit"],
            // The first 12 digits of its id; the pod's uid and the runtime, empty where unknown.
            Self::Container => &["container", "pod", "runtime"],
            // The driver, the device it sits in, and what the driver calls the sensor.
            Self::Sensor => &["chip", "device", "sensor"],
            // The program that keeps the clock.
            Self::Clock => &["keeper"],
            Self::Shedding => &["subject", "cause"],
            // The target's configured name, the service it belongs to, and http, tcp or dns.
            Self::Probe => &["target", "service", "kind"],
        }
    }

    /// Figures of the kind. A row's values stand in this order.
    #[must_use]
    pub const fn metrics(self) -> &'static [Metric] {
        match self {
            Self::Host => HostMetric::METRICS,
            Self::Disk => DiskMetric::METRICS,
            Self::Filesystem => FilesystemMetric::METRICS,
            Self::Interface => InterfaceMetric::METRICS,
            Self::Source => SourceMetric::METRICS,
            Self::Transport => TransportMetric::METRICS,
            Self::Process => ProcessMetric::METRICS,
            Self::Unit => UnitMetric::METRICS,
            Self::Container => ContainerMetric::METRICS,
            Self::Sensor => SensorMetric::METRICS,
            Self::Clock => ClockMetric::METRICS,
            Self::Shedding => SheddingMetric::METRICS,
            Self::Probe => ProbeMetric::METRICS,
        }
    }

    /// Position of the metric with this wire id within [`SeriesKind::metrics`].
    #[must_use]
    pub fn position(self, id: u32) -> Option<usize> {
        // Ids were given in order without holes so far, which makes the first guess right.
        let metrics = self.metrics();
        let guess = (id as usize).checked_sub(1)?;
        match metrics.get(guess) {
            Some(metric) if metric.id == id => Some(guess),
            _ => metrics.iter().position(|metric| metric.id == id),
        }
    }
}

macro_rules! metrics {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $id:literal, $column:literal, $behaviour:ident, $presence:ident;)+ }) => {
        $(#[$doc])*
        ///
        /// A variant's number is its position in a row, not its wire id.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// The catalog entries, in row order.
            pub const METRICS: &'static [Metric] = &[
                $(Metric { id: $id, name: $column, behaviour: Behaviour::$behaviour, presence: Presence::$presence },)+
            ];
            /// How many values a row has.
            pub const COUNT: usize = Self::METRICS.len();
        }
    };
}

metrics! {
    /// Figures of the host as a whole.
    HostMetric {
        /// User mode, guests included, all cores together. /proc/stat, in steps of one clock tick.
        CpuUser = 1, "cpu_user_us", Increment, Required;
        /// User mode at lowered priority.
        CpuNice = 2, "cpu_nice_us", Increment, Required;
        /// Kernel mode.
        CpuSystem = 3, "cpu_system_us", Increment, Required;
        /// Idle.
        CpuIdle = 4, "cpu_idle_us", Increment, Required;
        /// Idle with I/O outstanding.
        CpuIowait = 5, "cpu_iowait_us", Increment, Required;
        /// Hardware interrupts.
        CpuIrq = 6, "cpu_irq_us", Increment, Required;
        /// Software interrupts.
        CpuSoftirq = 7, "cpu_softirq_us", Increment, Required;
        /// Taken by the hypervisor.
        CpuSteal = 8, "cpu_steal_us", Increment, Required;
        /// Cores the kernel schedules on.
        CpuCount = 9, "cpu_count", Gauge, Required;
        /// Context switches.
        ContextSwitches = 10, "context_switches", Increment, Required;
        /// Interrupts served.
        Interrupts = 11, "interrupts", Increment, Required;
        /// Processes and threads created.
        Forks = 12, "forks", Increment, Required;
        /// Tasks ready to run.
        TasksRunning = 13, "tasks_running", Gauge, Required;
        /// Tasks waiting for I/O.
        TasksBlocked = 14, "tasks_blocked", Gauge, Required;
        /// Tasks (threads) that exist. /proc/loadavg.
        Tasks = 15, "tasks", Gauge, Required;
        /// Load average over 1 minute, times 100.
        Load1 = 16, "load1_x100", Gauge, Required;
        /// Load average over 5 minutes, times 100.
        Load5 = 17, "load5_x100", Gauge, Required;
        /// Load average over 15 minutes, times 100.
        Load15 = 18, "load15_x100", Gauge, Required;
        /// MemTotal.
        MemTotal = 19, "mem_total_bytes", Gauge, Required;
        /// MemFree.
        MemFree = 20, "mem_free_bytes", Gauge, Required;
        /// MemAvailable: what can be had without swapping.
        MemAvailable = 21, "mem_available_bytes", Gauge, Required;
        /// Buffers.
        MemBuffers = 22, "mem_buffers_bytes", Gauge, Required;
        /// Cached.
        MemCached = 23, "mem_cached_bytes", Gauge, Required;
        /// Shmem.
        MemShared = 24, "mem_shared_bytes", Gauge, Required;
        /// Slab.
        MemSlab = 25, "mem_slab_bytes", Gauge, Required;
        /// Dirty.
        MemDirty = 26, "mem_dirty_bytes", Gauge, Required;
        /// Committed_AS.
        MemCommitted = 27, "mem_committed_bytes", Gauge, Required;
        /// SwapTotal.
        SwapTotal = 28, "swap_total_bytes", Gauge, Required;
        /// SwapFree.
        SwapFree = 29, "swap_free_bytes", Gauge, Required;
        /// Pages read from swap. /proc/vmstat pswpin.
        SwapIn = 30, "swap_in_pages", Increment, Required;
        /// Pages written to swap. /proc/vmstat pswpout.
        SwapOut = 31, "swap_out_pages", Increment, Required;
        /// Page faults. /proc/vmstat pgfault.
        PageFaults = 32, "page_faults", Increment, Required;
        /// Page faults that read from disk. /proc/vmstat pgmajfault.
        MajorPageFaults = 33, "major_page_faults", Increment, Required;
        /// Processes killed for want of memory. /proc/vmstat oom_kill.
        OomKills = 34, "oom_kills", Increment, Optional;
        /// Open file descriptions. /proc/sys/fs/file-nr.
        FileDescriptorsUsed = 35, "file_descriptors_used", Gauge, Required;
        /// Their limit.
        FileDescriptorsMax = 36, "file_descriptors_max", Gauge, Required;
        /// Processes (thread groups) that exist; counted at a slower cadence and repeated.
        Processes = 37, "processes", Gauge, Optional;
        /// Time since boot, suspended time included.
        Uptime = 38, "uptime_ms", Gauge, Required;
        /// Time some task waited for a CPU. /proc/pressure/cpu.
        PressureCpuSome = 39, "pressure_cpu_some_us", Increment, Optional;
        /// Time some task waited for memory.
        PressureMemorySome = 40, "pressure_memory_some_us", Increment, Optional;
        /// Time all tasks waited for memory.
        PressureMemoryFull = 41, "pressure_memory_full_us", Increment, Optional;
        /// Time some task waited for I/O.
        PressureIoSome = 42, "pressure_io_some_us", Increment, Optional;
        /// Time all tasks waited for I/O.
        PressureIoFull = 43, "pressure_io_full_us", Increment, Optional;
        /// Memory limit of the agent's own control group, where it has one.
        CgroupMemoryMax = 44, "cgroup_memory_max_bytes", Gauge, Optional;
        /// Memory used by that control group.
        CgroupMemoryUsed = 45, "cgroup_memory_used_bytes", Gauge, Optional;
        /// CPU time allowed to that control group per second of wall time.
        CgroupCpuMax = 46, "cgroup_cpu_max_us", Gauge, Optional;
        /// Time that control group was throttled.
        CgroupThrottled = 47, "cgroup_throttled_us", Increment, Optional;
    }
}

metrics! {
    /// Figures of one block device, from /proc/diskstats.
    DiskMetric {
        /// Reads completed.
        Reads = 1, "reads", Increment, Required;
        /// Bytes read.
        ReadBytes = 2, "read_bytes", Increment, Required;
        /// Time reads took, summed over them.
        ReadTime = 3, "read_time_us", Increment, Required;
        /// Writes completed.
        Writes = 4, "writes", Increment, Required;
        /// Bytes written.
        WriteBytes = 5, "write_bytes", Increment, Required;
        /// Time writes took, summed over them.
        WriteTime = 6, "write_time_us", Increment, Required;
        /// Requests under way.
        InProgress = 7, "in_progress", Gauge, Required;
        /// Time with at least one request under way.
        IoTime = 8, "io_time_us", Increment, Required;
        /// The same weighted by the number of requests.
        WeightedIoTime = 9, "weighted_io_time_us", Increment, Required;
    }
}

metrics! {
    /// Figures of one mounted file system, from statvfs.
    FilesystemMetric {
        /// Size.
        Size = 1, "size_bytes", Gauge, Required;
        /// Free, reserved blocks included.
        Free = 2, "free_bytes", Gauge, Required;
        /// Free to an unprivileged user.
        Available = 3, "available_bytes", Gauge, Required;
        /// Inodes.
        Inodes = 4, "inodes", Gauge, Required;
        /// Inodes free.
        InodesFree = 5, "inodes_free", Gauge, Required;
        /// 1 when mounted read-only.
        ReadOnly = 6, "read_only", Gauge, Required;
    }
}

metrics! {
    /// Figures of one network interface, from /proc/net/dev.
    InterfaceMetric {
        /// Bytes received.
        ReceiveBytes = 1, "receive_bytes", Increment, Required;
        /// Packets received.
        ReceivePackets = 2, "receive_packets", Increment, Required;
        /// Receive errors.
        ReceiveErrors = 3, "receive_errors", Increment, Required;
        /// Packets received and dropped.
        ReceiveDrops = 4, "receive_drops", Increment, Required;
        /// Bytes sent.
        TransmitBytes = 5, "transmit_bytes", Increment, Required;
        /// Packets sent.
        TransmitPackets = 6, "transmit_packets", Increment, Required;
        /// Transmit errors.
        TransmitErrors = 7, "transmit_errors", Increment, Required;
        /// Packets dropped before sending.
        TransmitDrops = 8, "transmit_drops", Increment, Required;
    }
}

metrics! {
    /// What the agent's own sources did, so that a figure that is missing has a reason.
    SourceMetric {
        /// Runs begun.
        Runs = 1, "runs", Increment, Required;
        /// Runs that ended in an error.
        Failures = 2, "failures", Increment, Required;
        /// Runs that passed their deadline.
        Timeouts = 3, "timeouts", Increment, Required;
        /// Time the runs took.
        Duration = 4, "duration_us", Increment, Required;
        /// Rows, lines or events read.
        Items = 5, "items", Increment, Required;
        /// Items that were not understood.
        Unparsed = 6, "unparsed", Increment, Required;
        /// Items that are not kept, and lines and files of logs that were lost.
        Dropped = 7, "dropped", Increment, Required;
        /// Counters that began again, or fell, and so have no increment for once.
        CounterResets = 8, "counter_resets", Increment, Optional;
        /// Lines, or journal entries, longer than what is taken. The figures of lost lines come
        /// from sources that read logs; there, those in lines and files add up to the dropped.
        LostTooLongLines = 9, "lost_too_long_lines", Increment, Optional;
        /// Ends without a newline, of files that nobody writes to any more.
        LostUnfinishedLines = 10, "lost_unfinished_lines", Increment, Optional;
        /// Lines of a time that is too long ago, or too far ahead, for a collector.
        LostUntimelyLines = 11, "lost_untimely_lines", Increment, Optional;
        /// Journal entries that another program wrote under the name of a trusted one.
        LostForgedLines = 12, "lost_forged_lines", Increment, Optional;
        /// Files that were rotated away or deleted before they were read to their ends. How many
        /// lines they held is not known.
        LostRotatedFiles = 13, "lost_rotated_files", Increment, Optional;
        /// Files truncated before they were read to their ends.
        LostTruncatedFiles = 14, "lost_truncated_files", Increment, Optional;
        /// Packed files that are damaged, or packed in a way that is not read.
        LostUnreadableFiles = 15, "lost_unreadable_files", Increment, Optional;
        /// Bytes of all these, as far as they are known.
        LostKnownBytes = 16, "lost_known_bytes", Increment, Optional;
    }
}

impl SourceMetric {
    /// The reasons for which lines are dropped. Only sources that read logs have these figures, and
    /// [`SourceMetric::LostKnownBytes`].
    pub const LOST: [Self; 7] = [
        Self::LostTooLongLines,
        Self::LostUnfinishedLines,
        Self::LostUntimelyLines,
        Self::LostForgedLines,
        Self::LostRotatedFiles,
        Self::LostTruncatedFiles,
        Self::LostUnreadableFiles,
    ];

    /// Whether only sources that read logs have the figure at this place of a row.
    #[must_use]
    pub const fn is_of_logs(position: usize) -> bool {
        position >= Self::LostTooLongLines as usize
    }
}

metrics! {
    /// Figures of TCP and UDP, over IPv4 and IPv6 together where the kernel counts both. States are
    /// of sockets, as `ss` names them.
    TransportMetric {
        /// Sockets with a connection that both ends keep open.
        TcpEstablished = 1, "tcp_established", Gauge, Optional;
        /// Connections asked for and not answered.
        TcpSynSent = 2, "tcp_syn_sent", Gauge, Optional;
        /// Connections that a peer began and has not confirmed.
        TcpSynRecv = 3, "tcp_syn_recv", Gauge, Optional;
        /// Closed here, and the peer has not confirmed it.
        TcpFinWait1 = 4, "tcp_fin_wait1", Gauge, Optional;
        /// Closed here, and the peer has not closed.
        TcpFinWait2 = 5, "tcp_fin_wait2", Gauge, Optional;
        /// Closed, and kept for packets that come late.
        TcpTimeWait = 6, "tcp_time_wait", Gauge, Optional;
        /// Closed by the peer, and not by the program here.
        TcpCloseWait = 7, "tcp_close_wait", Gauge, Optional;
        /// Closed by both, and the peer has not confirmed it.
        TcpLastAck = 8, "tcp_last_ack", Gauge, Optional;
        /// Closed by both at the same time.
        TcpClosing = 9, "tcp_closing", Gauge, Optional;
        /// Sockets that wait for connections.
        TcpListen = 10, "tcp_listen", Gauge, Optional;
        /// Sockets that no program holds any more. /proc/net/sockstat orphan.
        TcpOrphans = 11, "tcp_orphans", Gauge, Optional;
        /// Memory of all TCP sockets. /proc/net/sockstat mem.
        TcpMemory = 12, "tcp_memory_bytes", Gauge, Optional;
        /// Connections begun here. /proc/net/snmp ActiveOpens.
        TcpActiveOpens = 13, "tcp_active_opens", Increment, Required;
        /// Connections accepted. PassiveOpens.
        TcpPassiveOpens = 14, "tcp_passive_opens", Increment, Required;
        /// Connections that never came about. AttemptFails.
        TcpAttemptFails = 15, "tcp_attempt_fails", Increment, Required;
        /// Connections that were cut off. EstabResets.
        TcpEstablishedResets = 16, "tcp_established_resets", Increment, Required;
        /// Segments received. InSegs.
        TcpReceiveSegments = 17, "tcp_receive_segments", Increment, Required;
        /// Segments sent, without those sent again. OutSegs.
        TcpTransmitSegments = 18, "tcp_transmit_segments", Increment, Required;
        /// Segments sent again. RetransSegs.
        TcpRetransmittedSegments = 19, "tcp_retransmitted_segments", Increment, Required;
        /// Segments received that were broken. InErrs.
        TcpReceiveErrors = 20, "tcp_receive_errors", Increment, Required;
        /// Resets sent. OutRsts.
        TcpResetsSent = 21, "tcp_resets_sent", Increment, Required;
        /// Connections dropped because the program did not accept in time. /proc/net/netstat ListenOverflows.
        TcpListenOverflows = 22, "tcp_listen_overflows", Increment, Optional;
        /// Connections dropped while being set up, overflows included. ListenDrops.
        TcpListenDrops = 23, "tcp_listen_drops", Increment, Optional;
        /// Sockets that went through TIME_WAIT to its end. TW.
        TcpTimeWaitsEnded = 24, "tcp_time_waits_ended", Increment, Optional;
        /// Timers that expired for want of an answer. TCPTimeouts.
        TcpTimeouts = 25, "tcp_timeouts", Increment, Optional;
        /// SYN and SYN-ACK segments sent again. TCPSynRetrans.
        TcpSynRetransmits = 26, "tcp_syn_retransmits", Increment, Optional;
        /// UDP sockets. /proc/net/sockstat and sockstat6.
        UdpSockets = 27, "udp_sockets", Gauge, Optional;
        /// Datagrams handed to programs. /proc/net/snmp and snmp6 InDatagrams.
        UdpReceiveDatagrams = 28, "udp_receive_datagrams", Increment, Required;
        /// Datagrams sent. OutDatagrams.
        UdpTransmitDatagrams = 29, "udp_transmit_datagrams", Increment, Required;
        /// Datagrams for a port where nobody listens. NoPorts.
        UdpNoPorts = 30, "udp_no_ports", Increment, Required;
        /// Datagrams that could not be handed over. InErrors.
        UdpReceiveErrors = 31, "udp_receive_errors", Increment, Required;
        /// Those of them for which the program's buffer was full. RcvbufErrors.
        UdpReceiveBufferErrors = 32, "udp_receive_buffer_errors", Increment, Optional;
        /// Datagrams not sent for want of room. SndbufErrors.
        UdpTransmitBufferErrors = 33, "udp_transmit_buffer_errors", Increment, Optional;
    }
}

metrics! {
    /// Figures of one watched group of processes, summed over its members.
    ProcessMetric {
        /// Processes in the group; 0 when none runs.
        Processes = 1, "processes", Gauge, Required;
        /// User mode. What a process used between its last reading and its end is not known.
        CpuUser = 2, "cpu_user_us", Increment, Required;
        /// Kernel mode, likewise.
        CpuSystem = 3, "cpu_system_us", Increment, Required;
        /// Memory resident; pages that members share count once for each.
        Resident = 4, "resident_bytes", Gauge, Required;
        /// Threads.
        Threads = 5, "threads", Gauge, Required;
        /// Open files; only where all members permit the reading.
        OpenFiles = 6, "open_files", Gauge, Optional;
        /// Members that began.
        Started = 7, "started", Increment, Required;
        /// Times the oldest member was replaced by a younger one: the program was started again.
        Restarts = 8, "restarts", Increment, Required;
        /// Age of the oldest member.
        OldestAge = 9, "oldest_age_ms", Gauge, Optional;
        /// Bytes read from disks; only where all members permit the reading.
        ReadBytes = 10, "read_bytes", Increment, Optional;
        /// Bytes written to disks, likewise.
        WriteBytes = 11, "write_bytes", Increment, Optional;
    }
}

metrics! {
    /// Figures of one unit, as `systemctl show` has them.
    UnitMetric {
        /// 1 when systemd has read the unit's file, 0 when it knows none.
        Loaded = 1, "loaded", Gauge, Required;
        /// 1 active, 2 reloading, 3 inactive, 4 failed, 5 activating, 6 deactivating, 7 maintenance,
        /// 8 refreshing, 0 any other. Do not take means of it.
        ActiveState = 2, "active_state", Gauge, Required;
        /// 1 dead, 2 running, 3 exited, 4 failed, 5 auto-restart, 6 start and what belongs to it,
        /// 7 stop and what belongs to it, 8 reload, 9 waiting, 10 listening, 11 mounted, 12 active,
        /// 13 plugged, 14 elapsed, 0 any other. Do not take means of it.
        SubState = 3, "sub_state", Gauge, Required;
        /// Times systemd itself started it again. NRestarts.
        AutomaticRestarts = 4, "automatic_restarts", Increment, Optional;
        /// 1 where its main process was started, by whomever, at least once.
        Starts = 5, "starts", Increment, Optional;
        /// Main process; 0 when there is none.
        MainPid = 6, "main_pid", Gauge, Optional;
        /// Time since its state changed.
        SinceChange = 7, "since_change_ms", Gauge, Optional;
        /// Memory of its control group.
        Memory = 8, "memory_bytes", Gauge, Optional;
        /// CPU time of its control group.
        Cpu = 9, "cpu_us", Increment, Optional;
        /// Tasks in its control group.
        Tasks = 10, "tasks", Gauge, Optional;
    }
}

metrics! {
    /// Figures of one container, from its control group.
    ContainerMetric {
        /// CPU time.
        Cpu = 1, "cpu_us", Increment, Optional;
        /// User mode.
        CpuUser = 2, "cpu_user_us", Increment, Optional;
        /// Kernel mode.
        CpuSystem = 3, "cpu_system_us", Increment, Optional;
        /// CPU time allowed per second of wall time.
        CpuMax = 4, "cpu_max_us", Gauge, Optional;
        /// Periods in which it wanted to run under a limit.
        CpuPeriods = 5, "cpu_periods", Increment, Optional;
        /// Those of them in which it reached the limit.
        ThrottledPeriods = 6, "throttled_periods", Increment, Optional;
        /// Time it was held back.
        Throttled = 7, "throttled_us", Increment, Optional;
        /// Memory used, page cache included.
        Memory = 8, "memory_bytes", Gauge, Optional;
        /// Its limit.
        MemoryMax = 9, "memory_max_bytes", Gauge, Optional;
        /// Processes killed for want of memory.
        OomKills = 10, "oom_kills", Increment, Optional;
        /// Bytes read from block devices.
        ReadBytes = 11, "read_bytes", Increment, Optional;
        /// Bytes written to block devices.
        WriteBytes = 12, "write_bytes", Increment, Optional;
        /// Tasks.
        Tasks = 13, "tasks", Gauge, Optional;
        /// Their limit.
        TasksMax = 14, "tasks_max", Gauge, Optional;
    }
}

metrics! {
    /// Figures of one temperature sensor. Millikelvin, since a figure has no sign:
    /// °C = mk / 1000 - 273.15.
    SensorMetric {
        /// Now.
        Temperature = 1, "temperature_mk", Gauge, Required;
        /// What the driver calls too high.
        Maximum = 2, "maximum_mk", Gauge, Optional;
        /// What the driver calls critical.
        Critical = 3, "critical_mk", Gauge, Optional;
    }
}

metrics! {
    /// Figures of the host's clock. A figure has no sign, so the offset has two columns.
    ClockMetric {
        /// 1 while the clock follows a source of time.
        Synchronized = 1, "synchronized", Gauge, Required;
        /// By how much the clock is ahead of its source; 0 when it is behind.
        Ahead = 2, "ahead_us", Gauge, Optional;
        /// By how much it is behind; 0 when it is ahead.
        Behind = 3, "behind_us", Gauge, Optional;
        /// Bound of the error: half the delay to the reference, and its dispersion.
        Error = 4, "error_us", Gauge, Optional;
        /// Hops to the reference clock.
        Stratum = 5, "stratum", Gauge, Optional;
        /// Time since the source was heard last.
        SinceUpdate = 6, "since_update_ms", Gauge, Optional;
    }
}

metrics! {
    /// What the agent stopped measuring, by subject and by the ceiling it came near. Rows come
    /// while the subject is shed, and one more when it is not any more.
    SheddingMetric {
        /// Time within the row's interval in which the subject was made rarer or left out.
        Shed = 1, "shed_ms", Increment, Required;
        /// How many subjects are shed at the row's time.
        Level = 2, "level", Gauge, Required;
    }
}

metrics! {
    /// One run of a probe. A phase that was not reached, or that the kind does not have, is missing.
    ProbeMetric {
        /// 1 when the target answered as it should.
        Up = 1, "up", Gauge, Required;
        /// Why not, see [`ProbeReason`]; 0 when it did. Do not take means of it.
        Reason = 2, "reason", Gauge, Required;
        /// The whole run, whatever came of it.
        Duration = 3, "duration_us", Gauge, Required;
        /// The same, of good runs only: a refusal is quick, and would make a mean look better.
        GoodDuration = 4, "good_duration_us", Gauge, Optional;
        /// Until the name was resolved.
        Dns = 5, "dns_us", Gauge, Optional;
        /// Until the connection stood, from there on.
        Connect = 6, "connect_us", Gauge, Optional;
        /// The TLS handshake.
        Tls = 7, "tls_us", Gauge, Optional;
        /// From the request to the head of the answer.
        FirstByte = 8, "first_byte_us", Gauge, Optional;
        /// Status code of HTTP. Do not take means of it.
        Status = 9, "status", Gauge, Optional;
        /// Time until the first certificate of the chain expires; 0 when one has.
        CertificateExpires = 10, "certificate_expires_seconds", Gauge, Optional;
        /// Bytes of the body that were read; reading ends at 64 KiB.
        Body = 11, "body_bytes", Gauge, Optional;
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $word:literal;)+) => {
        /// Why a run of a probe was not good. Numbers are never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u64)]
        pub enum ProbeReason { $($(#[$doc])* $variant = $number,)+ }

        impl ProbeReason {
            /// Every reason, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its word in queries and logs.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

reasons! {
    /// The run was good.
    None = 0, "none";
    /// The name has no address, or the resolver could not tell.
    ResolveFailed = 1, "resolve_failed";
    /// Nobody listens there.
    Refused = 2, "refused";
    /// The deadline passed; the figures tell in which phase.
    TimedOut = 3, "timed_out";
    /// The handshake failed for another reason than the certificate.
    TlsFailed = 4, "tls_failed";
    /// A certificate has expired, or is not valid yet.
    CertificateExpired = 5, "certificate_expired";
    /// The status is not one that was expected.
    Status = 6, "status";
    /// The body is not as expected.
    Body = 7, "body";
    /// The answer is not of the protocol.
    Protocol = 8, "protocol";
    /// The name has other addresses than the expected one.
    WrongAddress = 9, "wrong_address";
    /// No path: network or host unreachable.
    Unreachable = 10, "unreachable";
    /// The connection was closed before the answer was whole.
    Closed = 11, "closed";
    /// The certificate is not signed by anyone who is trusted.
    CertificateNotTrusted = 12, "certificate_not_trusted";
    /// The certificate is for another name.
    CertificateOtherName = 13, "certificate_other_name";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_are_unique_within_a_kind_and_found_again() {
        for kind in SeriesKind::ALL {
            let metrics = kind.metrics();
            assert_eq!(SeriesKind::from_number(kind as u32), Some(kind));
            for (position, metric) in metrics.iter().enumerate() {
                assert_eq!(kind.position(metric.id), Some(position), "{}", metric.name);
                assert!(
                    metrics[..position]
                        .iter()
                        .all(|other| other.name != metric.name),
                    "{}",
                    metric.name
                );
            }
            assert_eq!(kind.position(0), None);
            assert_eq!(kind.position(u32::MAX), None);
        }
    }

    #[test]
    fn reasons_of_probes_are_numbered_without_holes() {
        for (number, reason) in ProbeReason::ALL.iter().enumerate() {
            assert_eq!(*reason as u64, number as u64, "{}", reason.word());
        }
    }
}
