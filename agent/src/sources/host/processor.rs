//! /proc/stat: CPU time by mode, context switches, interrupts, forks.

use crmscope_proto::catalog::HostMetric;

use super::text::{Fields, Malformed, lines};
use super::values::HostValues;

/// Modes in the order of the `cpu` line. Guest time follows them and is part of user and nice.
const MODES: [HostMetric; 8] = [
    HostMetric::CpuUser,
    HostMetric::CpuNice,
    HostMetric::CpuSystem,
    HostMetric::CpuIdle,
    HostMetric::CpuIowait,
    HostMetric::CpuIrq,
    HostMetric::CpuSoftirq,
    HostMetric::CpuSteal,
];

/// Fills in what /proc/stat holds. `ticks_per_second` is USER_HZ, the unit of its times.
pub(super) fn parse(
    text: &[u8],
    ticks_per_second: u64,
    values: &mut HostValues,
) -> Result<(), Malformed> {
    let mut cores = 0;
    let mut found = [false; 6];
    for line in lines(text) {
        let (position, metric, rest) = match line {
            [b'c', b'p', b'u', b' ', rest @ ..] => {
                modes(rest, ticks_per_second, values)?;
                found[0] = true;
                continue;
            }
            [b'c', b'p', b'u', b'0'..=b'9', ..] => {
                cores += 1;
                continue;
            }
            // The total comes first; one number for each interrupt follows.
            [b'i', b'n', b't', b'r', b' ', rest @ ..] => (1, HostMetric::Interrupts, rest),
            [b'c', b't', b'x', b't', b' ', rest @ ..] => (2, HostMetric::ContextSwitches, rest),
            _ => {
                if let Some(rest) = line.strip_prefix(b"processes ") {
                    (3, HostMetric::Forks, rest)
                } else if let Some(rest) = line.strip_prefix(b"procs_running ") {
                    (4, HostMetric::TasksRunning, rest)
                } else if let Some(rest) = line.strip_prefix(b"procs_blocked ") {
                    (5, HostMetric::TasksBlocked, rest)
                } else {
                    continue;
                }
            }
        };
        values.set(
            metric,
            Fields::new(rest)
                .number()
                .ok_or("a line lacks its number")?,
        );
        found[position] = true;
    }
    if found.contains(&false) {
        return Err(
            "one of the lines cpu, intr, ctxt, processes, procs_running, procs_blocked is missing",
        );
    }
    if cores == 0 {
        return Err("there is no line of a core");
    }
    values.set(HostMetric::CpuCount, cores);
    Ok(())
}

fn modes(rest: &[u8], ticks_per_second: u64, values: &mut HostValues) -> Result<(), Malformed> {
    let mut fields = Fields::new(rest);
    for mode in MODES {
        let ticks = fields
            .number()
            .ok_or("the line cpu has fewer than 8 numbers")?;
        // Converted before the difference is taken: rounding then never adds up.
        values.set(
            mode,
            ticks.saturating_mul(1_000_000) / ticks_per_second.max(1),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"cpu  30745 1 7782 312718 3873 2 184 114 5 6
cpu0 14588 0 3272 159062 745 0 15 51 0 0
cpu1 16156 0 4510 153655 3128 0 169 62 0 0
intr 498345 0 0 7
ctxt 858457
btime 1795398776
processes 12373
procs_running 1
procs_blocked 4
softirq 311231 0 34640
";

    #[test]
    fn times_are_in_microseconds_and_totals_come_first() {
        let mut values = HostValues::default();
        parse(TEXT, 100, &mut values).unwrap();
        for (metric, want) in [
            (HostMetric::CpuUser, 307_450_000),
            (HostMetric::CpuNice, 10_000),
            (HostMetric::CpuSystem, 77_820_000),
            (HostMetric::CpuIdle, 3_127_180_000),
            (HostMetric::CpuIowait, 38_730_000),
            (HostMetric::CpuIrq, 20_000),
            (HostMetric::CpuSoftirq, 1_840_000),
            (HostMetric::CpuSteal, 1_140_000),
            (HostMetric::CpuCount, 2),
            (HostMetric::ContextSwitches, 858_457),
            (HostMetric::Interrupts, 498_345),
            (HostMetric::Forks, 12_373),
            (HostMetric::TasksRunning, 1),
            (HostMetric::TasksBlocked, 4),
        ] {
            assert_eq!(values.get(metric), Some(want), "{metric:?}");
        }
    }

    #[test]
    fn cut_or_hostile_text_is_an_error_not_a_figure() {
        let cut = TEXT.len() - b"softirq 311231 0 34640\n".len();
        for length in 0..cut {
            assert!(
                parse(&TEXT[..length], 100, &mut HostValues::default()).is_err(),
                "{length} bytes"
            );
        }
        for hostile in [
            &b"\0\0\0\n"[..],
            b"cpu  1 2 3\n",
            b"cpu  -1 0 0 0 0 0 0 0\n",
            b"cpu  99999999999999999999 0 0 0 0 0 0 0\n",
            b"ctxt\n",
            b"cpu\n",
            b"\xff\xff\n",
        ] {
            assert!(parse(hostile, 100, &mut HostValues::default()).is_err());
        }
        // Nothing divides by zero.
        assert!(parse(TEXT, 0, &mut HostValues::default()).is_ok());
    }
}
