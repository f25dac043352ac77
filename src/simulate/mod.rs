//! Speaks to any SCIM server as an identity provider does, request by request: what Okta and
//! Entra ID really send (their order, their shapes, their habits), for the demo and for trials.

mod entra;
mod line;
mod okta;

pub use entra::Entra;
pub use line::{Line, SimulateError};
pub use okta::Okta;

/// Somebody in the identity provider's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The provider's own id (`00u…` at Okta, an object id at Entra).
    pub external_id: String,
    /// Sign-in name, here the e-mail address too.
    pub user_name: String,
    /// First name.
    pub given_name: String,
    /// Last name.
    pub family_name: String,
}

impl Person {
    /// The name people read.
    pub fn display_name(&self) -> String {
        format!("{} {}", self.given_name, self.family_name)
    }
}
