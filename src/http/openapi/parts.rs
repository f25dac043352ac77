//! What each argument of a handler says about the request: the description of a route is read from
//! its signature, as its access is.

use actix_web::{HttpRequest, web};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{required, shape};
use crate::http::conditions::Conditional;
use crate::http::extract::{
    ApiAdmin, ApiJson, ApiQuery, ApiReader, Expect, LargeApiJson, LargeScimJson, QueryPairs, RequestId, ScimCaller,
    ScimJson, ScimReader,
};
use crate::http::page::access::{PageActor, PageLeaver, PageReader};
use crate::http::page::query::PageQuery;
use crate::http::respond::{JSON, SCIM_JSON};

/// What a handler takes beside its path.
#[derive(Debug, Default)]
pub struct Parts {
    /// Media type and schema.
    pub body: Option<(&'static str, Value)>,
    /// Name → schema.
    pub query: Map<String, Value>,
    /// Names of the query that must be there.
    pub required: Vec<String>,
    /// Whether the query is SCIM's (RFC 7644 section 3.9); what of it counts depends on the address.
    pub is_scim_query: bool,
    /// Whether a version may be demanded (RFC 7644 section 3.14).
    pub is_conditional: bool,
}

/// An argument of a handler.
pub trait Described {
    /// Say what it takes; nothing unless it reads body or query.
    fn describe(_: &mut Parts) {}
}

impl<T: DeserializeOwned> Described for ApiJson<T> {
    fn describe(parts: &mut Parts) {
        parts.body = Some((JSON, required::body::<T>()));
    }
}

impl<T: DeserializeOwned> Described for LargeApiJson<T> {
    fn describe(parts: &mut Parts) {
        ApiJson::<T>::describe(parts);
    }
}

impl<T: DeserializeOwned> Described for ApiQuery<T> {
    fn describe(parts: &mut Parts) {
        let fields = shape::fields::<T>();
        parts.required.extend(required::names::<T>(&fields));
        parts.query.extend(fields);
    }
}

impl Described for Expect {
    fn describe(parts: &mut Parts) {
        parts.query.insert(String::from("expect"), json!({ "type": "string" }));
    }
}

impl Described for ScimJson {
    fn describe(parts: &mut Parts) {
        parts.body = Some((SCIM_JSON, json!({ "type": "object" })));
    }
}

impl Described for LargeScimJson {
    fn describe(parts: &mut Parts) {
        ScimJson::describe(parts);
    }
}

impl Described for QueryPairs {
    fn describe(parts: &mut Parts) {
        parts.is_scim_query = true;
    }
}

impl Described for Conditional {
    fn describe(parts: &mut Parts) {
        parts.is_conditional = true;
    }
}

impl<T> Described for web::Path<T> {}
impl<T> Described for web::Data<T> {}
impl<T> Described for PageQuery<T> {}
impl Described for HttpRequest {}
impl Described for RequestId {}
impl Described for ApiAdmin {}
impl Described for ApiReader {}
impl Described for ScimCaller {}
impl Described for ScimReader {}
impl Described for PageReader {}
impl Described for PageActor {}
impl Described for PageLeaver {}
