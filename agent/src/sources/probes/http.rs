//! A page: connection, handshake, one request, and as much of the body as is read.
//!
//! Redirects are answers, not followed. The head is bounded by 64 KiB and the body that is read by
//! as much again, so a server can neither fill memory nor, past the deadline, hold a run.

use std::error::Error as _;
use std::io;

use bytes::Bytes;
use crmscope_proto::catalog::{ProbeMetric, ProbeReason};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper::rt::{Read, Write};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::chain;
use super::config::Method;
use super::helpers::Helper;
use super::network;
use super::outcome::{Failure, Figures};
use super::target::HttpCheck;
use super::tls::Trust;

/// Bytes of the head.
const HEAD_MAX_BYTES: usize = 64 * 1024;

/// Bytes of the body that are read.
const BODY_MAX_BYTES: usize = 64 * 1024;

/// One run. `trust` is there where the target has TLS.
pub(super) async fn run(
    check: &HttpCheck,
    trust: Option<&Trust>,
    helper: &Helper,
    figures: &mut Figures,
    until: Instant,
) -> Result<(), Failure> {
    let stream = network::connect(&check.place, helper, figures, until).await?;
    match (trust, &check.tls_name) {
        (Some(trust), Some(name)) => {
            let stream = handshake(trust, name, stream, figures).await?;
            exchange(check, TokioIo::new(stream), figures).await
        }
        _ => exchange(check, TokioIo::new(stream), figures).await,
    }
}

async fn handshake(
    trust: &Trust,
    name: &str,
    stream: TcpStream,
    figures: &mut Figures,
) -> Result<TlsStream<TcpStream>, Failure> {
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| Failure::Agent(format!("{name:?} cannot be the name of a certificate")))?;
    let (config, recorder) = trust.connection();
    let started = Instant::now();
    let connected = TlsConnector::from(config).connect(name, stream).await;
    let now_ms = crate::clock::wall_ms();
    if let Some(seconds) = recorder.seconds_left(connected.is_ok(), now_ms) {
        figures.set(ProbeMetric::CertificateExpires, seconds);
    }
    let stream = connected.map_err(|error| of_stream(&error))?;
    figures.took(ProbeMetric::Tls, started.elapsed());
    Ok(stream)
}

async fn exchange<S: Read + Write + Unpin>(
    check: &HttpCheck,
    stream: S,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let failed = |error: hyper::Error| of_hyper(&error);
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_MAX_BYTES)
        .handshake::<_, Empty<Bytes>>(stream)
        .await
        .map_err(failed)?;
    let request = request(check)?;
    let asked = async {
        let started = Instant::now();
        let response = sender.send_request(request).await.map_err(failed)?;
        figures.took(ProbeMetric::FirstByte, started.elapsed());
        judge(check, response, figures).await
    };
    // Both in one future, so that the deadline drops both.
    tokio::pin!(asked, connection);
    tokio::select! {
        biased;
        judged = &mut asked => judged,
        // The connection may end before what it brought was read; and only it knows why it ended.
        ended = &mut connection => match (asked.await, ended) {
            (Err(Failure::Target(ProbeReason::Closed)), Err(error)) => Err(of_hyper(&error)),
            (judged, _) => judged,
        },
    }
}

fn request(check: &HttpCheck) -> Result<Request<Empty<Bytes>>, Failure> {
    let method = match check.method {
        Method::Get => hyper::Method::GET,
        Method::Head => hyper::Method::HEAD,
    };
    Request::builder()
        .method(method)
        .uri(check.path.clone())
        .header(HOST, check.host.clone())
        .header(USER_AGENT, check.user_agent.clone())
        .header(ACCEPT, HeaderValue::from_static("*/*"))
        .header(CONNECTION, HeaderValue::from_static("close"))
        .body(Empty::new())
        .map_err(|error| Failure::Agent(format!("the request cannot be made: {error}")))
}

async fn judge(
    check: &HttpCheck,
    response: Response<Incoming>,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let status = response.status().as_u16();
    figures.set(ProbeMetric::Status, u64::from(status));
    if !check
        .statuses
        .iter()
        .any(|(lowest, highest)| (lowest..=highest).contains(&&status))
    {
        return Err(ProbeReason::Status.into());
    }
    let mut body = response.into_body();
    let mut kept = Vec::new();
    let mut length = 0;
    figures.set(ProbeMetric::Body, 0);
    while length < BODY_MAX_BYTES
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|error| of_hyper(&error))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        let data = &data[..data.len().min(BODY_MAX_BYTES - length)];
        length += data.len();
        figures.set(ProbeMetric::Body, length as u64);
        if check.body.is_some() {
            kept.extend_from_slice(data);
        }
    }
    match &check.body {
        Some(expected) if !expected.is_in(&kept) => Err(ProbeReason::Body.into()),
        _ => Ok(()),
    }
}

fn of_hyper(error: &hyper::Error) -> Failure {
    let cause = error.source();
    if let Some(error) = cause.and_then(|cause| cause.downcast_ref::<io::Error>()) {
        return of_stream(error);
    }
    // A request that was not sent yet is cancelled by what came before it.
    if let Some(error) = cause.and_then(|cause| cause.downcast_ref::<hyper::Error>()) {
        return of_hyper(error);
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return ProbeReason::Closed.into();
    }
    ProbeReason::Protocol.into()
}

/// What an error of the connection says, with TLS or without.
fn of_stream(error: &io::Error) -> Failure {
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => chain::reason(error).into(),
        None => Failure::of_io(error),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::super::target::Check;
    use super::super::tests::http;
    use super::*;

    #[tokio::test]
    async fn who_speaks_before_the_request_is_sent_speaks_no_http() {
        let Ok(Check::Http(check)) = http("http://127.0.0.1/").check() else {
            panic!("it is a page");
        };
        let (near, mut far) = tokio::io::duplex(1024);
        far.write_all(b"220 mail\r\n").await.unwrap();
        let mut figures = Figures::default();
        let judged = exchange(&check, TokioIo::new(near), &mut figures).await;
        assert!(
            matches!(judged, Err(Failure::Target(ProbeReason::Protocol))),
            "{judged:?}"
        );
    }
}
