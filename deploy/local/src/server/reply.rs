//! Response bodies: whole, or streamed with ClickHouse's way of reporting an error on the way.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::time::Sleep;

use super::execute::Piece;
use super::fault::Fault;
use super::frames;
use crate::engine::Engine;

/// Time for the text of an error to leave before the connection is cut.
const FLUSH: Duration = Duration::from_millis(50);

/// Cancels its query when dropped before the query has finished: the client went away.
#[derive(Debug)]
pub(super) struct CancelOnDrop {
    pub(super) engine: Arc<Engine>,
    pub(super) query_id: String,
    pub(super) finished: Arc<AtomicBool>,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if self.finished.load(Ordering::Acquire) {
            return;
        }
        let (engine, finished) = (Arc::clone(&self.engine), Arc::clone(&self.finished));
        let id = super::settings::quoted(self.query_id.as_bytes());
        tokio::task::spawn_blocking(move || {
            // Not SYNC: that one hangs in the embedded engine.
            let sql = [
                b"KILL QUERY WHERE startsWith(Settings['log_comment'], ".as_slice(),
                &id,
                b") AND query NOT LIKE 'KILL QUERY%' ASYNC",
            ]
            .concat();
            // A query that is only just starting is not listed yet, so ask again a few times.
            for _ in 0..20 {
                if finished.load(Ordering::Acquire) {
                    return;
                }
                let killed = engine.session().and_then(|mut session| session.run(&sql));
                if let Err(error) = killed {
                    tracing::warn!(%error, "a query whose client went away could not be cancelled");
                    return;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
    }
}

/// A response body.
#[derive(Debug)]
pub(super) struct ReplyBody {
    state: State,
}

#[derive(Debug)]
enum State {
    Whole(Bytes),
    Streaming(Streaming),
    /// The error has been written; the connection is cut so that nobody takes the rest for whole.
    Cutting(Pin<Box<Sleep>>),
    Done,
}

/// A result under way.
#[derive(Debug)]
pub(super) struct Streaming {
    pub(super) first: Option<Bytes>,
    pub(super) pieces: mpsc::Receiver<Piece>,
    pub(super) compress: bool,
    pub(super) exception_tag: String,
    pub(super) version: String,
    pub(super) _guard: CancelOnDrop,
}

impl Streaming {
    fn frame(&self, data: Bytes) -> Bytes {
        if self.compress {
            frames::compress(&data).into()
        } else {
            data
        }
    }

    /// The block in which ClickHouse ends a broken result; clients know it by the tag, which was
    /// sent in a header.
    fn exception(&self, fault: &Fault) -> Bytes {
        let (tag, text) = (&self.exception_tag, fault.body(&self.version));
        let length = text.len();
        format!("\r\n__exception__\r\n{tag}\r\n{text}{length} {tag}\r\n__exception__\r\n").into()
    }
}

impl ReplyBody {
    pub(super) fn whole(data: impl Into<Bytes>) -> ReplyBody {
        ReplyBody {
            state: State::Whole(data.into()),
        }
    }

    pub(super) fn streaming(streaming: Streaming) -> ReplyBody {
        ReplyBody {
            state: State::Streaming(streaming),
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match &mut self.state {
            State::Whole(data) => {
                let data = std::mem::take(data);
                self.state = State::Done;
                Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(data))))
            }
            State::Streaming(streaming) => {
                if let Some(first) = streaming.first.take() {
                    return Poll::Ready(Some(Ok(Frame::data(streaming.frame(first)))));
                }
                let fault = match ready!(streaming.pieces.poll_recv(context)) {
                    Some(Piece::Data(data)) => {
                        return Poll::Ready(Some(Ok(Frame::data(streaming.frame(data)))));
                    }
                    Some(Piece::End) => {
                        self.state = State::Done;
                        return Poll::Ready(None);
                    }
                    Some(Piece::Failed(fault)) => fault,
                    None => Fault::new(
                        super::fault::code::ABORTED,
                        "the query's thread ended early",
                    ),
                };
                let data = streaming.frame(streaming.exception(&fault));
                self.state = State::Cutting(Box::pin(tokio::time::sleep(FLUSH)));
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            State::Cutting(sleep) => {
                ready!(sleep.as_mut().poll(context));
                self.state = State::Done;
                Poll::Ready(Some(Err(std::io::Error::other(
                    "the query failed on the way",
                ))))
            }
            State::Done => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Whole(data) => data.is_empty(),
            State::Done => true,
            State::Streaming(_) | State::Cutting(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Whole(data) => SizeHint::with_exact(data.len() as u64),
            State::Done => SizeHint::with_exact(0),
            State::Streaming(_) | State::Cutting(_) => SizeHint::default(),
        }
    }
}
