//! A preview is what happens: over random small worlds, applying the change with everything
//! settled makes exactly the tasks that the preview named, and withdraws exactly those it said.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use diesel::prelude::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use scimhub::base::ids::{GroupId, MemberId, TaskId, UserId};
use scimhub::domain::caller::{Caller, Preset};
use scimhub::domain::decision::DecisionKind;
use scimhub::domain::member::{Bucket, Member, MemberStatus, Presence};
use scimhub::domain::task::{Task, TaskKind, TaskStatus};
use scimhub::service::hub_whatif::{self, HubWish};
use scimhub::service::mapping_changes::{self, MappingChanges};
use scimhub::service::whatif::{Begins, Outcome, PersonEffect, Plan};
use scimhub::service::{Context, hubs};
use scimhub::store::{decisions, hub_members, hubs as hub_rows, schema};
use serde_json::json;

use crate::planner::world::{SETTLE, World};

const PEOPLE: usize = 7;
const GROUPS: usize = 3;
const ROLES: [&str; 3] = ["viewer", "editor", "admin"];
const ROUNDS: usize = 120;

/// Something that happens before the look.
#[derive(Clone, Debug)]
enum Event {
    Join(usize, usize),
    Leave(usize, usize),
    Activate(usize, bool),
    /// The queued tasks are done.
    Work,
    /// A queued task is taken by a worker.
    Take(usize),
    /// Somebody cancels a task.
    Cancel(usize),
    /// What stands against automation: exempted, protected, not managed.
    Mark(usize, u8),
    /// A sync finds an account with the person's e-mail, or two.
    Find(usize, usize),
}

/// The change that is looked at.
#[derive(Clone, Debug)]
enum Wish {
    /// (group or, beyond the groups, person; role; or nothing to delete it)
    Mappings(Vec<(usize, Option<usize>)>),
    Suspend(bool),
    Activate,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..PEOPLE, 0..GROUPS).prop_map(|(p, g)| Event::Join(p, g)),
        3 => (0..PEOPLE, 0..GROUPS).prop_map(|(p, g)| Event::Leave(p, g)),
        1 => (0..PEOPLE, any::<bool>()).prop_map(|(p, on)| Event::Activate(p, on)),
        3 => Just(Event::Work),
        1 => (0..PEOPLE).prop_map(Event::Take),
        1 => (0..PEOPLE).prop_map(Event::Cancel),
        1 => (0..PEOPLE, 0..4_u8).prop_map(|(p, what)| Event::Mark(p, what)),
        1 => (0..PEOPLE, prop_oneof![4 => Just(1_usize), 1 => Just(2)]).prop_map(|(p, accounts)| Event::Find(p, accounts)),
    ]
}

fn wish() -> impl Strategy<Value = Wish> {
    let change = (0..GROUPS + 2, prop::option::weighted(0.7, 0..ROLES.len()));
    prop_oneof![
        6 => prop::collection::btree_map(0..GROUPS + 2, change.prop_map(|(_, role)| role), 1..4)
            .prop_map(|changes| Wish::Mappings(changes.into_iter().collect())),
        1 => any::<bool>().prop_map(Wish::Suspend),
        1 => Just(Wish::Activate),
    ]
}

struct Stage {
    world: World,
    context: Context,
    caller: Caller,
    groups: Vec<GroupId>,
    people: Vec<UserId>,
}

impl Stage {
    async fn on(world: World) -> Self {
        let (context, caller) = world.service(world.catalog()).await;
        let mut groups = Vec::new();
        for number in 0..GROUPS {
            groups.push(world.group(&format!("group-{number}")).await);
        }
        let mut people = Vec::new();
        for number in 0..PEOPLE {
            people.push(world.user(&name(number)).await);
        }
        Self { world, context, caller, groups, people }
    }

    /// Everything that follows from what happened is planned, and nothing settles any more.
    async fn rest(&self) {
        self.world.clock.advance(SETTLE * 2);
        while self.world.plan().await != Default::default() {}
    }

