//! Runs one request on the engine, on a thread of its own.
//!
//! A request's life: a fresh session; `SET` of the defaults and of the request's settings; `USE`;
//! `SET readonly`; then the statement. Nothing has to be undone, since the session ends with the
//! request. Large results leave in pieces with backpressure; small ones, and every error before
//! the first mebibyte, are known before the response's head is sent. A result in a format that is
//! one document (see `formats`) is held in memory, up to a bound.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::body::Body;
use super::fault::Fault;
use super::formats::{self, Shape};
use super::frames::Frames;
use super::header::Once;
use super::held::{HELD_BYTES, explain, held_limit, too_large};
use super::query_text::{read_form, read_statement};
use super::request::Request;
use super::settings::prepare;
use super::statement::{self, Statement};
use crate::engine::{Counters, Engine, Rows, Session};

/// A result up to here is sent with its true status and length.
const WHOLE_BYTES: usize = 1 << 20;
/// What is handed to the engine at once.
const APPEND_BYTES: usize = 256 << 10;

/// What the response's head needs.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) format: String,
    pub(super) counters: Counters,
    pub(super) elapsed: Duration,
    /// The whole result, or its beginning.
    pub(super) first: Vec<u8>,
    pub(super) is_whole: bool,
}

/// A part of a result that is streamed.
#[derive(Debug)]
pub(super) enum Piece {
    Data(Bytes),
    Failed(Fault),
    /// Without it, the thread died, and the client must not take the result for whole.
    End,
}

/// One request on its way through a thread.
pub(super) struct Job {
    pub(super) engine: Arc<Engine>,
    pub(super) request: Request,
    pub(super) body: Body,
    /// Of the server, before those of the request.
    pub(super) defaults: Arc<Vec<(String, Vec<u8>)>>,
    pub(super) head: oneshot::Sender<Result<Head, Fault>>,
    pub(super) pieces: mpsc::Sender<Piece>,
    /// Set when there is nothing left to cancel.
    pub(super) finished: Arc<AtomicBool>,
}

impl Job {
    pub(super) fn run(self) {
        let mut answer = Answer {
            head: Some(self.head),
            pieces: self.pieces,
            finished: self.finished,
            started: Instant::now(),
            format: String::new(),
        };
        let result = run(
            &self.engine,
            self.request,
            self.body,
            &self.defaults,
            &mut answer,
        );
        answer.finished.store(true, Ordering::Release);
        if let Err(fault) = result {
            match answer.head.take() {
                Some(head) => drop(head.send(Err(fault))),
                None => drop(answer.pieces.blocking_send(Piece::Failed(fault))),
            }
        }
    }
}

/// Where the result goes.
struct Answer {
    head: Option<oneshot::Sender<Result<Head, Fault>>>,
    pieces: mpsc::Sender<Piece>,
    /// Set before the last word is sent, so that its reader does not cancel what has ended.
    finished: Arc<AtomicBool>,
    started: Instant,
    format: String,
}

impl Answer {
    fn start(&mut self, first: Vec<u8>, counters: Counters, is_whole: bool) {
        if let Some(head) = self.head.take() {
            self.finished.store(is_whole, Ordering::Release);
            let format = std::mem::take(&mut self.format);
            let elapsed = self.started.elapsed();
            drop(head.send(Ok(Head {
                format,
                counters,
                elapsed,
                first,
                is_whole,
            })));
        }
    }
}

