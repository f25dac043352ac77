//! The steps of a history, chosen by chance. Each one is done to the product and to the model.

use std::time::Duration;

use scimhub::base::clock::Clock as _;
use scimhub::scim::query::Projection;
use scimhub::service::ServiceError;
use scimhub::service::held::{self, Choice, Verdict};
use scimhub::service::member_actions::{self, Deed, ProtectBody, UnprotectBody};
use scimhub::service::shown::Conditions;
use scimhub::service::{groups, mappings, users};
use serde_json::{Value, json};

use super::model::{Group, Person, ROLES};
use super::world::{HUB, World};

/// Nobody makes more people than this in one history: small worlds collide more.
const PEOPLE: usize = 6;
const GROUPS: usize = 3;

/// One step.
pub async fn step(world: &mut World) {
    world.wait(Duration::from_millis(1));
    match world.chance.below(100) {
        0..12 => arrive(world).await,
        12..32 => join(world).await,
        32..42 => leave(world).await,
        42..47 => replace(world).await,
        47..54 => activate(world).await,
        54..57 => delete_user(world).await,
        57..58 => delete_group(world).await,
        58..66 => map(world).await,
        66..69 => unmap(world).await,
        69..73 => share(world).await,
        73..78 => by_hand(world),
        78..82 => decide(world).await,
        82..88 => super::rest::sync(world).await,
        88..90 => protect(world).await,
        _ => {
            let span = Duration::from_secs([1, 20, 90, 600, 1800][world.chance.below(5)]);
            world.tell(format!("{span:?} pass"));
            world.wait(span);
        }
    }
    // The engine runs beside it all, as far as chance lets it.
    if world.chance.percent(60) {
        world.plan().await;
    }
    for _ in 0..world.chance.below(4) {
        if !world.attempt().await {
            break;
        }
    }
    if world.chance.percent(20) {
        world.sweep().await;
    }
}

fn patch(operations: &Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

async fn arrive(world: &mut World) {
    let living = world.model.living().len();
    if living < PEOPLE {
        // Sometimes somebody who was deleted comes back under the old address, as another user.
        let gone: Vec<String> = world
            .model
            .people
            .iter()
            .filter(|person| {
                person.deleted && !world.model.people.iter().any(|p| !p.deleted && p.email == person.email)
            })
            .map(|person| person.email.clone())
            .collect();
        let again = if world.chance.percent(40) { world.chance.one_of(&gone).cloned() } else { None };
        let email = again.unwrap_or_else(|| format!("person{}@example.com", world.model.people.len()));
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": email,
            "active": true, "emails": [{"value": email, "type": "work", "primary": true}]});
        let made = users::create(&world.context, &world.idp, body, Projection::all()).await.unwrap();
        world.tell(format!("{email} arrives"));
        let id = last_segment(&made.location);
        let person = Person { id, email, active: true, deleted: false, groups: Default::default(), share: None };
        world.model.people.push(person);
    }
    if world.model.groups.len() < GROUPS {
        let name = format!("group{}", world.model.groups.len());
        let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name});
        let (made, _) = groups::create(&world.context, &world.idp, body, Projection::all()).await.unwrap();
        let mapped = world.chance.below(ROLES.len());
        world.tell(format!("{name} arrives and gives {}", ROLES[mapped]));
        world.model.groups.push(Group {
            id: last_segment(&made.location),
            name: name.clone(),
            deleted: false,
            mapped: Some(mapped),
        });
        put(world, "group", &name, mapped).await;
    }
}

