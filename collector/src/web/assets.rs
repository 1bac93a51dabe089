//! The pages' files, compiled in.
//!
//! Promises: nothing else is served, and a browser that has a file asks only whether it changed.
//! They hold no figures, so anybody may read them: the page to sign in is one of them.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use sha2::{Digest as _, Sha256};

/// Paths that are pages; the script reads which.
pub(super) const PAGES: [&str; 8] = [
    "/",
    "/host",
    "/services",
    "/security",
    "/presence",
    "/ledger",
    "/fleet",
    "/sign-in",
];

const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file below `/assets/`.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! asset {
    ($name:literal, $content_type:expr) => {
        Asset {
            name: $name,
            content_type: $content_type,
            bytes: include_bytes!(concat!("pages/", $name)),
        }
    };
}

/// The document of every page.
const INDEX: Asset = asset!("index.html", HTML);

/// Every other file.
const ASSETS: &[Asset] = &[
    asset!("api.js", JAVASCRIPT),
    asset!("app.js", JAVASCRIPT),
    asset!("buckets.js", JAVASCRIPT),
    asset!("charts.js", JAVASCRIPT),
    asset!("components/badge.js", JAVASCRIPT),
    asset!("components/bar.js", JAVASCRIPT),
    asset!("components/calendar.js", JAVASCRIPT),
    asset!("components/cells.js", JAVASCRIPT),
    asset!("components/chart_panel.js", JAVASCRIPT),
    asset!("components/dialog.js", JAVASCRIPT),
    asset!("components/empty.js", JAVASCRIPT),
    asset!("components/header.js", JAVASCRIPT),
    asset!("components/help.js", JAVASCRIPT),
    asset!("components/intervals.js", JAVASCRIPT),
    asset!("components/keys.js", JAVASCRIPT),
    asset!("components/list.js", JAVASCRIPT),
    asset!("components/panel.js", JAVASCRIPT),
    asset!("components/search.js", JAVASCRIPT),
    asset!("components/service_availability.js", JAVASCRIPT),
    asset!("components/strip.js", JAVASCRIPT),
    asset!("components/table.js", JAVASCRIPT),
    asset!("components/table_panel.js", JAVASCRIPT),
    asset!("dom.js", JAVASCRIPT),
    asset!("format.js", JAVASCRIPT),
    asset!("hatch.js", JAVASCRIPT),
    asset!("icon.svg", SVG),
    asset!("live.js", JAVASCRIPT),
    asset!("pages/fleet.js", JAVASCRIPT),
    asset!("pages/host.js", JAVASCRIPT),
    asset!("pages/host_charts.js", JAVASCRIPT),
    asset!("pages/host_tables.js", JAVASCRIPT),
    asset!("pages/ledger.js", JAVASCRIPT),
    asset!("pages/overview.js", JAVASCRIPT),
    asset!("pages/presence.js", JAVASCRIPT),
    asset!("pages/security.js", JAVASCRIPT),
    asset!("pages/services.js", JAVASCRIPT),
    asset!("pages/sign_in.js", JAVASCRIPT),
    asset!("router.js", JAVASCRIPT),
    asset!("state.js", JAVASCRIPT),
    asset!("style.css", CSS),
    asset!("time.js", JAVASCRIPT),
    asset!("vendor/uplot.css", CSS),
    asset!("vendor/uplot.js", JAVASCRIPT),
];

/// Hashes of the contents: of the document, then of the files in order.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let all = std::iter::once(&INDEX).chain(ASSETS);
    all.map(|asset| {
        let digest = Sha256::digest(asset.bytes);
        let hex: String = digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("\"{hex}\"")
    })
    .collect()
});

/// Pages and files.
pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let pages = PAGES
        .iter()
        .fold(Router::new(), |router, path| router.route(path, get(index)));
    pages.route("/assets/{*name}", get(file))
}

async fn index(headers: HeaderMap) -> Response {
    served(&INDEX, 0, &headers)
}

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match ASSETS.iter().position(|asset| asset.name == name) {
        Some(at) => served(&ASSETS[at], at + 1, &headers),
        None => (StatusCode::NOT_FOUND, Json("there is no such file")).into_response(),
    }
}

fn served(asset: &Asset, at: usize, headers: &HeaderMap) -> Response {
    let tag = TAGS.get(at).cloned().unwrap_or_default();
    let asked = headers
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let is_known = asked.is_some_and(|asked| {
        let mut tags = asked
            .split(',')
            .map(|one| one.trim().trim_start_matches("W/"));
        tags.any(|one| one == tag)
    });
    let caching = [(ETAG, tag), (CACHE_CONTROL, "no-cache".to_owned())];
    match is_known {
        true => (StatusCode::NOT_MODIFIED, caching).into_response(),
        false => {
            let content = [(CONTENT_TYPE, asset.content_type)];
            (caching, content, asset.bytes).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_with_its_type() {
        let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/pages"));
        let mut left = vec![folder.to_owned()];
        let mut files = 0;
        while let Some(path) = left.pop() {
            if path.is_dir() {
                left.extend(
                    std::fs::read_dir(path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
                continue;
            }
            let name = path
                .strip_prefix(folder)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let mut all = std::iter::once(&INDEX).chain(ASSETS);
            let listed = all.find(|asset| asset.name == name);
            let is_licence = name.ends_with("LICENSE");
            assert!(listed.is_some() || is_licence, "{name} is not in assets.rs");
            files += 1;
            let Some(asset) = listed else { continue };
            let want = match name.rsplit_once('.').map(|(_, end)| end) {
                Some("html") => "text/html",
                Some("js" | "mjs") => "text/javascript",
                Some("css") => "text/css",
                Some("svg") => "image/svg+xml",
                Some("webmanifest") => "application/manifest+json",
                _ => "",
            };
            assert!(asset.content_type.starts_with(want), "{name}");
        }
        assert!(files > ASSETS.len());
    }

    #[test]
    fn a_file_that_is_known_is_not_sent_again() {
        let mut headers = HeaderMap::new();
        assert_eq!(served(&INDEX, 0, &headers).status(), StatusCode::OK);
        headers.insert(
            IF_NONE_MATCH,
            format!("\"x\", W/{}", TAGS[0]).parse().unwrap(),
        );
        assert_eq!(
            served(&INDEX, 0, &headers).status(),
            StatusCode::NOT_MODIFIED
        );
        headers.insert(IF_NONE_MATCH, "\"x\"".parse().unwrap());
        assert_eq!(served(&INDEX, 0, &headers).status(), StatusCode::OK);
    }
}
