//! Who may make which credential. Nobody makes one that may do more than they may themselves.

use super::role::Role;
use super::table::{Kind, Rights};
use crate::base::ids::UserId;

/// Who makes or ends a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maker {
    /// Their rights.
    pub rights: Rights,
    /// The person, where it is one.
    pub person: Option<UserId>,
}

/// As what a credential acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Without a role: the operator, or with scope `read` somebody who looks at everything.
    Operator,
    /// An identity provider: SCIM and nothing else.
    IdentityProvider,
    /// A program with this role.
    Service(Role),
    /// This person.
    Person(UserId),
}

/// Whether a credential like this may be made; the words of the refusal where not.
///
/// # Errors
/// Why not.
pub fn may_make(maker: Maker, wanted: Wanted) -> Result<(), String> {
    let owns = maker.rights.role == Role::Owner;
    match (maker.rights.kind, wanted) {
        (Kind::Operator, _) => Ok(()),
        (Kind::Service | Kind::Person, Wanted::IdentityProvider) => Ok(()),
        (Kind::Service | Kind::Person, Wanted::Operator) => Err(String::from(
            "a token without a role may do everything; only the operator of this installation makes one: name a role \
             or a person",
        )),
        (Kind::Person, Wanted::Person(user)) if maker.person == Some(user) => Ok(()),
        (Kind::Service | Kind::Person, Wanted::Person(_)) => {
            Err(String::from("a token acts as somebody else only where the operator of this installation made it"))
        }
        (Kind::Service, Wanted::Service(role)) if role <= maker.rights.role => Ok(()),
        // A service that administers runs every hub; a person may not, unless the workspace is theirs.
        (Kind::Person, Wanted::Service(role)) if owns || role <= Role::User => Ok(()),
        (Kind::Service | Kind::Person, Wanted::Service(role)) => Err(format!(
            "a service with the role {role} may do more than {}; ask the operator of this installation",
            match maker.rights.kind {
                Kind::Person => "you may in every hub",
                Kind::Service | Kind::Operator => "this service",
            }
        )),
    }
}

/// Whether a credential that acts as this may be ended.
///
/// # Errors
/// Why not.
pub fn may_end(maker: Maker, ended: Wanted) -> Result<(), String> {
    let stronger = |role: Role| role > maker.rights.role;
    let refused = || Err(String::from("this token may do more than the one that would end it"));
    match (maker.rights.kind, ended) {
        (Kind::Operator, _) | (Kind::Service | Kind::Person, Wanted::IdentityProvider | Wanted::Person(_)) => Ok(()),
        (Kind::Service | Kind::Person, Wanted::Operator) => {
            if maker.rights.role == Role::Owner {
                Ok(())
            } else {
                refused()
            }
        }
        (Kind::Service | Kind::Person, Wanted::Service(role)) => {
            if stronger(role) {
                refused()
            } else {
                Ok(())
            }
        }
    }
}