fn last_segment(location: &str) -> String {
    location.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Put a mapping of a group or a person.
async fn put(world: &mut World, kind: &str, name: &str, rank: usize) {
    let body = json!({kind: name, "app_role": ROLES[rank]});
    let (_, view) = mappings::put(&world.context, &world.admin, HUB, None, serde_json::from_value(body).unwrap(), None)
        .await
        .unwrap();
    world.model.mappings.insert(format!("{kind} {name}"), view.id);
}

fn some(world: &World, from: &[usize]) -> Vec<usize> {
    let mut chosen: Vec<usize> = from.iter().copied().filter(|_| world.chance.percent(50)).collect();
    if chosen.is_empty() {
        chosen.extend(world.chance.one_of(from).copied());
    }
    chosen
}

async fn join(world: &mut World) {
    let (Some(group), people) = (chosen_group(world), some(world, &world.model.living())) else { return };
    if people.is_empty() {
        return;
    }
    let values: Vec<Value> = people.iter().map(|index| json!({"value": world.model.people[*index].id})).collect();
    change_group(world, group, patch(&json!([{"op": "add", "path": "members", "value": values}]))).await;
    world.tell(format!("{} gains {people:?}", world.model.groups[group].name));
    world.model.join(group, &people);
}

async fn leave(world: &mut World) {
    let Some(group) = chosen_group(world) else { return };
    let inside: Vec<usize> =
        world.model.living().into_iter().filter(|i| world.model.people[*i].groups.contains_key(&group)).collect();
    let people = some(world, &inside);
    if people.is_empty() {
        return;
    }
    let operations: Vec<Value> = people
        .iter()
        .map(
            |index| json!({"op": "remove", "path": format!("members[value eq \"{}\"]", world.model.people[*index].id)}),
        )
        .collect();
    change_group(world, group, patch(&json!(operations))).await;
    world.tell(format!("{} loses {people:?}", world.model.groups[group].name));
    world.model.leave(group, &people);
}

async fn replace(world: &mut World) {
    let (Some(group), living) = (chosen_group(world), world.model.living()) else { return };
    let people: Vec<usize> = living.iter().copied().filter(|_| world.chance.percent(60)).collect();
    let values: Vec<Value> = people.iter().map(|index| json!({"value": world.model.people[*index].id})).collect();
    let name = world.model.groups[group].name.clone();
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name,
        "members": values});
    let id = world.model.groups[group].id.clone();
    groups::replace(&world.context, &world.idp, &id, body, Conditions::default(), Projection::all()).await.unwrap();
    world.tell(format!("{name} is exactly {people:?}"));
    let others: Vec<usize> = living.into_iter().filter(|index| !people.contains(index)).collect();
    world.model.leave(group, &others);
    world.model.join(group, &people);
}

fn chosen_group(world: &World) -> Option<usize> {
    world.chance.one_of(&world.model.standing()).copied()
}

async fn change_group(world: &World, group: usize, body: Value) {
    let id = &world.model.groups[group].id;
    groups::patch(&world.context, &world.idp, id, body, Conditions::default(), Projection::all()).await.unwrap();
}

async fn activate(world: &mut World) {
    let Some(index) = world.chance.one_of(&world.model.living()).copied() else { return };
    let active = !world.model.people[index].active;
    let id = world.model.people[index].id.clone();
    let body = patch(&json!([{"op": "replace", "path": "active", "value": active}]));
    users::patch(&world.context, &world.idp, &id, body, Conditions::default(), Projection::all()).await.unwrap();
    world.tell(format!(
        "{} is {}",
        world.model.people[index].email,
        if active { "active again" } else { "deactivated" }
    ));
    if active {
        world.model.people[index].active = true;
    } else {
        world.model.deactivate(index);
    }
}

async fn delete_user(world: &mut World) {
    let Some(index) = world.chance.one_of(&world.model.living()).copied() else { return };
    let id = world.model.people[index].id.clone();
    users::delete(&world.context, &world.idp, &id, Conditions::default()).await.unwrap();
    world.tell(format!("{} is deleted", world.model.people[index].email));
    world.model.delete(index);
}

async fn delete_group(world: &mut World) {
    let Some(group) = chosen_group(world) else { return };
    let id = world.model.groups[group].id.clone();
    groups::delete(&world.context, &world.idp, &id, Conditions::default()).await.unwrap();
    world.tell(format!("{} is deleted", world.model.groups[group].name));
    world.model.groups[group].deleted = true;
    for person in &mut world.model.people {
        person.groups.remove(&group);
    }
}

async fn map(world: &mut World) {
    let Some(group) = chosen_group(world) else { return };
    let rank = world.chance.below(ROLES.len());
    let name = world.model.groups[group].name.clone();
    put(world, "group", &name, rank).await;
    world.tell(format!("{name} gives {}", ROLES[rank]));
    world.model.groups[group].mapped = Some(rank);
}

