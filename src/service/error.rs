//! What a use case can refuse, named by what the caller can do about it. Status codes and
//! `scimType` are chosen in one place, `http::error`.

use super::whatif::Plan;
pub use crate::domain::hub_rules::FieldError;
use crate::scim::error::ScimError;
use crate::store::StoreError;

/// Why a use case did not happen. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The request breaks a rule of the protocol; the error says which.
    #[error(transparent)]
    Scim(#[from] ScimError),
    /// No such thing in the caller's workspace and source. Another tenant's id gives the same.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// A unique value is taken, or the state does not allow the change; says what and where.
    #[error("{0}")]
    Conflict(String),
    /// The request is understood and wrong; says what and how to mend it.
    #[error("{0}")]
    Invalid(String),
    /// Fields of the request are wrong, all of them named at once.
    #[error("{}", sentences(.0))]
    InvalidFields(Vec<FieldError>),
    /// Fields whose value another thing has; says which.
    #[error("{}", sentences(.0))]
    TakenFields(Vec<FieldError>),
    /// `If-Match` named another version than the present one.
    #[error("the resource changed since it was read")]
    VersionMismatch,
    /// A change was to be made as a plan showed it, and would mean something else now.
    #[error("this is not what the expected plan showed, so nothing was changed: the world moved, or something else is wanted. Now it would be: {}. Look at it again; its digest is {}", .0.counts(), .0.digest)]
    Moved(Box<Plan>),
    /// The caller is known and lacks a right for this; says which.
    #[error("{}", .0.detail)]
    Missing(Box<super::rights::Missing>),
    /// The caller is known and may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// Too busy or not ready; the same request may succeed later.
    #[error("the server is not available at the moment")]
    Unavailable,
    /// Storage failed; the cause is logged, never sent.
    #[error("the server could not complete the request")]
    Store(#[source] StoreError),
}

fn sentences(errors: &[FieldError]) -> String {
    errors.iter().map(|error| error.detail.as_str()).collect::<Vec<_>>().join("; ")
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::NotFound("the resource"),
            // `constraint` names an index of ours; services give the better message before this.
            StoreError::Conflict { constraint } => Self::Conflict(format!("a value is already in use ({constraint})")),
            other @ (StoreError::LeaseLost(_)
            | StoreError::Unavailable(_)
            | StoreError::Corrupt(_)
            | StoreError::Refused(_)
            | StoreError::Panicked
            | StoreError::Database(_)) => Self::Store(other),
        }
    }
}
