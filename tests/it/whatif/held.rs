//! A preview says what the guard would hold, by the same function and with the same reasons: what it
//! names is what the planner then holds, over batches, hubs and passes.

use std::collections::{BTreeMap, BTreeSet};

use scimhub::base::clock::Clock as _;
use scimhub::base::ids::{HoldId, TaskId};
use scimhub::domain::caller::Preset;
use scimhub::domain::guard::HoldReason;
use scimhub::domain::hub::HubPolicy;
use scimhub::domain::mapping::{Mapping, SubjectName};
use scimhub::service::files::{self, FileText, Wanted};
use scimhub::service::mapping_changes::{self, MappingChanges};
use scimhub::service::whatif::{HubEffect, Plan};
use scimhub::store::passes::{self, Pass};
use scimhub::store::{holds, mappings};
use serde_json::json;

use crate::hubs::{self, holding};
use crate::planner::world::{SETTLE, World};
use crate::support::databases;
use crate::support::server::{Server, scimhub};

/// Hub, person, and why it is held.
type Told = BTreeSet<(String, String, Option<String>)>;

fn said(plan: &Plan) -> Told {
    let of = |hub: &HubEffect| {
        let people = hub.people.clone().into_iter();
        let name = hub.hub.clone();
        people.map(move |person| (name.clone(), person.user, person.held)).collect::<Vec<_>>()
    };
    plan.effects.iter().flat_map(of).collect()
}

/// What the planner made since, in the same words.
async fn happened(world: &World, before: &BTreeSet<TaskId>) -> Told {
    world.clock.advance(SETTLE * 2);
    world.plan().await;
    let workspace = world.workspace;
    let (open, hubs) = world
        .store
        .read(move |conn| {
            Ok::<_, scimhub::store::StoreError>((
                holds::all_open(conn, workspace)?,
                scimhub::store::hubs::list(conn, workspace)?,
            ))
        })
        .await
        .unwrap();
    let why: BTreeMap<HoldId, String> = open.into_iter().map(|hold| (hold.id, hold.reason)).collect();
    let made = world.tasks(&[]).await.into_iter().filter(|task| !before.contains(&task.id));
    made.map(|task| {
        let hub = hubs.iter().find(|hub| hub.id == task.hub).unwrap().slug.to_string();
        (hub, task.effect.principal.user_name.clone(), task.hold.map(|hold| why[&hold].clone()))
    })
    .collect()
}

/// A declaration of a hub that says nothing of it but a mapping that reaches nobody.
fn only_nobody(hub: &str, role: &str) -> String {
    format!("[[hub]]\nid = \"{hub}\"\n[[hub.mapping]]\ngroup = \"nobody\"\napp_role = \"{role}\"\n\n")
}

async fn now(world: &World) -> BTreeSet<TaskId> {
    world.tasks(&[]).await.iter().map(|task| task.id).collect()
}

fn held(plan: &Plan) -> Vec<(&str, usize)> {
    plan.effects.iter().flat_map(|hub| hub.held.iter().map(|(reason, count)| (reason.as_str(), *count))).collect()
}

#[tokio::test]
async fn a_removed_mapping_is_held_as_its_preview_said_over_several_batches() {
    for world in World::each(Preset::Okta).await {
        let (_, people) = world.onboarded("viewer", 250).await;
        let (context, caller) = world.service(world.catalog()).await;
        // Ten have left a moment ago, and count.
        for user in &people[..10] {
            world.set_active(*user, false).await;
        }
        world.settle().await;
        let (workspace, hub) = (world.workspace, world.hub.id);
        let mapping = world.store.read(move |conn| mappings::of_hub(conn, workspace, hub)).await.unwrap()[0].id;
        let wish = MappingChanges::read(json!({"changes": [{"remove": mapping.to_string()}]})).unwrap();
        let plan = mapping_changes::preview(&context, &caller, "ads", wish.clone()).await.unwrap();
        // 20 % of 250 may go: forty more.
        assert_eq!((plan.effects[0].removes, held(&plan)), (240, vec![("too_many_removals", 200)]), "{}", world.name());
        assert!(plan.effects[0].counts().ends_with("200 of these held for a person"), "{}", plan.effects[0].counts());

        // A person lets it pass: nothing would be held.
        let (hold, until) = (HoldId::from_uuid(world.ids.next()), world.clock.now().plus(SETTLE));
        let (at, reason) = (world.clock.now(), HoldReason::TooMany);
        let pass = Pass { hub, reason, hold, until, given_by: "test".into(), note: None };
        world.write(move |tx| passes::give(tx, workspace, &pass, at)).await;
        let passed = mapping_changes::preview(&context, &caller, "ads", wish.clone()).await.unwrap();
        assert_eq!(held(&passed), [("too_many_people", 200)], "{}: another limit still holds", world.name());
        assert_eq!(passed.digest, plan.digest, "{}: what is held is no part of the change", world.name());
        world.clock.advance(SETTLE * 2);

        let plan = mapping_changes::preview(&context, &caller, "ads", wish.clone()).await.unwrap();
        let before = now(&world).await;
        let expect = Some(plan.digest.parse().unwrap());
        mapping_changes::change(&context, &caller, "ads", wish, expect).await.unwrap();
        assert_eq!(said(&plan), happened(&world, &before).await, "{}", world.name());
    }
}

