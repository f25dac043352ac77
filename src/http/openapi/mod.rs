//! `GET /api/v1/openapi.json`: the API and SCIM as OpenAPI 3.1, read from the table of routes and from
//! the handlers' own arguments. Bodies of answers are not described: nothing could hold that against
//! what is sent.

pub mod parts;
pub mod required;
pub mod shape;

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::App;
use super::error::ApiFailure;
use super::extract::ApiReader;
use super::extract::caller::Access;
use parts::Parts;

use super::respond::{JSON, PROBLEM_JSON, SCIM_JSON, Zone};
use super::routes::{self, Route};
use crate::auth::Scope;
use crate::scim::query::{ListQuery, Projection};

/// Written once a process: the table does not change.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

/// `GET /api/v1/openapi.json`
///
/// # Errors
/// None of its own.
pub async fn show(_caller: ApiReader, _app: web::Data<App>) -> Result<HttpResponse, ApiFailure> {
    Ok(HttpResponse::build(StatusCode::OK).insert_header((header::CONTENT_TYPE, JSON)).body(DOCUMENT.as_str()))
}

fn document() -> Value {
    let mut paths = Map::new();
    for route in routes::table() {
        let is_page = match Zone::of(route.path) {
            Zone::Page => true,
            Zone::Scim | Zone::Api => false,
        };
        if is_page {
            continue;
        }
        let methods = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(route.method.as_str().to_ascii_lowercase(), operation(&route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "scimhub",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The API below /api/v1 and SCIM 2.0 below /scim/v2. Written from the server's own table of \
                routes: paths, methods, scopes (`security`), rights (`x-right`), queries and bodies are what it reads. \
                The fields of answers are not described here, nor the page for people, which is forms and HTML.",
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
        },
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer",
                "description": "A token of `scimhub token create`; the names beside it are the scopes that may pass." } },
            "schemas": { "Problem": problem(), "ScimError": scim_error() },
        },
    })
}

fn operation(route: &Route) -> Value {
    let parts = route.parts();
    let media = match Zone::of(route.path) {
        Zone::Scim => (SCIM_JSON, SCIM_JSON, "#/components/schemas/ScimError"),
        Zone::Page | Zone::Api => (JSON, PROBLEM_JSON, "#/components/schemas/Problem"),
    };
    let variables = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let scim = if parts.is_scim_query { scim_query(route) } else { &[] };
    let scim = scim.iter().map(|(name, kind)| json!({ "name": name, "in": "query", "schema": { "type": kind } }));
    let query = parts.query.iter().map(|(name, schema)| {
        json!({ "name": name, "in": "query", "required": parts.required.contains(name), "schema": schema })
    });
    let versions = if parts.is_conditional { ["If-Match", "If-None-Match"].as_slice() } else { &[] };
    let versions = versions.iter().map(|name| json!({ "name": name, "in": "header", "schema": { "type": "string" } }));
    let mut operation = json!({
        "operationId": name(route.handler),
        "tags": [tag(route.path)],
        "parameters": variables.chain(query).chain(scim).chain(versions).collect::<Vec<_>>(),
        "responses": answers(route, &parts, media),
        "security": security(route.access),
    });
    if let Some(operation) = operation.as_object_mut() {
        if let Some((media, schema)) = parts.body {
            let body = json!({ "required": true, "content": { media: { "schema": schema } } });
            operation.insert("requestBody".into(), body);
        }
        if let Some(action) = route.action {
            operation.insert("x-right".into(), json!(action.as_str()));
        }
    }
    operation
}