async fn unmap(world: &mut World) {
    let Some(group) = chosen_group(world) else { return };
    let name = world.model.groups[group].name.clone();
    if let Some(id) = world.model.mappings.remove(&format!("group {name}")) {
        mappings::remove(
            &world.context,
            &world.admin,
            HUB,
            &id,
            scimhub::service::member_actions::RemovalMode::HubAndApp,
            None,
        )
        .await
        .unwrap();
        world.tell(format!("{name} gives nothing"));
        world.model.groups[group].mapped = None;
    }
}

async fn share(world: &mut World) {
    let Some(index) = world.chance.one_of(&world.model.living()).copied() else { return };
    let email = world.model.people[index].email.clone();
    // A share whose person was deleted stays bound to nobody until a person binds it anew.
    let stale = world.model.people.iter().any(|person| person.deleted && person.email == email);
    if stale {
        return;
    }
    let rank = world.chance.below(ROLES.len());
    put(world, "user", &email, rank).await;
    world.tell(format!("{email} is given {} by a person", ROLES[rank]));
    world.model.people[index].share = Some((rank, true));
}

fn by_hand(world: &mut World) {
    match world.chance.below(4) {
        0 => {
            let role = ROLES[world.chance.below(ROLES.len())];
            world.app.change(role);
            world.tell(format!("somebody changes a role to {role} in the app"));
        }
        1 => {
            world.app.lose();
            world.tell("somebody deletes an account in the app");
        }
        2 => {
            let email = format!("stranger{}@elsewhere.example", world.model.strangers.len());
            world.app.make(&email, "editor");
            world.tell(format!("somebody makes {email} in the app"));
            world.model.strangers.insert(email);
        }
        _ => {
            let emails: Vec<String> = world.model.people.iter().map(|person| person.email.clone()).collect();
            if let Some(email) = world.chance.one_of(&emails) {
                world.app.make(email, "viewer");
                world.tell(format!("somebody makes an account for {email} in the app"));
            }
        }
    }
}

/// A person protects somebody's account, sometimes for a while only, or ends that.
async fn protect(world: &mut World) {
    let Some(index) = world.chance.one_of(&world.model.living()).copied() else { return };
    let (email, user) = (world.model.people[index].email.clone(), world.model.people[index].id.clone());
    let Some(member) = world.member(&user).await else { return };
    let ends = world.chance.percent(30);
    let (deed, what) = if world.model.protected.remove(&email).is_some() {
        (Deed::Unprotect(UnprotectBody::default()), "is not protected any more")
    } else {
        let until = ends.then(|| world.clock.now().plus(Duration::from_secs(600)).to_rfc3339());
        (Deed::Protect(ProtectBody { reason: String::from("kept"), until }), "is protected")
    };
    let protects = matches!(deed, Deed::Protect(_));
    match member_actions::act(&world.context, &world.admin, HUB, &member, deed).await {
        Ok(_) => {
            world.tell(format!("{email} {what}"));
            if protects && !ends {
                world.model.protected.insert(email, world.app.log().len());
            }
        }
        // Not there, under way, or its time was over: nothing was changed.
        Err(ServiceError::Conflict(_)) => {}
        Err(other) => panic!("{other}"),
    }
}

async fn decide(world: &mut World) {
    let held = held::list(&world.context, &world.admin).await.unwrap();
    let Some(batch) = world.chance.one_of(&held.items) else { return };
    let verdict = if world.chance.percent(70) { Verdict::Release } else { Verdict::Reject };
    let id = batch.id.clone();
    // What is protected goes out by its name only, and is not looked for in the app's log any more.
    let mut choice = Choice::default();
    if batch.one_by_one && verdict == Verdict::Release {
        let Some(task) = world.chance.one_of(&batch.tasks) else { return };
        world.model.protected.remove(&task.person.user_name);
        choice.tasks = Some(vec![task.id.clone()]);
    }
    // Whoever lets a leaver stay says why.
    choice.note = (verdict == Verdict::Reject).then(|| String::from("they hand over"));
    held::decide(&world.context, &world.admin, &id, verdict, choice).await.unwrap();
    world.tell(format!("a person decides {verdict:?} of {} held as {}", batch.total, batch.reason));
}
