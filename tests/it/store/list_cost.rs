//! What is looked up by a list of keys reads as many rows from a large hub as from a small one, also
//! while PostgreSQL has no statistics of the table, or none that know the hub or the workspace. Counted
//! by the database, not by time.

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use scimhub::base::clock::Micros;
use scimhub::base::ids::{HubId, IntervalId, MemberId, UserId, WorkspaceId};
use scimhub::domain::member::{Bucket, Member, MemberStatus, Presence};
use scimhub::store::intervals::{self, Because, Holding};
use scimhub::store::schema::access_intervals;
use scimhub::store::{Store, StoreError, hub_members};
use uuid::Uuid;

use super::rows_read::touched;
use crate::support::databases;

/// What is read.
const TABLES: [&str; 1] = ["hub_members"];
/// Members of a hub: enough for a plan that reads them all to be seen.
const MANY: usize = 3_000;
/// Keys in a list.
const LIST: usize = 50;

fn person(hub: HubId, number: usize) -> Member {
    Member {
        id: MemberId::from_uuid(Uuid::now_v7()),
        hub,
        user: Some(UserId::from_uuid(Uuid::now_v7())),
        remote_id: Some(format!("r{number}")),
        email_key: Some(format!("p{number}@example.com")),
        display: "somebody".to_owned(),
        bucket: Bucket::Onboarded,
        managed: true,
        protected: false,
        status: MemberStatus::Settled,
        hub_role: None,
        known: Presence::Active,
        known_role: None,
        known_assets: Vec::new(),
        known_at: Micros(1),
        reasons: Vec::new(),
    }
}

pub fn stranger(hub: HubId, number: usize) -> Member {
    Member {
        user: None,
        remote_id: Some(format!("s{number}")),
        email_key: Some(format!("s{number}@example.com")),
        bucket: Bucket::Unmatched,
        managed: false,
        ..person(hub, number)
    }
}

/// A hub of so many people and as many strangers; some of the people.
async fn hub(store: &Store, workspace: WorkspaceId) -> (HubId, Vec<UserId>) {
    let hub = HubId::from_uuid(Uuid::now_v7());
    let members: Vec<Member> = (0..MANY).flat_map(|number| [person(hub, number), stranger(hub, number)]).collect();
    let some = members.iter().filter_map(|member| member.user).step_by(MANY / LIST).collect();
    store
        .write(move |tx| {
            members.chunks(500).try_for_each(|some| hub_members::insert_all(tx, workspace, some, "sync", Micros(1)))
        })
        .await
        .unwrap();
    (hub, some)
}

#[tokio::test]
async fn members_by_a_list_are_looked_up_one_by_one() {
    for database in databases().into_iter().filter(|database| database.name == "postgres") {
        let store = database.open();
        for (workspace, statistics) in [(1, "none"), (1, "of another hub"), (2, "of another workspace")] {
            let workspace = WorkspaceId(workspace);
            let (hub, people) = hub(&store, workspace).await;
            let count = people.len();
            let (found, strangers, read) = store
                .write(move |tx| {
                    let before = touched(tx, &TABLES);
                    let found = hub_members::of_users(tx, workspace, hub, &people)?.len();
                    let addresses: Vec<String> = (0..LIST).map(|n| format!("s{}@example.com", n * 7)).collect();
                    let strangers = hub_members::present_by_email(tx, workspace, hub, &addresses)?.len();
                    Ok::<_, StoreError>((found, strangers, touched(tx, &TABLES) - before))
                })
                .await
                .unwrap();
            assert_eq!((found, strangers), (count, LIST), "statistics: {statistics}");
            // The row, its entry, and a little of what is dead.
            let most = i64::try_from((found + strangers) * 5).unwrap();
            assert!(read <= most, "{read} rows were read for {found} people and {strangers} strangers: {statistics}");
            let _: Result<(), StoreError> = store.write(|tx| Ok(tx.batch_execute("ANALYZE hub_members")?)).await;
        }
    }
}