fn run(
    engine: &Engine,
    mut request: Request,
    body: Body,
    defaults: &[(String, Vec<u8>)],
    answer: &mut Answer,
) -> Result<(), Fault> {
    let mut body: Box<dyn Read> = Box::new(body);
    if request.gzip_body {
        body = Box::new(flate2::read::MultiGzDecoder::new(body));
    }
    if request.decompress {
        body = Box::new(Frames::new(body));
    }
    if request.boundary.is_some() {
        let form = read_form(&mut body)?;
        request.take_form(&form)?;
        body = Box::new(std::io::empty());
    }
    let (text, statement) = read_statement(&mut request, &mut body)?;
    let mut session = engine.session()?;
    let default_format = request
        .default_format
        .take()
        .unwrap_or_else(|| "TabSeparated".to_owned());
    let asked = match statement {
        Statement::Insert { .. } => None,
        Statement::Rows | Statement::Whole => statement::output_format(&text),
    };
    answer.format = asked.unwrap_or_else(|| default_format.clone());
    let shape = match statement {
        Statement::Rows => formats::shape(&answer.format, &text, &request.settings),
        _ => Shape::Document,
    };
    let mut before = defaults.to_vec();
    if statement == Statement::Rows && shape == Shape::Document {
        before.extend(held_limit(&text, &request));
    }
    prepare(&mut session, &request, &before)?;
    match statement {
        Statement::Insert {
            head_end,
            format,
            data_start,
        } => {
            let (head, data) = (&text[..head_end], &text[data_start..]);
            let counters = insert(&mut session, head, &format, &request, data, &mut body)?;
            answer.start(Vec::new(), counters, true);
        }
        Statement::Rows | Statement::Whole => {
            if shape != Shape::Document
                && rows(
                    &mut session,
                    &text,
                    &default_format,
                    shape,
                    &request,
                    answer,
                )?
            {
                return Ok(());
            }
            let result = session.query(&text, &default_format, &request.params, HELD_BYTES);
            let (result, counters) = result
                .map_err(|error| explain(error.into(), &answer.format))?
                .ok_or_else(|| too_large(&answer.format))?;
            answer.start(result, counters, true);
        }
    }
    Ok(())
}

fn insert(
    session: &mut Session,
    head: &[u8],
    format: &str,
    request: &Request,
    first: &[u8],
    body: &mut dyn Read,
) -> Result<Counters, Fault> {
    let mut insert = session.insert(head, format, &request.params)?;
    let mut going = first.is_empty() || insert.append(first);
    let mut buffer = vec![0; APPEND_BYTES];
    while going {
        match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => going = insert.append(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                insert.cancel();
                return Err(error.into());
            }
        }
    }
    Ok(insert.finish()?)
}

/// Streams a SELECT. False when the engine has to run it whole.
fn rows(
    session: &mut Session,
    text: &[u8],
    default_format: &str,
    shape: Shape,
    request: &Request,
    answer: &mut Answer,
) -> Result<bool, Fault> {
    let Some(rows) = session.rows(text, default_format, &request.params)? else {
        return Ok(false);
    };
    let header = match shape {
        Shape::Headed(header) => Some(Once::new(header)),
        Shape::Rows | Shape::Document => None,
    };
    let mut pieces = Pieces { rows, header };
    let bound = if request.wait_end_of_query {
        HELD_BYTES
    } else {
        WHOLE_BYTES
    };
    let mut first = Vec::new();
    while let Some(piece) = pieces.next()? {
        first.extend_from_slice(&piece);
        if first.len() <= bound {
            continue;
        }
        if request.wait_end_of_query {
            return Err(too_large(&answer.format));
        }
        answer.start(std::mem::take(&mut first), pieces.rows.counters(), false);
        while let Some(piece) = pieces.next()? {
            if answer.pieces.blocking_send(Piece::Data(piece)).is_err() {
                // The client went away; dropping `pieces` cancels the query.
                return Ok(true);
            }
        }
        answer.finished.store(true, Ordering::Release);
        let _ = answer.pieces.blocking_send(Piece::End);
        return Ok(true);
    }
    answer.start(first, pieces.rows.counters(), true);
    Ok(true)
}

/// The pieces of a result that together are one document.
struct Pieces<'session> {
    rows: Rows<'session>,
    header: Option<Once>,
}

impl Pieces<'_> {
    /// The next piece that is not empty, `None` at the end.
    fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        while let Some(piece) = self.rows.fetch()? {
            let piece = match &mut self.header {
                Some(header) => header.keep(piece.into())?,
                None => piece.into(),
            };
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}
