//! A network between two parts of the stack that can be cut, stalled and slowed down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bytes that are passed on at once; a delay applies to each such piece.
const PIECE_BYTES: usize = 16 << 10;

/// The state of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Everything passes.
    Open,
    /// Each piece of up to 16 KiB passes after this time.
    Slow(Duration),
    /// Nothing passes, and nobody is told, as with a pulled cable.
    Stalled,
    /// Connections break, and new ones end at once.
    Cut,
}

/// Forwards one port to another.
#[derive(Debug)]
pub(super) struct Proxy {
    port: u16,
    link: watch::Sender<Link>,
    passed_bytes: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Begins to forward to `target`, a port of 127.0.0.1.
    pub(super) async fn start(target: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .context("take a port of 127.0.0.1")?;
        let port = listener.local_addr()?.port();
        let (link, watched) = watch::channel(Link::Open);
        let passed_bytes = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&passed_bytes);
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    // Out of file descriptors: some connection will end.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let (watched, counter) = (watched.clone(), Arc::clone(&counter));
                tokio::spawn(carry(stream, target, watched, counter));
            }
        });
        Ok(Self {
            port,
            link,
            passed_bytes,
            accepting,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Bytes that passed so far, both ways.
    pub(super) fn passed_bytes(&self) -> u64 {
        self.passed_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, link: Link) {
        self.link.send_replace(link);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.link.send_replace(Link::Cut);
    }
}

/// One connection, until an end closes it or the network is cut.
async fn carry(
    client: TcpStream,
    target: u16,
    mut link: watch::Receiver<Link>,
    passed_bytes: Arc<AtomicU64>,
) {
    if *link.borrow() == Link::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else {
        return;
    };
    // Pieces are small enough to wait for each other otherwise.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = pass(from_client, to_server, link.clone(), &passed_bytes);
    let down = pass(from_server, to_client, link.clone(), &passed_bytes);
    tokio::select! {
        () = async { tokio::join!(up, down); } => {}
        _ = link.wait_for(|link| *link == Link::Cut) => {}
    }
}

/// One direction.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut link: watch::Receiver<Link>,
    passed_bytes: &AtomicU64,
) {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = match from.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        let state = match link.wait_for(|link| *link != Link::Stalled).await {
            Ok(state) => *state,
            Err(_) => break,
        };
        if let Link::Slow(delay) = state {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&piece[..count]).await.is_err() {
            break;
        }
        passed_bytes.fetch_add(count as u64, Ordering::Relaxed);
    }
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets.
    async fn echo() -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.into_split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        port
    }

    async fn say(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
        stream.write_all(text.as_bytes()).await?;
        hear(stream, text.len()).await
    }

    async fn hear(stream: &mut TcpStream, bytes: usize) -> std::io::Result<String> {
        let mut answer = vec![0; bytes];
        stream.read_exact(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    #[tokio::test]
    async fn what_is_stalled_passes_later_and_what_is_cut_never() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", proxy.port()))
            .await
            .unwrap();
        assert_eq!(say(&mut stream, "one").await.unwrap(), "one");
        let before = proxy.passed_bytes();
        assert_eq!(before, 6);
        proxy.set(Link::Stalled);
        stream.write_all(b"two").await.unwrap();
        let heard = tokio::time::timeout(Duration::from_millis(200), hear(&mut stream, 3)).await;
        assert!(heard.is_err() && proxy.passed_bytes() == before);
        proxy.set(Link::Slow(Duration::from_millis(1)));
        assert_eq!(hear(&mut stream, 3).await.unwrap(), "two");
        proxy.set(Link::Cut);
        assert!(say(&mut stream, "three").await.is_err());
        let mut other = TcpStream::connect(("127.0.0.1", proxy.port()))
            .await
            .unwrap();
        assert!(say(&mut other, "four").await.is_err());
        proxy.set(Link::Open);
        let mut again = TcpStream::connect(("127.0.0.1", proxy.port()))
            .await
            .unwrap();
        assert_eq!(say(&mut again, "five").await.unwrap(), "five");
    }
}
