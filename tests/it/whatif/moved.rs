//! What counts as "the world moved": every row that a preview rests on, and nothing else.

use scimhub::base::clock::Clock as _;
use scimhub::base::ids::{GroupId, UserId};
use scimhub::domain::caller::Preset;
use scimhub::domain::decision::DecisionKind;
use scimhub::domain::member::Presence;
use scimhub::domain::task::TaskStatus;
use scimhub::store::fingerprint::{self, Fingerprint};
use scimhub::store::reach::Reach;
use scimhub::store::{decisions, groups, hub_members, hubs, mappings, users};
use serde_json::json;

use super::{digest, group, hub, user};
use crate::planner::world::{World, document};
use crate::support::databases;
use crate::support::server::Server;

async fn print(world: &World, groups: &[GroupId], users: &[UserId]) -> Fingerprint {
    let (workspace, hub) = (world.workspace, world.hub.id);
    let (groups, users) = (groups.to_vec(), users.to_vec());
    world.store.read(move |conn| fingerprint::of_hub(conn, workspace, hub, &groups, &users)).await.unwrap()
}

#[tokio::test]
async fn every_row_that_decides_moves_the_fingerprint_and_no_other_does() {
    for world in World::each(Preset::Okta).await {
        let (group, people) = world.onboarded("viewer", 3).await;
        let spare = world.group("spare").await;
        let stranger = world.user("stranger@example.com").await;
        let named = world.user("named@example.com").await;
        let workspace = world.workspace;
        let now = async || print(&world, &[group], &[named]).await;
        let mut last = now().await;
        let mut moved = async |what: &str, expected: bool| {
            let found = now().await;
            assert_eq!(found != last, expected, "{}: {what}", world.name());
            last = found;
        };
        moved("nothing", false).await;
        world.join(spare, &[stranger]).await;
        moved("another group's member", false).await;
        world.join(group, &[stranger]).await;
        moved("a member more", true).await;
        world.leave(group, &[stranger]).await;
        moved("a member less", true).await;
        // One out, one in: the count alone would not tell.
        world.leave(group, &people[..1]).await;
        world.join(group, &people[..1]).await;
        moved("a member out and in again", true).await;
        for (who, expected, what) in [
            (people[1], true, "a reached person's attributes"),
            (named, true, "a share's person"),
            (stranger, false, "a stranger's attributes"),
        ] {
            let at = world.clock.now();
            world
                .write(move |tx| {
                    let row = users::load(tx, workspace, Reach::Workspace, who)?;
                    let document = document(&json!({"userName": row.user_name, "title": "x"}));
                    let keys = scimhub::scim::user::keys(&document).unwrap();
                    users::replace(tx, workspace, &row, &keys, &serde_json::to_string(&document).unwrap(), at)
                })
                .await;
            moved(what, expected).await;
        }
        let task_of = async |world: &World| world.tasks(&[TaskStatus::Queued]).await;
        world.set_active(people[2], false).await;
        world.plan().await;
        moved("a task", true).await;
        let task = task_of(&world).await.remove(0);
        let at = world.clock.now();
        let decided = task.clone();
        world.write(move |tx| decisions::record(tx, &decided, DecisionKind::Cancelled, "test", None, at)).await;
        moved("a decision", true).await;
        let hub_id = world.hub.id;
        let at = world.clock.now();
        world
            .write(move |tx| {
                let mut member = hub_members::by_user(tx, workspace, hub_id, people[0])?.unwrap();
                member.known = Presence::Suspended;
                hub_members::update(tx, workspace, &member, "sync", at)
            })
            .await;
        moved("an account", true).await;
        let at = world.clock.now();
        world
            .write(move |tx| {
                let mut hub = hubs::load(tx, workspace, hub_id)?;
                hub.policy.removal_limit = 3;
                hubs::update(tx, workspace, &hub, at)
            })
            .await;
        moved("the hub", true).await;
        world.map_group("spare", "editor").await;
        moved("a mapping", true).await;
        let first = mappings_of(&world).await[0];
        world.write(move |tx| mappings::delete(tx, workspace, first)).await;
        moved("a mapping less", true).await;
        let at = world.clock.now();
        world
            .write(move |tx| {
                let row = groups::load(tx, workspace, Reach::Workspace, group)?;
                groups::touch(tx, workspace, &row, at)
            })
            .await;
        moved("a group's name", true).await;
    }
}

async fn mappings_of(world: &World) -> Vec<scimhub::base::ids::MappingId> {
    let (workspace, hub) = (world.workspace, world.hub.id);
    let found = world.store.read(move |conn| mappings::of_hub(conn, workspace, hub)).await.unwrap();
    found.into_iter().map(|mapping| mapping.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_under_a_digest_and_people_who_come_at_the_same_moment_never_mix() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        hub(&admin, "wiki", "observe").await;
        let mut done = [0, 0];
        for round in 0..20 {
            let first = user(&scim, &format!("first-{round}@example.com")).await;
            let second = user(&scim, &format!("second-{round}@example.com")).await;
            let team = group(&scim, &format!("team {round}"), &[&first]).await;
            let body = json!({"group": format!("team {round}"), "app_role": "member"});
            let plan = admin.post("/api/v1/hubs/wiki/mappings/preview", &body).await.expect(200).json();
            let join = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "add", "path": "members", "value": [{ "value": second }]}]});
            let path = format!("/scim/v2/Groups/{team}");
            let put = format!("/api/v1/hubs/wiki/mappings?expect={}", digest(&plan));
            // Either may be the first to commit; which one is shown by the versions of the rows.
            let (joined, put) = tokio::join!(scim.patch(&path, &join), admin.put(&put, &body));
            joined.expect(204);
            let listed = admin.get("/api/v1/hubs/wiki/mappings").await.json()["items"].to_string();
            let is_there = listed.contains(&format!("\"team {round}\""));
            match put.status {
                201 => assert!(is_there, "{listed}"),
                409 => {
                    assert!(!is_there, "refused and done: {listed}");
                    assert_eq!(put.json()["effects"][0]["adds"], 2, "{}", put.text());
                }
                other => panic!("{}: {other} {}", database.name, put.text()),
            }
            done[usize::from(put.status == 409)] += 1;
        }
        assert_eq!(done.iter().sum::<i32>(), 20);
    }
}
