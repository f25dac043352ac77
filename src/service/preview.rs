//! What a change of hubs and mappings would mean for people: the planner's own pure decision, run
//! over everybody the change can reach, before and after. Writes nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::ServiceError;
use crate::base::clock::Micros;
use crate::base::ids::{UserId, WorkspaceId};
use crate::base::limits;
use crate::domain::app::App;
use crate::domain::catalog::Catalog;
use crate::domain::decide::{Facts, Ground, decide};
use crate::domain::entitlement::{Rule, rank};
use crate::domain::hub::{Hub, HubMode};
use crate::domain::hub_rules as rules;
use crate::domain::mapping::{Binding, Mapping};
use crate::domain::member::Presence;
use crate::domain::plan::{Action, Step};
use crate::domain::principal;
use crate::domain::task::TaskKind;
use crate::store::{DbConn, facts, mappings as rows, reading};

/// A hub whose mappings or settings change.
#[derive(Clone, Debug)]
pub(super) struct Touched {
    /// As it will be.
    pub hub: Hub,
    /// As it is; `None` for a new one.
    pub was: Option<Hub>,
    /// Its mappings now.
    pub before: Vec<Mapping>,
    /// Its mappings then.
    pub after: Vec<Mapping>,
}

/// What a change means for the people of one hub.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubEffect {
    /// The hub.
    pub hub: String,
    /// Whether the hub only observes: then this is shown and not done.
    pub observe: bool,
    /// People who get an account.
    pub adds: usize,
    /// People whose role rises.
    pub promotes: usize,
    /// People whose role falls.
    pub demotes: usize,
    /// People whose account goes.
    pub removes: usize,
    /// Who, in the order of names.
    pub people: Vec<PersonEffect>,
    /// Whether more people are reached than were looked at.
    pub cut: bool,
}

/// What a change means for one person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PersonEffect {
    /// The userName.
    pub user: String,
    /// `add`, `promote`, `demote` or `remove`.
    pub change: String,
    /// The role held now.
    pub from: Option<String>,
    /// The role wanted.
    pub to: Option<String>,
    /// The subjects of the mappings behind it.
    pub because: Vec<String>,
}

/// People looked at in one statement.
const BATCH: usize = 200;

/// The effects on every touched hub.
///
/// # Errors
/// [`ServiceError::Store`].
pub(super) fn effects(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    touched: &[Touched],
) -> Result<Vec<HubEffect>, ServiceError> {
    touched.iter().map(|one| effect(conn, workspace, catalog, one)).collect()
}

fn effect(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    touched: &Touched,
) -> Result<HubEffect, ServiceError> {
    let app = rules::app(catalog, &touched.hub.app).map_err(ServiceError::Invalid)?;
    let mut after = touched.after.clone();
    for mapping in after.iter_mut().filter(|mapping| mapping.binding == Binding::Waiting) {
        mapping.binding = rows::find_subject(conn, workspace, &mapping.subject, mapping.source)?;
    }
    let everything: Vec<Mapping> = touched.before.iter().chain(&after).cloned().collect();
    let reach = facts::rules_of(conn, workspace, everything)?;
    let before = facts::rules_of(conn, workspace, touched.before.clone())?;
    let after = facts::rules_of(conn, workspace, after)?;
    let (people, cut) = people(conn, workspace, touched, &reach)?;
    let mut found = HubEffect {
        hub: touched.hub.slug.to_string(),
        observe: touched.hub.mode == HubMode::Observe,
        cut,
        ..HubEffect::default()
    };
    for batch in people.chunks(BATCH) {
        for facts in facts::of_people(conn, workspace, touched.hub.id, &reach, batch)? {
            if let Some(person) = person(app, touched, &before, &after, facts) {
                count(&mut found, &person);
                found.people.push(person);
            }
        }
    }
    found.people.sort();
    Ok(found)
}

fn count(effect: &mut HubEffect, person: &PersonEffect) {
    match person.change.as_str() {
        "add" => effect.adds += 1,
        "promote" => effect.promotes += 1,
        "demote" => effect.demotes += 1,
        _ => effect.removes += 1,
    }
}

fn people(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    touched: &Touched,
    reach: &[Rule],
) -> Result<(Vec<UserId>, bool), ServiceError> {
    let mut groups = BTreeSet::new();
    let mut found = BTreeSet::new();
    for rule in reach {
        match rule.mapping.binding {
            Binding::Group(group) => {
                groups.insert(group);
            }
            Binding::User(user) => {
                found.insert(user);
            }
            Binding::Waiting | Binding::Gone => {}
        }
    }
    let limit = i64::try_from(limits::FILTER_CANDIDATES).unwrap_or(i64::MAX).saturating_add(1);
    let groups: Vec<_> = groups.into_iter().collect();
    found.extend(reading::people_in_groups(conn, workspace, &groups, limit)?);
    found.extend(reading::people_of_hub(conn, workspace, touched.hub.id, limit)?);
    let cut = found.len() > limits::FILTER_CANDIDATES;
    Ok((found.into_iter().take(limits::FILTER_CANDIDATES).collect(), cut))
}

/// What becomes of one person, unless the same would happen without the change.
fn person(app: &App, touched: &Touched, before: &[Rule], after: &[Rule], mut facts: Facts) -> Option<PersonEffect> {
    // What is already under way or was decided says nothing about this change.
    facts.open = None;
    facts.decision = None;
    let at = Micros(0);
    let ground = Ground { app, policy: &touched.hub.policy, rules: after };
    let (entitled, verdict) = decide(&ground, &facts, at, at);
    let action = acts(verdict.step)?;
    if let Some(was) = touched.was.as_ref().filter(|was| was.mode == HubMode::Active) {
        let ground = Ground { app, policy: &was.policy, rules: before };
        let (_, verdict) = decide(&ground, &facts, at, at);
        if acts(verdict.step).is_some_and(|then| then.effect == action.effect) {
            return None;
        }
    }
    let member = facts.member.as_ref().filter(|member| member.known != Presence::Absent);
    let from = member.and_then(|member| member.known_role.clone());
    let to = action.effect.role.clone();
    let (change, to) = match action.effect.kind {
        TaskKind::Add => ("add", to),
        TaskKind::Remove => ("remove", None),
        TaskKind::UpdateRole | TaskKind::Sync => {
            let rank_of = |role: &Option<String>| role.as_deref().map_or(i32::MIN, |role| rank(app, role));
            (if rank_of(&to) < rank_of(&from) { "demote" } else { "promote" }, to)
        }
    };
    let user = match facts.principal.user_name.as_str() {
        "" => principal::display(&facts.principal),
        name => name.to_owned(),
    };
    let because = entitled.reasons.into_iter().map(|reason| reason.subject).collect();
    Some(PersonEffect { user, change: change.to_owned(), from, to, because })
}

fn acts(step: Step) -> Option<Action> {
    match step {
        Step::Act(action) => Some(*action),
        Step::Nothing(_) | Step::Wait { .. } => None,
    }
}
