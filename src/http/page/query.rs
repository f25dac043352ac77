//! The query of a view. Unknown names are refused; a field left empty in a form says nothing.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, web};
use serde::de::DeserializeOwned;

use super::reply::PageFailure;
use crate::http::error::Refusal;

/// A typed query of the page.
#[derive(Clone, Debug)]
pub struct PageQuery<T>(pub T);

impl<T: DeserializeOwned> FromRequest for PageQuery<T> {
    type Error = PageFailure;
    type Future = Ready<Result<Self, PageFailure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(web::Query::<T>::from_query(request.query_string()).map(|query| Self(query.into_inner())).map_err(
            |error| PageFailure(Refusal::new(StatusCode::BAD_REQUEST, format!("the address is not right: {error}"))),
        ))
    }
}

/// What was filled in; `None` for a field left empty.
pub fn filled(field: Option<String>) -> Option<String> {
    field.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// A value inside a query string of a link of ours.
pub fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// A link to a path of ours with these fields of its query; empty ones are left out.
pub fn link(path: &str, fields: &[(&str, Option<&str>)]) -> String {
    let given = fields.iter().filter_map(|(name, value)| value.map(|value| format!("{name}={}", escaped(value))));
    let query = given.collect::<Vec<_>>().join("&");
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_carries_what_is_given_and_nothing_breaks_out_of_it() {
        assert_eq!(link("/tasks", &[("hub", None), ("status", None)]), "/tasks");
        let odd = link("/people", &[("q", Some("a&b=c#d \"ö\"")), ("cursor", Some("x"))]);
        assert_eq!(odd, "/people?q=a%26b%3Dc%23d%20%22%C3%B6%22&cursor=x");
        assert_eq!(filled(Some(String::from("  "))), None);
    }
}
