//! From a status or a transport error to the class the worker schedules by (connected-apps.md
//! section 2). The one place for it, so that every connector means the same by a word.

use std::time::Duration;

use serde_json::Value;

use super::echo;
use crate::base::clock::Micros;
use crate::base::secret::SecretString;
use crate::engine::connector::{Failure, FailureClass};
use crate::net::wait::retry_after;
use crate::net::{Answer, NetError};

/// What an app that limits without saying for how long is given (connected-apps.md section 6.3).
const UNASKED_WAIT: Duration = Duration::from_secs(60);
/// Of an app's own words, at most this many characters are kept.
const WORDS: usize = 200;

/// Whether a call changes the app; that decides what a lost answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A lost answer costs nothing: ask again.
    Read,
    /// A lost answer may hide a change: look before trying again.
    Change,
}

/// A call without a complete answer.
pub fn transport(error: &NetError, call: Call) -> Failure {
    let class = match (error, call) {
        // A person must mend the connection; trying again will not.
        (NetError::Refused(_) | NetError::Setup(_), _) => FailureClass::AuthBroken,
        (NetError::NotAllowed(_), _) => FailureClass::AddressRefused,
        (NetError::NotSent { .. }, _) => FailureClass::Unreachable,
        (NetError::Lost { .. } | NetError::TooLarge { .. }, Call::Change) => FailureClass::Ambiguous,
        (NetError::Lost { .. }, Call::Read) => FailureClass::Transient,
        (NetError::TooLarge { .. }, Call::Read) => FailureClass::Invalid,
    };
    Failure::new(class, error.to_string())
}

/// An answer that is not 2xx. `token` is blotted out should the app repeat it.
pub fn refusal(answer: &Answer, call: Call, now: Micros, token: Option<&SecretString>) -> Failure {
    let said = said(&answer.body);
    let words = said.as_deref().and_then(|said| words(said, token));
    let wait = answer.header("retry-after").and_then(|value| retry_after(value, now));
    let class = class(answer.status, call, said.as_deref().unwrap_or_default());
    let meaning = meaning(class, answer.status);
    let detail = match words {
        Some(words) => format!("{meaning} (status {}): {words}", answer.status),
        None => format!("{meaning} (status {})", answer.status),
    };
    let retry_after = if class == FailureClass::RateLimited { Some(wait.unwrap_or(UNASKED_WAIT)) } else { wait };
    Failure { class, detail, retry_after }
}

/// The class of a status that is not 2xx.
pub fn class(status: u16, call: Call, words: &str) -> FailureClass {
    match status {
        401 => FailureClass::AuthBroken,
        402 => FailureClass::SeatLimit,
        403 | 409 | 422 if about_seats(words) => FailureClass::SeatLimit,
        403 => FailureClass::Forbidden,
        404 | 410 => FailureClass::NotFound,
        405 | 501 => FailureClass::NotSupported,
        409 => FailureClass::Conflict,
        408 | 412 | 423 | 425 => FailureClass::Transient,
        429 => FailureClass::RateLimited,
        // A gateway gave up waiting; the app behind it may still have done the work.
        504 => match call {
            Call::Read => FailureClass::Transient,
            Call::Change => FailureClass::Ambiguous,
        },
        500..=599 => FailureClass::Transient,
        // Redirects are not followed: to a login page or another host, a person must look.
        300..=399 => FailureClass::AuthBroken,
        _ => FailureClass::Invalid,
    }
}

fn about_seats(words: &str) -> bool {
    let words = words.to_lowercase();
    ["seat", "licen", "subscription limit", "user limit", "maximum number of users"].iter().any(|w| words.contains(w))
}

