//! The table of sections 3.1 and 3.2 of business-hubs.md, as one function.

use super::action::{Action, Extent};
use super::role::{HubRight, Role};

/// As what somebody calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The operator of the installation: a local command, or a token of scope `admin` that was made
    /// without a role. May do everything in its workspace.
    Operator,
    /// A program, with a role of its own.
    Service,
    /// A person: their role, and their hub rights.
    Person,
}

/// The rights somebody brings along, whatever the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// As what they call.
    pub kind: Kind,
    /// Their workspace role; an operator's is not looked at.
    pub role: Role,
}

impl Rights {
    /// Everything.
    pub const OPERATOR: Self = Self { kind: Kind::Operator, role: Role::Owner };

    /// Nothing at all of the API: what a credential of an identity provider has there.
    pub const NOBODY: Self = Self { kind: Kind::Service, role: Role::Guest };

    /// A program.
    pub const fn service(role: Role) -> Self {
        Self { kind: Kind::Service, role }
    }

    /// A person.
    pub const fn person(role: Role) -> Self {
        Self { kind: Kind::Person, role }
    }

    /// The right that counts in a hub, out of what was found there for this caller.
    pub fn in_hub(self, found: Option<HubRight>) -> Option<HubRight> {
        match self.kind {
            Kind::Operator => Some(HubRight::Owner),
            Kind::Service => self.role.service_right(),
            Kind::Person => found.map(|right| right.min(self.role.hub_ceiling())),
        }
    }
}

/// Whether an action may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Yes,
    /// Only as far as it is about the caller: a list shows the hubs they run and what is about
    /// themselves, a look at a person works for themselves.
    Own,
    /// No.
    No,
}

/// Whether somebody with these rights may do this; `hub` is the right found in the hub it is about,
/// where it is about one. The only function that knows.
pub fn may(rights: Rights, action: Action, hub: Option<HubRight>) -> Verdict {
    match rights.kind {
        Kind::Operator => return Verdict::Yes,
        Kind::Service | Kind::Person => {}
    }
    match action.extent() {
        Extent::Workspace => in_workspace(rights.role, action),
        Extent::Hub => in_hub(rights.role, action, rights.in_hub(hub)),
    }
}

/// Section 3.1, and what of ours has no row there.
fn in_workspace(role: Role, action: Action) -> Verdict {
    let is = Strength::of(role);
    match action {
        Action::SeeHubs => Verdict::Own.or_all(is.admin || is.auditor),
        Action::ConnectHub | Action::InviteGuests => yes(is.user),
        // What files change is checked change by change.
        Action::ApplyFiles => yes(is.user),
        // For whom they may be made, or who reads everything.
        Action::PlanFiles => yes(is.user || is.auditor),
        Action::RemoveGuests
        | Action::ChangeRoles
        | Action::ManageTokens
        | Action::SignRecord
        | Action::PauseWorkspace
        | Action::ManageTeams
        | Action::ManageWebhooks => yes(is.admin),
        Action::ReadPeople
        | Action::ReadTokens
        | Action::ReadProvisioning
        | Action::VerifyRecord
        | Action::ReadMetrics
        | Action::ReadWebhooks => yes(is.admin || is.auditor),
        Action::ChangeProvisioning | Action::TransferOwnership => yes(is.owner),
        Action::ErasePeople => yes(is.super_admin),
        Action::ReadDirectory => yes(is.user || is.auditor),
        // Of a partner that they run.
        Action::ReadPartners => Verdict::Own.or_all(is.admin || is.auditor),
        // A Guest Admin is a guest.
        Action::RunPartner => own_or_all(is.user || role == Role::Guest, is.admin),
        Action::ReadLog => own_or_all(is.user, is.admin || is.auditor),
        Action::ReadActivity | Action::ReadPerson => Verdict::Own.or_all(is.admin || is.auditor),
        Action::ExportFiles => own_or_all(is.user, is.super_admin || is.auditor),
        Action::UseHub
        | Action::ExplainAccess
        | Action::ReadHub
        | Action::ReadTask
        | Action::ManageMembers
        | Action::SyncHub
        | Action::ProtectMembers
        | Action::EditHub
        | Action::DeleteHub
        | Action::AssignManagers => Verdict::No,
    }
}

