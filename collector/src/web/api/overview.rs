//! `GET /overview`: what anyone sees first.
//!
//! Promises: one asker at a time, and for [`LASTS`] all who look see the same; where ClickHouse does not
//! answer, that is the overview.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::Mutex;

use super::Fault;
use super::fault::Code;
use crate::overview::{self, Settings};
use crate::storage::Storage;
use crate::web::Shared;

/// How long one is good for.
const LASTS: Duration = Duration::from_secs(1);

/// The newest one.
#[derive(Debug, Default)]
pub(super) struct Newest(Mutex<Option<(Instant, Bytes)>>);

impl Newest {
    async fn read(&self, storage: &Storage, settings: &Settings) -> Result<Bytes, Fault> {
        let mut newest = self.0.lock().await;
        if let Some((at, text)) = &*newest
            && at.elapsed() < LASTS
        {
            return Ok(text.clone());
        }
        let failed = |what: String| {
            tracing::error!(error = what, "the overview failed");
            Fault::new(Code::Internal, what)
        };
        let overview = overview::read(storage, settings).await;
        let overview = overview.map_err(|error| failed(error.message))?;
        let text = serde_json::to_vec(&overview).map_err(|error| failed(error.to_string()))?;
        let text = Bytes::from(text);
        *newest = Some((Instant::now(), text.clone()));
        Ok(text)
    }
}

pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Result<Response, Fault> {
    let api = &shared.api;
    let text = api.newest.read(&api.storage, &shared.overview).await?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}
