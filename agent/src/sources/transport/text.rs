//! /proc/net/snmp, netstat, snmp6, sockstat and sockstat6.
//!
//! Figures are found by name: kernels add columns. What is missing stays unset.

use crmscope_proto::catalog::TransportMetric as M;

use crate::sources::host::text::{Fields, lines};

/// Values in catalog order; counters as the kernel has them.
pub(super) type Values = [Option<u64>; M::COUNT];

/// A line's beginning, the kernel's name, and what it is here.
type Key = (&'static [u8], &'static [u8], M);

/// /proc/net/snmp: a line of names and a line of numbers for each protocol.
const SNMP: [Key; 15] = [
    (b"Tcp:", b"ActiveOpens", M::TcpActiveOpens),
    (b"Tcp:", b"PassiveOpens", M::TcpPassiveOpens),
    (b"Tcp:", b"AttemptFails", M::TcpAttemptFails),
    (b"Tcp:", b"EstabResets", M::TcpEstablishedResets),
    (b"Tcp:", b"InSegs", M::TcpReceiveSegments),
    (b"Tcp:", b"OutSegs", M::TcpTransmitSegments),
    (b"Tcp:", b"RetransSegs", M::TcpRetransmittedSegments),
    (b"Tcp:", b"InErrs", M::TcpReceiveErrors),
    (b"Tcp:", b"OutRsts", M::TcpResetsSent),
    (b"Udp:", b"InDatagrams", M::UdpReceiveDatagrams),
    (b"Udp:", b"OutDatagrams", M::UdpTransmitDatagrams),
    (b"Udp:", b"NoPorts", M::UdpNoPorts),
    (b"Udp:", b"InErrors", M::UdpReceiveErrors),
    (b"Udp:", b"RcvbufErrors", M::UdpReceiveBufferErrors),
    (b"Udp:", b"SndbufErrors", M::UdpTransmitBufferErrors),
];

/// /proc/net/netstat: likewise.
const NETSTAT: [Key; 5] = [
    (b"TcpExt:", b"ListenOverflows", M::TcpListenOverflows),
    (b"TcpExt:", b"ListenDrops", M::TcpListenDrops),
    (b"TcpExt:", b"TW", M::TcpTimeWaitsEnded),
    (b"TcpExt:", b"TCPTimeouts", M::TcpTimeouts),
    (b"TcpExt:", b"TCPSynRetrans", M::TcpSynRetransmits),
];

/// /proc/net/snmp6: a name and a number a line. TCP counts both families in /proc/net/snmp.
const SNMP6: [(&[u8], M); 6] = [
    (b"Udp6InDatagrams", M::UdpReceiveDatagrams),
    (b"Udp6OutDatagrams", M::UdpTransmitDatagrams),
    (b"Udp6NoPorts", M::UdpNoPorts),
    (b"Udp6InErrors", M::UdpReceiveErrors),
    (b"Udp6RcvbufErrors", M::UdpReceiveBufferErrors),
    (b"Udp6SndbufErrors", M::UdpTransmitBufferErrors),
];

pub(super) fn snmp(text: &[u8], values: &mut Values) {
    paired(text, &SNMP, values);
}

pub(super) fn netstat(text: &[u8], values: &mut Values) {
    paired(text, &NETSTAT, values);
}

/// Adds to what IPv4 has: a line of names, and the next line that begins the same has the numbers.
fn paired(text: &[u8], keys: &[Key], values: &mut Values) {
    let mut names: Option<Fields<'_>> = None;
    let mut before: &[u8] = b"";
    for line in lines(text) {
        let mut fields = Fields::new(line);
        let Some(protocol) = fields.word() else {
            continue;
        };
        match names.take() {
            Some(mut named) if before == protocol => {
                while let (Some(name), Some(number)) = (named.word(), fields.word()) {
                    let key = keys
                        .iter()
                        .find(|(prefix, key, _)| *prefix == protocol && *key == name);
                    if let Some((_, _, metric)) = key {
                        values[*metric as usize] = crate::sources::host::text::digits(number);
                    }
                }
            }
            _ => {
                names = Some(fields);
                before = protocol;
            }
        }
    }
}

pub(super) fn snmp6(text: &[u8], values: &mut Values) {
    for line in lines(text) {
        let mut fields = Fields::new(line);
        let (Some(name), Some(number)) = (fields.word(), fields.number()) else {
            continue;
        };
        if let Some((_, metric)) = SNMP6.iter().find(|(key, _)| *key == name) {
            add(&mut values[*metric as usize], number);
        }
    }
}

/// What /proc/net/sockstat holds besides figures of the catalog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sockstat {
    /// Sockets in TIME_WAIT, and in FIN_WAIT2 of the same form.
    pub(super) time_wait: Option<u64>,
    /// TCP sockets in any other state, but for requests.
    pub(super) in_use: Option<u64>,
}

