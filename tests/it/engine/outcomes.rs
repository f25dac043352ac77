//! What follows from each end of an attempt, in the rows.

use std::time::Duration;

use diesel::prelude::*;
use scimhub::base::clock::{Micros, TestClock};
use scimhub::base::limits::ATTEMPTS;
use scimhub::domain::breaker::State;
use scimhub::domain::hub::HubPolicy;
use scimhub::domain::member::{MemberStatus, Presence};
use scimhub::domain::problem::Cause;
use scimhub::domain::task::{TaskKind, TaskStatus};
use scimhub::engine::connector::{Failure, FailureClass, Outcome};
use scimhub::store::schema::{access_intervals, decisions, hub_members, reconcile_marks};
use scimhub::store::task_moves::{self, ByHand};
use scimhub::store::{StoreError, hub_members as members, lanes, marks, problems};

use super::bench::{Behaviour, Bench, failure, remote};
use crate::support::databases;

const START: Micros = Micros(1_700_000_000_000_000);
const ANN: &str = "ann@example.com";

#[tokio::test]
async fn an_added_member_is_known_managed_and_on_record() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        let task = bench.task(hub, ANN, TaskKind::Add);
        let (workspace, user) = (bench.workspace, task.user.unwrap());
        let id = bench.put(task).await;
        bench.settle().await;
        assert_eq!(bench.load(id).await.status, TaskStatus::Completed, "{}", database.name);
        let member =
            bench.worker.store.read(move |conn| members::by_user(conn, workspace, hub, user)).await.unwrap().unwrap();
        assert_eq!(member.known, Presence::Active);
        assert_eq!(member.known_role.as_deref(), Some("editor"));
        assert_eq!(member.remote_id.as_deref(), Some("r-ann@example.com"));
        assert!(member.managed);

        // A role change ends one interval and begins the next; a removal ends it.
        for (kind, role) in [(TaskKind::UpdateRole, "admin"), (TaskKind::Remove, "admin")] {
            let mut task = bench.task(hub, ANN, kind);
            task.user = Some(user);
            task.effect.role = Some(role.to_owned());
            bench.put(task).await;
            bench.settle().await;
        }
        let rows: Vec<(Option<String>, Option<i64>)> = bench
            .worker
            .store
            .read(move |conn| {
                Ok::<_, StoreError>(
                    access_intervals::table
                        .filter(access_intervals::workspace.eq(workspace.0))
                        .order(access_intervals::from_at)
                        .select((access_intervals::app_role, access_intervals::to_at))
                        .load(conn)?,
                )
            })
            .await
            .unwrap();
        let roles: Vec<_> = rows.iter().map(|(role, _)| role.as_deref().unwrap()).collect();
        assert_eq!(roles, ["editor", "admin"], "{}", database.name);
        assert!(rows.iter().all(|(_, to)| to.is_some()), "{}: all ended", database.name);
        let gone =
            bench.worker.store.read(move |conn| members::by_user(conn, workspace, hub, user)).await.unwrap().unwrap();
        assert_eq!((gone.known, gone.remote_id), (Presence::Absent, None), "{}", database.name);
    }
}

#[tokio::test]
async fn an_invitation_is_done_for_the_task_and_pending_for_the_member() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        let task = bench.task(hub, ANN, TaskKind::Add);
        let (workspace, user) = (bench.workspace, task.user.unwrap());
        bench.app.next(ANN, Behaviour::Answer(Outcome::Pending(remote(ANN, None, Presence::Pending))));
        let id = bench.put(task).await;
        bench.settle().await;
        assert_eq!(bench.load(id).await.status, TaskStatus::Completed);
        let member =
            bench.worker.store.read(move |conn| members::by_user(conn, workspace, hub, user)).await.unwrap().unwrap();
        assert_eq!((member.known, member.status), (Presence::Pending, MemberStatus::PendingInviteClaim));
        let open: i64 = bench
            .worker
            .store
            .read(|conn| Ok::<_, StoreError>(access_intervals::table.count().get_result(conn)?))
            .await
            .unwrap();
        assert_eq!(open, 0, "{}: an invitation is no access", database.name);
    }
}

