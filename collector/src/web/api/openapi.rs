//! `/api/v1/openapi.json`: the API as OpenAPI 3.1, written from the catalog. Pure but for handing it out.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value as Json, json};

use super::catalog::{Catalog, Entry, LIMIT_MAX};
use super::maintenance::{self, NAMES_MAX};
use super::parameter::Parameter;
use super::question::OFFSET_MAX;
use super::reports;
use crate::web::Shared;

const OVERVIEW: &str =
    "What anyone sees first: a verdict in words, hosts, incidents, findings and the pipeline";

/// The parts that every overview has; each may gain fields.
fn overview_schema() -> Json {
    let level = json!({ "type": "string", "enum": ["good", "unknown", "warn", "bad"] });
    let list = json!({ "type": "array", "items": { "type": "object" } });
    json!({
        "type": "object",
        "required": ["asked_ms", "verdict", "hosts", "incidents", "findings", "pipeline", "add_agent_command"],
        "properties": {
            "asked_ms": { "type": "integer" },
            "verdict": {
                "type": "object",
                "required": ["level", "text"],
                "properties": { "level": level, "text": { "type": "string" } }
            },
            "hosts": { "type": "object", "required": ["total", "live", "stale", "offline", "never", "maintenance", "list"] },
            "incidents": list,
            "findings": list,
            "pipeline": { "type": "object", "required": ["level", "text"] },
            "add_agent_command": { "type": "string" }
        }
    })
}

/// `GET /openapi.json`.
pub(super) async fn document(State(shared): State<Arc<Shared>>) -> Response {
    let text = shared.api.openapi.clone();
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

/// The document.
pub(super) fn written(catalog: &Catalog) -> Json {
    let mut paths = Map::new();
    for entry in &catalog.entries {
        paths.insert(
            format!("/queries/{}", entry.name),
            json!({ "get": query(entry) }),
        );
    }
    for (path, item) in [
        (
            "/queries",
            json!({ "get": get("queries", "The queries that may be asked", &[], &list_of("Query")) }),
        ),
        (
            "/overview",
            json!({ "get": get("overview", OVERVIEW, &[], &overview_schema()) }),
        ),
        (
            "/availability",
            report(
                "availability",
                "How available hosts or services were",
                &reports::availability_parameters(),
            ),
        ),
        (
            "/ledger",
            report(
                "ledger",
                "The proof of what became of every batch",
                &reports::ledger_parameters(),
            ),
        ),
        (
            "/hosts",
            report(
                "hosts",
                "Every host, and what is thought of it",
                &reports::hosts_parameters(),
            ),
        ),
        ("/maintenance", maintenance_item()),
        ("/maintenance/{id}/cancel", cancel_item()),
        ("/session", session_item()),
        (
            "/openapi.json",
            json!({ "get": get("openapi", "This document", &[], &json!({ "type": "object" })) }),
        ),
    ] {
        paths.insert(path.to_owned(), item);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "crmscope",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The documented queries, and what is computed from them. Times are UTC.",
        },
        "servers": [{ "url": "/api/v1" }],
        "security": [{ "token": [] }, { "session": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "responses": responses(),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "session": { "type": "apiKey", "in": "cookie", "name": crate::web::sign_in::COOKIE_NAME },
            },
        },
    })
}

fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn list_of(name: &str) -> Json {
    json!({ "type": "array", "items": reference(name) })
}

fn in_query(parameter: &Parameter) -> Json {
    let mut schema = parameter.kind.schema();
    // A range's default is a time ago, which is not of a schema's kind everywhere.
    if let (Some(schema), true) = (schema.as_object_mut(), parameter.default.is_some()) {
        schema.insert("default".to_owned(), parameter.default_told());
    }
    json!({
        "name": parameter.name,
        "in": "query",
        "required": parameter.default.is_none(),
        "description": parameter.description,
        "style": "form",
        "explode": false,
        "schema": schema,
    })
}

fn paging(entry: &Entry) -> [Json; 3] {
    let whole = |name: &str, least: u64, most: u64, default: u64, what: &str| {
        json!({
            "name": name,
            "in": "query",
            "description": what,
            "schema": { "type": "integer", "minimum": least, "maximum": most, "default": default },
        })
    };
    [
        whole(
            "limit",
            1,
            LIMIT_MAX.into(),
            entry.limit_default.into(),
            "rows of this page",
        ),
        whole(
            "offset",
            0,
            OFFSET_MAX,
            0,
            "rows before this page, as next_offset tells",
        ),
        json!({
            "name": "format",
            "in": "query",
            "description": "csv is for spreadsheets",
            "schema": { "type": "string", "enum": ["json", "csv"], "default": "json" },
        }),
    ]
}

