//! Moments that are past, from a record of a few lines to the sentences.

use serde_json::{Value, json};
use uuid::Uuid;

use super::past::{OpenThen, Seen, Span, Stretch, causes, held, moment};
use super::then::{About, Ground, Person, Told, fold};
use super::{Cause, Code};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, MappingId, TaskId, UserId, WorkspaceId};
use crate::domain::entitlement::{Membership, Rule};
use crate::domain::guard::HoldReason;
use crate::domain::hub::HubMode;
use crate::domain::mapping::{Binding, HubRole, Mapping, SubjectName};
use crate::domain::member::Reason;
use crate::domain::task::{Closing, Effect, Principal, Task, TaskKind, TaskStatus};

const SECOND: i64 = 1_000_000;

/// Ids tell when they were made; the number is the second.
fn made(second: i64, number: u64) -> Uuid {
    let millis = u128::try_from(second * 1_000).unwrap();
    Uuid::from_u128(millis << 80 | u128::from(number))
}

fn at(second: i64) -> Micros {
    Micros(second * SECOND)
}

fn ann() -> UserId {
    UserId::from_uuid(made(10, 1))
}

fn editors() -> GroupId {
    GroupId::from_uuid(made(10, 2))
}

fn mapping_id() -> MappingId {
    MappingId::from_uuid(made(12, 3))
}

fn told(second: i64, kind: &str, target: &str, detail: Value) -> Told {
    let mine = kind.starts_with("user.") || kind.starts_with("member.");
    Told {
        at: at(second),
        kind: kind.into(),
        by: String::from("token okta"),
        target: target.into(),
        request: Some(format!("r{second}")),
        user: mine.then(ann),
        here: true,
        detail,
    }
}

/// Arrived at 10, mapped at 12, put into the group at 20, taken out at 40.
fn record() -> Vec<Told> {
    let group = format!("group:{}", editors());
    let moved = |list: &str| json!({ "displayName": "editors", list: [ann()] });
    vec![
        told(10, "user.created", &format!("user:{}", ann()), json!({ "active": true, "joined": [] })),
        told(11, "hub.connected", "hub:box", json!({ "mode": "active" })),
        told(
            12,
            "mapping.added",
            &format!("mapping:{}", mapping_id()),
            json!({ "subject": "group editors", "app_role": "viewer", "seat": true, "where": null, "group": editors() }),
        ),
        told(20, "group.updated", &group, moved("added")),
        told(40, "group.updated", &group, moved("removed")),
    ]
}

fn rule() -> Rule {
    let mapping = Mapping {
        id: mapping_id(),
        hub: HubId::from_uuid(made(11, 4)),
        subject: SubjectName::Group("editors".into()),
        source: None,
        binding: Binding::Group(editors()),
        scope: None,
        hub_role: HubRole::Collaborator,
        // Changed since.
        app_role: "admin".into(),
        seat: true,
        assets: Vec::new(),
        owner: None,
        file_ref: None,
        confirmed_at: at(12),
    };
    Rule::new(mapping, Some("editors"))
}

fn ground(rules: &[Rule], second: i64) -> Ground<'_> {
    Ground { user: ann(), rules, memberships: &[], at: at(second), cut: None, connected: at(11) }
}

fn task(kind: TaskKind, status: TaskStatus, created: i64, finished: Option<i64>, request: &str) -> Task {
    let reasons = vec![Reason { mapping: mapping_id(), subject: "group editors".into(), app_role: "viewer".into() }];
    Task {
        workspace: WorkspaceId(1),
        id: TaskId::from_uuid(made(created, 7)),
        hub: HubId::from_uuid(made(11, 4)),
        subject: format!("user:{}", ann()),
        user: Some(ann()),
        member: None,
        status,
        cause: "group_membership".into(),
        request_id: Some(request.into()),
        effect: Effect {
            kind,
            principal: Principal::default(),
            remote_id: None,
            role: Some("viewer".into()),
            assets: Vec::new(),
            hub_role: None,
            suspend: false,
            again: false,
            extra: std::collections::BTreeMap::new(),
            before: None,
        },
        reasons,
        priority: 0,
        not_before: at(created),
        attempts: 1,
        crashes: 0,
        verify_first: false,
        lease_boot: None,
        lease_epoch: 0,
        hold: None,
        superseded_by: None,
        error_class: None,
        error_detail: None,
        instructions: None,
        created_at: at(created),
        modified_at: at(finished.unwrap_or(created)),
        finished_at: finished.map(at),
        closing: finished.map(|_| Closing { actor: "worker".into(), note: None }),
        parent: None,
        due_at: None,
    }
}

fn stretch<'a>(from: i64, to: Option<i64>, began: &'a Task, ended: &'a Task) -> Stretch<'a> {
    Stretch {
        role: Some("viewer".into()),
        from: at(from),
        to: to.map(at),
        from_cause: "group_membership".into(),
        to_cause: to.map(|_| "group_membership".into()),
        evidence: "applied".into(),
        began: Some(began),
        ended: to.map(|_| ended),
    }
}