/// Media type of what is asked for, of refusals, and the schema of these.
type Media = (&'static str, &'static str, &'static str);

/// What is done, and the refusals that the shape of the route alone makes possible; every other one has
/// the same body.
fn answers(route: &Route, parts: &Parts, media: Media) -> Map<String, Value> {
    let refusal = |why: &str| json!({ "description": why, "content": { media.1: { "schema": { "$ref": media.2 } } } });
    let done = json!({ "description": "Done, or what was asked for; 204 has no body", "content": { media.0: {} } });
    let mut answers = Map::from_iter([(String::from("2XX"), done)]);
    let takes = parts.body.is_some() || parts.is_scim_query || !parts.query.is_empty();
    let is_behind_a_credential = route.access != Access::Open;
    let possible = [
        (takes, "400", "The query or the body is not right; `detail` says where, `errors` for each field"),
        (is_behind_a_credential, "401", "No credential, or none that is valid"),
        (is_behind_a_credential, "403", "The scope or the role does not reach as far; `needs` says what would"),
        (route.path.contains('{'), "404", "There is no such thing, or it is not for this caller to see"),
        (parts.is_conditional, "412", "It has another version by now"),
        (parts.body.is_some(), "413", "The body is too large"),
        (parts.body.is_some(), "415", "The body is not JSON, or compressed"),
    ];
    for (_, status, why) in possible.into_iter().filter(|(is_possible, _, _)| *is_possible) {
        answers.insert(status.to_owned(), refusal(why));
    }
    answers.insert(String::from("default"), refusal("Refused, and nothing changed"));
    answers
}

/// What SCIM's query says at an address: a list is filtered and paged, one resource is only cut down,
/// discovery takes nothing.
fn scim_query(route: &Route) -> &'static [(&'static str, &'static str)] {
    let is_list = route.method == Method::GET && ["/scim/v2/Users", "/scim/v2/Groups"].contains(&route.path);
    let is_resource = route.path.starts_with("/scim/v2/Users") || route.path.starts_with("/scim/v2/Groups");
    match (is_list, is_resource) {
        (true, _) => &ListQuery::PARAMETERS,
        (false, true) => &Projection::PARAMETERS,
        (false, false) => &[],
    }
}

/// One entry for each scope that may pass; none is needed where there is none.
fn security(access: Access) -> Vec<Value> {
    if access == Access::Open {
        return Vec::new();
    }
    Scope::ALL
        .into_iter()
        .filter(|scope| access.allows(*scope))
        .map(|scope| json!({ "bearer": [scope.as_str()] }))
        .collect()
}

/// `hubs.list` of the handler `scimhub::http::admin::hubs::list`; others begin with `server.`.
fn name(handler: &str) -> String {
    let inside = handler.split_once("::http::").map_or(handler, |(_, rest)| rest);
    match inside.strip_prefix("admin::") {
        Some(rest) => rest.replace("::", "."),
        None => format!("server.{}", inside.replace("::", ".")),
    }
}

/// What a route belongs to: the first word behind the part of the server it lies in.
fn tag(path: &str) -> &str {
    let rest = path.strip_prefix("/api/v1/").or_else(|| path.strip_prefix("/scim/v2/"));
    rest.unwrap_or(path).trim_start_matches('/').split('/').next().unwrap_or_default()
}

/// RFC 9457, with what some problems carry.
fn problem() -> Value {
    json!({ "type": "object", "required": ["type", "title", "status", "detail"], "properties": {
        "type": { "type": "string" }, "title": { "type": "string" },
        "status": { "type": "integer" }, "detail": { "type": "string" },
        "errors": { "type": "array", "description": "One entry for each field that is wrong",
            "items": { "type": "object", "properties": { "field": { "type": "string" },
                "detail": { "type": "string" } } } },
        "needs": { "type": "object", "description": "What right would be enough" },
        "digest": { "type": "string", "description": "What the change would mean now; for `expect`" },
        "effects": { "type": "array", "items": { "type": "object" } } } })
}

/// RFC 7644 section 3.12.
fn scim_error() -> Value {
    json!({ "type": "object", "required": ["schemas", "status"], "properties": {
        "schemas": { "type": "array", "items": { "type": "string" } }, "status": { "type": "string" },
        "scimType": { "type": "string" }, "detail": { "type": "string" } } })
}
