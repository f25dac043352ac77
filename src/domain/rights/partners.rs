//! Local partners (business-hubs.md section 9): what somebody may do with the people of one. A
//! partner's admins do for it what an admin of the workspace does for all.

use std::fmt;
use std::str::FromStr;

use super::action::Action;
use super::role::Role;

/// What somebody is in a local partner, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartnerRole {
    /// A person of theirs.
    Guest,
    /// A person of theirs who runs it with us.
    GuestAdmin,
    /// One of ours who runs it.
    HostAdmin,
}

/// The text names no role in a partner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the role must be one of guest, guest_admin, host_admin")]
pub struct UnknownPartnerRole;

impl PartnerRole {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Guest, Self::GuestAdmin, Self::HostAdmin];

    /// The word in the table and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::GuestAdmin => "guest_admin",
            Self::HostAdmin => "host_admin",
        }
    }

    /// Whether it counts for somebody of this workspace role: ours run a partner only as long as they may
    /// bring in guests at all, and theirs are guests for good.
    pub const fn counts(self, role: Role) -> bool {
        match (self, role) {
            (Self::Guest | Self::GuestAdmin, Role::Guest)
            | (Self::HostAdmin, Role::User | Role::Admin | Role::SuperAdmin | Role::Owner) => true,
            (
                Self::Guest | Self::GuestAdmin,
                Role::LoginOnly | Role::User | Role::Auditor | Role::Admin | Role::SuperAdmin | Role::Owner,
            )
            | (Self::HostAdmin, Role::Guest | Role::LoginOnly | Role::Auditor) => false,
        }
    }

    /// Whether they do this in their partner at all; about whom is [`Hand`]'s to say.
    pub const fn may(self, action: Action) -> bool {
        match self {
            // A guest sees no list of members.
            Self::Guest => false,
            Self::GuestAdmin | Self::HostAdmin => matches!(action, Action::ReadPartners | Action::RunPartner),
        }
    }
}

impl fmt::Display for PartnerRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PartnerRole {
    type Err = UnknownPartnerRole;

    fn from_str(text: &str) -> Result<Self, UnknownPartnerRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownPartnerRole)
    }
}

/// By what somebody changes who is in a partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// By their workspace role: an admin or more.
    Workspace,
    /// By what they are in the partner.
    Partner(PartnerRole),
}

impl Hand {
    /// Whether they may take out somebody who is this (R9.2). Nobody takes out themself: each is below the
    /// one who does it.
    pub fn may_remove(self, whom: PartnerRole) -> bool {
        match self {
            Self::Workspace => true,
            Self::Partner(own) => own >= PartnerRole::GuestAdmin && whom < own,
        }
    }

    /// Whether they may bring in guests. A guest invites nobody.
    pub const fn may_invite(self) -> bool {
        match self {
            Self::Workspace | Self::Partner(PartnerRole::HostAdmin) => true,
            Self::Partner(PartnerRole::Guest | PartnerRole::GuestAdmin) => false,
        }
    }

    /// Whether they may make somebody who is `now` in this partner, if anything, a `wanted`. Who is here
    /// already and of no partner, and who of ours runs one, is an admin's to say.
    pub fn may_make(self, now: Option<PartnerRole>, wanted: PartnerRole) -> bool {
        match self {
            Self::Workspace => true,
            Self::Partner(PartnerRole::HostAdmin) => {
                wanted < PartnerRole::HostAdmin && now.is_some_and(|now| now < PartnerRole::HostAdmin)
            }
            Self::Partner(PartnerRole::Guest | PartnerRole::GuestAdmin) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PartnerRole::{Guest, GuestAdmin, HostAdmin};
    use super::*;

    #[test]
    fn r9_2_guest_admins_remove_guests_and_host_admins_both() {
        let removes = |own| PartnerRole::ALL.map(|whom| Hand::Partner(own).may_remove(whom));
        assert_eq!(removes(Guest), [false, false, false]);
        assert_eq!(removes(GuestAdmin), [true, false, false], "not themselves");
        assert_eq!(removes(HostAdmin), [true, true, false], "and no admin of ours");
        assert_eq!(PartnerRole::ALL.map(|whom| Hand::Workspace.may_remove(whom)), [true; 3]);
    }

    #[test]
    fn only_ours_bring_people_in_and_appoint() {
        assert_eq!(PartnerRole::ALL.map(|own| Hand::Partner(own).may_invite()), [false, false, true]);
        let makes = |own, now, wanted| Hand::Partner(own).may_make(now, wanted);
        assert!(makes(HostAdmin, Some(Guest), GuestAdmin) && makes(HostAdmin, Some(GuestAdmin), Guest));
        assert!(!makes(HostAdmin, None, Guest), "somebody else's guest is no prey");
        assert!(!makes(HostAdmin, Some(Guest), HostAdmin) && !makes(HostAdmin, None, HostAdmin));
        assert!(!makes(HostAdmin, Some(HostAdmin), Guest));
        assert!(!makes(GuestAdmin, Some(Guest), GuestAdmin));
    }

    #[test]
    fn a_role_counts_only_for_whom_it_is_meant() {
        for role in Role::ALL {
            assert_eq!(GuestAdmin.counts(role), role == Role::Guest, "{role}");
            let ours = [Role::User, Role::Admin, Role::SuperAdmin, Role::Owner].contains(&role);
            assert_eq!(HostAdmin.counts(role), ours, "{role}");
        }
    }

    #[test]
    fn words_read_back() {
        for role in PartnerRole::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!("owner".parse::<PartnerRole>(), Err(UnknownPartnerRole));
    }
}
