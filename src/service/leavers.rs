//! Who left and is still in an app: what their account's row says of it at once, long before it is a
//! problem, and the note that whoever lets them stay must give. Asked of rows, decided by `domain::leaver`
//! and worded by `domain::why`.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::ServiceError;
use super::error::FieldError;
use crate::base::clock::Micros;
use crate::base::ids::{HubId, MemberId, UserId, WorkspaceId};
use crate::domain::app::App;
use crate::domain::decide::{Facts, Ground, decide};
use crate::domain::decision::Decision;
use crate::domain::hub::Hub;
use crate::domain::leaver;
use crate::domain::member::Member;
use crate::domain::plan::Standing;
use crate::domain::principal;
use crate::domain::task::{Task, TaskKind};
use crate::domain::why::leaver as words;
use crate::store::{DbConn, StoreError, back_then, facts, hub_members, users};

/// Where the accounts are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub workspace: WorkspaceId,
    pub hub: &'a Hub,
    /// The hub's app; of one that is not in the catalog any more nothing is said of what lets people stay.
    pub app: Option<&'a App>,
    pub now: Micros,
}

/// Of these accounts those whose person left, each with the sentence about who is still in the app.
///
/// # Errors
/// A failed statement.
pub(super) fn among(
    conn: &mut DbConn,
    place: &Place<'_>,
    members: &[Member],
) -> Result<HashMap<MemberId, Option<String>>, StoreError> {
    let owners: Vec<UserId> = members.iter().filter_map(|member| member.user).collect();
    if owners.is_empty() {
        return Ok(HashMap::new());
    }
    let active = users::active_among(conn, place.workspace, &owners)?;
    let left: Vec<&Member> = members.iter().filter(|member| standing(member.user, &active) == Standing::Left).collect();
    let there: Vec<UserId> = left
        .iter()
        .filter(|member| leaver::is_still_in(Standing::Left, Some(member.known)))
        .filter_map(|member| member.user)
        .collect();
    let mut said = match place.app {
        Some(app) if !there.is_empty() => sentences(conn, place, app, &there)?,
        Some(_) | None => HashMap::new(),
    };
    Ok(left.into_iter().map(|member| (member.id, said.remove(&member.id))).collect())
}

fn standing(user: Option<UserId>, active: &HashSet<UserId>) -> Standing {
    match user {
        Some(user) if !active.contains(&user) => Standing::Left,
        Some(_) | None => Standing::Stays,
    }
}

/// What the planner would do with each is what lets them stay, so it is asked.
fn sentences(
    conn: &mut DbConn,
    place: &Place<'_>,
    app: &App,
    people: &[UserId],
) -> Result<HashMap<MemberId, String>, StoreError> {
    let Place { workspace, hub, now, .. } = *place;
    let app = app.with_login(hub.login);
    let rules = facts::rules_about(conn, workspace, hub.id, people)?;
    let found = facts::of_people(conn, workspace, hub.id, &app, &rules, people)?;
    let by = deciders(conn, workspace, &found)?;
    let ground = Ground { app: &app, policy: &hub.policy, rules: &rules };
    let said = found.iter().filter_map(|facts| {
        let (_, verdict) = decide(&ground, facts, now, now);
        let cause = words::still_there(facts, &verdict.step, decider(facts.decision.as_ref(), &by))?;
        Some((facts.member.as_ref()?.id, cause.text))
    });
    Ok(said.collect())
}

/// Who decided something about these people before, by the names that people know.
///
/// # Errors
/// A failed statement.
pub(super) fn deciders(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    about: &[Facts],
) -> Result<BTreeMap<String, String>, StoreError> {
    let actors: Vec<String> =
        about.iter().filter_map(|facts| facts.decision.as_ref()).map(|decision| decision.decided_by.clone()).collect();
    if actors.is_empty() {
        return Ok(BTreeMap::new());
    }
    back_then::names(conn, workspace, actors)
}

/// The name of whoever made a decision, where there is one.
pub(super) fn decider<'a>(decision: Option<&Decision>, named: &'a BTreeMap<String, String>) -> Option<&'a str> {
    named.get(&decision?.decided_by).map(String::as_str)
}

/// The people among these tasks who left, and keep their access where the tasks do not happen.
///
/// # Errors
/// A failed statement.
pub(super) fn stay_without(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    tasks: &[Task],
) -> Result<Vec<String>, StoreError> {
    // Asked of every task that is withdrawn, and few take somebody's account away.
    let removals: Vec<(&Task, UserId)> = tasks
        .iter()
        .filter(|task| task.effect.kind == TaskKind::Remove)
        .filter_map(|task| Some((task, task.user?)))
        .collect();
    if removals.is_empty() {
        return Ok(Vec::new());
    }
    let people: Vec<UserId> = removals.iter().map(|(_, user)| *user).collect();
    let active = users::active_among(conn, workspace, &people)?;
    let mut by_hub: BTreeMap<HubId, Vec<UserId>> = BTreeMap::new();
    for (task, user) in &removals {
        by_hub.entry(task.hub).or_default().push(*user);
    }
    let mut known = HashMap::new();
    for (hub, people) in by_hub {
        let found = hub_members::of_users(conn, workspace, hub, &people)?;
        known.extend(found.into_iter().filter_map(|member| Some(((hub, member.user?), member.known))));
    }
    let stays = |(task, user): &&(&Task, UserId)| {
        let state = known.get(&(task.hub, *user)).copied();
        leaver::stays_without(task.effect.kind, standing(Some(*user), &active), state)
    };
    let name = |(task, _): &(&Task, UserId)| principal::named(&task.effect.principal);
    Ok(removals.iter().filter(stays).map(name).collect())
}

/// Whoever withdraws these tasks says why, where that lets somebody who left stay in the app. Every
/// entrance that withdraws a task on a person's word comes by here.
///
/// # Errors
/// [`ServiceError::InvalidFields`] that names `note`.
pub(super) fn demand_note(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    tasks: &[Task],
    note: Option<&str>,
) -> Result<(), ServiceError> {
    if note.is_some() {
        return Ok(());
    }
    wanted_of(&stay_without(conn, workspace, tasks)?)
}

/// The same of a person whose account is to stay where it is.
///
/// # Errors
/// [`ServiceError::InvalidFields`] that names `note`.
pub(super) fn demand_note_for(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    member: &Member,
    note: Option<&str>,
) -> Result<(), ServiceError> {
    let Some(user) = member.user.filter(|_| note.is_none()) else { return Ok(()) };
    let active = users::active_among(conn, workspace, &[user])?;
    let stays = leaver::is_still_in(standing(Some(user), &active), Some(member.known));
    wanted_of(if stays { std::slice::from_ref(&member.display) } else { &[] })
}

fn wanted_of(stay: &[String]) -> Result<(), ServiceError> {
    if stay.is_empty() {
        return Ok(());
    }
    Err(ServiceError::InvalidFields(vec![FieldError { field: String::from("note"), detail: words::note_wanted(stay) }]))
}
