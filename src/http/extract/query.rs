//! The query string: strictly decoded pairs for SCIM, a typed form for the API.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::error::QueryPayloadError;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, web};
use serde::de::DeserializeOwned;

use crate::http::error::{ApiFailure, Refusal, ScimFailure};
use crate::scim::error::ScimType;

/// All `name=value` pairs in order, percent-decoded; for `scim::query::ListQuery::read`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryPairs(pub Vec<(String, String)>);

impl FromRequest for QueryPairs {
    type Error = ScimFailure;
    type Future = Ready<Result<Self, ScimFailure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(pairs(request.query_string()).map(Self).ok_or_else(|| {
            ScimFailure(Refusal::bad(ScimType::InvalidValue, "the query string is not percent-encoded UTF-8"))
        }))
    }
}

/// A typed query of the API; unknown names are refused where the type says so.
#[derive(Clone, Debug)]
pub struct ApiQuery<T>(pub T);

impl<T: DeserializeOwned> FromRequest for ApiQuery<T> {
    type Error = ApiFailure;
    type Future = Ready<Result<Self, ApiFailure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(web::Query::<T>::from_query(request.query_string()).map(|query| Self(query.into_inner())).map_err(
            |error| {
                // Without the library's own name for it.
                let why = match error {
                    QueryPayloadError::Deserialize(why) => why.to_string(),
                    other => other.to_string(),
                };
                ApiFailure(Refusal::new(StatusCode::BAD_REQUEST, format!("the query is not right: {why}")))
            },
        ))
    }
}

/// Split and decode; `None` for a broken percent escape or bytes that are no UTF-8. Lossy decoding
/// would let two spellings of one filter mean different things.
pub fn pairs(query: &str) -> Option<Vec<(String, String)>> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decode(name)?, decode(value)?))
        })
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |b: Option<u8>| char::from(b?).to_digit(16).and_then(|d| u8::try_from(d).ok());
                digit(rest.next())? * 16 + digit(rest.next())?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_strictly() {
        let read = pairs("filter=userName+eq+%22b%C3%A4r%22&count=2&&x").unwrap();
        let expected = [("filter", "userName eq \"bär\""), ("count", "2"), ("x", "")];
        assert_eq!(read, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        for bad in ["a=%", "a=%1", "a=%zz", "a=%ff", "a=%c3"] {
            assert_eq!(pairs(bad), None, "{bad}");
        }
    }
}
