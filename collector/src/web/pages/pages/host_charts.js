// Charts of one host over time.

import { chartPanel, pivotPanel } from "../components/chart_panel.js";

const series = (key, label, color, dash = color - 1) => ({ key, label, color, dash });

/** `of` gives the parameters that name the host. */
export function charts(context, of) {
  const timelineOf = (title, list, least = 10) =>
    chartPanel(context, {
      title,
      name: "host_timeline",
      parameters: of,
      least,
      charts: list.map((chart) => ({ ...chart, strict: true })),
    });
  return [
    timelineOf("CPU by mode", [
      {
        label: "CPU by mode, share of all cores",
        unit: "ratio",
        stack: true,
        max: 1,
        series: [
          series("cpu_user_ratio", "user", 1),
          series("cpu_system_ratio", "system", 2),
          series("cpu_iowait_ratio", "waiting for disks", 3),
          series("cpu_steal_ratio", "stolen by the hypervisor", 4),
        ],
      },
    ]),
    timelineOf("Load", [{ label: "Load, mean over 1 minute", unit: "number", series: [series("load1", "load", 1)] }]),
    timelineOf("Memory", [
      {
        label: "Memory and swap, share used",
        unit: "ratio",
        max: 1,
        series: [series("memory_used_ratio", "memory", 1), series("swap_used_ratio", "swap", 2)],
      },
    ]),
    pivotPanel(context, {
      title: "File systems",
      name: "filesystem_timeline",
      parameters: of,
      by: "mount_point",
      empty: "No file system was measured in this time.",
      charts: [{ key: "used_ratio", label: "Space used", unit: "ratio", max: 1 }],
    }),
    timelineOf("Disks", [
      {
        label: "Bytes read and written",
        unit: "bytesRate",
        series: [series("disk_read_bytes_per_second", "read", 1), series("disk_write_bytes_per_second", "written", 2)],
      },
      { label: "Busiest disk", unit: "ratio", max: 1, series: [series("disk_busy_ratio", "busy", 3)] },
    ]),
    timelineOf("Network", [
      {
        label: "Bytes, all interfaces but lo",
        unit: "bytesRate",
        series: [
          series("network_receive_bytes_per_second", "received", 1),
          series("network_transmit_bytes_per_second", "sent", 2),
        ],
      },
      { label: "Errors and drops", unit: "rate", series: [series("network_faults_per_second", "faults", 4)] },
    ]),
    chartPanel(context, {
      title: "TCP",
      name: "transport_timeline",
      parameters: of,
      least: 60,
      charts: [
        {
          label: "Sockets",
          unit: "number",
          series: [
            series("established", "established", 1),
            series("time_wait", "time wait", 2),
            series("close_wait", "close wait", 4),
          ],
        },
        { label: "Segments sent again", unit: "ratio", series: [series("retransmitted_ratio", "sent again", 4)] },
      ],
    }),
    pivotPanel(context, {
      title: "Programs over time",
      name: "process_timeline",
      parameters: of,
      by: "process",
      empty: "No program is watched on this host, or none was measured in this time.",
      charts: [
        { key: "cores", label: "Cores used", unit: "number" },
        { key: "resident_bytes", label: "Memory", unit: "bytes" },
      ],
    }),
  ];
}
