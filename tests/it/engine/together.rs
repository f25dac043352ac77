//! Ends of attempts that arrive together share a transaction on PostgreSQL, and each stands for itself:
//! a lease that was taken over, a refusal, an account that is somebody else's.

use diesel::prelude::*;
use futures_util::future::join_all;
use scimhub::base::ids::{HubId, MemberId, TaskId, UserId};
use scimhub::domain::hub::HubPolicy;
use scimhub::domain::member::{Bucket, Member, MemberStatus, Presence};
use scimhub::domain::task::{TaskKind, TaskStatus};
use scimhub::domain::task_states::TaskEvent;
use scimhub::engine::connector::FailureClass;
use scimhub::store::lanes::Company;
use scimhub::store::leases::{self, Change};
use scimhub::store::schema::{access_intervals, activity};
use scimhub::store::{StoreError, attempts, hub_members, marks};
use tokio_util::sync::CancellationToken;

use super::bench::{Behaviour, Bench, failure};
use crate::support::databases;

const MANY: usize = 12;

/// The member's row that the planner would have made.
async fn member(bench: &Bench, hub: HubId, user: Option<UserId>, remote_id: Option<&str>) -> MemberId {
    let (workspace, now) = (bench.workspace, bench.now());
    let member = Member {
        id: MemberId::from_uuid(bench.worker.ids.next()),
        hub,
        user,
        remote_id: remote_id.map(str::to_owned),
        email_key: None,
        display: "somebody".to_owned(),
        bucket: Bucket::Onboarded,
        managed: false,
        protected: false,
        status: MemberStatus::Settled,
        hub_role: None,
        known: Presence::Absent,
        known_role: None,
        known_assets: Vec::new(),
        known_at: now,
        reasons: Vec::new(),
    };
    let id = member.id;
    bench.worker.store.write(move |tx| hub_members::insert(tx, workspace, &member, "planned", now)).await.unwrap();
    id
}

async fn put(bench: &Bench, hub: HubId, email: &str, kind: TaskKind) -> (TaskId, MemberId) {
    let mut task = bench.task(hub, email, kind);
    let member = member(bench, hub, task.user, None).await;
    task.member = Some(member);
    (bench.put(task).await, member)
}

/// Claim all there is, and run it at once.
async fn all_at_once(bench: &Bench, lost: Option<TaskId>) {
    let claimed = bench.worker.claim(50, Company::Many).await.unwrap().tasks;
    if let Some(lost) = lost {
        let (lease, now) = (claimed.iter().find(|one| one.task.id == lost).unwrap().lease, bench.now());
        let taken_over = Change::new(TaskEvent::NeedsPerson, now);
        bench.worker.store.write(move |tx| leases::end(tx, &lease, &taken_over)).await.unwrap();
    }
    let never = CancellationToken::new();
    join_all(claimed.into_iter().map(|claimed| bench.worker.attempt(claimed, &never))).await;
}

struct Stands {
    status: TaskStatus,
    outcomes: Vec<Option<String>>,
    known: Presence,
    remote: Option<String>,
    open: i64,
    closed: i64,
    completed: i64,
}

