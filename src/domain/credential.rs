//! The text form of a token and its keyed hash (threat T-16). The text is shown once; only the
//! public lookup part and the hash are stored.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::caller::Scope;
use crate::base::secret::{Secret, SecretString};

/// Bytes of randomness in a token's secret part: 256 bits.
pub const SECRET_BYTES: usize = 32;
/// Bytes of the public part that a token is looked up by.
pub const LOOKUP_BYTES: usize = 8;
/// The first word of every token, so that scanners recognise a leaked one.
const PREFIX: &str = "scimhub_";

/// A freshly made token: the text for its owner, the public part for the table.
#[derive(Debug)]
pub struct Minted {
    /// `scimhub_<scope>_<16 hex digits>_<64 hex digits>`; shown once, never stored.
    pub text: SecretString,
    /// The public part, by which the row is found.
    pub lookup: String,
}

/// How long a credential lives. There is no way to none by leaving something out (R-AUTH-05).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// This long.
    For(Duration),
    /// Until it is revoked; only by saying so.
    Never,
}

/// What a lifetime looks like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a lifetime is a number with s, m, h or d, such as 90d, at most 3650d; or the word 'never'")]
pub struct BadTtl;

impl Default for Ttl {
    /// A year: IdPs have no way to renew by themselves.
    fn default() -> Self {
        Self::For(Duration::from_secs(365 * 24 * 60 * 60))
    }
}

impl FromStr for Ttl {
    type Err = BadTtl;

    fn from_str(text: &str) -> Result<Self, BadTtl> {
        if text == "never" {
            return Ok(Self::Never);
        }
        let unit = text.chars().last().ok_or(BadTtl)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return Err(BadTtl),
        };
        let number: u64 = text.strip_suffix(unit).and_then(|n| n.parse().ok()).ok_or(BadTtl)?;
        let total = number.checked_mul(seconds).filter(|s| (1..=3650 * 24 * 60 * 60).contains(s)).ok_or(BadTtl)?;
        Ok(Self::For(Duration::from_secs(total)))
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(span) => write!(f, "{}s", span.as_secs()),
            Self::Never => f.write_str("never"),
        }
    }
}

/// Put a token together from random bytes of the operating system.
pub fn mint(scope: Scope, lookup: &[u8; LOOKUP_BYTES], secret: &Secret<[u8; SECRET_BYTES]>) -> Minted {
    let lookup = hex(lookup);
    let text = format!("{PREFIX}{scope}_{lookup}_{}", hex(secret.expose()));
    Minted { text: SecretString::new(text), lookup }
}

/// The public part of a token, or `None` when the text has another form than [`mint`] gives.
///
/// One strict grammar: what does not look like a token never reaches the database.
pub fn lookup(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(PREFIX)?;
    let (scope, rest) = rest.split_once('_')?;
    scope.parse::<Scope>().ok()?;
    let (lookup, secret) = rest.split_once('_')?;
    let is_hex = |part: &str, bytes: usize| {
        part.len() == bytes * 2 && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    (is_hex(lookup, LOOKUP_BYTES) && is_hex(secret, SECRET_BYTES)).then_some(lookup)
}

/// The key under which tokens are hashed. A stolen database without it verifies no guess.
#[derive(Clone)]
pub struct TokenKey(Hmac<Sha256>);

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(***)")
    }
}

impl TokenKey {
    /// Take a key of 32 bytes.
    pub fn new(key: &Secret<[u8; 32]>) -> Self {
        // HMAC takes a key of any length; the fallback exists only because the signature is fallible.
        Self(
            Hmac::new_from_slice(key.expose())
                .unwrap_or_else(|_| Hmac::new(&hmac::digest::Key::<Hmac<Sha256>>::default())),
        )
    }

    /// The hash that is stored: HMAC-SHA-256 over the whole text, its prefix and lookup included.
    pub fn hash(&self, text: &str) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Whether `text` is the token whose hash is `stored`, in time that does not depend on where
    /// they differ.
    pub fn matches(&self, text: &str, stored: &[u8]) -> bool {
        self.hash(text).as_slice().ct_eq(stored).into()
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 0x0f)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minted() -> Minted {
        mint(Scope::Scim, &[0xab; LOOKUP_BYTES], &Secret::new([0x1f; SECRET_BYTES]))
    }

    #[test]
    fn a_minted_token_has_the_form_that_is_read() {
        let minted = minted();
        assert_eq!(minted.lookup, "abababababababab");
        assert_eq!(lookup(minted.text.expose()), Some("abababababababab"));
        assert!(minted.text.expose().starts_with("scimhub_scim_abababababababab_1f1f"));
    }

    #[test]
    fn anything_else_is_not_looked_up() {
        let good = minted().text.expose().clone();
        let mut cases = vec![String::new(), "scimhub_".into(), "scimhub_scim__".into(), "x".repeat(100_000)];
        cases.push(good.replace("scimhub", "Scimhub"));
        cases.push(good.replace("_scim_", "_root_"));
        cases.push(good.to_uppercase());
        cases.push(format!("{good}0"));
        cases.push(format!("{good} "));
        cases.push(good.chars().take(good.len() - 1).collect());
        for case in cases {
            assert_eq!(lookup(&case), None, "{case}");
        }
    }

    #[test]
    fn a_lifetime_is_never_unlimited_by_accident() {
        assert_eq!("365d".parse(), Ok(Ttl::default()));
        assert_eq!("90s".parse(), Ok(Ttl::For(Duration::from_secs(90))));
        assert_eq!("never".parse(), Ok(Ttl::Never));
        for bad in ["", "d", "0d", "-1d", "365", "4000d", "99999999999999999999d", "Never", "none", "1y", "1 d"] {
            assert_eq!(bad.parse::<Ttl>(), Err(BadTtl), "{bad}");
        }
    }

    #[test]
    fn the_hash_depends_on_key_and_every_character() {
        let key = TokenKey::new(&Secret::new([1; 32]));
        let other = TokenKey::new(&Secret::new([2; 32]));
        let text = minted().text;
        let stored = key.hash(text.expose());
        assert!(key.matches(text.expose(), &stored));
        assert!(!other.matches(text.expose(), &stored));
        assert!(!key.matches(&text.expose().replace("_scim_", "_admin_"), &stored));
        assert!(!key.matches(text.expose(), &[]));
        assert_eq!(format!("{key:?}"), "TokenKey(***)");
    }
}
