//! A small HTTP server that takes JSON documents, and is in a mood.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use crmscope_tests::http_get;
use serde_json::Value;

use super::wait_until;

/// What it does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Answers so.
    Answer(u16),
    /// Reads, and never answers.
    Hang,
    /// Reads, and closes the connection.
    Close,
}

/// One request that came in.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    head: String,
    pub(crate) body: Value,
    pub(crate) mood: Mood,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    /// For the next requests; then `otherwise`.
    next: VecDeque<Mood>,
    otherwise: Option<Mood>,
    hanging: Vec<TcpStream>,
    connections: usize,
}

/// The server.
pub(crate) struct Hook {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

impl Hook {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                state.lock().unwrap().connections += 1;
                std::thread::spawn(move || {
                    serve(stream, &state);
                    state.lock().unwrap().connections -= 1;
                });
            }
        });
        Self { port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// Moods of the next requests, and of those after.
    pub(crate) fn moods(&self, next: &[Mood], otherwise: Mood) {
        let mut state = self.state();
        state.next = next.iter().copied().collect();
        state.otherwise = Some(otherwise);
    }

    /// Waits until whatever was sent before is dealt with.
    pub(crate) fn quiet(&self) {
        // Connections are accepted in their order, so those before this one are counted.
        let _ = http_get(self.port, "/");
        wait_until("the hook to be quiet", || Ok(self.state().connections == 0));
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut request = Request {
        head,
        body: Value::Null,
        mood: Mood::Close,
    };
    let length: usize = request.header("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.body = serde_json::from_slice(&body).ok()?;
    let mut state = state.lock().unwrap();
    let mood = state
        .next
        .pop_front()
        .or(state.otherwise)
        .unwrap_or(Mood::Answer(200));
    request.mood = mood;
    state.requests.push(request);
    match mood {
        Mood::Answer(status) => {
            let answer = format!(
                "HTTP/1.1 {status} So\r\nContent-Length: 4\r\nRetry-After: 0\r\nLocation: /elsewhere\r\nConnection: close\r\n\r\nsaid"
            );
            (&stream).write_all(answer.as_bytes()).ok()?;
        }
        Mood::Hang => state.hanging.push(stream),
        Mood::Close => {}
    }
    Some(())
}