    async fn happen(&self, event: &Event) {
        let world = &self.world;
        match *event {
            Event::Join(person, group) => world.join(self.groups[group], &[self.people[person]]).await,
            Event::Leave(person, group) => world.leave(self.groups[group], &[self.people[person]]).await,
            Event::Activate(person, active) => world.set_active(self.people[person], active).await,
            Event::Work => {
                world.plan().await;
                // A person releases what the guard holds.
                world.finish(world.tasks(&[TaskStatus::Held]).await).await;
                world.work().await;
            }
            Event::Take(number) => {
                world.plan().await;
                if let Some(task) = world.tasks(&[TaskStatus::Queued]).await.get(number) {
                    world.put(task, TaskStatus::Running).await;
                }
            }
            Event::Cancel(number) => {
                world.plan().await;
                if let Some(task) = world.tasks(&[TaskStatus::Queued]).await.get(number).cloned() {
                    let now = scimhub::base::clock::Clock::now(&*world.clock);
                    world
                        .write(move |tx| decisions::record(tx, &task, DecisionKind::Cancelled, "test", None, now))
                        .await;
                    let task = world.tasks(&[TaskStatus::Queued]).await.remove(number);
                    world.put(&task, TaskStatus::Cancelled).await;
                }
            }
            Event::Mark(person, what) => {
                let Some(mut member) = world.member(self.people[person]).await else { return };
                // Only what is at rest: what a person does to an account with an open task is theirs.
                let open = self.open().await;
                if member.known == Presence::Absent || open.iter().any(|task| task.user == member.user) {
                    return;
                }
                (member.bucket, member.protected, member.managed) = match what {
                    0 => (Bucket::Exempted, false, true),
                    1 => (Bucket::Onboarded, true, true),
                    2 => (Bucket::Onboarded, false, false),
                    _ => (Bucket::Onboarded, false, true),
                };
                let (workspace, now) = (world.workspace, scimhub::base::clock::Clock::now(&*world.clock));
                let (hub, user) = (world.hub.id, self.people[person]);
                world
                    .write(move |tx| {
                        // Writing a row never takes a protection away: what was marked before goes first.
                        diesel::update(schema::hub_members::table.find((workspace.0, member.id.bytes())))
                            .set(schema::hub_members::protected.eq(false))
                            .execute(&mut **tx)?;
                        hub_members::update(tx, workspace, &member, "person", now)?;
                        scimhub::store::marks::touch(tx, workspace, hub, user, now)
                    })
                    .await;
            }
            Event::Find(person, accounts) => self.find(person, accounts).await,
        }
    }

    async fn find(&self, person: usize, accounts: usize) {
        let world = &self.world;
        if world.member(self.people[person]).await.is_some_and(|member| member.known != Presence::Absent) {
            return;
        }
        let (workspace, hub, user) = (world.workspace, world.hub.id, self.people[person]);
        let now = scimhub::base::clock::Clock::now(&*world.clock);
        for _ in 0..accounts {
            let id = MemberId::from_uuid(world.ids.next());
            let found = Member {
                id,
                hub,
                user: None,
                remote_id: Some(id.to_string()),
                email_key: Some(name(person)),
                display: String::from("found"),
                bucket: Bucket::Unmatched,
                managed: false,
                protected: false,
                status: MemberStatus::Settled,
                hub_role: None,
                known: Presence::Active,
                known_role: Some(String::from("viewer")),
                known_assets: Vec::new(),
                known_at: now,
                reasons: Vec::new(),
            };
            world
                .write(move |tx| {
                    hub_members::insert(tx, workspace, &found, "sync", now)?;
                    scimhub::store::marks::touch(tx, workspace, hub, user, now)
                })
                .await;
        }
    }

    async fn open(&self) -> Vec<Task> {
        let open: Vec<TaskStatus> = TaskStatus::ALL.into_iter().filter(|status| status.is_open()).collect();
        self.world.tasks(&open).await
    }

