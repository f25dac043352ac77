//! Does what an app says repeat our credential (threat T-25)? Apps quote the header they refuse,
//! whole or in part, and in the spelling of whatever they are made of. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::base::secret::{Secret, SecretString};

/// So many characters in a row of a credential say too much of it; in base64 and hexadecimal as
/// many as make up nine and twelve bytes of it.
const PLAIN_RUN: usize = 12;
const BASE64_RUN: usize = 12;
const HEX_RUN: usize = 24;
/// A shorter credential would be found by chance.
const SHORTEST: usize = 4;

/// Whether `text` holds `secret` or a good part of it: as it is, escaped for JSON, HTML or a URL,
/// in base64 of either alphabet or in hexadecimal. `text` should be short; a sentence.
pub fn repeats(text: &str, secret: &SecretString) -> bool {
    let bytes = secret.expose().as_bytes();
    if bytes.len() < SHORTEST {
        return false;
    }
    let texts = [text.to_owned(), percent_decoded(text), without_escapes(text)];
    let plain = Secret::new(without_escapes(secret.expose()));
    if texts.iter().any(|text| shares(text, secret.expose(), PLAIN_RUN) || shares(text, plain.expose(), PLAIN_RUN)) {
        return true;
    }
    let hex = Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    if shares(&text.to_ascii_lowercase(), hex.expose(), HEX_RUN) {
        return true;
    }
    // A longer text may begin at any of three places within a group; what the first and last
    // characters are also depends on the neighbours.
    [(0_usize, 0_usize), (1, 2), (2, 3)].into_iter().any(|(shift, skip)| {
        let mut padded = Secret::new(vec![b' '; shift]);
        padded.expose_mut().extend_from_slice(bytes);
        let keep = padded.expose().len() * 8 / 6;
        [STANDARD_NO_PAD, URL_SAFE_NO_PAD].iter().any(|alphabet| {
            let encoded = Secret::new(alphabet.encode(padded.expose()));
            let inner = encoded.expose().get(skip..keep).unwrap_or_default();
            texts.iter().any(|text| shares(text, inner, BASE64_RUN))
        })
    })
}

/// Whether a run of `length` characters of `text` stands in `secret`; of a shorter secret, all of it.
fn shares(text: &str, secret: &str, length: usize) -> bool {
    if secret.len() <= length {
        return !secret.is_empty() && text.contains(secret);
    }
    let (text, secret) = (text.as_bytes(), secret.as_bytes());
    text.windows(length).any(|run| secret.windows(length).any(|other| other == run))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let decoded = match rest {
            [b'%', high, low, ..] => digit(*high).zip(digit(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { rest.get(3..).unwrap_or_default() } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Without backslashes, and HTML's five entities as the characters they stand for.
fn without_escapes(text: &str) -> String {
    let mut plain = text.replace('\\', "");
    for (entity, character) in [
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ] {
        plain = plain.replace(entity, character);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "t0ken/+?\"of'the<app>\\&more-\u{e4}";

    #[test]
    fn t25_every_spelling_of_a_credential_is_seen() {
        let secret = SecretString::from(String::from(TOKEN));
        let hex: String = TOKEN.bytes().map(|byte| format!("{byte:02X}")).collect();
        for text in [
            format!("bad Bearer {TOKEN}."),
            format!("{TOKEN:?}"),
            serde_json::to_string(TOKEN).unwrap(),
            String::from("t=t0ken%2F%2B%3F%22of%27the%3Capp%3E%5C%26more-%c3%a4"),
            String::from("t0ken/+?&quot;of&#39;the&lt;app&gt;\\&amp;more"),
            STANDARD_NO_PAD.encode(TOKEN),
            format!("<{}>", URL_SAFE_NO_PAD.encode(format!("Bearer {TOKEN}"))),
            STANDARD_NO_PAD.encode(format!("xy{TOKEN}z")).replace('+', "%2B"),
            hex.to_lowercase(),
            hex,
            // In part, as some apps do so that people recognise it.
            String::from("the key t0ken/+?\"of'*** is wrong"),
        ] {
            assert!(repeats(&text, &secret), "{text}");
        }
    }

    #[test]
    fn other_words_are_left_alone() {
        let secret = SecretString::from(String::from(TOKEN));
        for text in ["", "the token is wrong", "no such role 'editor' 100%", "%", "%4", "t0ken/"] {
            assert!(!repeats(text, &secret), "{text}");
        }
        for short in ["", "x", "abc"] {
            assert!(!repeats("abc x 78 616263", &SecretString::from(String::from(short))));
        }
        assert!(repeats("your key abcd", &SecretString::from(String::from("abcd"))));
    }
}