/// What many ends of attempts and the end of one ask of a hub that statistics do not know.
#[tokio::test]
async fn what_members_hold_is_looked_up_one_by_one() {
    for database in databases().into_iter().filter(|database| database.name == "postgres") {
        let store = database.open();
        let workspace = WorkspaceId(1);
        let hub = HubId::from_uuid(Uuid::now_v7());
        let members: Vec<Member> = (0..MANY).map(|number| person(hub, number)).collect();
        let (held, found, read) = store
            .write(move |tx| {
                let because = Because { cause: "test", task: None, evidence: "applied", now: Micros(1) };
                let holdings: Vec<_> = members.iter().map(|member| (holding(member), because)).collect();
                for some in members.chunks(500) {
                    hub_members::insert_all(tx, workspace, some, "sync", Micros(1))?;
                }
                intervals::hold_all(tx, workspace, &holdings)?;
                let before = touched(tx, &["access_intervals", "hub_members"]);
                let mut again: Vec<_> = members.iter().take(LIST).map(|member| (holding(member), because)).collect();
                again[0].0.app_role = Some("admin");
                intervals::hold_all(tx, workspace, &again)?;
                let found = hub_members::by_remote(tx, workspace, hub, "r7")?;
                let read = touched(tx, &["access_intervals", "hub_members"]) - before;
                let mine = access_intervals::member_id.eq(members[0].id.bytes());
                let open = access_intervals::table.filter(mine.and(access_intervals::to_at.is_null()));
                let held: Vec<Option<String>> = open.select(access_intervals::app_role).load(&mut **tx)?;
                Ok::<_, StoreError>((held, found, read))
            })
            .await
            .unwrap();
        assert_eq!(held, [Some("admin".to_owned())]);
        assert_eq!(found.and_then(|found| found.remote_id).as_deref(), Some("r7"));
        let most = i64::try_from(LIST * 8).unwrap();
        assert!(read <= most, "{read} rows were read for {LIST} people");
    }
}

fn holding(member: &Member) -> Holding<'_> {
    Holding {
        id: IntervalId::from_uuid(Uuid::now_v7()),
        user: member.user,
        person: "somebody",
        hub: member.hub,
        hub_slug: "hub",
        member: member.id,
        app_role: Some("viewer"),
        assets: "[]",
    }
}

/// Nobody is found twice, or in another hub, whatever the list.
#[tokio::test]
async fn a_list_may_name_somebody_twice_and_people_of_other_hubs() {
    for database in databases() {
        let store = database.open();
        let workspace = WorkspaceId(1);
        let (one, other) = (HubId::from_uuid(Uuid::now_v7()), HubId::from_uuid(Uuid::now_v7()));
        let (here, there) = (person(one, 1), person(other, 2));
        let both = Member { user: here.user, ..person(other, 3) };
        let (mine, alike) = (stranger(one, 4), stranger(other, 4));
        let kept = Member { bucket: Bucket::Exempted, ..stranger(one, 5) };
        let gone = Member { known: Presence::Absent, ..stranger(one, 6) };
        let rows = [&here, &there, &both, &mine, &alike, &kept, &gone].map(Clone::clone);
        let people: Vec<UserId> = [&here, &here, &there].into_iter().filter_map(|member| member.user).collect();
        let addresses = ["s4", "s4", "s5", "s6", "p1", "nobody"].map(|name| format!("{name}@example.com"));
        let (found, shown) = store
            .write(move |tx| {
                hub_members::insert_all(tx, workspace, &rows, "sync", Micros(1))?;
                Ok::<_, StoreError>((
                    hub_members::of_users(tx, workspace, one, &people)?,
                    hub_members::present_by_email(tx, workspace, one, &addresses)?,
                ))
            })
            .await
            .unwrap();
        assert_eq!(found, std::slice::from_ref(&here), "{}", database.name);
        assert_eq!(shown, [here, mine, kept], "{}: in id order", database.name);
    }
}
