//! The outcome table as a whole: every end of an attempt, for every kind of task, leads to a
//! status the state machine allows, and never gives up what may have been sent (F-03).

use std::time::Duration;

use scimhub::base::clock::Micros;
use scimhub::base::ids::{HubId, TaskId, WorkspaceId};
use scimhub::base::limits::{ATTEMPTS, RETRY_CAP};
use scimhub::domain::member::Presence;
use scimhub::domain::task::{Effect, Principal, Task, TaskKind, TaskStatus};
use scimhub::engine::connector::{Failure, FailureClass, Outcome};
use scimhub::engine::outcome::{Circumstances, End, Follow, LaneNote, judge};

use super::bench::remote;

const CLASSES: [FailureClass; 13] = [
    FailureClass::RateLimited,
    FailureClass::Transient,
    FailureClass::Unreachable,
    FailureClass::Ambiguous,
    FailureClass::AuthBroken,
    FailureClass::AddressRefused,
    FailureClass::Forbidden,
    FailureClass::NotFound,
    FailureClass::Conflict,
    FailureClass::SeatLimit,
    FailureClass::Invalid,
    FailureClass::NeedsHuman,
    FailureClass::NotSupported,
];

fn task(kind: TaskKind, attempts: i32) -> Task {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse::<TaskId>().unwrap();
    Task {
        workspace: WorkspaceId(1),
        id,
        hub: HubId::from_uuid(id.uuid()),
        subject: "user:x".to_owned(),
        user: None,
        member: None,
        status: TaskStatus::Started,
        cause: "test".to_owned(),
        request_id: None,
        effect: Effect {
            role: Some("editor".to_owned()),
            ..Effect::new(
                kind,
                Principal { user_name: "ann".to_owned(), email: "ann@example.com".to_owned(), ..Principal::default() },
            )
        },
        reasons: Vec::new(),
        priority: 0,
        not_before: Micros(0),
        attempts,
        crashes: 0,
        verify_first: false,
        lease_boot: None,
        lease_epoch: 1,
        hold: None,
        superseded_by: None,
        error_class: None,
        error_detail: None,
        instructions: None,
        created_at: Micros(0),
        modified_at: Micros(0),
        finished_at: None,
        closing: None,
        parent: None,
        due_at: None,
    }
}

fn around(sent: bool) -> Circumstances {
    Circumstances { sent, sent_before: false, roll: 0.5, age: Duration::from_secs(60) }
}

#[test]
fn every_class_has_its_line_of_the_table() {
    let mut lines = String::new();
    for class in CLASSES {
        for kind in [TaskKind::Add, TaskKind::UpdateRole, TaskKind::Remove] {
            let end = End::Answered(Err(Failure::new(class, "x")));
            let verdict = judge(&task(kind, 0), end, around(false));
            let follow = match verdict.follow {
                Follow::Landed(landing) => format!("landed {:?}", landing.presence),
                Follow::Exists(_) => "exists".to_owned(),
                Follow::Gone => "gone".to_owned(),
                Follow::Again { spends, crashed, .. } => format!("again spends={spends} crashed={crashed}"),
                Follow::Person => "person".to_owned(),
                Follow::Refused => "refused".to_owned(),
            };
            let lane = match verdict.lane {
                LaneNote::Nothing => "nothing",
                LaneNote::Answered => "answered",
                LaneNote::Failed => "failed",
                LaneNote::Wait(_) => "wait",
                LaneNote::Blocked(_) => "blocked",
            };
            let line = format!("{}: {follow}; lane {lane}; verify {}\n", class.as_str(), verdict.verify_first);
            if !lines.ends_with(&line) {
                lines.push_str(&line);
            }
        }
    }
    assert_eq!(
        lines,
        "\
rate_limited: again spends=false crashed=false; lane wait; verify false
transient: again spends=true crashed=false; lane failed; verify false
unreachable: again spends=false crashed=false; lane failed; verify false
ambiguous: again spends=true crashed=false; lane failed; verify true
auth_broken: again spends=false crashed=false; lane blocked; verify false
address_refused: again spends=false crashed=false; lane blocked; verify false
forbidden: person; lane answered; verify false
not_found: person; lane answered; verify false
not_found: gone; lane answered; verify false
not_found: landed Absent; lane answered; verify false
conflict: person; lane answered; verify false
seat_limit: person; lane answered; verify false
invalid: refused; lane answered; verify false
needs_human: person; lane answered; verify false
not_supported: person; lane answered; verify false
"
    );
}

