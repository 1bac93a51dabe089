//! The request body, from the connection to the thread that runs the statement.
//!
//! Promises: a bounded number of pieces under way, so a slow engine slows the client; an end that
//! is told apart from a client that went away; and a body that is read on after an error, up to a
//! bound, so that the client gets to read the answer instead of a reset.

use std::io::{self, Read};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::mpsc;

/// Pieces (of at most a few hundred kB each) between connection and engine.
const PIECES: usize = 4;
/// Read and dropped after the statement has failed.
const DRAIN_BYTES: usize = 64 << 20;
/// A client that sends nothing for so long holds a place in vain.
const SILENCE: Duration = Duration::from_secs(300);

#[derive(Debug)]
enum Piece {
    Data(Bytes),
    End,
}

/// The blocking end of a request body.
#[derive(Debug)]
pub(super) struct Body {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    ended: bool,
}

impl Body {
    /// Starts reading `incoming`.
    pub(super) fn receive(incoming: Incoming) -> Body {
        let (sender, pieces) = mpsc::channel(PIECES);
        tokio::spawn(forward(incoming, sender));
        Body {
            pieces,
            current: Bytes::new(),
            ended: false,
        }
    }

    /// A body already in memory.
    pub(super) fn empty() -> Body {
        let (_, pieces) = mpsc::channel(1);
        Body {
            pieces,
            current: Bytes::new(),
            ended: true,
        }
    }
}

async fn forward(mut incoming: Incoming, sender: mpsc::Sender<Piece>) {
    let mut dropped = 0;
    loop {
        // Errors and silence close the channel without an end, which the reader takes as such.
        let Ok(frame) = tokio::time::timeout(SILENCE, incoming.frame()).await else {
            return;
        };
        match frame {
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else {
                    continue;
                };
                let length = data.len();
                if sender.send(Piece::Data(data)).await.is_err() {
                    dropped += length;
                    if dropped > DRAIN_BYTES {
                        return;
                    }
                }
            }
            Some(Err(_)) => return,
            None => {
                let _ = sender.send(Piece::End).await;
                return;
            }
        }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.ended && self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(Piece::Data(data)) => self.current = data,
                Some(Piece::End) => self.ended = true,
                None => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the client went away before the end of the body",
                    ));
                }
            }
        }
        let count = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
