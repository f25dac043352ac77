//! `?expect=DIGEST`: the change is made only where it still means what a plan or preview showed.
//! In the query, because a DELETE has no body; unknown names are refused, because a misspelled
//! `expect` would be no check at all.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::Deserialize;

use super::ApiQuery;
use crate::http::error::ApiFailure;
use crate::service::whatif::Digest;

/// The digest a change is tied to, where the request gives one.
#[derive(Clone, Copy, Debug)]
pub struct Expect(pub Option<Digest>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    expect: Option<String>,
}

impl FromRequest for Expect {
    type Error = ApiFailure;
    type Future = Ready<Result<Self, ApiFailure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let query = ApiQuery::<Query>::from_request(request, payload).into_inner();
        ready(query.and_then(|ApiQuery(query)| {
            let digest = query.expect.map(|text| text.parse::<Digest>()).transpose()?;
            Ok(Self(digest))
        }))
    }
}
