//! A service on loopback that speaks HTTP as it is told to, and badly where it is told to. The
//! scenarios of `tests/` use this file too.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Method and path with query, as sent.
    pub(crate) line: String,
    /// Without the query.
    pub(crate) path: String,
    /// Of the query, decoded.
    pub(crate) query: BTreeMap<String, String>,
    /// By names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// What goes back.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Status, type and body, with more lines of the head.
    Whole(u16, &'static str, Vec<u8>, Vec<(&'static str, String)>),
    /// A body in chunks of a few bytes.
    Chunks(&'static str, Vec<u8>, usize),
    /// So many bytes of a body that should have more.
    Cut(&'static str, Vec<u8>, usize),
    /// A body that comes a byte at a time, with a pause, ms.
    Slow(&'static str, Vec<u8>, u64),
    /// The same bytes again and again.
    Endless(&'static str, Vec<u8>),
    /// A body that ends with the connection.
    Unframed(&'static str, Vec<u8>),
    /// Nothing.
    Silence,
}

impl Reply {
    /// JSON, and all is well.
    pub(crate) fn json(text: impl Into<Vec<u8>>) -> Self {
        Self::Whole(
            200,
            "application/json;charset=UTF-8",
            text.into(),
            Vec::new(),
        )
    }

    /// A refusal in JSON.
    pub(crate) fn refusal(status: u16, text: &str) -> Self {
        Self::Whole(status, "application/json", text.into(), Vec::new())
    }
}

/// Both directions of a connection.
pub(crate) trait Both: Read + Write + Send {}
impl<T: Read + Write + Send> Both for T {}

/// Decides what goes back.
pub(crate) type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// Puts TLS around a connection, or not.
pub(crate) type Wrap = dyn Fn(TcpStream) -> Box<dyn Both> + Send + Sync;

/// A running server.
pub(crate) struct Server {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::wrapped(|stream| Box::new(stream), handler)
    }

    pub(crate) fn wrapped(
        wrap: impl Fn(TcpStream) -> Box<dyn Both> + Send + Sync + 'static,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (handler, wrap): (Arc<Handler>, Arc<Wrap>) = (Arc::new(handler), Arc::new(wrap));
        let (seen, stop) = (Arc::clone(&requests), Arc::clone(&stopped));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (handler, wrap) = (Arc::clone(&handler), Arc::clone(&wrap));
                let (seen, stop) = (Arc::clone(&seen), Arc::clone(&stop));
                thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
                    // A client that goes away is its own affair.
                    let _ = serve(wrap(stream), &*handler, &seen, &stop);
                });
            }
        });
        Self {
            port,
            requests,
            stopped,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Requests so far whose path begins so.
    pub(crate) fn requests(&self, path: &str) -> Vec<Request> {
        let requests = self.requests.lock().unwrap();
        let found = requests.iter().filter(|one| one.path.starts_with(path));
        found.cloned().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(
    stream: Box<dyn Both>,
    handler: &Handler,
    seen: &Mutex<Vec<Request>>,
    stop: &AtomicBool,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let request = read(&mut stream)?;
    seen.lock().unwrap().push(request.clone());
    let reply = handler(&request);
    let out = stream.get_mut();
    match reply {
        Reply::Whole(status, kind, body, more) => {
            let more: String = more
                .iter()
                .map(|(name, value)| format!("{name}: {value}\r\n"))
                .collect();
            write!(
                out,
                "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{more}\r\n",
                body.len()
            )?;
            out.write_all(&body)?;
        }
        Reply::Chunks(kind, body, size) => {
            write!(
                out,
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
            )?;
            for chunk in body.chunks(size) {
                write!(out, "{:x}\r\n", chunk.len())?;
                out.write_all(chunk)?;
                out.write_all(b"\r\n")?;
            }
            out.write_all(b"0\r\n\r\n")?;
        }
        Reply::Cut(kind, body, kept) => {
            let length = body.len();
            write!(
                out,
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
            )?;
            out.write_all(&body[..kept])?;
        }
        Reply::Slow(kind, body, pause_ms) => {
            let length = body.len();
            write!(
                out,
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
            )?;
            for byte in body {
                out.write_all(&[byte])?;
                out.flush()?;
                thread::sleep(Duration::from_millis(pause_ms));
            }
        }
        Reply::Endless(kind, part) => {
            write!(
                out,
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
            )?;
            while !stop.load(Ordering::Relaxed) {
                write!(out, "{:x}\r\n", part.len())?;
                out.write_all(&part)?;
                out.write_all(b"\r\n")?;
            }
        }
        Reply::Unframed(kind, body) => {
            write!(
                out,
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n"
            )?;
            out.write_all(&body)?;
        }
        Reply::Silence => {
            // Until the client goes.
            let _ = stream.read(&mut [0]);
            return Ok(());
        }
    }
    stream.get_mut().flush()
}

fn read(stream: &mut BufReader<Box<dyn Both>>) -> std::io::Result<Request> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let mut request = Request::default();
    let target = line.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    request.path = path.to_owned();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    request.query = pairs
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect();
    line.trim_end().clone_into(&mut request.line);
    loop {
        let mut line = String::new();
        // A client that goes away in the middle asks nothing.
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        let value = value.trim().to_owned();
        request.headers.insert(name.to_lowercase(), value);
    }
    let length = request.headers.get("content-length");
    let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Ok(request)
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        match (
            bytes[at],
            hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()),
        ) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 3;
            }
            (byte, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