fn query(entry: &Entry) -> Json {
    let own = entry.parameters.iter().map(in_query);
    let parameters: Vec<Json> = own.chain(paging(entry)).collect();
    let columns = entry.columns.iter();
    let columns: Vec<String> = columns
        .map(|column| format!("- `{}`: {}", column.name, column.description))
        .collect();
    let mut operation = get(
        entry.name,
        &entry.question,
        &parameters,
        &reference("Answer"),
    );
    operation["description"] = json!(format!(
        "{}\n\nColumns:\n{}",
        entry.notes,
        columns.join("\n")
    ));
    let content = &mut operation["responses"]["200"]["content"];
    content["text/csv"] = json!({ "schema": { "type": "string" } });
    operation
}

fn get(id: &str, summary: &str, parameters: &[Json], schema: &Json) -> Json {
    let mut answers = failures(&["400", "401", "403", "404", "405", "429", "500", "503"]);
    answers.insert("200".to_owned(), told("The answer", schema));
    json!({
        "operationId": id,
        "summary": summary,
        "parameters": parameters,
        "responses": answers,
    })
}

fn report(id: &str, summary: &str, parameters: &[Parameter]) -> Json {
    let parameters: Vec<Json> = parameters.iter().map(in_query).collect();
    json!({ "get": get(id, summary, &parameters, &reference("Report")) })
}

fn told(description: &str, schema: &Json) -> Json {
    json!({
        "description": description,
        "content": { "application/json": { "schema": schema } },
    })
}

fn failures(codes: &[&str]) -> Map<String, Json> {
    let all = codes.iter().map(|code| {
        let response = json!({ "$ref": format!("#/components/responses/{code}") });
        ((*code).to_owned(), response)
    });
    all.collect()
}

fn change(id: &str, summary: &str, body: &Json) -> Json {
    let mut answers = failures(&["400", "401", "403", "404", "405", "429", "500", "503"]);
    answers.insert(
        "201".to_owned(),
        told("What was changed", &reference("Changed")),
    );
    json!({
        "operationId": id,
        "summary": summary,
        "description": "For operators. A browser's request has to come from a page of this collector.",
        "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
        "responses": answers,
    })
}

fn maintenance_item() -> Json {
    let names = json!({ "type": "array", "items": { "type": "string" }, "maxItems": NAMES_MAX });
    let text = json!({ "type": ["string", "null"] });
    let body = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["note"],
        "description": "For whom (hosts, groups, services, or all), when, and what for; the words are those of `crmscope-collector maintenance add`.",
        "properties": {
            "hosts": names, "groups": names, "services": names,
            "all": { "type": "boolean" },
            "from": text, "to": text, "for": text,
            "repeat": text, "at": text, "zone": text, "until": text,
            "note": { "type": "string", "minLength": 1, "maxLength": 500 },
        },
    });
    let parameters: Vec<Json> = maintenance::parameters().iter().map(in_query).collect();
    let schema = reference("Windows");
    json!({
        "get": get("maintenance", "Maintenance windows", &parameters, &schema),
        "post": change("maintenance_add", "A window for each host, group and service", &body),
    })
}

fn cancel_item() -> Json {
    let body = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": { "at": { "type": ["string", "null"] } },
    });
    let id = json!({
        "name": "id", "in": "path", "required": true,
        "schema": { "type": "string", "minLength": 1, "maxLength": 64 },
    });
    json!({ "parameters": [id], "post": change("maintenance_cancel", "Ends a window", &body) })
}

fn session_item() -> Json {
    let body = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["token"],
        "properties": { "token": { "type": "string" } },
    });
    let schema = reference("Session");
    let mut begin = failures(&["400", "401", "403", "405", "429", "500"]);
    begin.insert(
        "200".to_owned(),
        told("Signed in; the cookie lasts 12 hours", &schema),
    );
    let mut end = failures(&["403", "405"]);
    end.insert("204".to_owned(), json!({ "description": "Signed out" }));
    let mut show = get("session", "Who is signed in", &[], &schema);
    show["security"] = json!([]);
    json!({
        "get": show,
        "post": {
            "operationId": "session_begin",
            "summary": "Sign in with a token",
            "security": [],
            "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
            "responses": begin,
        },
        "delete": {
            "operationId": "session_end",
            "summary": "Sign out",
            "security": [],
            "responses": end,
        },
    })
}

