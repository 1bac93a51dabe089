//! /proc/diskstats: whole disks.
//!
//! Kept are all whole block devices (sd, vd, xvd, nvme, mmcblk, dm, md, rbd, …) whose names do not
//! begin with an excluded prefix: by default loop, ram and zram, which are files or memory and no
//! disks, and fd and sr. Partitions are left out, since their figures are in their disk's: the
//! kernel lists them right behind it, and their names are its name and a number, with a `p`
//! between if the disk's name ends in a digit. So are the paths of a multipath NVMe namespace
//! (`nvme0c1n1`), whose figures are in `nvme0n1`. Figures of dm and md are also in the disks below.

use std::path::Path;

use crmscope_proto::catalog::{DiskMetric, SeriesKind};

use super::Config;
use super::devices::{Devices, Followed, Line, counted_32_bits};
use super::file::{Extent, KernelFile};
use super::interval::Interval;
use super::text::Fields;

/// Unit of the sector counts, whatever the disk's own sectors are.
const SECTOR_BYTES: u64 = 512;

/// Figures that the kernel prints in 32 bits: the times, in ms.
const TIMES: [DiskMetric; 4] = [
    DiskMetric::ReadTime,
    DiskMetric::WriteTime,
    DiskMetric::IoTime,
    DiskMetric::WeightedIoTime,
];

const _: () = assert!(DiskMetric::COUNT == 9);

pub(super) fn disks(config: &Config) -> Devices<{ DiskMetric::COUNT }> {
    Devices {
        file: KernelFile::new(
            Path::new(&config.proc_path).join("diskstats"),
            Extent::Pieces,
        ),
        kind: SeriesKind::Disk,
        parse,
        increments,
        excluded: config.disks_excluded.clone(),
        followed: Followed::new(config.disks_max),
        interval: Interval::default(),
    }
}

/// `254 0 vda 107745 35298 14441666 103538 33430 36063 6758080 27639 0 60640 134401 …`: major,
/// minor, name, then reads, reads merged, sectors read, ms reading, the same for writes, requests
/// under way, ms busy, ms weighted. Discards and flushes follow on newer kernels.
fn parse<'a>(line: &'a [u8], disk_before: &str) -> Line<'a, { DiskMetric::COUNT }> {
    parse_device(line, disk_before).unwrap_or(Line::Unparsed)
}

fn parse_device<'a>(line: &'a [u8], disk_before: &str) -> Option<Line<'a, { DiskMetric::COUNT }>> {
    let mut fields = Fields::new(line);
    fields.number()?;
    fields.number()?;
    let name = std::str::from_utf8(fields.word()?).ok()?;
    if is_partition(name, disk_before) || is_multipath_path(name) {
        return Some(Line::Other);
    }
    let mut number = || fields.number();
    let reads = number()?;
    number()?;
    let (read_sectors, read_ms, writes) = (number()?, number()?, number()?);
    number()?;
    let (write_sectors, write_ms, in_progress) = (number()?, number()?, number()?);
    let (io_ms, weighted_io_ms) = (number()?, number()?);
    // In catalog order, in the kernel's units.
    Some(Line::Device(
        name,
        [
            reads,
            read_sectors,
            read_ms,
            writes,
            write_sectors,
            write_ms,
            in_progress,
            io_ms,
            weighted_io_ms,
        ],
    ))
}

fn is_partition(name: &str, disk_before: &str) -> bool {
    let Some(rest) = name.strip_prefix(disk_before) else {
        return false;
    };
    let number = match disk_before.as_bytes().last() {
        None => return false,
        Some(last) if last.is_ascii_digit() => rest.strip_prefix('p'),
        Some(_) => Some(rest),
    };
    number.is_some_and(is_number)
}