#[tokio::test]
async fn an_account_with_another_role_is_recorded_and_planned_anew() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        let task = bench.task(hub, ANN, TaskKind::Add);
        let (workspace, user) = (bench.workspace, task.user.unwrap());
        let exists = remote(ANN, Some("viewer".to_owned()), Presence::Active);
        bench.app.next(ANN, Behaviour::Answer(Outcome::NeedsRoleChange(exists)));
        let id = bench.put(task).await;
        bench.settle().await;
        assert_eq!(bench.load(id).await.status, TaskStatus::Superseded, "{}", database.name);
        let (member, mark) = bench
            .worker
            .store
            .read(move |conn| {
                let member = members::by_user(conn, workspace, hub, user)?;
                Ok::<_, StoreError>((member, marks::of_pair(conn, workspace, hub, user)?))
            })
            .await
            .unwrap();
        assert_eq!(member.unwrap().known_role.as_deref(), Some("viewer"));
        assert!(mark.is_some(), "{}: the planner looks again", database.name);
    }
}

#[tokio::test]
async fn a_lost_reply_is_looked_at_before_it_is_repeated() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        for (email, class) in [(ANN, FailureClass::Ambiguous), ("bob@example.com", FailureClass::Transient)] {
            bench.app.next(email, Behaviour::WorkThenFail(failure(class)));
            let id = bench.add(hub, email).await;
            bench.settle().await;
            let task = bench.load(id).await;
            assert_eq!(task.status, TaskStatus::Completed, "{}", database.name);
            assert_eq!(bench.app.accounts(hub, email).len(), 1, "{}: one account for {email}", database.name);
            assert_eq!(bench.app.applied(email), 1);
        }
    }
}

#[tokio::test]
async fn what_cannot_be_told_is_never_repeated_blindly() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        bench.app.blind();
        let hub = bench.hub("one", HubPolicy::default()).await;
        bench.app.next(ANN, Behaviour::WorkThenFail(failure(FailureClass::Ambiguous)));
        let id = bench.add(hub, ANN).await;
        bench.settle().await;
        assert_eq!(bench.load(id).await.status, TaskStatus::Manual, "{}", database.name);
        assert_eq!(bench.app.accounts(hub, ANN).len(), 1);
    }
}

/// The causes of the open problems.
pub async fn causes(bench: &Bench) -> Vec<&'static str> {
    let workspace = bench.workspace;
    let open = bench.worker.store.read(move |conn| problems::open(conn, workspace, 10)).await.unwrap();
    open.iter().map(|problem| problem.cause.as_str()).collect()
}

/// Two hundred tasks and one missing right: one problem, and two hundred tasks that go on with the
/// first that succeeds.
#[tokio::test]
async fn what_was_set_aside_for_one_cause_is_one_problem_and_goes_on_together() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        let mut ids = Vec::new();
        for number in 0..20 {
            let email = format!("p{number}@example.com");
            bench.app.next(&email, Behaviour::Fail(failure(FailureClass::Forbidden)));
            ids.push(bench.add(hub, &email).await);
        }
        bench.settle().await;
        assert_eq!(bench.count(TaskStatus::Manual).await, 20, "{}", database.name);
        assert_eq!(causes(&bench).await, ["forbidden"], "{}", database.name);
        // Somebody gives the right and tries one of them.
        let (workspace, id, now) = (bench.workspace, ids[7], bench.now());
        let by = ByHand { actor: "test", note: None, now };
        bench.worker.store.write(move |tx| task_moves::retry(tx, workspace, id, &by)).await.unwrap();
        bench.settle().await;
        assert_eq!(bench.count(TaskStatus::Completed).await, 20, "{}", database.name);
        assert!(causes(&bench).await.is_empty(), "{}", database.name);
    }
}