fn meaning(class: FailureClass, status: u16) -> &'static str {
    match class {
        FailureClass::RateLimited => "the app asks to slow down",
        FailureClass::Transient => "the app has a passing problem",
        FailureClass::Unreachable => "the app cannot be reached",
        FailureClass::Ambiguous => "the app may or may not have made the change",
        FailureClass::AuthBroken if (300..400).contains(&status) => {
            "the app answers with a redirect: the base URL is not its API"
        }
        FailureClass::AuthBroken => "the app does not accept the credential",
        FailureClass::AddressRefused => "the app's address is not allowed here",
        FailureClass::Forbidden => "the credential may not do this",
        FailureClass::NotFound => "the app does not have it",
        FailureClass::Conflict => "another account is in the way",
        FailureClass::SeatLimit => "the app has no free seat",
        FailureClass::Invalid => "the app refuses the request",
        FailureClass::NeedsHuman => "a person must do this in the app",
        FailureClass::NotSupported => "the app does not offer this",
    }
}

/// The app's own sentence.
fn said(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get("detail").or_else(|| body.get("message")).and_then(Value::as_str).map(str::to_owned)
}

/// The app's own sentence, made safe: one line, short, without control characters or our token.
fn words(said: &str, token: Option<&SecretString>) -> Option<String> {
    let said = match token {
        Some(token) if !token.expose().is_empty() => said.replace(token.expose().as_str(), "***"),
        _ => said.to_owned(),
    };
    let line: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS).collect();
    let line = line.trim();
    if token.is_some_and(|token| echo::repeats(line, token)) {
        return Some(String::from("(what it said repeats the credential and is left out)"));
    }
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_class() {
        use FailureClass as F;
        for (status, read, change) in [
            (302, F::AuthBroken, F::AuthBroken),
            (400, F::Invalid, F::Invalid),
            (401, F::AuthBroken, F::AuthBroken),
            (402, F::SeatLimit, F::SeatLimit),
            (403, F::Forbidden, F::Forbidden),
            (404, F::NotFound, F::NotFound),
            (405, F::NotSupported, F::NotSupported),
            (408, F::Transient, F::Transient),
            (409, F::Conflict, F::Conflict),
            (410, F::NotFound, F::NotFound),
            (412, F::Transient, F::Transient),
            (413, F::Invalid, F::Invalid),
            (415, F::Invalid, F::Invalid),
            (422, F::Invalid, F::Invalid),
            (429, F::RateLimited, F::RateLimited),
            (500, F::Transient, F::Transient),
            (501, F::NotSupported, F::NotSupported),
            (502, F::Transient, F::Transient),
            (503, F::Transient, F::Transient),
            (504, F::Transient, F::Ambiguous),
            (599, F::Transient, F::Transient),
        ] {
            assert_eq!(class(status, Call::Read, ""), read, "{status}");
            assert_eq!(class(status, Call::Change, ""), change, "{status}");
        }
        assert_eq!(class(403, Call::Change, "No free seat on this plan"), F::SeatLimit);
        assert_eq!(class(422, Call::Change, "All licenses are in use"), F::SeatLimit);
    }

    #[test]
    fn f08_a_lost_answer_is_ambiguous_only_after_a_change() {
        use FailureClass as F;
        let host = || String::from("app");
        let lost = NetError::Lost { host: host(), status: None, why: "the connection broke" };
        let large = NetError::TooLarge { host: host(), status: 200, limit: 1 };
        let not_sent = NetError::NotSent { host: host(), why: "no connection" };
        for (error, read, change) in [
            (lost, F::Transient, F::Ambiguous),
            (large, F::Invalid, F::Ambiguous),
            (not_sent, F::Unreachable, F::Unreachable),
            (NetError::Refused(String::from("no")), F::AuthBroken, F::AuthBroken),
            (NetError::NotAllowed(String::from("no")), F::AddressRefused, F::AddressRefused),
        ] {
            assert_eq!(transport(&error, Call::Read).class, read, "{error}");
            assert_eq!(transport(&error, Call::Change).class, change, "{error}");
        }
    }

    #[test]
    fn t25_the_apps_words_are_short_and_safe() {
        let token = SecretString::from(String::from("canary"));
        assert_eq!(words("bad\r\nline canary end", Some(&token)).as_deref(), Some("bad  line *** end"));
        assert!(words("no key 63616e617279", Some(&token)).is_some_and(|words| words.contains("left out")));
        assert_eq!(said(b"<html>"), None);
        assert_eq!(words(&"x".repeat(5000), None).map(|w| w.len()), Some(WORDS));
    }
}