fn codes(causes: &[Cause]) -> Vec<Code> {
    causes.iter().map(|cause| cause.code).collect()
}

/// All that is said of a moment.
fn ask(second: i64, record: &[Told], rules: &[Rule], access: &[Stretch<'_>]) -> Vec<Cause> {
    ask_with(second, record, rules, access, None, None)
}

fn ask_with(
    second: i64,
    record: &[Told],
    rules: &[Rule],
    access: &[Stretch<'_>],
    open: Option<OpenThen<'_>>,
    last: Option<&Task>,
) -> Vec<Cause> {
    let span = Span { from: at(second), to: at(second) };
    let then = fold(&ground(rules, second), record);
    causes(&Seen { user: ann(), span, at: at(second), access, then: &then, record, open, last, cut: None })
}

#[test]
fn what_was_held_is_told_with_who_gave_it_and_who_ended_it() {
    let add = task(TaskKind::Add, TaskStatus::Completed, 21, Some(22), "r20");
    let remove = task(TaskKind::Remove, TaskStatus::Completed, 41, Some(42), "r40");
    let access = [stretch(22, Some(42), &add, &remove)];
    for rules in [vec![rule()], Vec::new()] {
        let mut record = record();
        if rules.is_empty() {
            // The mapping is gone today; the record still knows it and its group.
            let gone = json!({ "subject": "group editors", "app_role": "viewer", "seat": true });
            record.push(told(90, "mapping.removed", &format!("mapping:{}", mapping_id()), gone));
        }
        let said = ask(30, &record, &rules, &access);
        assert_eq!(codes(&said), [Code::Was, Code::Began, Code::GivenBy, Code::Ended], "{said:#?}");
        assert!(
            said[0].text.contains("held viewer from 1970-01-01T00:00:22.000Z until 1970-01-01T00:00:42"),
            "{said:?}"
        );
        assert!(said[1].text.contains("put into group editors") && said[1].text.contains("request r20"), "{said:?}");
        assert_eq!((said[1].task, &said[1].subjects), (Some(add.id), &vec![String::from("group editors")]));
        assert!(
            said[2].text.contains("group editors (viewer) since 1970-01-01T00:00:20.000Z by token okta"),
            "{said:?}"
        );
        assert!(
            said[3].text.contains("taken out of group editors") && said[3].text.contains("request r40"),
            "{said:?}"
        );
        assert_eq!(said[3].task, Some(remove.id));
    }
}

#[test]
fn held_without_a_mapping_is_told_as_such() {
    let add = task(TaskKind::Add, TaskStatus::Completed, 21, Some(22), "r20");
    let access = [stretch(22, None, &add, &add)];
    let waiting = task(TaskKind::Remove, TaskStatus::Held, 41, None, "r40");
    let open = Some(OpenThen { task: &waiting, held: Some((HoldReason::HalfOfHub, None)) });
    let said = ask_with(50, &record(), &[rule()], &access, open, None);
    assert_eq!(codes(&said), [Code::Was, Code::Began, Code::GivenByNothing, Code::OpenTask, Code::Held], "{said:#?}");
    assert!(said[0].text.ends_with("on, and still does"), "{said:?}");
}

#[test]
fn what_was_not_held_is_told_with_what_was_missing() {
    let add = task(TaskKind::Add, TaskStatus::Completed, 21, Some(22), "r20");
    let remove = task(TaskKind::Remove, TaskStatus::Completed, 41, Some(42), "r40");
    let access = [stretch(22, Some(42), &add, &remove)];
    let said = ask(15, &record(), &[rule()], &access);
    assert_eq!(codes(&said), [Code::WasNot, Code::NoMapping, Code::NotInMappedGroup, Code::After], "{said:#?}");
    assert!(said[2].text.contains("group editors (viewer): the user was not in it"), "{said:?}");

    let said = ask(60, &record(), &[rule()], &access);
    let wanted = [Code::WasNot, Code::NoMapping, Code::NotInMappedGroup, Code::NotInMappedGroup, Code::Before];
    assert_eq!(codes(&said), wanted, "{said:#?}");
    assert!(said[3].text.contains("out of group editors since 1970-01-01T00:00:40.000Z by token okta, request r40"));
    assert!(said[4].text.contains("taken out of group editors"), "{said:?}");

    assert_eq!(codes(&ask(5, &record(), &[rule()], &[])), [Code::WasNot, Code::UserNotYetHere, Code::HubNotYetHere]);
}

#[test]
fn what_kept_a_wish_is_told() {
    let held = task(TaskKind::Add, TaskStatus::Completed, 21, Some(70), "r20");
    let open = Some(OpenThen { task: &held, held: Some((HoldReason::MaxSeats, Some(at(60)))) });
    let said = ask_with(30, &record(), &[rule()], &[], open, None);
    assert_eq!(codes(&said), [Code::WasNot, Code::Wanted, Code::OpenTask, Code::Held], "{said:#?}");
    assert!(said[2].text.contains("it ended 1970-01-01T00:01:10.000Z as completed"), "{said:?}");
    assert!(said[3].text.contains("the guard held it until 1970-01-01T00:01:00.000Z"), "{said:?}");

    let mut failed = task(TaskKind::Add, TaskStatus::NotCompleted, 21, Some(25), "r20");
    failed.error_class = Some("invalid_data".into());
    failed.error_detail = Some("no such e-mail".into());
    let said = ask_with(30, &record(), &[rule()], &[], None, Some(&failed));
    assert!(said.last().unwrap().text.ends_with("invalid data, no such e-mail"), "{said:?}");
    let mut declined = task(TaskKind::Add, TaskStatus::Cancelled, 21, Some(25), "r20");
    declined.closing = Some(Closing { actor: "token:1".into(), note: Some("not her".into()) });
    let said = ask_with(30, &record(), &[rule()], &[], None, Some(&declined));
    assert_eq!(said.last().unwrap().code, Code::Declined);
    assert!(said.last().unwrap().text.contains("by token:1: \u{201c}not her\u{201d}"), "{said:?}");
}

#[test]
fn a_person_who_left_a_paused_or_observing_hub_and_an_exempted_account_are_told() {
    let mut record = record();
    record.push(told(50, "user.deactivated", &format!("user:{}", ann()), json!({ "active": false })));
    record.push(told(51, "hub.observes", "hub:box", json!({})));
    record.push(told(52, "hub.paused", "hub:box", json!({})));
    record.push(told(53, "member.exempted", "member:1", json!({})));
    record.push(told(60, "user.deleted", &format!("user:{}", ann()), json!({ "left": [] })));
    record.push(told(61, "hub.resumed", "hub:box", json!({})));
    record.push(told(62, "member.unexempted", "member:1", json!({})));
    let said = ask(55, &record, &[rule()], &[]);
    let wanted = [Code::WasNot, Code::UserInactive, Code::HubObserves, Code::Paused, Code::Exempted];
    assert_eq!(codes(&said), wanted, "{said:#?}");
    assert_eq!(codes(&ask(70, &record, &[rule()], &[])), [Code::WasNot, Code::UserDeleted, Code::HubObserves]);
    let then = fold(&ground(&[], 45), &record);
    assert_eq!((then.person, then.mode), (Person::Active, Some(HubMode::Active)));
}

#[test]
fn a_mapping_counts_as_it_was_and_what_is_not_recorded_is_not_guessed() {
    let rules = [rule()];
    let then = fold(&ground(&rules, 30), &record());
    assert_eq!((then.rules[0].app_role.as_str(), then.rules[0].about), ("viewer", About::Them), "changed since");
    assert!(fold(&ground(&rules, 11), &record()).rules.is_empty(), "not made yet");

    // The record of the membership is cut: known only where the membership of today is older.
    let cut: Vec<Told> = record().into_iter().filter(|told| !told.kind.starts_with("group.")).collect();
    let mut ground = Ground { cut: Some(at(25)), ..ground(&rules, 30) };
    assert_eq!(fold(&ground, &cut).rules[0].about, About::Unknown);
    let here = [Membership { group: editors(), confirmed_at: at(20) }];
    ground.memberships = &here;
    assert_eq!(fold(&ground, &cut).rules[0].about, About::Them);

    // With a filter it is not known whether it matched.
    let mut record = record();
    record[2].detail["where"] = json!("userType eq \"Employee\"");
    let said = ask(30, &record, &rules, &[]);
    assert_eq!(codes(&said), [Code::WasNot, Code::NotRecorded], "{said:#?}");
}

#[test]
fn a_day_is_explained_at_its_first_moment_of_access() {
    let add = task(TaskKind::Add, TaskStatus::Completed, 21, Some(22), "r20");
    let access = [stretch(22, Some(42), &add, &add)];
    let day = Span { from: at(0), to: at(86_400) };
    assert_eq!(moment(held(&access, day), day), at(22));
    assert_eq!(moment(None, day), at(86_400));
    let next = Span { from: at(30), to: at(86_430) };
    assert_eq!(moment(held(&access, next), next), at(30), "held when it began");
    let exact = Span { from: at(42), to: at(42) };
    assert!(held(&access, exact).is_none(), "over at the moment it ended");
    assert!(held(&access, Span { from: at(22), to: at(22) }).is_some(), "there from the moment it began");
    assert!(held(&access, Span { from: at(0), to: at(22) }).is_none(), "a day that ends as it begins");
}
