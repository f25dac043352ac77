//! Who may give which workspace role (business-hubs.md section 3.1). Nobody gives more than they have
//! themselves, nobody decides about somebody stronger, and the Owner's role is handed over and never
//! given.

use super::credentials::Maker;
use super::role::Role;
use super::table::Kind;

/// Whose role is to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// What they are now, whatever gives it.
    pub role: Role,
    /// Whether they are the one person who was made Owner, also while that does not count.
    pub owner: bool,
    /// Whether they are a guest: kept here and by no identity provider.
    pub guest: bool,
}

/// Why a role is not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotGiven {
    /// Whoever asked may not.
    Forbidden(String),
    /// Nobody may: the state or the rules of the workspace are against it.
    Impossible(String),
}

const HAND_OVER: &str = "the workspace has exactly one Owner; the role is handed over: \
                         POST /api/v1/people/{user}/transfer-ownership";

/// Whether a caller may decide about a role: give it to somebody, or take it from them. An auditor
/// looks into every hub, which an admin may not.
pub fn gives(maker: Maker, role: Role) -> bool {
    match (maker.rights.kind, role) {
        (Kind::Operator, _) => true,
        (Kind::Service | Kind::Person, Role::Owner) => false,
        (Kind::Service | Kind::Person, Role::Auditor | Role::SuperAdmin) => maker.rights.role >= Role::SuperAdmin,
        (Kind::Service | Kind::Person, Role::Guest | Role::LoginOnly | Role::User | Role::Admin) => {
            maker.rights.role >= Role::Admin
        }
    }
}

/// Whether this person may be given this role by name; `None` takes away what they were given.
///
/// # Errors
/// Why not.
pub fn may_give(maker: Maker, subject: Subject, wanted: Option<Role>) -> Result<(), NotGiven> {
    if wanted == Some(Role::Owner) || subject.owner {
        return Err(NotGiven::Impossible(String::from(HAND_OVER)));
    }
    if subject.guest && wanted.is_some_and(|role| role != Role::Guest) {
        return Err(NotGiven::Impossible(String::from(
            "a guest is from outside the directory and stays a guest; who is in the directory becomes a normal member",
        )));
    }
    // Who has nothing by name is what everybody is.
    may(maker, wanted.unwrap_or(Role::User), "give")?;
    may(maker, subject.role, "decide about")
}

/// Whether a group may give its members this role, in place of the one it gave before.
///
/// # Errors
/// Why not.
pub fn may_map(maker: Maker, wanted: Option<Role>, before: Option<Role>) -> Result<(), NotGiven> {
    if wanted == Some(Role::Owner) {
        return Err(NotGiven::Impossible(format!("no group makes Owners: {HAND_OVER}")));
    }
    wanted.map_or(Ok(()), |role| may(maker, role, "give"))?;
    before.map_or(Ok(()), |role| may(maker, role, "decide about"))
}

fn may(maker: Maker, role: Role, verb: &str) -> Result<(), NotGiven> {
    if gives(maker, role) {
        return Ok(());
    }
    let most: Vec<&str> = Role::ALL.into_iter().filter(|role| gives(maker, *role)).map(Role::as_str).collect();
    Err(NotGiven::Forbidden(format!(
        "somebody with the role {} may {verb} the roles {}; this is {role}",
        maker.rights.role,
        if most.is_empty() { String::from("of nobody") } else { most.join(", ") },
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rights::Rights;

    const fn maker(rights: Rights) -> Maker {
        Maker { rights, person: None }
    }

    const fn subject(role: Role) -> Subject {
        Subject { role, owner: false, guest: false }
    }

    /// For each maker, one column for each role to give: guest, login_only, user, auditor, admin,
    /// super_admin, owner.
    const TABLE: [(Role, &str); 7] = [
        (Role::Guest, "-------"),
        (Role::LoginOnly, "-------"),
        (Role::User, "-------"),
        (Role::Auditor, "-------"),
        (Role::Admin, "yyy-y--"),
        (Role::SuperAdmin, "yyyyyy-"),
        (Role::Owner, "yyyyyy-"),
    ];

    #[test]
    fn nobody_gives_more_than_they_have() {
        for (role, row) in TABLE {
            for (wanted, expected) in Role::ALL.into_iter().zip(row.chars()) {
                for rights in [Rights::person(role), Rights::service(role)] {
                    let given = may_give(maker(rights), subject(Role::User), Some(wanted));
                    assert_eq!(given.is_ok(), expected == 'y', "{rights:?} gives {wanted}");
                    assert_eq!(may_map(maker(rights), Some(wanted), None).is_ok(), expected == 'y', "{rights:?}");
                    // The same table says whose role they may lower.
                    let lowered = may_give(maker(rights), subject(wanted), Some(Role::LoginOnly));
                    assert_eq!(lowered.is_ok(), expected == 'y', "{rights:?} lowers {wanted}");
                    assert_eq!(may_map(maker(rights), None, Some(wanted)).is_ok(), expected == 'y', "{rights:?}");
                }
            }
        }
    }

    #[test]
    fn the_owner_is_one_and_a_guest_stays_one() {
        let operator = maker(Rights::OPERATOR);
        let impossible =
            |given: Result<(), NotGiven>| assert!(matches!(given, Err(NotGiven::Impossible(_))), "{given:?}");
        impossible(may_give(operator, subject(Role::User), Some(Role::Owner)));
        impossible(may_map(operator, Some(Role::Owner), None));
        impossible(may_give(operator, Subject { role: Role::Owner, owner: true, guest: false }, Some(Role::User)));
        // Also while it does not count, after a deactivation.
        impossible(may_give(operator, Subject { role: Role::User, owner: true, guest: false }, None));
        let guest = Subject { role: Role::Guest, owner: false, guest: true };
        impossible(may_give(operator, guest, Some(Role::User)));
        assert_eq!(may_give(operator, guest, Some(Role::Guest)), Ok(()));
    }
}
