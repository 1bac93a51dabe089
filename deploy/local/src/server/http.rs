//! Routes, headers, and the way of a query from request to response.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN,
};
use hyper::{Method, Response, StatusCode};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::body::Body;
use super::execute::{Head, Job};
use super::fault::{Fault, code};
use super::guard::{self, Credentials};
use super::reply::{CancelOnDrop, ReplyBody, Streaming};
use super::request::Request;
use super::{dashboard, frames};
use crate::engine::Engine;

/// Pieces of a result between engine and connection.
const PIECES: usize = 2;
/// How long a query waits for one of the places, as ClickHouse's queue does.
const QUEUE_WAIT: Duration = Duration::from_secs(5);

/// What every request shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) engine: Arc<Engine>,
    pub(super) places: Arc<Semaphore>,
    pub(super) max_concurrent_queries: usize,
    pub(super) defaults: Arc<Vec<(String, Vec<u8>)>>,
    pub(super) credentials: Option<Credentials>,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) display_name: String,
}

type Reply = Response<ReplyBody>;

/// Answers one request. Never fails: errors are responses.
pub(super) async fn serve(shared: &Arc<Shared>, incoming: hyper::Request<Incoming>) -> Reply {
    if let Err(text) = guard::check_host(incoming.headers(), &shared.allowed_hosts) {
        return plain(StatusCode::FORBIDDEN, text);
    }
    let is_read = matches!(*incoming.method(), Method::GET | Method::HEAD);
    let path = incoming.uri().path();
    match (incoming.method(), path) {
        (&Method::GET | &Method::HEAD, "/ping" | "/replicas_status") => {
            plain(StatusCode::OK, "Ok.\n")
        }
        (&Method::GET | &Method::HEAD, "/dashboard") => dashboard::page(),
        (&Method::OPTIONS, _) => preflight(&incoming),
        (&Method::GET | &Method::HEAD, "/") if is_bare(&incoming) => plain(StatusCode::OK, "Ok.\n"),
        (&Method::GET | &Method::HEAD | &Method::POST, "/" | "/query") => {
            query(shared, incoming, is_read).await
        }
        (method, path) => plain(
            StatusCode::NOT_FOUND,
            format!(
                "There is no handle {method} {path}. Use / or /ping for health checks, and / with POST for queries.\n"
            ),
        ),
    }
}

fn is_bare(incoming: &hyper::Request<Incoming>) -> bool {
    incoming.uri().query().unwrap_or("").is_empty() && incoming.body().is_end_stream()
}