/// `TCP: inuse 3 orphan 0 tw 2 alloc 4 mem 1`, `UDP: inuse 2 mem 0`; likewise TCP6 and UDP6. `mem`
/// is in pages.
pub(super) fn sockstat(text: &[u8], page_bytes: u64, values: &mut Values) -> Sockstat {
    let mut found = Sockstat::default();
    for line in lines(text) {
        let mut fields = Fields::new(line);
        let protocol = fields.word().unwrap_or_default();
        while let (Some(name), Some(number)) = (fields.word(), fields.number()) {
            match (protocol, name) {
                (b"TCP:" | b"TCP6:", b"inuse") => found.in_use = Some(number),
                (b"TCP:", b"tw") => found.time_wait = Some(number),
                (b"TCP:", b"orphan") => values[M::TcpOrphans as usize] = Some(number),
                (b"TCP:", b"mem") => {
                    values[M::TcpMemory as usize] = Some(number.saturating_mul(page_bytes));
                }
                (b"UDP:" | b"UDP6:", b"inuse") => {
                    add(&mut values[M::UdpSockets as usize], number);
                }
                _ => {}
            }
        }
    }
    found
}

fn add(value: &mut Option<u64>, number: u64) {
    *value = Some(value.unwrap_or(0).saturating_add(number));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SNMP_TEXT: &[u8] =
        b"Ip: Forwarding DefaultTTL InReceives\nIp: 1 64 100\nTcp: RtoAlgorithm MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\nTcp: 1 -1 11 12 13 14 15 16 17 18 19 20 21\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\nUdp: 31 32 33 34 35 36\nUdpLite: InDatagrams\nUdpLite: 99\n";

    #[test]
    fn figures_are_found_by_name() {
        let mut values = [None; M::COUNT];
        snmp(SNMP_TEXT, &mut values);
        snmp6(
            b"Ip6InReceives    \t7\nUdp6InDatagrams                 \t5\nUdp6NoPorts\t1\nUdpLite6InDatagrams\t9\n",
            &mut values,
        );
        netstat(
            b"TcpExt: New ListenDrops TW\nTcpExt: 9 41 42\nIpExt: TW\nIpExt: 7\n",
            &mut values,
        );
        let found = sockstat(
            b"sockets: used 30\nTCP: inuse 3 orphan 1 tw 2 alloc 4 mem 5\nUDP: inuse 2 mem 0\nUDPLITE: inuse 8\n",
            4096,
            &mut values,
        );
        sockstat(b"TCP6: inuse 1\nUDP6: inuse 4\n", 4096, &mut values);
        assert_eq!((found.time_wait, found.in_use), (Some(2), Some(3)));
        for (metric, want) in [
            (M::TcpActiveOpens, Some(11)),
            (M::TcpPassiveOpens, Some(12)),
            (M::TcpEstablishedResets, Some(14)),
            (M::TcpReceiveSegments, Some(16)),
            (M::TcpRetransmittedSegments, Some(18)),
            (M::TcpResetsSent, Some(20)),
            (M::UdpReceiveDatagrams, Some(31 + 5)),
            (M::UdpNoPorts, Some(33)),
            (M::UdpTransmitDatagrams, Some(34)),
            (M::UdpTransmitBufferErrors, Some(36)),
            (M::TcpListenDrops, Some(41)),
            (M::TcpTimeWaitsEnded, Some(42)),
            (M::TcpListenOverflows, None),
            (M::TcpOrphans, Some(1)),
            (M::TcpMemory, Some(5 * 4096)),
            (M::UdpSockets, Some(6)),
        ] {
            assert_eq!(values[metric as usize], want, "{metric:?}");
        }
    }

    #[test]
    fn cut_or_hostile_text_gives_nothing() {
        for text in [
            &b""[..],
            b"Tcp:\nTcp:\n",
            b"Tcp: ActiveOpens\n",
            b"Tcp: ActiveOpens\nUdp: 5\n",
            b"Tcp: ActiveOpens\nTcp: 5",
            b"Tcp: ActiveOpens\nTcp: -5\n",
            b"Tcp: ActiveOpens\nTcp: 99999999999999999999\n",
            b"\xff\xfe \0\n",
        ] {
            let mut values = [None; M::COUNT];
            snmp(text, &mut values);
            snmp6(text, &mut values);
            sockstat(text, 4096, &mut values);
            assert_eq!(values, [None; M::COUNT], "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text in "[TcpUd:6 \\n0-9a-zA-Z]{0,300}") {
            let mut values = [None; M::COUNT];
            snmp(text.as_bytes(), &mut values);
            netstat(text.as_bytes(), &mut values);
            snmp6(text.as_bytes(), &mut values);
            sockstat(text.as_bytes(), u64::MAX, &mut values);
        }
    }
}
