//! Coming to rest: the app is well again, time passes, and everything that can be done is done.
//! Then the app must hold what the model says, but for what waits for a person.

use std::collections::BTreeSet;
use std::time::Duration;

use scimhub::base::clock::Micros;
use scimhub::base::ids::UserId;
use scimhub::domain::member::{Bucket, Member};
use scimhub::domain::plan::Vacating;
use scimhub::domain::task::{Task, TaskKind, TaskStatus};
use scimhub::service::held::{self, Choice, Verdict};
use scimhub::service::sync::SyncBody;
use scimhub::store::{StoreError, decisions, facts, hub_members, hubs, marks, reading, task_list};

use super::app::Account;
use super::model::Person;
use super::world::{HUB, World};

/// Rounds until everything must have come to rest; each lets up to a quarter of an hour pass.
const ROUNDS: usize = 400;

/// What a history's end was found to be.
#[derive(Debug, Default)]
pub struct Tally {
    /// People whose account is as wanted.
    pub equal: usize,
    /// People who are not as wanted because a person must act, and the product says so.
    pub excused: usize,
}

/// Ask for a sync; one that is open already is the same sync.
pub async fn sync(world: &mut World) {
    world.tell("a sync is asked for");
    scimhub::service::sync::request(&world.context, &world.admin, HUB, SyncBody { accept_removals: true })
        .await
        .unwrap();
}

/// Let everything be done that needs no person.
///
/// # Errors
/// What is still moving after all rounds.
pub async fn come(world: &mut World) -> Result<(), String> {
    world.app.calm();
    world.tell("the app is well again");
    if world.chance.percent(70) {
        release_all(world).await;
    }
    drain(world).await?;
    // Twice: what the first one finds is repaired, and the second one sees that.
    for _ in 0..2 {
        sync(world).await;
        drain(world).await?;
    }
    Ok(())
}

async fn release_all(world: &mut World) {
    for batch in held::list(&world.context, &world.admin).await.unwrap().items {
        // What is protected stays so: nobody lets it all go at once.
        if batch.one_by_one {
            continue;
        }
        held::decide(&world.context, &world.admin, &batch.id, Verdict::Release, Choice::default()).await.unwrap();
        world.tell(format!("a person releases {} held as {}", batch.total, batch.reason));
    }
}

async fn drain(world: &mut World) -> Result<(), String> {
    for round in 0..ROUNDS {
        world.sweep().await;
        let mut moved = world.plan().await > without_room(world).await;
        while world.attempt().await {
            moved = true;
        }
        if !moved && at_rest(world).await {
            return Ok(());
        }
        world.wait(Duration::from_secs(if round < 4 { 20 } else { 300 }));
    }
    Err(format!("still moving: {:?}", moving(world).await))
}

/// Tasks that will go on by themselves.
async fn moving(world: &World) -> Vec<Task> {
    let filter = task_list::TaskFilter {
        statuses: vec![
            TaskStatus::Queued,
            TaskStatus::Started,
            TaskStatus::Running,
            TaskStatus::Retrying,
            TaskStatus::Waiting,
        ],
        ..task_list::TaskFilter::default()
    };
    let workspace = world.admin.workspace;
    world.context.store.read(move |conn| task_list::page(conn, workspace, &filter, None, 1000)).await.unwrap()
}

async fn at_rest(world: &World) -> bool {
    let workspace = world.admin.workspace;
    let marks = world
        .context
        .store
        .read(move |conn| {
            let hub = hubs::by_slug(conn, workspace, HUB)?;
            reading::marks_waiting(conn, workspace, hub.id)
        })
        .await
        .unwrap();
    usize::try_from(marks).unwrap() == without_room(world).await && moving(world).await.is_empty()
}

/// People at whom the planner looks again and again, because an account with their address is to be
/// removed once a person has decided.
async fn without_room(world: &World) -> usize {
    let (workspace, catalog) = (world.admin.workspace, world.context.catalog.clone());
    world
        .context
        .store
        .read(move |conn| {
            let hub = hubs::by_slug(conn, workspace, HUB)?;
            let app = catalog.get(&hub.app).unwrap();
            let marks = marks::due(conn, workspace, hub.id, Micros(i64::MAX), 1000)?;
            let people: Vec<UserId> = marks.iter().map(|mark| mark.user).collect();
            let rules = facts::rules(conn, workspace, hub.id)?;
            let known = facts::of_people(conn, workspace, hub.id, app, &rules, &people)?;
            Ok::<_, StoreError>(known.iter().filter(|one| one.vacating == Some(Vacating::Later)).count())
        })
        .await
        .unwrap()
}