async fn stands(bench: &Bench, (task, member): (TaskId, MemberId)) -> Stands {
    let workspace = bench.workspace;
    bench
        .worker
        .store
        .read(move |conn| {
            let row = hub_members::load(conn, workspace, member)?;
            let held = || access_intervals::table.filter(access_intervals::member_id.eq(member.bytes()));
            Ok::<_, StoreError>(Stands {
                status: scimhub::store::tasks::load(conn, workspace, task)?.status,
                outcomes: attempts::list(conn, workspace, task)?.into_iter().map(|one| one.outcome).collect(),
                known: row.known,
                remote: row.remote_id,
                open: held().filter(access_intervals::to_at.is_null()).count().get_result(conn)?,
                closed: held().filter(access_intervals::to_at.is_not_null()).count().get_result(conn)?,
                completed: activity::table
                    .filter(activity::task_id.eq(task.bytes()))
                    .filter(activity::kind.eq("task.completed"))
                    .count()
                    .get_result(conn)?,
            })
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn ends_that_arrive_together_stand_each_for_itself() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let hub = bench.hub("one", HubPolicy { max_in_flight: 50, ..HubPolicy::default() }).await;
        let mut all = Vec::new();
        for n in 0..MANY {
            all.push(put(&bench, hub, &format!("p{n}@example.com"), TaskKind::Add).await);
        }
        let lost = put(&bench, hub, "lost@example.com", TaskKind::Add).await;
        let refused = put(&bench, hub, "refused@example.com", TaskKind::Add).await;
        bench.app.next("refused@example.com", Behaviour::Fail(failure(FailureClass::Forbidden)));
        // A wish that waits for the end of an attempt is woken by it.
        let (workspace, user, now) = (bench.workspace, bench.load(all[0].0).await.user.unwrap(), bench.now());
        bench.worker.store.write(move |tx| marks::touch(tx, workspace, hub, user, now)).await.unwrap();
        all_at_once(&bench, Some(lost.0)).await;

        for (n, one) in all.iter().enumerate() {
            let stands = stands(&bench, *one).await;
            assert_eq!(stands.status, TaskStatus::Completed, "{}", database.name);
            assert_eq!(stands.outcomes, [Some("applied".to_owned())], "{}", database.name);
            assert_eq!((stands.known, stands.open), (Presence::Active, 1), "{}", database.name);
            assert_eq!(stands.remote.as_deref(), Some(format!("r-p{n}@example.com").as_str()));
            assert_eq!(stands.completed, 1, "{}", database.name);
            let task = bench.load(one.0).await;
            assert_eq!((task.attempts, task.lease_boot, task.finished_at.is_some()), (1, None, true));
        }
        let at = stands(&bench, lost).await;
        assert_eq!((at.status, at.open, at.completed), (TaskStatus::Manual, 0, 0), "{}", database.name);
        assert_eq!(at.known, Presence::Absent, "{}: what no longer counts teaches nothing", database.name);
        let at = stands(&bench, refused).await;
        assert_ne!(at.status, TaskStatus::Completed, "{}", database.name);
        assert_eq!((at.open, at.completed), (0, 0), "{}", database.name);

        // Another role, and gone: one interval ends for each, and nothing of the others'.
        let mut next = Vec::new();
        for (n, (_, member)) in all.iter().enumerate() {
            let kind = if n % 2 == 0 { TaskKind::UpdateRole } else { TaskKind::Remove };
            let mut task = bench.task(hub, &format!("p{n}@example.com"), kind);
            task.member = Some(*member);
            task.effect.role = Some("viewer".to_owned());
            next.push((bench.put(task).await, *member));
        }
        all_at_once(&bench, None).await;
        for (n, one) in next.iter().enumerate() {
            let stands = stands(&bench, *one).await;
            assert_eq!(stands.status, TaskStatus::Completed, "{}", database.name);
            let open = i64::from(n % 2 == 0);
            assert_eq!((stands.open, stands.closed, stands.completed), (open, 1, 1), "{} {n}", database.name);
        }
    }
}

#[tokio::test]
async fn one_bad_end_does_not_fail_its_neighbours() {
    for database in databases() {
        let bench = Bench::new(&database).await;
        let hub = bench.hub("one", HubPolicy { max_in_flight: 50, ..HubPolicy::default() }).await;
        // The account that the app will name for one of them is another person's here.
        let owner = UserId::from_uuid(bench.worker.ids.next());
        member(&bench, hub, Some(owner), Some("r-taken@example.com")).await;
        let mut all = Vec::new();
        for n in 0..MANY {
            all.push(put(&bench, hub, &format!("p{n}@example.com"), TaskKind::Add).await);
        }
        let taken = put(&bench, hub, "taken@example.com", TaskKind::Add).await;
        // And one has no row that could be found.
        let mut unknown = bench.task(hub, "unknown@example.com", TaskKind::Add);
        unknown.member = Some(MemberId::from_uuid(bench.worker.ids.next()));
        let unknown = bench.put(unknown).await;
        all_at_once(&bench, None).await;

        for one in all {
            let stands = stands(&bench, one).await;
            assert_eq!((stands.status, stands.open), (TaskStatus::Completed, 1), "{}", database.name);
            assert_eq!((stands.completed, stands.outcomes.len()), (1, 1), "{}", database.name);
        }
        let at = stands(&bench, taken).await;
        assert_eq!((at.status, at.open), (TaskStatus::Manual, 0), "{}", database.name);
        assert_eq!(bench.load(taken.0).await.error_class.as_deref(), Some("conflict"), "{}", database.name);
        assert_eq!(bench.load(unknown).await.status, TaskStatus::Completed, "{}", database.name);
    }
}
