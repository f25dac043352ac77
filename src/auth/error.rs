//! Why a credential was refused. The caller is told only that it was; the log gets the reason.

use crate::store::StoreError;

/// A refused credential.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No `Authorization` header.
    #[error("no credential")]
    Missing,
    /// An empty, blank, repeated or otherwise unreadable header, or another scheme.
    #[error("the credential has no readable form")]
    Malformed,
    /// No such token, or the secret part is another.
    #[error("the token is not known")]
    Unknown,
    /// It was valid once.
    #[error("the token expired")]
    Expired,
    /// It was taken back.
    #[error("the token was revoked")]
    Revoked,
    /// The token lives, the page's session with it was ended by signing out.
    #[error("the session was ended by signing out")]
    SignedOut,
    /// The person it acts as was deactivated or deleted.
    #[error("the person whom the token acts as is not active any more")]
    PersonGone,
    /// It could not be checked; the one case that is not the caller's fault.
    #[error("the token could not be checked")]
    Unavailable(#[source] StoreError),
}
