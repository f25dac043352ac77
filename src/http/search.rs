//! `POST …/.search` (RFC 7644 section 3.4.3): a list request whose parameters stand in the body, so
//! that personal data stays out of addresses and logs.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::Value;

use super::App;
use super::error::ScimFailure;
use super::extract::{ScimJson, ScimReader};
use super::respond;
use crate::scim::error::ScimError;
use crate::scim::query::ListQuery;
use crate::service::{group_list, user_list};

const SEARCH_URN: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/// `POST /scim/v2/Users/.search`
///
/// # Errors
/// 400 for a body that is no SearchRequest, and as `GET /scim/v2/Users`.
pub async fn users(caller: ScimReader, app: web::Data<App>, body: ScimJson) -> Result<HttpResponse, ScimFailure> {
    let body = user_list::list(&app, &caller, query(&body.0)?).await?;
    Ok(respond::scim(StatusCode::OK).body(body))
}

/// `POST /scim/v2/Groups/.search`
///
/// # Errors
/// 400 for a body that is no SearchRequest, and as `GET /scim/v2/Groups`.
pub async fn groups(caller: ScimReader, app: web::Data<App>, body: ScimJson) -> Result<HttpResponse, ScimFailure> {
    let body = group_list::list(&app, &caller, query(&body.0)?).await?;
    Ok(respond::scim(StatusCode::OK).body(body))
}

/// The same parameters as in a query string; lists of names are lists here.
fn query(body: &Value) -> Result<ListQuery, ScimError> {
    let is_urn = |schema: &Value| schema.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(SEARCH_URN));
    if !body.get("schemas").and_then(Value::as_array).is_some_and(|all| all.iter().any(is_urn)) {
        return Err(ScimError::invalid_syntax(format!("schemas must hold {SEARCH_URN}.")));
    }
    let mut pairs = Vec::new();
    for (name, value) in body.as_object().into_iter().flatten() {
        if name.eq_ignore_ascii_case("schemas") || value.is_null() {
            continue;
        }
        pairs.push((name.clone(), text(name, value)?));
    }
    ListQuery::read(&pairs)
}

fn text(name: &str, value: &Value) -> Result<String, ScimError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Array(items) => {
            let names: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            names.map(|names| names.join(",")).ok_or_else(|| wrong(name))
        }
        Value::Null | Value::Bool(_) | Value::Object(_) => Err(wrong(name)),
    }
}

fn wrong(name: &str) -> ScimError {
    ScimError::invalid_value(format!("{name} must be a text, a number or a list of names."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_search_request_is_a_list_request() {
        let body = json!({"schemas": [SEARCH_URN], "filter": "userName pr", "startIndex": 3, "count": 2,
                          "attributes": ["userName", "id"], "sortBy": null});
        let query = query(&body).unwrap();
        assert_eq!((query.filter.as_deref(), query.start_index, query.count), (Some("userName pr"), 3, 2));
        assert!(query.projection.is_asked());
        for bad in
            [json!({}), json!({"schemas": [SEARCH_URN], "count": true}), json!({"schemas": [SEARCH_URN], "count": "x"})]
        {
            assert!(super::query(&bad).is_err(), "{bad}");
        }
    }
}