#[tokio::test]
async fn a_plan_over_several_hubs_counts_the_people_of_the_workspace_once() {
    for world in World::each(Preset::Okta).await {
        // Named so that the order of names is not the order of keys.
        let others = [world.another_hub("zoo").await, world.another_hub("bar").await];
        world.onboarded("viewer", 100).await;
        for hub in &others {
            let group = world.group(&hub.slug.to_string()).await;
            let subject = SubjectName::Group(hub.slug.to_string());
            world.map(Mapping { hub: hub.id, ..world.mapping(subject, None, "viewer") }).await;
            world.join(group, &world.users(100).await).await;
        }
        world.settle().await;
        let (context, caller) = world.service(world.catalog()).await;
        let text = ["ads", "bar", "zoo"].map(|hub| only_nobody(hub, "viewer")).concat();
        let file = FileText { name: "hubs.toml".into(), text };
        let wanted = || Wanted { files: vec![file.clone()], prune: true, ..Wanted::default() };
        let plan = files::plan(&context, &caller, wanted(), None).await.unwrap();
        // Fifty of 300 people: twenty from the first hub, twenty from the second, ten from the third.
        assert_eq!(
            held(&plan),
            [("too_many_removals", 80), ("too_many_people", 90), ("too_many_removals", 80)],
            "{}: in the order of names",
            world.name()
        );
        let before = now(&world).await;
        files::apply(&context, &caller, wanted(), None, Some(plan.digest.parse().unwrap())).await.unwrap();
        assert_eq!(said(&plan), happened(&world, &before).await, "{}", world.name());
    }
}

#[tokio::test]
async fn additions_beyond_the_seats_are_said_to_wait() {
    for world in World::each(Preset::Okta).await {
        world.set_policy(HubPolicy { max_seats: Some(3), ..HubPolicy::default() }).await;
        let group = world.group("viewers").await;
        world.join(group, &world.users(5).await).await;
        world.plan().await;
        let (context, caller) = world.service(world.catalog()).await;
        let wish = MappingChanges::read(json!({"group": "viewers", "app_role": "viewer"})).unwrap();
        let plan = mapping_changes::preview(&context, &caller, "ads", wish.clone()).await.unwrap();
        assert_eq!((plan.effects[0].adds, held(&plan)), (5, vec![("max_seats", 2)]), "{}", world.name());
        let before = now(&world).await;
        mapping_changes::change(&context, &caller, "ads", wish, None).await.unwrap();
        assert_eq!(said(&plan), happened(&world, &before).await, "{}", world.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_and_the_api_say_what_would_be_held() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = hubs::clients(&server);
        holding::staffed(&admin, &scim, 20).await;
        let listed = admin.get("/api/v1/hubs/wiki/mappings").await.expect(200).json();
        let id = &listed["items"][0]["id"];
        let wish = json!({"changes": [{ "remove": id }]});
        let plan = admin.post("/api/v1/hubs/wiki/mappings/preview", &wish).await.expect(200).json();
        let effect = &plan["effects"][0];
        assert_eq!((&effect["removes"], &effect["held"]), (&json!(20), &json!({"too_many_removals": 19})), "{plan}");
        let people = effect["people"].as_array().unwrap();
        assert_eq!(people.iter().filter(|person| person["held"] == "too_many_removals").count(), 19, "{plan}");

        std::fs::write(database.folder().join("hubs.toml"), only_nobody("wiki", "member")).unwrap();
        let output = scimhub(&database).args(["plan", "hubs.toml", "--prune"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("of the 20 removals, 19 would be held: it is more than the hub's number"), "{text}");
        assert_eq!(text.matches("(held: too many removals)").count(), 19, "{text}");
    }
}
