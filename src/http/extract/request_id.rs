//! The id of one request: taken from the caller when it is harmless, made otherwise.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

/// The header that carries it, in both directions.
pub const HEADER: &str = "x-request-id";

/// One request's id, in logs, activity records and tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

impl RequestId {
    /// A caller's own id, when it has 1 to 128 characters of a plain alphabet: it ends up in log
    /// lines and headers.
    pub fn given(text: &[u8]) -> Option<Self> {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(b);
        let fits = (1..=128).contains(&text.len()) && text.iter().all(plain);
        let text = fits.then(|| std::str::from_utf8(text).ok()).flatten()?;
        Some(Self(text.into()))
    }
}

impl FromRequest for RequestId {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let given = request.extensions().get::<Self>().cloned();
        ready(Ok(given.unwrap_or_else(|| Self("unknown".into()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_ids_are_taken() {
        for good in ["a", "01890a5d-ac96-774b-bcce-b302099a8057", "trace:1/2"] {
            assert!(RequestId::given(good.as_bytes()).is_some(), "{good}");
        }
        for bad in ["", " ", "a b", "a\nb", "ä", "<b>", &"a".repeat(129)] {
            assert!(RequestId::given(bad.as_bytes()).is_none(), "{bad:?}");
        }
    }
}
