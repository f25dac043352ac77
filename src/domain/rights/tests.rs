//! The two tables of business-hubs.md section 3, written out by hand: what `may` must answer for
//! every role, hub right and action.

use uuid::Uuid;

use super::*;
use crate::base::ids::UserId;
use crate::domain::mapping::HubRole;

/// One column for each of guest, login_only, user, auditor, admin, super_admin, owner:
/// `y` yes, `o` only what is theirs, `-` no.
const WORKSPACE: [(Action, &str); 28] = [
    // Rows of section 3.1
    (Action::SeeHubs, "oooyyyy"),
    (Action::ConnectHub, "--y-yyy"),
    (Action::InviteGuests, "--y-yyy"),
    (Action::RemoveGuests, "----yyy"),
    (Action::ChangeRoles, "----yyy"),
    (Action::ManageTokens, "----yyy"),
    (Action::ReadProvisioning, "---yyyy"),
    (Action::ChangeProvisioning, "------y"),
    (Action::ReadLog, "--oyyyy"),
    (Action::ReadActivity, "oooyyyy"),
    (Action::ManageWebhooks, "----yyy"),
    // Section 9, in the partners that they run
    (Action::ReadPartners, "oooyyyy"),
    (Action::RunPartner, "o-o-yyy"),
    // What of ours has no row there
    (Action::ReadTokens, "---yyyy"),
    (Action::ReadWebhooks, "---yyyy"),
    (Action::ReadPeople, "---yyyy"),
    (Action::TransferOwnership, "------y"),
    (Action::ErasePeople, "-----yy"),
    (Action::ReadDirectory, "--yyyyy"),
    (Action::ReadMetrics, "---yyyy"),
    (Action::VerifyRecord, "---yyyy"),
    (Action::SignRecord, "----yyy"),
    (Action::PauseWorkspace, "----yyy"),
    (Action::ApplyFiles, "--y-yyy"),
    (Action::PlanFiles, "--yyyyy"),
    (Action::ExportFiles, "--oyoyy"),
    (Action::ManageTeams, "----yyy"),
    (Action::ReadPerson, "oooyyyy"),
];

/// For each action about a hub, the same seven columns for a person whose right there is none,
/// collaborator, security manager, manager, owner.
const HUB: [(Action, [&str; 5]); 10] = [
    // Rows of section 3.2
    (Action::UseHub, ["---yyyy", "yyyyyyy", "yyyyyyy", "yyyyyyy", "yyyyyyy"]),
    (Action::ReadHub, ["---y-yy", "---y-yy", "--yyyyy", "--yyyyy", "--yyyyy"]),
    (Action::ManageMembers, ["-------", "-------", "--y-yyy", "--y-yyy", "--y-yyy"]),
    (Action::SyncHub, ["-------", "-------", "-------", "--y-yyy", "--y-yyy"]),
    (Action::ProtectMembers, ["-------", "-------", "-------", "--y-yyy", "--y-yyy"]),
    (Action::EditHub, ["-------", "-------", "-------", "-------", "--y-yyy"]),
    (Action::DeleteHub, ["-------", "-------", "-------", "-------", "--y-yyy"]),
    (Action::AssignManagers, ["-------", "-------", "-------", "-------", "--y-yyy"]),
    // What of ours has no row there
    (Action::ReadTask, ["---yyyy", "---yyyy", "--yyyyy", "--yyyyy", "--yyyyy"]),
    (Action::ExplainAccess, ["oooyoyy", "oooyoyy", "ooyyyyy", "ooyyyyy", "ooyyyyy"]),
];

const RIGHTS: [Option<HubRight>; 5] = [
    None,
    Some(HubRight::Collaborator),
    Some(HubRight::SecurityManager),
    Some(HubRight::Manager),
    Some(HubRight::Owner),
];

fn expected(row: &str, column: usize) -> Verdict {
    match row.as_bytes()[column] {
        b'y' => Verdict::Yes,
        b'o' => Verdict::Own,
        b'-' => Verdict::No,
        other => panic!("{other}"),
    }
}

#[test]
fn a_person_may_in_the_workspace_what_section_3_1_says() {
    for (action, row) in WORKSPACE {
        for (column, role) in Role::ALL.into_iter().enumerate() {
            for right in RIGHTS {
                assert_eq!(may(Rights::person(role), action, right), expected(row, column), "{action:?} {role}");
            }
            assert_eq!(may(Rights::service(role), action, None), expected(row, column), "service: {action:?} {role}");
        }
    }
}

#[test]
fn a_person_may_in_a_hub_what_section_3_2_says() {
    for (action, rows) in HUB {
        for (right, row) in RIGHTS.into_iter().zip(rows) {
            for (column, role) in Role::ALL.into_iter().enumerate() {
                let found = may(Rights::person(role), action, right);
                assert_eq!(found, expected(row, column), "{action:?}: {role} with {right:?}");
            }
        }
    }
}

#[test]
fn a_service_that_administers_runs_every_hub_and_no_other_does() {
    for (action, rows) in HUB {
        for (column, role) in Role::ALL.into_iter().enumerate() {
            let row = if role >= Role::Admin { rows[4] } else { rows[0] };
            for right in RIGHTS {
                assert_eq!(may(Rights::service(role), action, right), expected(row, column), "{action:?}: {role}");
            }
        }
    }
}

