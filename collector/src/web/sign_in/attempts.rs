//! Wrong tokens by address: after some, no more are looked at for a while.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong ones before an address has to wait.
const WRONG_MAX: u32 = 10;
/// For how long they count.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered; the one that began first goes.
const ADDRESSES_MAX: usize = 4096;

/// Wrong tokens of lately.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    wrong: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

/// A host has a whole /64 to choose from.
fn place(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

impl Attempts {
    /// How long an address has to wait before it is listened to.
    pub(super) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, count) = wrong.get(&place(address))?;
        let left = (*began + WINDOW).checked_duration_since(now)?;
        (*count >= WRONG_MAX && !left.is_zero()).then_some(left)
    }

    /// Notes a wrong token.
    pub(super) fn note(&self, address: IpAddr, now: Instant) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |began: Instant| now.duration_since(began) >= WINDOW;
        let place = place(address);
        if !wrong.contains_key(&place) && wrong.len() >= ADDRESSES_MAX {
            wrong.retain(|_, (began, _)| !is_over(*began));
            if wrong.len() >= ADDRESSES_MAX {
                let first = wrong.iter().min_by_key(|(_, (began, _))| *began);
                if let Some(first) = first.map(|(address, _)| *address) {
                    wrong.remove(&first);
                }
            }
        }
        let (began, count) = wrong.entry(place).or_insert((now, 0));
        if is_over(*began) {
            (*began, *count) = (now, 0);
        }
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_guesses_has_to_wait() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let address = "203.0.113.7".parse().unwrap();
        for _ in 0..WRONG_MAX {
            assert_eq!(attempts.wait(address, now), None);
            attempts.note(address, now);
        }
        assert_eq!(attempts.wait(address, now), Some(WINDOW));
        assert_eq!(attempts.wait("203.0.113.8".parse().unwrap(), now), None);
        let later = now + WINDOW;
        assert_eq!(attempts.wait(address, later), None);
        attempts.note(address, later);
        assert_eq!(attempts.wait(address, later), None);
    }

    #[test]
    fn addresses_are_bounded_and_taken_together() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for host in 0..WRONG_MAX {
            let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host as u16);
            attempts.note(address.into(), now);
        }
        assert!(
            attempts
                .wait("2001:db8:0:1::ffff".parse().unwrap(), now)
                .is_some()
        );
        for host in 0..2 * ADDRESSES_MAX as u32 {
            attempts.note(IpAddr::from(host.to_be_bytes()), now);
        }
        assert!(attempts.wrong.lock().unwrap().len() <= ADDRESSES_MAX);
    }
}
