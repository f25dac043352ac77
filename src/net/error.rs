//! How a call can fail, in the one distinction that matters afterwards: was anything sent?

use std::fmt;

/// What a call to an app can fail with. The texts hold no URL path, query, header or body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The URL cannot be used, or the request could not be put together. Nothing was sent; trying again
    /// will not help.
    #[error("{0}")]
    Refused(String),
    /// This installation's own settings forbid the address. Nothing was sent.
    #[error("{0}")]
    NotAllowed(String),
    /// No connection (name, TCP, TLS, connect time-out). Nothing was sent.
    #[error("could not connect to {host}: {why}")]
    NotSent {
        /// Host and port.
        host: String,
        /// A few words.
        why: &'static str,
    },
    /// The request went out and no complete answer came back: it may have been carried out.
    #[error("{host} gave no complete answer: {why}")]
    Lost {
        /// Host and port.
        host: String,
        /// The status, when at least that arrived.
        status: Option<u16>,
        /// A few words.
        why: &'static str,
    },
    /// An answer came that is beyond our limits; the request may have been carried out.
    #[error("{host} answered with more than {limit} bytes (status {status})")]
    TooLarge {
        /// Host and port.
        host: String,
        /// Its status.
        status: u16,
        /// Our limit.
        limit: usize,
    },
    /// The client could not be made.
    #[error("the HTTP client could not be made: {0}")]
    Setup(String),
}

impl NetError {
    /// Whether the other side may have acted on the request.
    pub fn may_have_been_carried_out(&self) -> bool {
        match self {
            Self::Refused(_) | Self::NotAllowed(_) | Self::NotSent { .. } | Self::Setup(_) => false,
            Self::Lost { .. } | Self::TooLarge { .. } => true,
        }
    }
}

/// Our resolver's and literal check's refusal, as it travels through the HTTP library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AddressRefused;

impl fmt::Display for AddressRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the address is not public and not allowed by this installation")
    }
}

impl std::error::Error for AddressRefused {}