#[tokio::test]
async fn passing_failures_open_the_breaker_and_end_with_a_person() {
    for database in databases() {
        let clock = TestClock::at(START);
        let bench = Bench::at(&database, clock.clone()).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        bench.app.always(ANN, Behaviour::Fail(failure(FailureClass::Transient)));
        let id = bench.add(hub, ANN).await;
        bench.settle().await;
        let lane = bench.lane(hub).await;
        assert_eq!(lane.breaker.state, State::Open, "{}", database.name);
        assert_eq!(bench.app.applied(ANN), 5, "{}: an open breaker lets nothing through", database.name);

        clock.advance(Duration::from_secs(5));
        bench.settle().await;
        assert_eq!(bench.app.applied(ANN), 6, "{}: one call tries", database.name);
        for _ in 0..20 {
            clock.advance(Duration::from_secs(30));
            bench.settle().await;
        }
        let task = bench.load(id).await;
        assert_eq!((task.status, task.attempts), (TaskStatus::Manual, ATTEMPTS), "{}", database.name);
        assert_eq!(task.instructions.as_deref(), Some("add ann@example.com in one"));

        assert_eq!(causes(&bench).await, ["unavailable"], "{}", database.name);

        // The app is back: the pace comes back with the answers, and so does what was set aside.
        bench.app.mend();
        bench.crowd(hub, 12).await;
        clock.advance(Duration::from_secs(31));
        bench.settle().await;
        assert_eq!(bench.count(TaskStatus::Completed).await, 13, "{}", database.name);
        assert_eq!(bench.lane(hub).await.breaker.state, State::Closed, "{}", database.name);
        assert!(causes(&bench).await.is_empty(), "{}", database.name);
    }
}

#[tokio::test]
async fn f06_a_rate_limit_spends_no_attempt_and_is_waited_out() {
    for database in databases() {
        let clock = TestClock::at(START);
        let bench = Bench::at(&database, clock.clone()).await;
        let hub = bench.hub("one", HubPolicy { max_in_flight: 1, ..HubPolicy::default() }).await;
        let wait = Duration::from_secs(90);
        bench.app.next(ANN, Behaviour::Fail(Failure::rate_limited(Some(wait), "slow down")));
        let id = bench.add(hub, ANN).await;
        bench.settle().await;
        let task = bench.load(id).await;
        assert_eq!((task.status, task.attempts), (TaskStatus::Queued, 0), "{}", database.name);
        bench.add(hub, "bob@example.com").await;
        clock.advance(wait - Duration::from_secs(1));
        bench.settle().await;
        assert_eq!(bench.app.calls().len(), 1, "{}: nobody calls the hub before", database.name);
        clock.advance(Duration::from_secs(1));
        bench.settle().await;
        assert_eq!(bench.count(TaskStatus::Completed).await, 2, "{}", database.name);

        let year = Duration::from_secs(365 * 24 * 60 * 60);
        bench.app.next("eve@example.com", Behaviour::Fail(Failure::rate_limited(Some(year), "next year")));
        let eve = bench.add(hub, "eve@example.com").await;
        bench.settle().await;
        assert_eq!(bench.load(eve).await.status, TaskStatus::Queued);
        assert_eq!(bench.lane(hub).await.blocked_reason.as_deref(), Some("rate_limited"), "{}", database.name);
    }
}

#[tokio::test]
async fn our_own_rate_is_kept() {
    for database in databases() {
        let clock = TestClock::at(START);
        let bench = Bench::at(&database, clock.clone()).await;
        let hub = bench.hub("one", HubPolicy { calls_per_second: Some(2.0), ..HubPolicy::default() }).await;
        bench.crowd(hub, 5).await;
        bench.settle().await;
        assert_eq!(bench.app.calls().len(), 1, "{}", database.name);
        clock.advance(Duration::from_millis(499));
        bench.settle().await;
        assert_eq!(bench.app.calls().len(), 1, "{}", database.name);
        clock.advance(Duration::from_millis(1));
        bench.settle().await;
        assert_eq!(bench.app.calls().len(), 2, "{}", database.name);
    }
}

#[tokio::test]
async fn a_dead_credential_is_one_problem_and_mending_it_goes_on() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        let workspace = bench.workspace;
        for n in 0..6 {
            let email = format!("p{n}@example.com");
            bench.app.always(&email, Behaviour::Fail(failure(FailureClass::AuthBroken)));
            bench.add(hub, &email).await;
        }
        bench.settle().await;
        assert_eq!(bench.count(TaskStatus::Queued).await, 6, "{}: nothing is lost", database.name);
        assert!(bench.app.calls().len() <= 4, "{}: the hub stands still", database.name);
        let causes = causes(&bench).await;
        assert_eq!(causes, ["auth_broken"], "{}", database.name);

        bench.app.mend();
        let now = bench.now();
        bench
            .worker
            .store
            .write(move |tx| {
                problems::close(tx, workspace, hub, Some(Cause::AuthBroken), now)?;
                lanes::unblock(tx, workspace, hub)
            })
            .await
            .unwrap();
        bench.settle().await;
        assert_eq!(bench.count(TaskStatus::Completed).await, 6, "{}", database.name);
    }
}

