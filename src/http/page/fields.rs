//! The fields of a form, bounded in size and time like every other body, strictly decoded.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;

use crate::base::limits;
use crate::http::error::Refusal;
use crate::http::extract::{body, query};

const FORM: &str = "application/x-www-form-urlencoded";

/// `name=value` pairs in the order of the form.
#[derive(Clone, Default)]
pub struct Fields(Vec<(String, String)>);

/// A form may carry a token: its values are never printed.
impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fields({})", self.0.len())
    }
}

impl Fields {
    /// Read them from a request.
    ///
    /// # Errors
    /// 415 for another kind of body, 413, 408, and 400 for one that is not percent-encoded UTF-8.
    pub async fn read(request: &HttpRequest, payload: Payload) -> Result<Self, Refusal> {
        body::check_head(request, limits::FORM_BYTES, &[FORM])?;
        let bytes = body::collect_in_time(payload, limits::FORM_BYTES).await?;
        let bad = || Refusal::new(StatusCode::BAD_REQUEST, "the form is not percent-encoded UTF-8");
        let text = std::str::from_utf8(&bytes).map_err(|_| bad())?;
        query::pairs(text).map(Self).ok_or_else(bad)
    }

    /// The first value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// All values of a field.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(given, _)| given == name).map(|(_, value)| value.clone()).collect()
    }
}
