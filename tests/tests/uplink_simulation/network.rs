//! A network on virtual time: connections that deliver late, in odd pieces, or not at all.
//!
//! Promises what TCP does: bytes of a connection come in order and whole, until it is cut, or its
//! path vanishes and nobody is told. Nothing holds between connections: a later one may be faster.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fastrand::Rng;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};
use tonic::codegen::Service;
use tonic::transport::Uri;
use tonic::transport::server::Connected;

/// What a connection holds of bytes under way in one direction, as socket buffers do.
const BUFFER_BYTES: usize = 64 * 1024;

/// Connection attempts a virtual second and agent: far above what waiting between attempts allows.
const ATTEMPTS_PER_S: u64 = 4;

/// One direction of a connection.
#[derive(Debug)]
struct Direction {
    chunks: VecDeque<(Instant, VecDeque<u8>)>,
    bytes: usize,
    delivery: Instant,
    /// The writing end sends no more.
    closed: bool,
    /// The reading end is gone.
    unread: bool,
    /// Both ends are told that the connection broke.
    reset: bool,
    /// What is written goes nowhere, and nobody is told.
    vanished: bool,
    wakers: Vec<Waker>,
}

type Shared<T> = Arc<Mutex<T>>;

fn locked<T>(shared: &Shared<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap()
}

impl Direction {
    fn new() -> Shared<Self> {
        Arc::new(Mutex::new(Self {
            chunks: VecDeque::new(),
            bytes: 0,
            delivery: Instant::now(),
            closed: false,
            unread: false,
            reset: false,
            vanished: false,
            wakers: Vec::new(),
        }))
    }

    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }

    fn vanish(&mut self) {
        self.vanished = true;
        self.chunks.clear();
        self.wake();
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    agent: usize,
    read: Shared<Direction>,
    write: Shared<Direction>,
    due: Option<Pin<Box<Sleep>>>,
    random: Rng,
    /// Usual time on the way, ms.
    latency_ms: u64,
    /// Whether pieces come far later now and then.
    calm: bool,
}

/// Which agent a connection is from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) usize);

impl Connected for End {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        Peer(self.agent)
    }
}

fn broken() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let mut read = locked(&this.read);
            if read.reset {
                return Poll::Ready(Err(broken()));
            }
            let Some((due, chunk)) = read.chunks.front_mut() else {
                if read.closed && !read.vanished {
                    return Poll::Ready(Ok(()));
                }
                read.wakers.push(context.waker().clone());
                return Poll::Pending;
            };
            let due = *due;
            if due <= Instant::now() {
                let most = buffer.remaining().min(this.random.usize(1..=BUFFER_BYTES));
                let bytes = most.min(chunk.len());
                let taken: Vec<u8> = chunk.drain(..bytes).collect();
                buffer.put_slice(&taken);
                if chunk.is_empty() {
                    read.chunks.pop_front();
                }
                read.bytes -= bytes;
                read.wake();
                return Poll::Ready(Ok(()));
            }
            read.wakers.push(context.waker().clone());
            drop(read);
            let timer = this
                .due
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            timer.as_mut().reset(due);
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let mut write = locked(&this.write);
        if write.reset || (write.unread && !write.vanished) {
            return Poll::Ready(Err(broken()));
        }
        let room = BUFFER_BYTES - write.bytes;
        if room == 0 {
            write.wakers.push(context.waker().clone());
            return Poll::Pending;
        }
        let length = bytes.len().min(room).min(this.random.usize(1..=32 * 1024));
        write.bytes += length;
        if !write.vanished {
            let usual = this.random.u64(1..=this.latency_ms);
            let late = if !this.calm && this.random.u8(0..50) == 0 {
                this.random.u64(100..3_000)
            } else {
                0
            };
            let due = Instant::now() + Duration::from_millis(usual + late);
            write.delivery = write.delivery.max(due);
            let due = write.delivery;
            write
                .chunks
                .push_back((due, bytes[..length].iter().copied().collect()));
            write.wake();
        }
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut write = locked(&self.write);
        write.closed = true;
        write.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut write = locked(&self.write);
        write.closed = true;
        write.wake();
        drop(write);
        let mut read = locked(&self.read);
        read.unread = true;
        read.wake();
    }
}

/// Where connections of one collector arrive.
pub(crate) type Listener = mpsc::UnboundedReceiver<io::Result<End>>;

struct Connection {
    agent: usize,
    collector: usize,
    up: Shared<Direction>,
    down: Shared<Direction>,
}

struct State {
    random: Rng,
    latency_ms: u64,
    calm: bool,
    listeners: HashMap<usize, mpsc::UnboundedSender<io::Result<End>>>,
    connections: Vec<Connection>,
    /// Agents whose path is gone until then.
    cut_off: HashMap<usize, Instant>,
    attempts: HashMap<usize, u64>,
    begin: Instant,
}

/// Everything between agents and collectors.
#[derive(Clone)]
pub(crate) struct Network(Shared<State>);

impl Network {
    pub(crate) fn new(mut random: Rng) -> Self {
        let latency_ms = *random.choice(&[2, 20, 200]).unwrap();
        Self::with(random, latency_ms, false)
    }

