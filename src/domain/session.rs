//! A session of the page: the token that was typed once, sealed together with the moment it was
//! typed. The browser keeps the sealed text as a cookie; nothing is kept here, so that every
//! replica reads it. The sealed text is no credential of the API: it has no token's form.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::base::clock::Micros;
use crate::base::limits;
use crate::base::secret::{Secret, SecretString};

/// Bytes of a nonce; the caller gives random ones.
pub const NONCE_BYTES: usize = 12;
/// Bytes of the moment in front of the token.
const MOMENT_BYTES: usize = 8;
/// A sealed text is never longer: tokens have 100 characters.
const SEALED_CHARACTERS: usize = 512;
/// What the seal is bound to: nothing else that this key may seal can be taken for a session.
const PURPOSE: &[u8] = b"scimhub page session 1";
/// A clock may be behind that of the replica which sealed.
const AHEAD: Duration = Duration::from_secs(60);

/// The installation's key for sessions of the page.
#[derive(Clone)]
pub struct SessionKey(Secret<[u8; 32]>);

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(***)")
    }
}

/// What a sealed text holds.
#[derive(Debug)]
pub struct Opened {
    /// The token that was typed.
    pub token: SecretString,
    /// When.
    pub began: Micros,
}

impl SessionKey {
    /// Take a key of 32 bytes.
    pub const fn new(key: Secret<[u8; 32]>) -> Self {
        Self(key)
    }

    /// The sealed text for a token that was typed at `now`; `None` when it is too long to be one.
    pub fn seal(&self, token: &SecretString, now: Micros, nonce: [u8; NONCE_BYTES]) -> Option<String> {
        let mut plain = Zeroizing::new(now.0.to_be_bytes().to_vec());
        plain.extend_from_slice(token.expose().as_bytes());
        let payload = Payload { msg: &plain, aad: PURPOSE };
        let sealed = self.cipher().encrypt(&Nonce::from(nonce), payload).ok()?;
        let text = URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat());
        (text.len() <= SEALED_CHARACTERS).then_some(text)
    }

    /// What a sealed text holds; `None` when this key did not seal it, or too long ago
    /// ([`limits::PAGE_SESSION`]).
    pub fn open(&self, sealed: &str, now: Micros) -> Option<Opened> {
        if sealed.len() > SEALED_CHARACTERS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: ciphertext, aad: PURPOSE };
        let plain = Zeroizing::new(self.cipher().decrypt(&Nonce::from(*nonce), payload).ok()?);
        let (moment, token) = plain.split_first_chunk::<MOMENT_BYTES>()?;
        let began = Micros(i64::from_be_bytes(*moment));
        if now.since(began) >= limits::PAGE_SESSION || began > now.plus(AHEAD) {
            return None;
        }
        let token = SecretString::new(std::str::from_utf8(token).ok()?.to_owned());
        Some(Opened { token, began })
    }

    /// What every form of this session carries, so that a form of another site is refused: it
    /// follows from the sealed text, and tells nothing about it.
    pub fn form_proof(&self, sealed: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.proof_bytes(sealed))
    }

    /// Whether a form carried this session's proof, in time that does not depend on where it differs.
    pub fn proves(&self, sealed: &str, given: &str) -> bool {
        let given = URL_SAFE_NO_PAD.decode(given).unwrap_or_default();
        self.proof_bytes(sealed).as_slice().ct_eq(&given).into()
    }

    /// A seal under words that this session is shown after a form, so that no link of somebody
    /// else's making can put them on the page.
    pub fn seal_words(&self, sealed: &str, words: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(b"scimhub page words 1 ", &[sealed, " ", words]))
    }

    /// Whether these words carry their seal.
    pub fn said(&self, sealed: &str, words: &str, given: &str) -> bool {
        let given = URL_SAFE_NO_PAD.decode(given).unwrap_or_default();
        self.mac(b"scimhub page words 1 ", &[sealed, " ", words]).as_slice().ct_eq(&given).into()
    }

    fn proof_bytes(&self, sealed: &str) -> [u8; 32] {
        self.mac(b"scimhub page form 1 ", &[sealed])
    }

    fn mac(&self, purpose: &[u8], parts: &[&str]) -> [u8; 32] {
        // HMAC takes a key of any length; the fallback exists only because the signature is fallible.
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(self.0.expose())
            .unwrap_or_else(|_| <Hmac<Sha256> as hmac::KeyInit>::new(&hmac::digest::Key::<Hmac<Sha256>>::default()));
        mac.update(purpose);
        for part in parts {
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&chacha20poly1305::Key::from(*self.0.expose()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = Micros(1_700_000_000_000_000);

    fn key(byte: u8) -> SessionKey {
        SessionKey::new(Secret::new([byte; 32]))
    }

    fn token() -> SecretString {
        SecretString::new(format!("scimhub_admin_{}_{}", "ab".repeat(8), "cd".repeat(32)))
    }

    #[test]
    fn a_session_opens_with_its_key_until_its_end() {
        let sealed = key(1).seal(&token(), NOW, [7; NONCE_BYTES]).unwrap();
        assert!(!sealed.contains("scimhub") && crate::domain::credential::lookup(&sealed).is_none());
        let open = |key: &SessionKey, at: Micros| key.open(&sealed, at).map(|opened| opened.token.expose().clone());
        assert_eq!(open(&key(1), NOW).as_deref(), Some(token().expose().as_str()));
        assert_eq!(key(1).open(&sealed, NOW).unwrap().began, NOW);
        let last = NOW.plus(limits::PAGE_SESSION.saturating_sub(Duration::from_secs(1)));
        assert!(open(&key(1), last).is_some());
        assert!(open(&key(1), NOW.plus(limits::PAGE_SESSION)).is_none(), "too old");
        assert!(open(&key(1), NOW.minus(Duration::from_secs(3_600))).is_none(), "from the future");
        assert!(open(&key(2), NOW).is_none(), "another installation");
    }

    #[test]
    fn a_changed_or_invented_text_does_not_open() {
        let sealed = key(1).seal(&token(), NOW, [7; NONCE_BYTES]).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            // The last character holds spare bits, which the decoder refuses by itself.
            assert!(changed == sealed || key(1).open(&changed, NOW).is_none(), "{at}");
        }
        for odd in ["", "A", "....", "\u{e4}", token().expose().as_str(), &"A".repeat(4_000)] {
            assert!(key(1).open(odd, NOW).is_none(), "{odd}");
        }
    }

    #[test]
    fn words_are_believed_under_their_own_seal_only() {
        let seal = key(1).seal_words("one", "released wiki");
        assert!(key(1).said("one", "released wiki", &seal));
        for (session, words) in [("two", "released wiki"), ("one", "rejected wiki"), ("one ", "released wiki")] {
            assert!(!key(1).said(session, words, &seal), "{session} {words}");
        }
        assert!(!key(2).said("one", "released wiki", &seal) && !key(1).said("one", "released wiki", ""));
        assert!(!key(1).proves("one released wiki", &seal), "no form's proof");
    }

    #[test]
    fn a_form_is_proved_by_its_own_session_only() {
        let one = key(1).seal(&token(), NOW, [7; NONCE_BYTES]).unwrap();
        let other = key(1).seal(&token(), NOW, [8; NONCE_BYTES]).unwrap();
        let proof = key(1).form_proof(&one);
        assert!(key(1).proves(&one, &proof));
        assert!(!key(1).proves(&other, &proof) && !key(2).proves(&one, &proof));
        for odd in ["", "x", &proof[1..], &format!("{proof}A"), &one] {
            assert!(!key(1).proves(&one, odd), "{odd}");
        }
    }
}