    async fn changes(&self, wanted: &[(usize, Option<usize>)]) -> Option<MappingChanges> {
        let workspace = self.world.workspace;
        let hub = self.world.hub.id;
        let present =
            self.world.store.read(move |conn| scimhub::store::mappings::of_hub(conn, workspace, hub)).await.unwrap();
        let mut changes = Vec::new();
        for (subject, role) in wanted {
            let (kind, title) = match subject.checked_sub(GROUPS) {
                None => ("group", format!("group-{subject}")),
                Some(person) => ("user", name(person)),
            };
            match role {
                Some(role) => changes.push(json!({"put": {kind: title, "app_role": ROLES[*role]}})),
                None => {
                    let text = format!("{kind} {title}");
                    let found =
                        present.iter().find(|one| scimhub::domain::hub_file::subject_text(&one.subject) == text);
                    changes.extend(found.map(|one| json!({"remove": one.id.to_string()})));
                }
            }
        }
        (!changes.is_empty()).then(|| MappingChanges::read(json!({ "changes": changes })).unwrap())
    }

    /// Look, then do it under the digest of that look.
    async fn look_and_do(&self, wish: &Wish) -> Option<Plan> {
        let (context, caller) = (&self.context, &self.caller);
        let hub = async |body: serde_json::Value| {
            let patch = || serde_json::from_value(body.clone()).unwrap();
            let plan = hub_whatif::preview(context, caller, "ads", HubWish::Patch(patch())).await.unwrap();
            hubs::patch(context, caller, "ads", patch(), Some(plan.digest.parse().unwrap())).await.unwrap();
            Some(plan)
        };
        match wish {
            Wish::Mappings(wanted) => {
                let changes = self.changes(wanted).await?;
                let plan = mapping_changes::preview(context, caller, "ads", changes.clone()).await.unwrap();
                let expect = Some(plan.digest.parse().unwrap());
                mapping_changes::change(context, caller, "ads", changes, expect).await.unwrap();
                Some(plan)
            }
            Wish::Suspend(on) => hub(json!({"policy": {"deprovision": if *on { "suspend" } else { "remove" }}})).await,
            Wish::Activate => hub(json!({"mode": "active"})).await,
        }
    }
}

fn name(number: usize) -> String {
    format!("person-{number}@example.com")
}

/// What a task is in the words of a preview.
fn of_task(task: &Task) -> (String, &'static str, Option<String>) {
    let word = match task.effect.kind {
        TaskKind::Add => "add",
        TaskKind::Remove => "remove",
        TaskKind::UpdateRole | TaskKind::Sync if task.priority == scimhub::domain::plan::PRIORITY_REDUCE => "demote",
        TaskKind::UpdateRole | TaskKind::Sync => "promote",
    };
    let to = if task.effect.kind == TaskKind::Remove { None } else { task.effect.role.clone() };
    (task.effect.principal.user_name.clone(), word, to)
}

fn of_effect(person: &PersonEffect) -> Option<(String, &'static str, Option<String>)> {
    let word = match person.change {
        Outcome::Add => "add",
        Outcome::Promote => "promote",
        Outcome::Demote => "demote",
        Outcome::Remove => "remove",
        Outcome::Adopt | Outcome::Withdraw | Outcome::Keep => return None,
    };
    Some((person.user.clone(), word, person.to.clone()))
}

