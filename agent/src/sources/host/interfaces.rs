//! /proc/net/dev: network interfaces.
//!
//! Kept are all interfaces whose names do not begin with an excluded prefix. The loopback is kept:
//! on a CRM host the tiers that share it (application, cache, database) talk through it. Excluded
//! by default are the ends of containers' and virtual machines' links (veth, cali, lxc, tap),
//! which come and go under made-up names and whose traffic is in the bridge or uplink that is
//! kept, and ifb and dummy, which carry none of their own. (`lxc` is Cilium's name for such ends and
//! covers LXC's bridge `lxcbr0` too; who uses that takes `lxc` off the list.)

use std::path::Path;

use crmscope_proto::catalog::{InterfaceMetric, SeriesKind};

use super::Config;
use super::devices::{Devices, Followed, Line, counted_32_bits};
use super::file::{Extent, KernelFile};
use super::interval::Interval;
use super::text::Fields;

const _: () = assert!(InterfaceMetric::COUNT == 8);

pub(super) fn interfaces(config: &Config) -> Devices<{ InterfaceMetric::COUNT }> {
    Devices {
        file: KernelFile::new(Path::new(&config.proc_path).join("net/dev"), Extent::Pieces),
        kind: SeriesKind::Interface,
        parse,
        increments,
        excluded: config.interfaces_excluded.clone(),
        followed: Followed::new(config.interfaces_max),
        interval: Interval::default(),
    }
}

/// `eth0: 597580539 14455 0 0 0 0 0 0 970996 9742 …`: bytes, packets, errors, drops, fifo, frame,
/// compressed and multicast received; then bytes, packets, errors and drops sent, and four more.
/// Long numbers may follow the colon directly.
fn parse<'a>(line: &'a [u8], _interface_before: &str) -> Line<'a, { InterfaceMetric::COUNT }> {
    // Only the two headings have bars.
    if memchr::memchr(b'|', line).is_some() {
        return Line::Other;
    }
    parse_interface(line).unwrap_or(Line::Unparsed)
}

fn parse_interface(line: &[u8]) -> Option<Line<'_, { InterfaceMetric::COUNT }>> {
    // The last colon: a name may contain one, the numbers cannot.
    let colon = memchr::memrchr(b':', line)?;
    let name = Fields::new(&line[..colon]).word()?;
    let name = std::str::from_utf8(name).ok()?;
    let mut fields = Fields::new(&line[colon + 1..]);
    let mut values = [0; InterfaceMetric::COUNT];
    let (receive, transmit) = values.split_at_mut(4);
    for value in receive {
        *value = fields.number()?;
    }
    for _ in 0..4 {
        fields.number()?;
    }
    for value in transmit {
        *value = fields.number()?;
    }
    Some(Line::Device(name, values))
}

fn increments(
    before: &[u64; InterfaceMetric::COUNT],
    now: &[u64; InterfaceMetric::COUNT],
) -> Option<[Option<u64>; InterfaceMetric::COUNT]> {
    use InterfaceMetric::{ReceiveBytes, ReceivePackets, TransmitBytes, TransmitPackets};
    // Packets only grow: if they fell, the counters began again. Some drivers keep bytes in 32 bits,
    // so bytes that fall while packets grow have turned.
    let reset = [ReceivePackets, TransmitPackets]
        .iter()
        .any(|&metric| now[metric as usize] < before[metric as usize]);
    (!reset).then(|| {
        std::array::from_fn(|position| {
            let (before, now) = (before[position], now[position]);
            let bytes = position == ReceiveBytes as usize || position == TransmitBytes as usize;
            Some(if bytes {
                counted_32_bits(before, now)
            } else {
                now.saturating_sub(before)
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_taken_from_their_places() {
        let want = [1, 2, 3, 4, 9, 10, 11, 12];
        for (line, name) in [
            (&b"    lo:       1       2    3    4    5     6          7         8   9      10   11   12   13   14      15       16"[..], "lo"),
            (b"eth0:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", "eth0"),
            (b"eth0:1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", "eth0:1"),
        ] {
            assert_eq!(parse(line, ""), Line::Device(name, want));
        }
        for heading in [
            &b"Inter-|   Receive                                                |  Transmit"[..],
            b" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets",
        ] {
            assert_eq!(parse(heading, ""), Line::Other);
        }
    }

    #[test]
    fn bytes_turn_at_32_bits_and_a_new_interface_begins_anew() {
        let turned = u64::from(u32::MAX);
        let row = increments(&[turned, 5, 0, 0, 7, 5, 0, 0], &[9, 6, 0, 1, 8, 5, 0, 0]);
        assert_eq!(row, Some([10, 1, 0, 1, 1, 0, 0, 0].map(Some)));
        for now in [
            // Made anew; a bond that lost a member; a driver that steps back a little.
            [900, 3, 2, 0, 50, 1, 0, 0],
            [3_000_000_000, 4, 1, 1, 7, 5, 1, 1],
            [turned, 5, 1, 1, 7, 4, 1, 1],
        ] {
            assert_eq!(increments(&[turned, 5, 1, 1, 7, 5, 1, 1], &now), None);
        }
    }

    #[test]
    fn cut_or_hostile_lines_are_counted_not_taken() {
        for line in [
            &b""[..],
            b"eth0",
            b"eth0:",
            b":1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
            b"eth0: 1 2 3 4 5 6 7 8 9 10 11",
            b"eth0: 1 2 3 4 5 6 7 8 9 10 11 x",
            b"eth0: -1 2 3 4 5 6 7 8 9 10 11 12",
            b"\xff\xfe: 1 2 3 4 5 6 7 8 9 10 11 12",
            b"eth0: 99999999999999999999 2 3 4 5 6 7 8 9 10 11 12",
        ] {
            assert_eq!(parse(line, ""), Line::Unparsed, "{}", line.escape_ascii());
        }
        increments(&[0; 8], &[u64::MAX; 8]);
        increments(&[u64::MAX; 8], &[0; 8]);
    }
}