/// Section 3.2. `right` is what counts there, the ceiling of the workspace role included.
fn in_hub(role: Role, action: Action, right: Option<HubRight>) -> Verdict {
    let is = Strength::of(role);
    let at_least = |least: HubRight| right.is_some_and(|right| right >= least);
    match action {
        Action::UseHub => yes(at_least(HubRight::Collaborator) || is.admin || is.auditor),
        Action::ReadHub => yes(at_least(HubRight::SecurityManager) || is.super_admin || is.auditor),
        // The whole log is an admin's.
        Action::ReadTask => yes(at_least(HubRight::SecurityManager) || is.admin || is.auditor),
        Action::ExplainAccess => {
            Verdict::Own.or_all(at_least(HubRight::SecurityManager) || is.super_admin || is.auditor)
        }
        Action::ManageMembers => yes(at_least(HubRight::SecurityManager)),
        Action::SyncHub | Action::ProtectMembers => yes(at_least(HubRight::Manager)),
        Action::EditHub | Action::DeleteHub | Action::AssignManagers => yes(at_least(HubRight::Owner)),
        Action::SeeHubs
        | Action::ConnectHub
        | Action::InviteGuests
        | Action::RemoveGuests
        | Action::ReadPartners
        | Action::RunPartner
        | Action::ReadPeople
        | Action::ChangeRoles
        | Action::TransferOwnership
        | Action::ErasePeople
        | Action::ReadDirectory
        | Action::ReadTokens
        | Action::ManageTokens
        | Action::ReadProvisioning
        | Action::ChangeProvisioning
        | Action::ReadLog
        | Action::ReadActivity
        | Action::VerifyRecord
        | Action::SignRecord
        | Action::ReadMetrics
        | Action::PauseWorkspace
        | Action::ApplyFiles
        | Action::PlanFiles
        | Action::ExportFiles
        | Action::ManageTeams
        | Action::ReadWebhooks
        | Action::ManageWebhooks
        | Action::ReadPerson => Verdict::No,
    }
}

/// Which of the ladders a role stands on. The auditor stands beside the one that changes things.
struct Strength {
    user: bool,
    admin: bool,
    super_admin: bool,
    owner: bool,
    auditor: bool,
}

impl Strength {
    const fn of(role: Role) -> Self {
        let (user, admin, super_admin, owner, auditor) = match role {
            Role::Guest | Role::LoginOnly => (false, false, false, false, false),
            Role::User => (true, false, false, false, false),
            Role::Auditor => (false, false, false, false, true),
            Role::Admin => (true, true, false, false, false),
            Role::SuperAdmin => (true, true, true, false, false),
            Role::Owner => (true, true, true, true, false),
        };
        Self { user, admin, super_admin, owner, auditor }
    }
}

const fn yes(allowed: bool) -> Verdict {
    if allowed { Verdict::Yes } else { Verdict::No }
}

const fn own_or_all(own: bool, all: bool) -> Verdict {
    if all {
        Verdict::Yes
    } else if own {
        Verdict::Own
    } else {
        Verdict::No
    }
}

impl Verdict {
    const fn or_all(self, all: bool) -> Self {
        if all { Self::Yes } else { self }
    }
}

/// What would be enough, for a refusal that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Workspace roles of which one is enough by itself.
    pub roles: Vec<Role>,
    /// Rights in the hub of which one is enough, for somebody whose role does not stand against it.
    pub hub_rights: Vec<HubRight>,
}

/// What the table asks for, of somebody who got `got` and needed more.
pub fn needed(action: Action, got: Verdict) -> Needed {
    let suffices = |rights, hub| match (may(rights, action, hub), got) {
        (Verdict::Yes, _) | (Verdict::Own, Verdict::No) => true,
        (Verdict::Own, Verdict::Own | Verdict::Yes) | (Verdict::No, _) => false,
    };
    Needed {
        roles: Role::ALL.into_iter().filter(|role| suffices(Rights::person(*role), None)).collect(),
        hub_rights: match action.extent() {
            Extent::Workspace => Vec::new(),
            Extent::Hub => HubRight::ALL
                .into_iter()
                .filter(|right| may(Rights::person(Role::User), action, Some(*right)) == Verdict::Yes)
                .collect(),
        },
    }
}

impl Needed {
    /// In words: `the role admin, super_admin or owner`, `the right manager or owner in this hub`.
    pub fn words(&self) -> String {
        let list = |words: Vec<&str>| match words.as_slice() {
            [] => String::new(),
            [one] => (*one).to_owned(),
            [most @ .., last] => format!("{} or {last}", most.join(", ")),
        };
        let roles = list(self.roles.iter().map(|role| role.as_str()).collect());
        let rights = list(self.hub_rights.iter().map(|right| right.as_str()).collect());
        match (roles.is_empty(), rights.is_empty()) {
            (false, true) => format!("the workspace role {roles}"),
            (true, false) => format!("the right {rights} in this hub"),
            (false, false) => format!("the right {rights} in this hub, or the workspace role {roles}"),
            (true, true) => String::from("the operator of this installation"),
        }
    }
}

/// How a caller is named in a refusal: `a person with the role user`.
pub fn who(rights: Rights, hub: Option<HubRight>, extent: Extent) -> String {
    let kind = match rights.kind {
        Kind::Operator => return String::from("the operator"),
        Kind::Service => "a service",
        Kind::Person => "a person",
    };
    let right = match (extent, rights.in_hub(hub)) {
        (Extent::Workspace, _) => String::new(),
        (Extent::Hub, None) => String::from(" and no right in this hub"),
        (Extent::Hub, Some(right)) => format!(" and the right {right} in this hub"),
    };
    format!("{kind} with the role {}{right}", rights.role)
}
