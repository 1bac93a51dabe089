//! What systemd is told of this process: that it is ready, reads its settings anew, lives, or stops.
//!
//! Owns the protocol of `Type=notify`. Promises that nothing happens where systemd does not ask for it
//! (`NOTIFY_SOCKET`), and that a manager which does not read holds up the caller for a second at most.
//! Leaves to both ends when each of it is true.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Longest that a message waits for room in systemd's queue.
const SEND_DEADLINE: Duration = Duration::from_secs(1);

/// Longest status text, bytes: a line of `systemctl status`.
const STATUS_MAX_BYTES: usize = 300;

/// Why systemd cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    /// The environment names no socket that can be.
    #[error(
        "NOTIFY_SOCKET is {0:?}: only a path or an abstract name (@…) can be told anything; check what starts this process"
    )]
    Address(String),
    /// A socket cannot be made.
    #[error("cannot make a socket for NOTIFY_SOCKET: {0}")]
    Socket(#[source] io::Error),
}

/// Tells systemd. The default tells nobody.
#[derive(Debug, Default)]
pub struct Notifier {
    manager: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
    is_ready: AtomicBool,
}

impl Notifier {
    /// As `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` say.
    ///
    /// # Errors
    /// When `NOTIFY_SOCKET` is something that cannot be told anything.
    pub fn from_environment() -> Result<Self, SystemdError> {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(Self::default());
        };
        let address = address(&name)?;
        let socket = UnixDatagram::unbound().map_err(SystemdError::Socket)?;
        socket
            .set_write_timeout(Some(SEND_DEADLINE))
            .map_err(SystemdError::Socket)?;
        let number = |variable| std::env::var(variable).ok()?.parse().ok();
        Ok(Self {
            manager: Some((socket, address)),
            watchdog: watchdog_interval(
                number("WATCHDOG_USEC"),
                number("WATCHDOG_PID"),
                std::process::id(),
            ),
            is_ready: AtomicBool::new(false),
        })
    }

    /// Whether anybody is told.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.manager.is_some()
    }

    /// The work has begun.
    pub fn ready(&self, status: &str) {
        self.is_ready.store(true, Ordering::Relaxed);
        self.tell(&format!("READY=1\nSTATUS={}", line(status)));
    }

    /// What `systemctl status` shows from now on.
    pub fn status(&self, status: &str) {
        self.tell(&format!("STATUS={}", line(status)));
    }

    /// Settings are read anew. Untold before the work has begun, since the end of it would say that it has.
    pub fn reloading(&self) {
        if self.is_ready.load(Ordering::Relaxed) {
            let now = clock_gettime(ClockId::Monotonic);
            let now_us = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
            self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now_us}"));
        }
    }

    /// They are in force, or refused.
    pub fn reloaded(&self) {
        if self.is_ready.load(Ordering::Relaxed) {
            self.tell("READY=1");
        }
    }

    /// The end has begun.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=handing on what is left");
    }

    /// When it has to be told that this process lives.
    #[must_use]
    pub fn watchdog(&self) -> Watchdog {
        Watchdog {
            interval: self.watchdog,
            due: self.watchdog.map(|_| Instant::now()),
        }
    }

    fn tell(&self, message: &str) {
        let Some((socket, address)) = &self.manager else {
            return;
        };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            tracing::warn!(%error, message, "systemd cannot be told");
        }
    }
}

/// Says in time that this process lives, as long as it is asked to.
#[derive(Debug)]
pub struct Watchdog {
    interval: Option<Duration>,
    due: Option<Instant>,
}

impl Watchdog {
    /// When it is due; `None` where systemd does not watch.
    #[must_use]
    pub const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Tells it where it is due. To be called from the loop that must not stand still.
    pub fn beat(&mut self, now: Instant, notifier: &Notifier) {
        let (Some(interval), Some(due)) = (self.interval, self.due) else {
            return;
        };
        if now >= due {
            notifier.tell("WATCHDOG=1");
            self.due = Some(now + interval);
        }
    }
}

fn address(name: &OsStr) -> Result<SocketAddr, SystemdError> {
    let made = match name.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(name),
        [b'@', abstract_name @ ..] => SocketAddr::from_abstract_name(abstract_name),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    };
    made.map_err(|_| SystemdError::Address(name.to_string_lossy().into_owned()))
}

/// Half of what systemd waits, so that one beat may come late; only for the process that is watched.
fn watchdog_interval(usec: Option<u64>, watched: Option<u64>, own: u32) -> Option<Duration> {
    let is_other = watched.is_some_and(|watched| watched != u64::from(own));
    let usec = usec.filter(|&usec| usec > 0 && !is_other)?;
    Some(Duration::from_micros(usec / 2))
}

/// One line of bounded length: a line break would begin another variable.
fn line(text: &str) -> String {
    crate::payload::truncate(text, STATUS_MAX_BYTES).replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_have_a_path_or_an_abstract_name() {
        let path = address(OsStr::new("/run/systemd/notify")).unwrap();
        assert_eq!(
            path.as_pathname().unwrap().as_os_str(),
            "/run/systemd/notify"
        );
        let name = address(OsStr::new("@notify")).unwrap();
        assert_eq!(name.as_abstract_name(), Some(b"notify".as_slice()));
        for wrong in ["notify", "vsock:2:1", &"/x".repeat(100)] {
            let error = address(OsStr::new(wrong)).unwrap_err();
            assert!(error.to_string().contains(wrong), "{error}");
        }
    }

    #[test]
    fn half_of_the_time_of_the_watchdog_is_left_for_a_late_beat() {
        let half = Some(Duration::from_secs(15));
        assert_eq!(watchdog_interval(Some(30_000_000), None, 7), half);
        assert_eq!(watchdog_interval(Some(30_000_000), Some(7), 7), half);
        assert_eq!(watchdog_interval(Some(30_000_000), Some(8), 7), None);
        assert_eq!(watchdog_interval(Some(0), None, 7), None);
        assert_eq!(watchdog_interval(None, None, 7), None);
    }

    #[test]
    fn a_status_is_one_line() {
        assert_eq!(line("no answer\nREADY=1"), "no answer READY=1");
        assert!(line(&"é".repeat(1000)).len() <= STATUS_MAX_BYTES);
    }
}
