//! Real web servers on loopback, and what is sent to them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(super) const NGINX: &str = "/usr/sbin/nginx";
pub(super) const APACHE: &str = "/usr/sbin/apache2";
pub(super) const AB: &str = "/usr/bin/ab";

const PATIENCE: Duration = Duration::from_secs(10);

/// Whether programs are there, each with its Debian package. Under `CI=true` they must be: a test
/// must not pass by not running.
pub(super) fn installed(programs: &[(&str, &str)]) -> bool {
    let missing = programs.iter().find(|(path, _)| !Path::new(path).exists());
    if let Some((path, package)) = missing {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "{path} is missing; install the package {package}"
        );
        println!("not run: {path} is not installed; on Debian: apt-get install {package}");
    }
    missing.is_none()
}

/// Taken by the server a moment later; a test that loses the race fails loudly.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port()
}

pub(super) fn wait_for_port(port: u16) {
    wait_until("the server listens", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
}

pub(super) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A server that is ended with the test.
pub(super) struct Server(Child);

impl Server {
    pub(super) fn start(command: &mut Command, port: u16) -> Self {
        let server = Self(command.stderr(Stdio::null()).spawn().unwrap());
        wait_for_port(port);
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked, not killed: it has children to end.
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.0),
            rustix::process::Signal::TERM,
        );
        let _ = self.0.wait();
    }
}

/// Requests of ab.
pub(super) fn load(port: u16, requests: u32, path: &str) {
    let done = Command::new(AB)
        .args(["-q", "-c", "8", "-n", &requests.to_string()])
        .arg(format!("http://127.0.0.1:{port}{path}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(done.success());
}

/// The oddest requests a server takes, each with a line in its log.
pub(super) const HOSTILE: [&[u8]; 12] = [
    b"GET /index.html?a\"b\\x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /a\"b\\x22\" HTTP/1.0\r\n\r\n",
    b"GET /x HTTP/1.0\r\nUser-Agent: \" 500 9 \"\\\" \\\r\nReferer: a\\\"b\\\r\n\r\n",
    b"GET /x HTTP/1.0\r\nUser-Agent: \xff\xc3\xa9\x01\x1b[2J\r\n\r\n",
    b"GET /a%20b%22%7C500%7C9%0A%00 HTTP/1.0\r\n\r\n",
    b"GET /a%20500%209%20%22 HTTP/1.0\r\n\r\n",
    // The user is `a b" [25/Nov/2026`.
    b"GET /x HTTP/1.0\r\nAuthorization: Basic YSBiIiBbMjUvTm92LzIwMjY6MDk6MzU6MzYgKzAwMDBdICJHRVQgLyBIVFRQLzEuMSIgNTAwIDk6eA==\r\n\r\n",
    b"FOO /index.html HTTP/1.0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    b"GET /old\r\n\r\n",
    b"GET /\x01\xc3\xa9 HTTP/1.0\r\n\r\n",
    b"GET http://h.example.com/abs?q HTTP/1.0\r\n\r\n",
];

/// Sends bytes and waits for whatever comes back.
pub(super) fn send(port: u16, request: &[u8]) {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.write_all(request).unwrap();
    // A server may have closed the connection already: it has answered then.
    let _ = connection.shutdown(Shutdown::Write);
    let _ = connection.read_to_end(&mut Vec::new());
}

/// Waits until each log has as many lines as the first, and at least so many: servers write a line
/// just after answering.
pub(super) fn wait_for_lines(logs: &[std::path::PathBuf], least: usize) -> usize {
    let lines = |log: &Path| {
        let bytes = std::fs::read(log).unwrap_or_default();
        bytes.iter().filter(|&&byte| byte == b'\n').count()
    };
    wait_until("every request has its lines", || {
        let counts: Vec<_> = logs.iter().map(|log| lines(log)).collect();
        counts[0] >= least && counts.iter().all(|&count| count == counts[0])
    });
    lines(&logs[0])
}