#[tokio::test]
async fn what_a_preview_names_is_what_the_planner_does() {
    let mut seen: BTreeMap<&'static str, usize> = BTreeMap::new();
    for world in World::each(Preset::Okta).await {
        let stage = Stage::on(world).await;
        let mut runner = TestRunner::deterministic();
        let story = (prop::collection::vec(event(), 0..12), wish());
        for round in 0..ROUNDS {
            let (events, wish) = story.new_tree(&mut runner).unwrap().current();
            if matches!(wish, Wish::Activate) {
                // The hub observes while things happen; what it shows is what activation does.
                let (workspace, mut hub) = (stage.world.workspace, stage.world.hub.clone());
                let now = scimhub::base::clock::Clock::now(&*stage.world.clock);
                stage
                    .world
                    .write(move |tx| {
                        hub = hub_rows::load(tx, workspace, hub.id)?;
                        hub.mode = scimhub::domain::hub::HubMode::Observe;
                        hub_rows::update(tx, workspace, &hub, now)
                    })
                    .await;
            }
            for event in &events {
                stage.happen(event).await;
            }
            stage.rest().await;
            let before: BTreeSet<TaskId> = stage.world.tasks(&[]).await.iter().map(|task| task.id).collect();
            let open_before: Vec<Task> = stage.open().await;
            let Some(plan) = stage.look_and_do(&wish).await else { continue };
            let running = stage.world.tasks(&[TaskStatus::Running]).await;
            let at_rest = running.is_empty();
            stage.rest().await;
            stage.world.finish(running).await;
            stage.rest().await;

            let told = format!("{} round {round}: {wish:?} after {events:?}: {plan:#?}", stage.world.name());
            let made: Vec<Task> =
                stage.world.tasks(&[]).await.into_iter().filter(|task| !before.contains(&task.id)).collect();
            let happened: BTreeSet<_> = made.iter().map(of_task).collect();
            let effect = plan.effects.first().cloned().unwrap_or_default();
            let named: BTreeSet<_> = effect.people.iter().filter_map(of_effect).collect();
            assert_eq!(named, happened, "{told}");
            assert_eq!(made.len(), named.len(), "each task once: {told}");
            // What the guard holds is what was said; a running attempt changes what it counts.
            if at_rest {
                let held: BTreeSet<&str> = made
                    .iter()
                    .filter(|task| task.status == TaskStatus::Held)
                    .map(|task| task.effect.principal.user_name.as_str())
                    .collect();
                let said: BTreeSet<&str> = effect
                    .people
                    .iter()
                    .filter(|person| person.held.is_some() || person.begins == Some(Begins::Held))
                    .map(|person| person.user.as_str())
                    .collect();
                *seen.entry("held").or_default() += held.len();
                assert_eq!(said, held, "{told}");
            }
            // Open before, not open after, nothing in its place: withdrawn.
            let superseded = stage.world.tasks(&[TaskStatus::Superseded]).await;
            let withdrawn: BTreeSet<String> = superseded
                .iter()
                .filter(|task| task.superseded_by.is_none() && open_before.iter().any(|open| open.id == task.id))
                .map(|task| task.effect.principal.user_name.clone())
                .collect();
            let said: BTreeSet<String> = effect
                .people
                .iter()
                .filter(|person| person.change == Outcome::Withdraw)
                .map(|person| person.user.clone())
                .collect();
            assert_eq!(said, withdrawn, "{told}");
            // Adopted: managed now, and no task.
            for person in effect.people.iter().filter(|person| person.change == Outcome::Adopt) {
                let number = (0..PEOPLE).find(|number| name(*number) == person.user).unwrap();
                let member = stage.world.member(stage.people[number]).await.unwrap();
                assert!(member.managed && member.known == Presence::Active, "{told}");
            }
            for person in &effect.people {
                let word = match person.change {
                    Outcome::Add => "add",
                    Outcome::Promote => "promote",
                    Outcome::Demote => "demote",
                    Outcome::Remove => "remove",
                    Outcome::Adopt => "adopt",
                    Outcome::Withdraw => "withdraw",
                    Outcome::Keep => "keep",
                };
                *seen.entry(word).or_default() += 1;
            }
            // What nobody took is gone from the app, so that the next round is not all conflicts.
            let workspace = stage.world.workspace;
            stage
                .world
                .write(move |tx| {
                    let members = schema::hub_members::table;
                    diesel::delete(members)
                        .filter(schema::hub_members::workspace.eq(workspace.0))
                        .filter(schema::hub_members::user_id.is_null())
                        .execute(&mut **tx)?;
                    Ok(())
                })
                .await;
            stage.world.clock.advance(Duration::from_secs(3600));
        }
    }
    // A property over worlds in which nothing happens would prove nothing.
    for word in ["add", "promote", "demote", "remove", "adopt", "withdraw", "keep", "held"] {
        assert!(seen.get(word).is_some_and(|count| *count >= 2), "hardly any {word}: {seen:?}");
    }
}
