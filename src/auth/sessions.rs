//! Sessions of the page: sealing the typed token into a cookie's text and opening it again. Whether
//! the token still lives, and nobody signed out since, is the [`super::Authenticator`]'s to say, on every request.

use crate::base::clock::Micros;
use crate::base::random;
use crate::base::secret::SecretString;
use crate::domain::session::{NONCE_BYTES, Opened, SessionKey};

/// Seals and opens sessions under the installation's key. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sessions(SessionKey);

impl Sessions {
    /// Under this key.
    pub const fn new(key: SessionKey) -> Self {
        Self(key)
    }

    /// The cookie's text for a token typed at `now`; `None` when it is too long to be one.
    pub fn seal(&self, token: &SecretString, now: Micros) -> Option<String> {
        let mut nonce = [0u8; NONCE_BYTES];
        random::fill(&mut nonce);
        self.0.seal(token, now, nonce)
    }

    /// What a cookie's text holds; `None` when it is not ours or its time is over.
    pub fn open(&self, sealed: &str, now: Micros) -> Option<Opened> {
        self.0.open(sealed, now)
    }

    /// What every form of this session carries.
    pub fn form_proof(&self, sealed: &str) -> String {
        self.0.form_proof(sealed)
    }

    /// A seal under words that this session is shown after a form.
    pub fn seal_words(&self, sealed: &str, words: &str) -> String {
        self.0.seal_words(sealed, words)
    }

    /// Whether these words carry their seal.
    pub fn said(&self, sealed: &str, words: &str, given: &str) -> bool {
        self.0.said(sealed, words, given)
    }

    /// Whether a form carried this session's proof.
    pub fn proves(&self, sealed: &str, given: &str) -> bool {
        self.0.proves(sealed, given)
    }
}