fn responses() -> Json {
    let failure = reference("Error");
    let mut all = Map::new();
    for (code, description) in [
        (
            "400",
            "What is asked cannot be meant, or is too much; the message says what to write",
        ),
        ("401", "Nobody is signed in"),
        (
            "403",
            "Only operators change anything, and only from the collector's own pages",
        ),
        ("404", "There is none of this name"),
        ("405", "Not with this method"),
        (
            "429",
            "Too much is asked at once; retry-after tells when to come back",
        ),
        ("500", "A bug or a broken environment"),
        (
            "503",
            "ClickHouse is away; retry-after tells when to come back",
        ),
    ] {
        let mut response = told(description, &failure);
        if matches!(code, "429" | "503") {
            response["headers"] = json!({ "Retry-After": { "schema": { "type": "integer" } } });
        }
        all.insert(code.to_owned(), response);
    }
    all.into()
}

fn schemas() -> Json {
    let column = json!({
        "type": "object",
        "required": ["name", "type"],
        "properties": { "name": { "type": "string" }, "type": { "type": "string" } },
    });
    let described = json!({
        "type": "object",
        "required": ["name", "description"],
        "properties": { "name": { "type": "string" }, "description": { "type": "string" } },
    });
    let parameter = json!({
        "type": "object",
        "required": ["name", "type", "default", "required", "description"],
        "properties": {
            "name": { "type": "string" }, "type": { "type": "string" }, "default": {},
            "required": { "type": "boolean" }, "description": { "type": "string" },
        },
    });
    let rows = json!({ "type": "array", "items": { "type": "object" } });
    json!({
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": { "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {
                    "code": { "type": "string" },
                    "message": { "type": "string" },
                    "parameter": { "type": "string" },
                },
            } },
        },
        "Query": {
            "type": "object",
            "required": ["name", "question", "notes", "parameters", "columns", "limit_default"],
            "properties": {
                "name": { "type": "string" },
                "question": { "type": "string" },
                "notes": { "type": "string" },
                "parameters": { "type": "array", "items": parameter },
                "columns": { "type": "array", "items": described },
                "limit_default": { "type": "integer" },
            },
        },
        "Answer": {
            "type": "object",
            "required": ["query", "parameters", "columns", "rows", "next_offset", "asked_ms", "took_ms", "cached"],
            "properties": {
                "query": { "type": "string" },
                "parameters": { "type": "object" },
                "columns": { "type": "array", "items": column },
                "rows": { "type": "array", "items": { "type": "array" } },
                "next_offset": { "type": ["integer", "null"] },
                "asked_ms": { "type": "integer" },
                "took_ms": { "type": "integer" },
                "cached": { "type": "boolean" },
            },
        },
        "Report": {
            "type": "object",
            "required": ["parameters", "rows", "asked_ms"],
            "properties": {
                "parameters": { "type": "object" },
                "whole": { "type": "boolean" },
                "rows": rows,
                "asked_ms": { "type": "integer" },
            },
        },
        "Windows": {
            "type": "object",
            "required": ["rows", "asked_ms"],
            "properties": { "rows": rows, "asked_ms": { "type": "integer" } },
        },
        "Changed": { "type": "object", "required": ["rows"], "properties": { "rows": rows } },
        "Session": {
            "type": "object",
            "required": ["signed_in", "name", "role", "how", "version", "zone"],
            "properties": {
                "signed_in": { "type": "boolean" },
                "name": { "type": ["string", "null"] },
                "role": { "enum": ["viewer", "operator", null] },
                "how": { "enum": ["loopback", "token", "proxy", null] },
                "version": { "type": "string" },
                "zone": { "type": "string" },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offered_query_is_described() {
        let catalog = Catalog::read().unwrap();
        let document = written(&catalog);
        for entry in &catalog.entries {
            let operation = &document["paths"][format!("/queries/{}", entry.name)]["get"];
            let parameters = operation["parameters"].as_array().unwrap();
            assert_eq!(
                parameters.len(),
                entry.parameters.len() + 3,
                "{}",
                entry.name
            );
            assert_eq!(operation["summary"], entry.question);
        }
    }

    #[test]
    fn every_reference_has_what_it_names() {
        let document = written(&Catalog::read().unwrap());
        let text = document.to_string();
        for part in text.split("\"$ref\":\"#").skip(1) {
            let pointer = part.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