#[test]
fn a_passing_failure_after_sending_is_looked_at_first() {
    let end = || End::Answered(Err(Failure::new(FailureClass::Transient, "502")));
    assert!(judge(&task(TaskKind::Add, 0), end(), around(true)).verify_first);
    assert!(!judge(&task(TaskKind::Add, 0), end(), around(false)).verify_first);
}

#[test]
fn a_change_accepted_before_the_refused_one_is_not_forgotten() {
    // An account reactivated, then its role refused: whoever leaves now must still be removed.
    let around = Circumstances { sent_before: true, ..around(true) };
    for class in CLASSES {
        if class == FailureClass::NotFound {
            continue; // what was there is gone
        }
        let verdict = judge(&task(TaskKind::Add, 0), End::Answered(Err(Failure::new(class, "x"))), around);
        assert!(verdict.verify_first, "{class:?}");
        assert!(!matches!(verdict.follow, Follow::Refused), "{class:?} closes the task");
    }
}

#[test]
fn what_may_have_been_sent_is_not_forgotten_by_a_later_failure() {
    for class in CLASSES {
        let mut task = task(TaskKind::Add, 3);
        task.verify_first = true;
        let verdict = judge(&task, End::Answered(Err(Failure::new(class, "x"))), around(false));
        if let Follow::Again { .. } = verdict.follow {
            assert!(verdict.verify_first, "{class:?}");
        }
    }
}

#[test]
fn the_last_attempt_ends_with_a_person_and_no_pause_passes_the_cap() {
    for class in [FailureClass::Transient, FailureClass::Ambiguous] {
        for attempts in 0..ATTEMPTS {
            let end = End::Answered(Err(Failure::new(class, "x")));
            let verdict = judge(&task(TaskKind::Remove, attempts), end, around(true));
            match verdict.follow {
                Follow::Again { after, .. } => assert!(after <= RETRY_CAP && attempts < ATTEMPTS - 1),
                Follow::Person => assert_eq!(attempts, ATTEMPTS - 1),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn good_ends_say_what_is_there() {
    let member = || remote("ann@example.com", Some("viewer".to_owned()), Presence::Active);
    let landed = |kind, outcome| match judge(&task(kind, 0), End::Answered(Ok(outcome)), around(true)).follow {
        Follow::Landed(landing) | Follow::Exists(landing) => (landing.presence, landing.role),
        other => panic!("{other:?}"),
    };
    let wanted = Some("editor".to_owned());
    assert_eq!(landed(TaskKind::Add, Outcome::Applied(Some(member()))), (Presence::Active, wanted.clone()));
    assert_eq!(landed(TaskKind::Add, Outcome::AlreadyInState(None)), (Presence::Active, wanted.clone()));
    assert_eq!(landed(TaskKind::Add, Outcome::Pending(member())), (Presence::Pending, wanted));
    assert_eq!(landed(TaskKind::Remove, Outcome::Applied(None)).0, Presence::Absent);
    let (presence, role) = landed(TaskKind::Add, Outcome::NeedsRoleChange(member()));
    assert_eq!((presence, role.as_deref()), (Presence::Active, Some("viewer")));
}

#[test]
fn part_of_it_is_remembered_and_working_on_it_costs_nothing() {
    let part = Outcome::PartiallyApplied { remote_id: "r-1".to_owned(), remaining: "the role".to_owned() };
    match judge(&task(TaskKind::Add, 0), End::Answered(Ok(part)), around(true)).follow {
        Follow::Again { effect: Some(effect), spends: true, .. } => {
            assert_eq!(effect.remote_id.as_deref(), Some("r-1"));
        }
        other => panic!("{other:?}"),
    }
    let later = Duration::from_secs(7);
    let verdict = judge(&task(TaskKind::Add, 11), End::Answered(Ok(Outcome::InProgress(later))), around(true));
    assert!(matches!(verdict.follow, Follow::Again { after, spends: false, .. } if after == later));
    assert!(verdict.verify_first);
}
