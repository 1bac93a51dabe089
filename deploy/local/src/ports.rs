//! Ports for servers that must come back on the port they had.
//!
//! Owns the choice. Promises: a port from [`reserve`] is outside the range the kernel takes source
//! ports from, so no outgoing connection sits on it while its server is down, and no client that
//! calls a dead server can be connected to itself; no other process that asks here gets it while
//! this one lives. A server that starts once binds port 0 and needs none of this.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Mutex, PoisonError};

/// Names that hold the ports of this process; the kernel frees them when it ends, however it ends.
static HELD: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());

/// Below are well-known services.
const LOWEST: u16 = 10_000;

/// Where the kernel's range begins if it does not say.
const USUAL_BEGIN: u16 = 32_768;

const TRIES: usize = 1_000;

/// A free loopback port that stays this process's until it ends.
///
/// # Errors
/// When no port is free, or names cannot be held.
pub fn reserve() -> io::Result<u16> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let end = range
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .filter(|begin| *begin > LOWEST + 1_000)
        .unwrap_or(USUAL_BEGIN);
    for _ in 0..TRIES {
        let port = fastrand::u16(LOWEST..end);
        let name = SocketAddr::from_abstract_name(format!("crmscope-port-{port}"))?;
        let holder = match UnixListener::bind_addr(&name) {
            Ok(holder) => holder,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => continue,
            Err(error) => return Err(error),
        };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            HELD.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(holder);
            return Ok(port);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!("no free port between {LOWEST} and {end} in {TRIES} tries"),
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_reserved_port_is_given_once_and_never_to_a_client() {
        let ports: HashSet<u16> = (0..200).map(|_| reserve().unwrap()).collect();
        assert_eq!(ports.len(), 200);
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let begin: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
        assert!(ports.iter().all(|port| *port < begin), "{ports:?}");
        for port in ports {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }
}
