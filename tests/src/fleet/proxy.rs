//! A proxy that fails on demand: between agents and collectors, and between collectors and
//! ClickHouse and brokers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Passes everything on.
    Fair,
    /// Connections are cut, new ones are closed at once.
    Cut,
    /// Connections stay and nothing passes; nobody is told.
    Silent,
}

/// A listening proxy with one or several targets, of which a connection takes the first that
/// answers, beginning with another one each time.
pub struct Proxy {
    port: u16,
    weather: watch::Sender<Weather>,
    targets: Arc<OnceLock<Vec<u16>>>,
}

impl Proxy {
    /// Listens on a port of its own.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn start(runtime: &Runtime, targets: Vec<u16>) -> Self {
        let proxy = Self::without_target(runtime);
        proxy.lead_to(targets);
        proxy
    }

    /// Listens already, and closes connections until it is told where they lead.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn without_target(runtime: &Runtime) -> Self {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (weather, seen) = watch::channel(Weather::Fair);
        let targets = Arc::new(OnceLock::<Vec<u16>>::new());
        let leads_to = Arc::clone(&targets);
        runtime.spawn(async move {
            let next = Arc::new(AtomicUsize::new(0));
            while let Ok((socket, _)) = listener.accept().await {
                if let Some(targets) = leads_to.get() {
                    let next = Arc::clone(&next);
                    tokio::spawn(pass(socket, targets.clone(), next, seen.clone()));
                }
            }
        });
        Self {
            port,
            weather,
            targets,
        }
    }

    /// Where connections lead, said once.
    ///
    /// # Panics
    /// When it was said before.
    pub fn lead_to(&self, targets: Vec<u16>) {
        self.targets.set(targets).unwrap();
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// From now on.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

async fn pass(
    socket: TcpStream,
    targets: Vec<u16>,
    next: Arc<AtomicUsize>,
    mut weather: watch::Receiver<Weather>,
) {
    if weather
        .wait_for(|now| *now != Weather::Silent)
        .await
        .is_err()
        || *weather.borrow() == Weather::Cut
    {
        return;
    }
    let first = next.fetch_add(1, Ordering::Relaxed);
    let mut target = None;
    for number in 0..targets.len() {
        let port = targets[(first + number) % targets.len()];
        if let Ok(found) = TcpStream::connect(("127.0.0.1", port)).await {
            target = Some(found);
            break;
        }
    }
    let Some(target) = target else { return };
    let _ = (socket.set_nodelay(true), target.set_nodelay(true));
    let ((near_read, near_write), (far_read, far_write)) =
        (socket.into_split(), target.into_split());
    tokio::select! {
        () = async {
            tokio::join!(
                copy(near_read, far_write, weather.clone()),
                copy(far_read, near_write, weather.clone()),
            );
        } => {}
        () = cut(weather.clone()) => {}
    }
}

async fn cut(mut weather: watch::Receiver<Weather>) {
    // An error means that the proxy is gone, which is a cut as well.
    let _ = weather.wait_for(|now| *now == Weather::Cut).await;
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length) = from.read(&mut buffer).await {
        if weather
            .wait_for(|now| *now != Weather::Silent)
            .await
            .is_err()
            || length == 0
            || to.write_all(&buffer[..length]).await.is_err()
        {
            break;
        }
    }
    let _ = to.shutdown().await;
}
