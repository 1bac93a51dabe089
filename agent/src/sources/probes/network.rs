//! Names, connections and DNS servers: the part of a run that all kinds share.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use crmscope_proto::catalog::{ProbeMetric, ProbeReason};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use super::helpers::Helper;
use super::message::{self, Answer, Record, Useless};
use super::outcome::{Failure, Figures};
use super::place::Place;
use super::target::DnsCheck;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Messages that answer nothing before the server counts as broken.
const FOREIGN_MAX: usize = 64;

/// How often a question is sent before the deadline: packets get lost.
const SENDS: u32 = 3;

/// Least time between two, where the deadline is near.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// Addresses of a place. An address needs no resolver, and has no time of it.
async fn resolve(
    place: &Place,
    helper: &Helper,
    figures: &mut Figures,
) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(address) = place.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, place.port)]);
    }
    let started = Instant::now();
    let mut addresses = look_up(&place.host, place.port, helper).await?;
    figures.took(ProbeMetric::Dns, started.elapsed());
    addresses.truncate(ADDRESSES_MAX);
    Ok(addresses)
}

async fn look_up(host: &str, port: u16, helper: &Helper) -> Result<Vec<SocketAddr>, Failure> {
    let name = (host.to_owned(), port);
    let found = helper
        .ask(move || name.to_socket_addrs().map(Iterator::collect::<Vec<_>>))
        .await?;
    match found {
        Ok(addresses) if !addresses.is_empty() => Ok(addresses),
        Ok(_) => Err(ProbeReason::ResolveFailed.into()),
        Err(error) => match Failure::of_io(&error) {
            own @ Failure::Agent(_) => Err(own),
            Failure::Target(_) => Err(ProbeReason::ResolveFailed.into()),
        },
    }
}

/// A connection to a place. Every address gets its share of the time, so that one behind which
/// packets vanish does not hide the next.
pub(super) async fn connect(
    place: &Place,
    helper: &Helper,
    figures: &mut Figures,
    until: Instant,
) -> Result<TcpStream, Failure> {
    let addresses = resolve(place, helper, figures).await?;
    let started = Instant::now();
    let mut failure: Option<Failure> = None;
    for (position, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let left = u32::try_from(addresses.len() - position).unwrap_or(u32::MAX);
        let share = until.saturating_duration_since(now) / left;
        let next = match timeout_at(now + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                figures.took(ProbeMetric::Connect, started.elapsed());
                // A request is one packet; it is not to wait for another.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => Failure::of_io(&error),
            Err(_) => ProbeReason::TimedOut.into(),
        };
        // A family that this host has no path for tells less than what the other one said.
        if !matches!(next, Failure::Target(ProbeReason::Unreachable)) || failure.is_none() {
            failure = Some(next);
        }
    }
    Err(failure.unwrap_or_else(|| ProbeReason::ResolveFailed.into()))
}

/// Looks a name up.
pub(super) async fn dns(
    check: &DnsCheck,
    helper: &Helper,
    figures: &mut Figures,
    until: Instant,
) -> Result<(), Failure> {
    let started = Instant::now();
    let addresses = match check.server {
        Some(server) => ask(check, server, until).await?,
        None => {
            let found = look_up(&check.domain, 0, helper).await?;
            found.iter().map(SocketAddr::ip).collect()
        }
    };
    figures.took(ProbeMetric::Dns, started.elapsed());
    match check.expect {
        Some(expect) if !addresses.contains(&expect) => Err(ProbeReason::WrongAddress.into()),
        _ => Ok(()),
    }
}

async fn ask(check: &DnsCheck, server: SocketAddr, until: Instant) -> Result<Vec<IpAddr>, Failure> {
    let records: &[Record] = match check.expect {
        Some(IpAddr::V4(_)) => &[Record::A],
        Some(IpAddr::V6(_)) => &[Record::Aaaa],
        None => &[Record::A, Record::Aaaa],
    };
    for &record in records {
        let question = message::question(fastrand::u16(..), &check.domain, record);
        let mut answer = over_udp(&question, server, until).await?;
        if answer.truncated && answer.error == 0 {
            answer = over_tcp(&question, server).await?;
        }
        if answer.error != 0 {
            break;
        }
        if !answer.addresses.is_empty() {
            return Ok(answer.addresses);
        }
    }
    Err(ProbeReason::ResolveFailed.into())
}

async fn over_udp(question: &[u8], server: SocketAddr, until: Instant) -> Result<Answer, Failure> {
    let failed = |error: io::Error| Failure::of_io(&error);
    let own: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((own, 0)).await.map_err(failed)?;
    // Only this server's packets get in.
    socket.connect(server).await.map_err(failed)?;
    let left = until.saturating_duration_since(Instant::now());
    let pause = (left / SENDS).max(PAUSE_MIN);
    let mut foreign = 0;
    let mut buffer = [0; 1500];
    loop {
        socket.send(question).await.map_err(failed)?;
        let again = Instant::now() + pause;
        while let Ok(received) = timeout_at(again, socket.recv(&mut buffer)).await {
            let length = received.map_err(failed)?;
            match message::answer(question, &buffer[..length]) {
                Ok(answer) => return Ok(answer),
                Err(Useless::Broken) => return Err(ProbeReason::Protocol.into()),
                Err(Useless::Foreign) if foreign >= FOREIGN_MAX => {
                    return Err(ProbeReason::Protocol.into());
                }
                Err(Useless::Foreign) => foreign += 1,
            }
        }
    }
}

async fn over_tcp(question: &[u8], server: SocketAddr) -> Result<Answer, Failure> {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        let length = u16::try_from(question.len()).unwrap_or(u16::MAX);
        stream
            .write_all(&[&length.to_be_bytes()[..], question].concat())
            .await?;
        let length = stream.read_u16().await?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let answer = exchange.await.map_err(|error| Failure::of_io(&error))?;
    message::answer(question, &answer).map_err(|_| ProbeReason::Protocol.into())
}
