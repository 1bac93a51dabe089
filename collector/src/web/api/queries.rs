//! `/api/v1/queries`: what may be asked, and the answers.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::answer::Answer;
use super::fault::{Code, Fault};
use super::question::{Format, Question};
use super::{answer, csv, metrics};
use crate::clock::now_ms;
use crate::web::Shared;

/// Where the next page of a CSV answer begins, if there is one.
const NEXT_OFFSET: &str = "x-next-offset";

/// The pairs of a query string, as they come.
pub(super) type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

pub(super) fn pairs(pairs: Pairs) -> Result<Vec<(String, String)>, Fault> {
    let what = |error: QueryRejection| Fault::new(Code::InvalidArgument, error.body_text());
    pairs.map(|Query(pairs)| pairs).map_err(what)
}

/// A name in the path, as it comes.
pub(super) type Name = Result<Path<String>, PathRejection>;

pub(super) fn name(name: Name) -> Result<String, Fault> {
    let what = |error: PathRejection| Fault::new(Code::NotFound, error.body_text());
    name.map(|Path(name)| name).map_err(what)
}

/// A document, as it comes.
pub(super) type Body = Result<Bytes, BytesRejection>;

pub(super) fn body(body: Body) -> Result<Bytes, Fault> {
    body.map_err(|error| Fault::new(Code::InvalidArgument, error.body_text()))
}

/// `GET /queries`.
pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Response {
    Json(&shared.api.catalog.entries).into_response()
}

/// `GET /queries/<name>`.
pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    name: Name,
    given: Pairs,
) -> Result<Response, Fault> {
    let (api, name) = (&shared.api, self::name(name)?);
    let entry = api.catalog.find(&name).ok_or_else(|| {
        let shown: String = name.chars().take(64).collect();
        let hint = match api.catalog.nearest(&name) {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => "/api/v1/queries lists them".to_owned(),
        };
        let text = format!("there is no query {shown:?}; {hint}");
        Fault::new(Code::NotFound, text)
    })?;
    let question = Question::read(entry, &pairs(given)?, now_ms())?;
    let (answer, cached) = ask(&shared, &question).await?;
    written(&question, &answer, cached)
}

/// Out of the cache, or from ClickHouse.
async fn ask(shared: &Shared, question: &Question<'_>) -> Result<(Arc<Answer>, bool), Fault> {
    let api = &shared.api;
    let label = metrics::Query {
        query: question.entry.name,
    };
    let asked = async {
        let _turn = api.gate.enter().await.inspect_err(|_| {
            api.metrics.refused.inc();
        })?;
        let started = std::time::Instant::now();
        let answer = answer::ask(&api.storage, &api.limits, question).await;
        match &answer {
            Ok(_) => {
                let seconds = started.elapsed().as_secs_f64();
                let of_query = api.metrics.seconds.get_or_create(&label);
                of_query.observe(seconds);
            }
            Err(_) => {
                api.metrics.failures.get_or_create(&label).inc();
            }
        }
        answer
    };
    let (answer, cached) = api.cache.get(question, asked).await?;
    let counter = match cached {
        true => &api.metrics.hits,
        false => &api.metrics.misses,
    };
    counter.inc();
    Ok((answer, cached))
}

fn written(question: &Question<'_>, answer: &Answer, cached: bool) -> Result<Response, Fault> {
    match question.format {
        Format::Json => {
            let text = answer.json(cached)?;
            Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
        }
        Format::Csv => {
            let name = format!("attachment; filename=\"{}.csv\"", question.entry.name);
            let headers = [
                (
                    CONTENT_TYPE,
                    "text/csv; charset=utf-8; header=present".to_owned(),
                ),
                (CONTENT_DISPOSITION, name),
            ];
            let mut response = (headers, csv::write(answer)?).into_response();
            // A file that is not all of it says so.
            if let Some(next) = answer.next_offset {
                response.headers_mut().insert(NEXT_OFFSET, next.into());
            }
            Ok(response)
        }
    }
}
