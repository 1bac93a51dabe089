//! Questions to the processes on this machine: HTTP on loopback.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

const TIMEOUT: Duration = Duration::from_secs(10);

/// GET: status and body.
pub(crate) async fn get(port: u16, path: &str) -> anyhow::Result<(u16, String)> {
    exchange(port, "GET", path, Bytes::new()).await
}

/// A ClickHouse query: the answer, or ClickHouse's error.
pub(crate) async fn query(port: u16, sql: &str) -> anyhow::Result<String> {
    let (status, body) = exchange(
        port,
        "POST",
        "/?database=crmscope",
        Bytes::from(sql.to_owned()),
    )
    .await?;
    anyhow::ensure!(status == 200, "ClickHouse: {}", body.trim());
    Ok(body)
}

async fn exchange(
    port: u16,
    method: &str,
    path: &str,
    body: Bytes,
) -> anyhow::Result<(u16, String)> {
    let exchange = async {
        let stream = TcpStream::connect(("127.0.0.1", port))
            .await
            .with_context(|| format!("connect to 127.0.0.1:{port}"))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", format!("127.0.0.1:{port}"))
            .header("Connection", "close")
            .body(Full::new(body))?;
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::time::timeout(TIMEOUT, exchange)
        .await
        .with_context(|| format!("no answer from 127.0.0.1:{port}"))?
}
