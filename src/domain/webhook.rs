//! Webhooks by the Standard Webhooks scheme: how a message is signed, and what an answer means for
//! the next attempt. The clock and the dice are arguments.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::base::clock::Micros;
use crate::base::limits;
use crate::base::secret::{Secret, SecretString};

/// What a signing secret begins with, so that scanners recognise a leaked one.
const PREFIX: &str = "whsec_";

/// A signing secret as its owner sees it, once: `whsec_` and the key in base64.
pub fn secret_text(key: &Secret<[u8; 32]>) -> SecretString {
    SecretString::new(format!("{PREFIX}{}", STANDARD.encode(key.expose())))
}

/// One signature, `v1,…`, over id, time and body; `None` when the secret is not one of ours.
fn signature(secret: &SecretString, id: &str, seconds: i64, body: &[u8]) -> Option<String> {
    let key = Secret::new(STANDARD.decode(secret.expose().strip_prefix(PREFIX)?).ok()?);
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.expose()).ok()?;
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// The value of `webhook-signature`: one for each secret, a space between. After a rotation the
/// secret before it comes second, until its time is over.
pub fn signatures(secrets: &[SecretString], id: &str, seconds: i64, body: &[u8]) -> Option<String> {
    let all: Option<Vec<String>> = secrets.iter().map(|secret| signature(secret, id, seconds, body)).collect();
    all.filter(|all| !all.is_empty()).map(|all| all.join(" "))
}

/// How one attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A status, and the wait that `Retry-After` asks for.
    Answered(u16, Option<Duration>),
    /// No complete answer: not connected, broken off, too late.
    Lost,
    /// The address is not allowed, or the secret does not open: sent to nobody.
    Refused,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It arrived.
    Delivered,
    /// Not before this long from now.
    Again(Duration),
    /// No further attempt until a person replays it.
    Dead,
    /// The endpoint says that it is gone (410): dead, and nothing more is sent there.
    Gone,
}

/// Decide. `attempts` counts the one that just ended; `waited` is how long the delivery has been
/// in line; `roll` in `0.0..1.0` spreads those that failed together.
pub fn verdict(ending: Ending, attempts: i32, waited: Duration, roll: f64) -> Verdict {
    let asked = match ending {
        Ending::Answered(200..=299, _) => return Verdict::Delivered,
        Ending::Answered(410, _) => return Verdict::Gone,
        Ending::Answered(408 | 425 | 429 | 500..=599, asked) => asked,
        Ending::Lost => None,
        // A redirect is not followed: the address is to be mended by a person.
        Ending::Answered(_, _) | Ending::Refused => return Verdict::Dead,
    };
    if attempts >= limits::WEBHOOK_ATTEMPTS {
        return Verdict::Dead;
    }
    let power = u32::try_from(attempts.max(1)).unwrap_or(1).saturating_sub(1).min(8);
    let pause = limits::WEBHOOK_RETRY.saturating_mul(limits::WEBHOOK_FACTOR.saturating_pow(power));
    let pause = pause.mul_f64(1.0 + roll.clamp(0.0, 1.0) / 10.0).max(asked.unwrap_or_default());
    if waited.saturating_add(pause) > limits::WEBHOOK_SPAN { Verdict::Dead } else { Verdict::Again(pause) }
}

/// `webhook-timestamp`: whole seconds since 1970.
pub const fn seconds(at: Micros) -> i64 {
    at.0.div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification's reference libraries.
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let secret = SecretString::from(String::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        let body = br#"{"test": 2432232314}"#;
        let signed = signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn two_secrets_sign_side_by_side_and_a_foreign_text_signs_nothing() {
        let make = |byte: u8| secret_text(&Secret::new([byte; 32]));
        let both = signatures(&[make(1), make(2)], "a", 1, b"x").unwrap();
        let one = signatures(&[make(1)], "a", 1, b"x").unwrap();
        assert!(both.starts_with(&format!("{one} v1,")), "{both}");
        assert_eq!(signatures(&[], "a", 1, b"x"), None);
        assert_eq!(signatures(&[SecretString::from(String::from("plain"))], "a", 1, b"x"), None);
    }

    #[test]
    fn attempts_come_further_apart_and_end() {
        let s = Duration::from_secs;
        let mut waited = Duration::ZERO;
        for (attempt, pause) in [(1, 60), (2, 240), (3, 960), (4, 3_840), (5, 15_360)] {
            assert_eq!(verdict(Ending::Lost, attempt, waited, 0.0), Verdict::Again(s(pause)));
            waited += s(pause);
        }
        assert!(waited < limits::WEBHOOK_SPAN);
        assert_eq!(verdict(Ending::Lost, 6, waited, 0.0), Verdict::Dead);
        assert_eq!(verdict(Ending::Lost, 1, Duration::ZERO, 1.0), Verdict::Again(s(66)));
    }

    #[test]
    fn the_answer_decides() {
        let zero = Duration::ZERO;
        let s = Duration::from_secs;
        for (status, asked, expected) in [
            (200, None, Verdict::Delivered),
            (204, None, Verdict::Delivered),
            (301, None, Verdict::Dead),
            (400, None, Verdict::Dead),
            (401, None, Verdict::Dead),
            (404, None, Verdict::Dead),
            (410, None, Verdict::Gone),
            (408, None, Verdict::Again(s(60))),
            (425, None, Verdict::Again(s(60))),
            (429, Some(s(3_600)), Verdict::Again(s(3_600))),
            (429, Some(s(1)), Verdict::Again(s(60))),
            (503, Some(s(100_000)), Verdict::Dead),
            (500, None, Verdict::Again(s(60))),
            (599, None, Verdict::Again(s(60))),
        ] {
            assert_eq!(verdict(Ending::Answered(status, asked), 1, zero, 0.0), expected, "{status}");
        }
        assert_eq!(verdict(Ending::Refused, 1, zero, 0.0), Verdict::Dead);
    }
}