async fn query(shared: &Arc<Shared>, incoming: hyper::Request<Incoming>, is_read: bool) -> Reply {
    let (head, body) = incoming.into_parts();
    let url_query = head.uri.query().unwrap_or("");
    let request = match Request::parse(url_query, &head.headers, is_read) {
        Ok(request) => request,
        Err(fault) => return failure(shared, &fault, "", false),
    };
    let (query_id, compress) = (request.query_id.clone(), request.compress);
    let origin = head.headers.get(ORIGIN).filter(|_| request.cors).cloned();
    let mut reply =
        match guard::check_credentials(shared.credentials.as_ref(), &request, &head.headers) {
            Ok(()) => match run(shared, request, body).await {
                Ok(reply) => reply,
                Err(fault) => failure(shared, &fault, &query_id, compress),
            },
            Err(fault) => failure(shared, &fault, &query_id, compress),
        };
    if let Some(origin) = origin {
        reply
            .headers_mut()
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    reply
}

async fn run(shared: &Arc<Shared>, request: Request, body: Incoming) -> Result<Reply, Fault> {
    let places = Arc::clone(&shared.places).acquire_owned();
    let place = match tokio::time::timeout(QUEUE_WAIT, places).await {
        Ok(Ok(place)) => place,
        Ok(Err(_)) => return Err(Fault::new(code::ABORTED, "the server is stopping")),
        Err(_) => {
            return Err(Fault::new(
                code::TOO_MANY_SIMULTANEOUS_QUERIES,
                format!(
                    "Too many simultaneous queries. Maximum: {}; raise --max-concurrent-queries",
                    shared.max_concurrent_queries
                ),
            ));
        }
    };
    let (query_id, compress) = (request.query_id.clone(), request.compress);
    let finished = Arc::new(AtomicBool::new(false));
    let guard = CancelOnDrop {
        engine: Arc::clone(&shared.engine),
        query_id: query_id.clone(),
        finished: Arc::clone(&finished),
    };
    let (head_sender, head) = oneshot::channel();
    let (piece_sender, pieces) = mpsc::channel(PIECES);
    let job = Job {
        engine: Arc::clone(&shared.engine),
        request,
        body: if body.is_end_stream() {
            Body::empty()
        } else {
            Body::receive(body)
        },
        defaults: Arc::clone(&shared.defaults),
        head: head_sender,
        pieces: piece_sender,
        finished,
    };
    tokio::task::spawn_blocking(move || {
        job.run();
        drop(place);
    });
    let head = head
        .await
        .map_err(|_| Fault::new(code::ABORTED, "the query's thread ended early"))??;
    let mut reply = Response::new(ReplyBody::whole(Vec::new()));
    let tag = format!("{:016x}", fastrand::u64(..));
    put(&mut reply, "x-clickhouse-exception-tag", &tag);
    put(&mut reply, "x-clickhouse-summary", &summary(&head));
    put(&mut reply, "x-clickhouse-format", &head.format);
    put(&mut reply, "content-type", content_type(&head.format));
    identify(shared, &mut reply, &query_id);
    *reply.body_mut() = if head.is_whole {
        ReplyBody::whole(if compress {
            frames::compress(&head.first)
        } else {
            head.first
        })
    } else {
        ReplyBody::streaming(Streaming {
            first: Some(head.first.into()),
            pieces,
            compress,
            exception_tag: tag,
            version: shared.engine.version().to_owned(),
            _guard: guard,
        })
    };
    Ok(reply)
}

fn summary(head: &Head) -> String {
    let counters = head.counters;
    // ClickHouse sends numbers as strings here.
    format!(
        r#"{{"read_rows":"{}","read_bytes":"{}","written_rows":"{}","written_bytes":"{}","total_rows_to_read":"0","result_rows":"{}","result_bytes":"{}","elapsed_ns":"{}"}}"#,
        counters.read_rows,
        counters.read_bytes,
        counters.written_rows,
        counters.written_bytes,
        counters.result_rows,
        head.first.len(),
        head.elapsed.as_nanos()
    )
}

fn failure(shared: &Shared, fault: &Fault, query_id: &str, compress: bool) -> Reply {
    let text = fault.body(shared.engine.version());
    tracing::debug!(query_id, error = %text.trim_end(), "a query failed");
    let body = if compress {
        frames::compress(text.as_bytes())
    } else {
        text.into_bytes()
    };
    let mut reply = Response::new(ReplyBody::whole(body));
    *reply.status_mut() = fault.status();
    put(
        &mut reply,
        "x-clickhouse-exception-code",
        &fault.code.to_string(),
    );
    put(&mut reply, "content-type", "text/plain; charset=UTF-8");
    if fault.status() == StatusCode::UNAUTHORIZED {
        put(
            &mut reply,
            "www-authenticate",
            "Basic realm=\"ClickHouse server HTTP API\"",
        );
    }
    identify(shared, &mut reply, query_id);
    reply
}

fn identify(shared: &Shared, reply: &mut Reply, query_id: &str) {
    put(reply, "x-clickhouse-query-id", query_id);
    put(
        reply,
        "x-clickhouse-server-display-name",
        &shared.display_name,
    );
}

/// Sets a header; a value that cannot be one (a strange query id) is left out.
fn put(reply: &mut Reply, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
}

fn plain(status: StatusCode, text: impl Into<String>) -> Reply {
    let mut reply = Response::new(ReplyBody::whole(text.into()));
    *reply.status_mut() = status;
    put(&mut reply, CONTENT_TYPE_NAME, "text/plain; charset=UTF-8");
    reply
}

const CONTENT_TYPE_NAME: &str = "content-type";

fn preflight(incoming: &hyper::Request<Incoming>) -> Reply {
    let mut reply = plain(StatusCode::NO_CONTENT, "");
    let headers = reply.headers_mut();
    headers.remove(CONTENT_TYPE);
    // `guard` has let only this machine's origins through.
    if let Some(origin) = incoming.headers().get(ORIGIN) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("POST, GET, OPTIONS"),
        );
        let allowed = "origin, x-requested-with, x-clickhouse-format, x-clickhouse-user, x-clickhouse-key, authorization";
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(allowed),
        );
    }
    reply
}

fn content_type(format: &str) -> &'static str {
    match format {
        "JSON"
        | "JSONCompact"
        | "JSONStrings"
        | "JSONColumns"
        | "JSONColumnsWithMetadata"
        | "JSONCompactStrings"
        | "JSONCompactColumns"
        | "JSONObjectEachRow" => "application/json; charset=UTF-8",
        _ if format.starts_with("JSON") => "application/x-ndjson; charset=UTF-8",
        _ if format.starts_with("TabSeparated") || format.starts_with("TSV") => {
            "text/tab-separated-values; charset=UTF-8"
        }
        "CSVWithNames" | "CSVWithNamesAndTypes" => "text/csv; charset=UTF-8; header=present",
        "CSV" => "text/csv; charset=UTF-8; header=absent",
        "XML" => "application/xml; charset=UTF-8",
        "Native" | "Parquet" | "ORC" | "Avro" | "Arrow" | "ArrowStream" => {
            "application/octet-stream"
        }
        _ if format.starts_with("RowBinary") => "application/octet-stream",
        _ => "text/plain; charset=UTF-8",
    }
}
