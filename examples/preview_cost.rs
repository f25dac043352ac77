//! What a preview costs, and for how long a change under its digest keeps other writers out.
//!
//! `cargo run --release --example preview_cost [people] [postgres://…]`
//!
//! Fills a throw-away SQLite file (or the given empty PostgreSQL database) with people in one group
//! who hold accounts in one hub, previews a change of their role, makes the change under the digest,
//! and meanwhile writes one small row after the other. Bounded: 25,000 people unless told otherwise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use scimhub::base::ids::{GroupId, MemberId, UserId};
use scimhub::base::limits;
use scimhub::base::nudge::Nudge;
use scimhub::domain::catalog::Catalog;
use scimhub::domain::mapping::HubRole;
use scimhub::domain::member::{Bucket, Member, MemberStatus, Presence, Reason};
use scimhub::scim::{group, user};
use scimhub::service::mapping_changes::{self, MappingChanges};
use scimhub::service::{Context, hubs, workspaces};
use scimhub::store::memberships::{self, MemberKind};
use scimhub::store::{
    Store, StoreConfig, StoreError, fingerprint, groups, hub_members, hubs as hub_rows, mappings, sources, users,
};
use serde_json::{Value, json};

const ROUNDS: usize = 5;

fn document(value: &Value) -> (serde_json::Map<String, Value>, String) {
    (value.as_object().unwrap().clone(), value.to_string())
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[tokio::main]
async fn main() {
    let people = std::env::args().nth(1).map_or(limits::FILTER_CANDIDATES, |text| text.parse().expect("a number"));
    let folder = tempfile::tempdir().unwrap();
    let url = std::env::args().nth(2).unwrap_or_else(|| format!("sqlite:{}/cost.db", folder.path().display()));
    let config = StoreConfig { key_file: Some(folder.path().join("cost.key")), ..StoreConfig::new(&url) };
    let store = Store::open_with(config).unwrap();
    workspaces::ensure_default(&store, store.clock().now()).await.unwrap();
    let context = Context::new(store.clone(), Arc::new(Catalog::builtin().unwrap()), Nudge::default(), "");
    let caller = workspaces::local_caller(&context, "default").await.unwrap();
    let new = json!({"id": "wiki", "app": "manual", "mode": "observe"});
    hubs::create(&context, &caller, serde_json::from_value(new).unwrap()).await.unwrap();
    let (workspace, ids) = (caller.workspace, context.ids.clone());
    let group_id = GroupId::from_uuid(ids.next());
    fill(&store, &context, caller.workspace, group_id, people).await;
    let wish = |role: &str| MappingChanges::read(json!({"group": "staff", "app_role": role})).unwrap();
    mapping_changes::change(&context, &caller, "wiki", wish("member"), None).await.unwrap();
    let hub = store.read(move |conn| hub_rows::by_slug(conn, workspace, "wiki")).await.unwrap();
    accounts(&store, &context, workspace, hub.id, people, group_id).await;

    let (mut looks, mut prints, mut changes, mut waits, mut idle) = (vec![], vec![], vec![], vec![], vec![]);
    let mut reached = 0;
    for round in 0..ROUNDS {
        let role = if round % 2 == 0 { "admin" } else { "guest" };
        let start = Instant::now();
        let plan = mapping_changes::preview(&context, &caller, "wiki", wish(role)).await.unwrap();
        looks.push(start.elapsed());
        reached = plan.effects.first().map_or(0, |effect| effect.people.len());
        let start = Instant::now();
        store.read(move |conn| fingerprint::of_hub(conn, workspace, hub.id, &[group_id], &[])).await.unwrap();
        prints.push(start.elapsed());
        idle.push(longest(&store, &AtomicBool::new(false), 200).await);
        let over = Arc::new(AtomicBool::new(false));
        let writer = tokio::spawn({
            let (store, over) = (store.clone(), Arc::clone(&over));
            async move { longest(&store, &over, usize::MAX).await }
        });
        let start = Instant::now();
        let expect = plan.digest.parse().unwrap();
        mapping_changes::change(&context, &caller, "wiki", wish(role), Some(expect)).await.unwrap();
        changes.push(start.elapsed());
        over.store(true, Ordering::SeqCst);
        waits.push(writer.await.unwrap());
    }
    println!("{people} people, {reached} of them reached, medians of {ROUNDS}:");
    println!("  preview                                {:>8.1?}", median(looks));
    println!("  fingerprint                            {:>8.1?}", median(prints));
    println!("  change under its digest                {:>8.1?}", median(changes));
    println!("  longest other write while it is made   {:>8.1?}", median(waits));
    println!("  longest other write in an idle moment  {:>8.1?}", median(idle));
}

/// The longest of small writes, one after the other, until told to stop.
async fn longest(store: &Store, over: &AtomicBool, most: usize) -> Duration {
    let mut longest = Duration::ZERO;
    let mut count = 0;
    while !over.load(Ordering::SeqCst) && count < most {
        let start = Instant::now();
        store.write(|tx| scimhub::store::settings::put_across_workspaces(tx, "probe", "x")).await.unwrap();
        longest = longest.max(start.elapsed());
        count += 1;
    }
    longest
}

async fn fill(
    store: &Store,
    context: &Context,
    workspace: scimhub::base::ids::WorkspaceId,
    group_id: GroupId,
    people: usize,
) {
    let now = context.clock.now();
    let source = store.read(move |conn| sources::list(conn, workspace)).await.unwrap().remove(0).id;
    store
        .write(move |tx| {
            let (object, text) = document(&json!({"displayName": "staff"}));
            groups::insert(tx, workspace, source, group_id, &group::keys(&object).unwrap(), &text, now)
        })
        .await
        .unwrap();
    let numbers: Vec<usize> = (0..people).collect();
    for chunk in numbers.chunks(500) {
        let made: Vec<(UserId, usize)> =
            chunk.iter().map(|number| (UserId::from_uuid(context.ids.next()), *number)).collect();
        store
            .write(move |tx| {
                for (id, number) in &made {
                    let name = format!("person-{number}@example.com");
                    let body = json!({"userName": name, "active": true, "title": "Engineer", "userType": "Employee",
                        "name": {"givenName": "Person", "familyName": number.to_string()},
                        "emails": [{"value": name, "type": "work", "primary": true}]});
                    let (object, text) = document(&body);
                    users::insert(tx, workspace, source, *id, &user::keys(&object).unwrap(), &text, now)?;
                }
                let members: Vec<_> =
                    made.iter().map(|(id, _)| memberships::Member { id: id.uuid(), kind: MemberKind::User }).collect();
                memberships::add(tx, workspace, group_id, &members, now)?;
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    }
}

/// An account for everybody, as the mapping gives it.
async fn accounts(
    store: &Store,
    context: &Context,
    workspace: scimhub::base::ids::WorkspaceId,
    hub: scimhub::base::ids::HubId,
    people: usize,
    group_id: GroupId,
) {
    let now = context.clock.now();
    let limit = i64::try_from(people).unwrap();
    let (all, mapping) = store
        .read(move |conn| {
            let all = scimhub::store::reading::people_in_groups(conn, workspace, &[group_id], limit)?;
            Ok::<_, StoreError>((all, mappings::of_hub(conn, workspace, hub)?.remove(0).id))
        })
        .await
        .unwrap();
    for chunk in all.chunks(500) {
        let rows: Vec<Member> = chunk
            .iter()
            .map(|user| Member {
                id: MemberId::from_uuid(context.ids.next()),
                hub,
                user: Some(*user),
                remote_id: None,
                email_key: None,
                display: String::from("Person"),
                bucket: Bucket::Onboarded,
                managed: true,
                protected: false,
                status: MemberStatus::Settled,
                hub_role: Some(HubRole::Collaborator),
                known: Presence::Active,
                known_role: Some(String::from("member")),
                known_assets: Vec::new(),
                known_at: now,
                reasons: vec![Reason {
                    mapping,
                    subject: String::from("group staff"),
                    app_role: String::from("member"),
                }],
            })
            .collect();
        store
            .write(move |tx| rows.iter().try_for_each(|row| hub_members::insert(tx, workspace, row, "task", now)))
            .await
            .unwrap();
    }
}