/// Hold the app against the model.
///
/// # Errors
/// The first thing that is not as it should be.
pub async fn judge(world: &World) -> Result<Tally, String> {
    let accounts = world.app.accounts();
    let mut emails = BTreeSet::new();
    for account in &accounts {
        if !emails.insert(account.email.clone()) {
            return Err(format!("two accounts for {}", account.email));
        }
    }
    let mut tally = Tally::default();
    let addresses: BTreeSet<&String> = world.model.people.iter().map(|person| &person.email).collect();
    for email in addresses {
        // Several users may have had the address, one after another; the last one counts.
        let bearers: Vec<&Person> = world.model.people.iter().filter(|person| &person.email == email).collect();
        let wanted = bearers.last().and_then(|person| world.model.wanted(person));
        let held = accounts.iter().find(|account| &account.email == email).map(|account| account.role.as_str());
        if wanted == held {
            tally.equal += 1;
        } else if excuse(world, &bearers).await.is_some()
            || (wanted.is_none() && found_only(world, &accounts, email).await)
        {
            tally.excused += 1;
        } else {
            return Err(format!("{email} should hold {wanted:?} and holds {held:?}, and nobody is asked about it"));
        }
    }
    for account in &accounts {
        if !world.model.strangers.contains(&account.email)
            && !world.model.people.iter().any(|p| p.email == account.email)
        {
            return Err(format!("an account of nobody: {}", account.email));
        }
    }
    Ok(tally)
}

/// What a person must do before any of these can be as wanted.
async fn excuse(world: &World, bearers: &[&Person]) -> Option<String> {
    let users: Vec<UserId> = bearers.iter().filter_map(|person| person.id.parse().ok()).collect();
    let workspace = world.admin.workspace;
    world
        .context
        .store
        .read(move |conn| {
            let hub = hubs::by_slug(conn, workspace, HUB)?.id;
            let mut found = None;
            for user in users {
                let subject = facts::subject(user);
                let filter = task_list::TaskFilter {
                    statuses: vec![TaskStatus::Held, TaskStatus::Manual],
                    user: Some(user),
                    ..task_list::TaskFilter::default()
                };
                if let Some(task) = task_list::page(conn, workspace, &filter, None, 1)?.first() {
                    found = Some(format!("{} is {}", task.effect.kind.as_str(), task.status.as_str()));
                }
                if !decisions::of_subjects(conn, workspace, hub, &[subject])?.is_empty() {
                    found = Some(String::from("decided by a person"));
                }
                if hub_members::by_user(conn, workspace, hub, user)?.is_some_and(|member| left_alone(&member)) {
                    found = Some(String::from("not ours to change"));
                }
            }
            Ok::<_, StoreError>(found)
        })
        .await
        .unwrap()
}

/// Whether the account was made by hand and nothing here ever reached it: shown, and left alone.
async fn found_only(world: &World, accounts: &[Account], email: &str) -> bool {
    let Some(account) = accounts.iter().find(|account| account.email == email) else { return false };
    let (workspace, remote) = (world.admin.workspace, account.remote_id.clone());
    world
        .context
        .store
        .read(move |conn| {
            let hub = hubs::by_slug(conn, workspace, HUB)?.id;
            let member = hub_members::by_remote(conn, workspace, hub, &remote)?;
            Ok::<_, StoreError>(member.is_some_and(|member| left_alone(&member)))
        })
        .await
        .unwrap()
}

fn left_alone(member: &Member) -> bool {
    !member.managed || member.protected || member.bucket == Bucket::Exempted
}

/// Whether a change or removal reached an account while it was protected: the log of the app says.
pub fn protected_untouched(world: &World) -> Result<(), String> {
    let log = world.app.log();
    let kinds = [TaskKind::UpdateRole.as_str(), TaskKind::Remove.as_str()];
    for (email, since) in &world.model.protected {
        let about = |line: &&String| kinds.iter().any(|kind| line.starts_with(&format!("{kind} {email} ")));
        if let Some(line) = log.iter().skip(*since).find(about) {
            return Err(format!("a protected account was touched: {line}"));
        }
    }
    Ok(())
}

/// Whether removals ever reached somebody the hub never managed: the log of the app says.
pub fn strangers_untouched(world: &World) -> Result<(), String> {
    let log = world.app.log();
    let kinds = [TaskKind::UpdateRole.as_str(), TaskKind::Remove.as_str()];
    match log.iter().find(|line| line.contains("@elsewhere.example") && kinds.iter().any(|kind| line.starts_with(kind)))
    {
        Some(line) => Err(format!("a stranger's account was touched: {line}")),
        None => Ok(()),
    }
}