#[tokio::test]
async fn a_refusal_sticks_and_what_a_person_must_do_says_how() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        bench.app.next(ANN, Behaviour::Fail(failure(FailureClass::Invalid)));
        let refused = bench.add(hub, ANN).await;
        bench.settle().await;
        assert_eq!(bench.load(refused).await.status, TaskStatus::NotCompleted, "{}", database.name);
        let kept: Vec<String> = bench
            .worker
            .store
            .read(|conn| Ok::<_, StoreError>(decisions::table.select(decisions::kind).load(conn)?))
            .await
            .unwrap();
        assert_eq!(kept, ["failed"], "{}", database.name);

        let by_hand = [
            FailureClass::Forbidden,
            FailureClass::NeedsHuman,
            FailureClass::SeatLimit,
            FailureClass::Conflict,
            FailureClass::NotSupported,
        ];
        for class in by_hand {
            let email = format!("{}@example.com", class.as_str());
            bench.app.next(&email, Behaviour::Fail(failure(class)));
            let id = bench.add(hub, &email).await;
            bench.settle().await;
            let task = bench.load(id).await;
            assert_eq!(task.status, TaskStatus::Manual, "{}: {class:?}", database.name);
            assert_eq!(task.instructions, Some(format!("add {email} in one")));
            assert_eq!(task.error_class.as_deref(), Some(class.as_str()));
        }
    }
}

#[tokio::test]
async fn not_there_is_success_for_a_removal_and_news_for_an_update() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        bench.app.always(ANN, Behaviour::Fail(failure(FailureClass::NotFound)));
        let removal = bench.put(bench.task(hub, ANN, TaskKind::Remove)).await;
        let update = bench.task(hub, ANN, TaskKind::UpdateRole);
        let user = update.user.unwrap();
        let update = bench.put(update).await;
        bench.settle().await;
        assert_eq!(bench.load(removal).await.status, TaskStatus::Completed, "{}", database.name);
        assert_eq!(bench.load(update).await.status, TaskStatus::Superseded, "{}", database.name);
        let marked: Vec<Vec<u8>> = bench
            .worker
            .store
            .read(|conn| Ok::<_, StoreError>(reconcile_marks::table.select(reconcile_marks::user_id).load(conn)?))
            .await
            .unwrap();
        assert_eq!(marked, [user.bytes()], "{}", database.name);
    }
}

#[tokio::test]
async fn an_account_found_before_is_joined_and_a_strangers_is_not_taken() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let hub = bench.hub("one", HubPolicy::default()).await;
        let workspace = bench.workspace;
        let first = bench.add(hub, ANN).await;
        bench.settle().await;
        assert_eq!(bench.load(first).await.status, TaskStatus::Completed);

        // The same remote account for another person: somebody must look.
        let other = bench.add(hub, "ann2@example.com").await;
        let same = remote(ANN, Some("editor".to_owned()), Presence::Active);
        bench.app.next("ann2@example.com", Behaviour::Answer(Outcome::AlreadyInState(Some(same.clone()))));
        bench.settle().await;
        let task = bench.load(other).await;
        assert_eq!((task.status, task.error_class.as_deref()), (TaskStatus::Manual, Some("conflict")));

        // Once it belongs to nobody, it is joined.
        bench
            .worker
            .store
            .write(move |tx| {
                diesel::update(hub_members::table)
                    .filter(hub_members::workspace.eq(workspace.0))
                    .set((hub_members::user_id.eq(None::<Vec<u8>>), hub_members::bucket.eq("unmatched")))
                    .execute(&mut **tx)?;
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        let third = bench.task(hub, "ann3@example.com", TaskKind::Add);
        let user = third.user.unwrap();
        bench.app.next("ann3@example.com", Behaviour::Answer(Outcome::AlreadyInState(Some(same))));
        let third = bench.put(third).await;
        bench.settle().await;
        assert_eq!(bench.load(third).await.status, TaskStatus::Completed, "{}", database.name);
        let joined =
            bench.worker.store.read(move |conn| members::by_user(conn, workspace, hub, user)).await.unwrap().unwrap();
        assert_eq!(joined.remote_id.as_deref(), Some("r-ann@example.com"), "{}", database.name);
    }
}