    /// One on which nothing is late.
    pub(crate) fn calm(random: Rng) -> Self {
        Self::with(random, 2, true)
    }

    fn with(random: Rng, latency_ms: u64, calm: bool) -> Self {
        Self(Arc::new(Mutex::new(State {
            random,
            latency_ms,
            calm,
            listeners: HashMap::new(),
            connections: Vec::new(),
            cut_off: HashMap::new(),
            attempts: HashMap::new(),
            begin: Instant::now(),
        })))
    }

    pub(crate) fn listen(&self, collector: usize) -> Listener {
        let (sender, listener) = mpsc::unbounded_channel();
        locked(&self.0).listeners.insert(collector, sender);
        listener
    }

    pub(crate) fn refuse(&self, collector: usize) {
        locked(&self.0).listeners.remove(&collector);
    }

    /// Breaks connections with both ends told: all of a collector's, or one at random.
    pub(crate) fn cut(&self, collector: Option<usize>) {
        self.break_connections(collector, |connection, _| {
            for direction in [&connection.up, &connection.down] {
                let mut direction = locked(direction);
                direction.reset = true;
                direction.wake();
            }
        });
    }

    /// One connection at random goes on in one direction only, or in none, and nobody is told.
    pub(crate) fn half_open(&self) {
        self.break_connections(None, |connection, random| {
            let which = random.u8(1..=3);
            if which & 1 != 0 {
                locked(&connection.up).vanish();
            }
            if which & 2 != 0 {
                locked(&connection.down).vanish();
            }
        });
    }

    fn break_connections(
        &self,
        collector: Option<usize>,
        mut act: impl FnMut(&Connection, &mut Rng),
    ) {
        let mut state = locked(&self.0);
        let state = &mut *state;
        let is_open = |connection: &Connection| {
            let up = locked(&connection.up);
            !(up.reset || up.unread && up.closed)
        };
        state.connections.retain(is_open);
        match collector {
            Some(collector) => {
                let concerned = |connection: &&Connection| connection.collector == collector;
                for connection in state.connections.iter().filter(concerned) {
                    act(connection, &mut state.random);
                }
            }
            None if state.connections.is_empty() => {}
            None => {
                let which = state.random.usize(..state.connections.len());
                act(&state.connections[which], &mut state.random);
            }
        }
    }

    /// An agent reaches nobody for a while: what it has open vanishes, new connections hang.
    pub(crate) fn cut_off(&self, agent: usize, time: Duration) {
        let mut state = locked(&self.0);
        state.cut_off.insert(agent, Instant::now() + time);
        for connection in state.connections.iter().filter(|open| open.agent == agent) {
            locked(&connection.up).vanish();
            locked(&connection.down).vanish();
        }
    }

    /// The end of every fault that lasts.
    pub(crate) fn heal(&self) {
        locked(&self.0).cut_off.clear();
    }

    pub(crate) fn attempts(&self) -> u64 {
        locked(&self.0).attempts.values().sum()
    }

    async fn connect(&self, agent: usize) -> io::Result<End> {
        let (cut_off, way) = {
            let mut state = locked(&self.0);
            let passed = state.begin.elapsed().as_secs() + 10;
            let attempts = state.attempts.entry(agent).or_default();
            *attempts += 1;
            assert!(
                *attempts <= ATTEMPTS_PER_S * passed,
                "agent {agent} tried to connect {attempts} times in {passed} s"
            );
            let way = Duration::from_millis(state.random.u64(1..=200));
            (state.cut_off.get(&agent).copied(), way)
        };
        if cut_off.is_some_and(|until| Instant::now() < until) {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(way).await;
        let mut state = locked(&self.0);
        let mut listening: Vec<usize> = state.listeners.keys().copied().collect();
        listening.sort_unstable();
        let Some(&collector) = state.random.choice(&listening) else {
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        let (up, down) = (Direction::new(), Direction::new());
        let (latency_ms, calm) = (state.latency_ms, state.calm);
        let mut end = |read: &Shared<Direction>, write: &Shared<Direction>| End {
            agent,
            read: Arc::clone(read),
            write: Arc::clone(write),
            due: None,
            random: state.random.fork(),
            latency_ms,
            calm,
        };
        let (agents_end, collectors_end) = (end(&down, &up), end(&up, &down));
        state.connections.push(Connection {
            agent,
            collector,
            up,
            down,
        });
        match state.listeners[&collector].send(Ok(collectors_end)) {
            Ok(()) => Ok(agents_end),
            Err(_) => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    /// How one agent connects.
    pub(crate) fn dial(&self, agent: usize) -> crmscope_agent::uplink::Dial {
        let connector = Connector {
            network: self.clone(),
            agent,
        };
        Arc::new(move |endpoint| {
            let connector = connector.clone();
            Box::pin(async move { endpoint.connect_with_connector(connector).await })
        })
    }
}

#[derive(Clone)]
struct Connector {
    network: Network,
    agent: usize,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<End>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<End>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.network.connect(this.agent).await.map(TokioIo::new) })
    }
}
