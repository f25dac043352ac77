//! A person's workspace role, out of what was given to them by name and what their groups give.

use crate::base::clock::Micros;
use crate::base::ids::GroupId;
use crate::domain::entitlement::Regain;

use super::role::Role;

/// A role and when it was last said that it counts: by the person who gave it, or by the identity
/// provider that named the membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// The role.
    pub role: Role,
    /// When.
    pub at: Micros,
    /// The group it comes from; `None` where a person gave it.
    pub group: Option<GroupId>,
}

/// What is known of a user that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// SCIM `active`.
    pub active: bool,
    /// When `active` last became false; kept when it became true again.
    pub deactivated_at: Option<Micros>,
    /// What a reactivation gives back.
    pub regain: Regain,
    /// Whether they are kept here and by no identity provider: a guest, whatever is given to them.
    pub guest: bool,
    /// All roles that were given to them.
    pub given: Vec<Given>,
}

impl Claims {
    /// Whether a role counts now. A rehire must not regain an old one (DESIGN.md section 8).
    pub fn counts(&self, given: &Given) -> bool {
        let by_itself = match self.regain {
            Regain::ByItself => given.group.is_some(),
            Regain::WhenConfirmed => false,
        };
        by_itself || self.deactivated_at.is_none_or(|left| given.at > left)
    }

    /// The strongest role that counts; `user` for whom nobody said anything.
    pub fn role(&self) -> Role {
        if self.guest {
            return Role::Guest;
        }
        self.given.iter().filter(|given| self.counts(given)).map(|given| given.role).max().unwrap_or(Role::User)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn claims(given: &[(Role, i64, bool)]) -> Claims {
        let group = |through: bool| through.then(|| GroupId::from_uuid(Uuid::from_u128(7)));
        let given =
            given.iter().map(|(role, at, through)| Given { role: *role, at: Micros(*at), group: group(*through) });
        Claims {
            active: true,
            deactivated_at: None,
            regain: Regain::WhenConfirmed,
            guest: false,
            given: given.collect(),
        }
    }

    #[test]
    fn the_strongest_role_counts_and_everybody_else_is_a_user() {
        assert_eq!(claims(&[]).role(), Role::User);
        assert_eq!(
            claims(&[(Role::LoginOnly, 1, false)]).role(),
            Role::LoginOnly,
            "weaker than the default, on purpose"
        );
        assert_eq!(claims(&[(Role::LoginOnly, 1, false), (Role::Admin, 1, true)]).role(), Role::Admin);
        assert_eq!(claims(&[(Role::Auditor, 1, true), (Role::User, 1, false)]).role(), Role::Auditor);
        let guest = Claims { guest: true, ..claims(&[(Role::Admin, 1, true)]) };
        assert_eq!(guest.role(), Role::Guest, "whatever a team of theirs would give");
    }

    #[test]
    fn a_rehire_does_not_regain_an_old_role() {
        let mut back = claims(&[(Role::Owner, 5, false), (Role::Admin, 5, true)]);
        back.deactivated_at = Some(Micros(5));
        assert_eq!(back.role(), Role::User);
        back.regain = Regain::ByItself;
        assert_eq!(back.role(), Role::Admin, "Entra never sends memberships again; what a person gave stays away");
        back.given.push(Given { role: Role::SuperAdmin, at: Micros(6), group: None });
        assert_eq!(back.role(), Role::SuperAdmin);
    }
}