#[test]
fn every_action_has_a_row_and_the_operator_may_all() {
    for action in Action::ALL {
        let rows = usize::from(WORKSPACE.iter().any(|(one, _)| *one == action));
        let rows = rows + usize::from(HUB.iter().any(|(one, _)| *one == action));
        assert_eq!(rows, 1, "{action:?}");
        assert_eq!(may(Rights::OPERATOR, action, None), Verdict::Yes, "{action:?}");
        let auditor = [Rights::person(Role::Auditor), Rights::service(Role::Auditor)];
        for rights in auditor.into_iter().filter(|_| action.changes()) {
            for right in RIGHTS {
                assert_eq!(may(rights, action, right), Verdict::No, "an auditor changes nothing: {action:?}");
            }
        }
    }
    assert_eq!(
        Action::ALL.map(Action::as_str).iter().collect::<std::collections::BTreeSet<_>>().len(),
        Action::ALL.len()
    );
}

#[test]
fn an_auditor_reads_everything() {
    for action in Action::ALL.into_iter().filter(|action| !action.changes()) {
        assert_eq!(may(Rights::person(Role::Auditor), action, None), Verdict::Yes, "{action:?}");
        assert_eq!(may(Rights::service(Role::Auditor), action, None), Verdict::Yes, "{action:?}");
    }
}

#[test]
fn words_read_back_and_refusals_say_what_is_missing() {
    for role in Role::ALL {
        assert_eq!(role.as_str().parse(), Ok(role));
    }
    assert!("Owner".parse::<Role>().unwrap_err().to_string().contains("not 'Owner'"));
    let words = |action, got| needed(action, got).words();
    assert_eq!(words(Action::ChangeProvisioning, Verdict::No), "the workspace role owner");
    assert_eq!(words(Action::SyncHub, Verdict::No), "the right manager or owner in this hub");
    assert_eq!(words(Action::ConnectHub, Verdict::No), "the workspace role user, admin, super_admin or owner");
    assert_eq!(words(Action::ReadPerson, Verdict::Own), "the workspace role auditor, admin, super_admin or owner");
    let text = who(Rights::person(Role::User), Some(HubRight::Collaborator), Extent::Hub);
    assert_eq!(text, "a person with the role user and the right collaborator in this hub");
    assert_eq!(
        who(Rights::person(Role::Guest), None, Extent::Hub),
        "a person with the role guest and no right in this hub"
    );
}

#[test]
fn a_hub_role_without_the_service_account_manages_people_only() {
    for (role, entrusted, right) in [
        (HubRole::Collaborator, false, HubRight::Collaborator),
        (HubRole::Collaborator, true, HubRight::Collaborator),
        (HubRole::Manager, false, HubRight::SecurityManager),
        (HubRole::Owner, false, HubRight::SecurityManager),
        (HubRole::Manager, true, HubRight::Manager),
        (HubRole::Owner, true, HubRight::Owner),
    ] {
        assert_eq!(HubRight::of(role, entrusted), right, "{role:?} {entrusted}");
    }
}

#[test]
fn nobody_makes_a_credential_that_may_do_more_than_they() {
    let me = UserId::from_uuid(Uuid::from_u128(1));
    let other = UserId::from_uuid(Uuid::from_u128(2));
    let person = |role| Maker { rights: Rights::person(role), person: Some(me) };
    let service = |role| Maker { rights: Rights::service(role), person: None };
    let operator = Maker { rights: Rights::OPERATOR, person: None };
    for wanted in [Wanted::Operator, Wanted::IdentityProvider, Wanted::Service(Role::Owner), Wanted::Person(other)] {
        assert_eq!(may_make(operator, wanted), Ok(()));
        assert_eq!(may_end(operator, wanted), Ok(()));
    }
    for maker in [person(Role::Admin), person(Role::Owner), service(Role::Admin), service(Role::Owner)] {
        assert!(may_make(maker, Wanted::Operator).is_err(), "{maker:?}");
        assert!(may_make(maker, Wanted::Person(other)).is_err(), "{maker:?}");
        assert_eq!(may_make(maker, Wanted::IdentityProvider), Ok(()));
    }
    assert_eq!(may_make(person(Role::Admin), Wanted::Person(me)), Ok(()));
    assert_eq!(may_make(person(Role::Admin), Wanted::Service(Role::User)), Ok(()));
    for role in [Role::Auditor, Role::Admin, Role::SuperAdmin, Role::Owner] {
        assert!(may_make(person(Role::SuperAdmin), Wanted::Service(role)).is_err(), "{role}");
        assert_eq!(may_make(person(Role::Owner), Wanted::Service(role)), Ok(()));
    }
    assert_eq!(may_make(service(Role::Admin), Wanted::Service(Role::Admin)), Ok(()));
    assert!(may_make(service(Role::Admin), Wanted::Service(Role::SuperAdmin)).is_err());
    assert!(may_end(person(Role::Admin), Wanted::Operator).is_err());
    assert_eq!(may_end(person(Role::Owner), Wanted::Operator), Ok(()));
    assert!(may_end(service(Role::Admin), Wanted::Service(Role::Owner)).is_err());
    assert_eq!(may_end(person(Role::Admin), Wanted::Service(Role::Admin)), Ok(()));
}