fn is_multipath_path(name: &str) -> bool {
    let numbers = || {
        let (controller, rest) = name.strip_prefix("nvme")?.split_once('c')?;
        let (path, namespace) = rest.split_once('n')?;
        Some([controller, path, namespace])
    };
    numbers().is_some_and(|numbers| numbers.into_iter().all(is_number))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn increments(
    before: &[u64; DiskMetric::COUNT],
    now: &[u64; DiskMetric::COUNT],
) -> Option<[Option<u64>; DiskMetric::COUNT]> {
    use DiskMetric::{InProgress, ReadBytes, Reads, WriteBytes, Writes};
    let added = |metric: DiskMetric| now[metric as usize].checked_sub(before[metric as usize]);
    let mut row = [None; DiskMetric::COUNT];
    // Counts have 64 bits and only grow: if one fell, another device bears the name.
    for metric in [Reads, Writes] {
        row[metric as usize] = Some(added(metric)?);
    }
    for metric in [ReadBytes, WriteBytes] {
        row[metric as usize] = Some(added(metric)?.saturating_mul(SECTOR_BYTES));
    }
    for metric in TIMES {
        let position = metric as usize;
        let milliseconds = counted_32_bits(before[position], now[position]);
        row[position] = Some(milliseconds.saturating_mul(1000));
    }
    row[InProgress as usize] = Some(now[InProgress as usize]);
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let mut before = String::new();
        let mut names = Vec::new();
        for line in text.lines() {
            if let Line::Device(name, _) = parse(line.as_bytes(), &before) {
                before = name.to_owned();
                names.push(name.to_owned());
            }
        }
        names
    }

    #[test]
    fn whole_disks_are_kept_and_their_parts_left_out() {
        let listed = [
            "sda",
            "sda1",
            "sda12",
            "sdaa",
            "sdaa1",
            "sdb",
            "nvme0n1",
            "nvme0n1p1",
            "nvme0n1p15",
            "nvme0c0n1",
            "nvme1n1",
            "vda",
            "vda1",
            "xvda1",
            "xvdb",
            "xvdb1",
            "mmcblk0",
            "mmcblk0p1",
            "mmcblk0boot0",
            "dm-1",
            "dm-10",
            "md1",
            "md1p1",
            "md10",
            "md127",
            "loop0",
            "loop0p1",
            "rbd0",
            "rbd0p1",
        ];
        let text: String = listed
            .iter()
            .map(|name| format!(" 8 0 {name} 1 2 3 4 5 6 7 8 9 10 11\n"))
            .collect();
        let kept = [
            "sda",
            "sdaa",
            "sdb",
            "nvme0n1",
            "nvme1n1",
            "vda",
            "xvda1",
            "xvdb",
            "mmcblk0",
            "mmcblk0boot0",
            "dm-1",
            "dm-10",
            "md1",
            "md10",
            "md127",
            "loop0",
            "rbd0",
        ];
        assert_eq!(names(&text), kept);
    }

    #[test]
    fn figures_are_taken_from_their_places() {
        for line in [
            &b" 254       0 vda 1 0 2 3 4 0 5 6 7 8 9"[..],
            b" 254       0 vda 1 0 2 3 4 0 5 6 7 8 9 9056 45 2140048 3051 3980 173",
        ] {
            assert_eq!(
                parse(line, ""),
                Line::Device("vda", [1, 2, 3, 4, 5, 6, 7, 8, 9])
            );
        }
        let before = [10, 10, 10, 10, 10, 10, 10, 10, 10];
        let now = [11, 12, 13, 14, 15, 16, 3, 18, 19];
        let want = [1, 1024, 3000, 4, 2560, 6000, 3, 8000, 9000].map(Some);
        assert_eq!(increments(&before, &now), Some(want));
    }

    #[test]
    fn a_time_turns_at_32_bits_and_a_new_device_begins_anew() {
        let turned = u64::from(u32::MAX);
        let row = increments(
            &[1, 1, turned, 1, 1, 1, 0, 1, 1],
            &[2, 1, 4, 1, 1, 1, 0, 1, 1],
        );
        assert_eq!(
            row.map(|row| row[DiskMetric::ReadTime as usize]),
            Some(Some(5_000))
        );
        let before = [9, 9, turned, 9, 9, 9, 0, 9, 9];
        for now in [
            [2, 3, 4, 10, 11, 12, 0, 8, 9],
            [9, 9, turned, 9, 8, 9, 0, 9, 9],
        ] {
            assert_eq!(increments(&before, &now), None);
        }
    }

    #[test]
    fn cut_or_hostile_lines_are_counted_not_taken() {
        for line in [
            &b""[..],
            b"254",
            b"254 0",
            b"254 0 vda",
            b"254 0 vda 1 2 3 4 5 6 7 8 9 10",
            b"254 0 vda 1 2 3 4 5 6 7 8 9 10 x",
            b"254 0 vda -1 2 3 4 5 6 7 8 9 10 11",
            b"254 0 \xff\xfe 1 2 3 4 5 6 7 8 9 10 11",
            b"254 0 vda 99999999999999999999 2 3 4 5 6 7 8 9 10 11",
        ] {
            assert_eq!(
                parse(line, "sda"),
                Line::Unparsed,
                "{}",
                line.escape_ascii()
            );
        }
        // Extreme figures overflow nothing.
        increments(&[0; 9], &[u64::MAX; 9]);
        increments(&[u64::MAX; 9], &[0; 9]);
    }
}
