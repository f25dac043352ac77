//! What a caller may do, with everything looked up that `domain::rights` rests on: which hub a
//! request is about, the caller's right there, and what lists show them. Every entrance asks here.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new kind must not slip past a decision (T-15)")]

mod changes;
mod standing;

pub(super) use changes::{check_arrival, check_group, check_look, check_step, check_steps};
pub use standing::{Source, Through, has_service_account, strongest};
pub(super) use standing::{Standing, standings};

use std::collections::BTreeSet;
use std::sync::Arc;

use self::standing::right_in;
use super::{Caller, Context, ServiceError, owners};
use crate::base::clock::Micros;
use crate::base::ids::{HoldId, HubId, PartnerId, TaskId, WorkspaceId};
use crate::domain::caller::{Sight, Theirs};
use crate::domain::catalog::Catalog;
use crate::domain::rights::{Action, HubRight, Kind, PartnerRole, Role, Verdict, may, needed, who};
use crate::store::{DbConn, StoreError, holds, hubs as hub_rows, managers, parents, partners, roles, tasks};

/// What a request is about, as its address says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// The workspace.
    Workspace,
    /// The hub of this name.
    Hub(String),
    /// The hub of this task.
    Task(String),
    /// The hub of this held batch.
    Hold(String),
    /// This local partner.
    Partner(String),
}

/// The hub that a request is about; `None` for the workspace.
fn hub_of(conn: &mut DbConn, workspace: WorkspaceId, about: &About) -> Result<Option<HubId>, ServiceError> {
    let unknown = |what| {
        move |error| if matches!(error, StoreError::NotFound) { ServiceError::NotFound(what) } else { error.into() }
    };
    match about {
        About::Workspace | About::Partner(_) => Ok(None),
        About::Hub(slug) => Ok(Some(hub_rows::by_slug(conn, workspace, slug).map_err(unknown("hub"))?.id)),
        About::Task(id) => {
            let id: TaskId = id.parse().map_err(|_| ServiceError::NotFound("task"))?;
            match tasks::load(conn, workspace, id) {
                // Parents have their ids among those of tasks.
                Err(StoreError::NotFound) => Ok(Some(parents::load(conn, workspace, id).map_err(unknown("task"))?.hub)),
                other => Ok(Some(other?.hub)),
            }
        }
        About::Hold(id) => {
            let id: HoldId = id.parse().map_err(|_| ServiceError::NotFound("held batch"))?;
            Ok(Some(holds::load(conn, workspace, id).map_err(unknown("held batch"))?.hub))
        }
    }
}

/// What a request is about, as it is called where it is not there.
const fn word(about: &About) -> Option<&'static str> {
    match about {
        About::Workspace | About::Partner(_) => None,
        About::Hub(_) => Some("hub"),
        About::Task(_) => Some("task"),
        About::Hold(_) => Some("held batch"),
    }
}

/// Whether the caller may know that the hub is there: who uses or runs it, and who sees all.
fn knows(caller: &Caller) -> bool {
    [Action::UseHub, Action::ReadHub, Action::ReadTask].into_iter().any(|action| caller.may(action) == Verdict::Yes)
}

/// What somebody calls their own.
fn theirs(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    caller: &Caller,
    now: Micros,
) -> Result<Theirs, StoreError> {
    let Some(user) = caller.person else { return Ok(Theirs::default()) };
    let (mut uses, mut runs) = (BTreeSet::new(), BTreeSet::new());
    for id in managers::hubs_near(conn, workspace, user)? {
        let hub = match hub_rows::load(conn, workspace, id) {
            Err(StoreError::NotFound) => continue,
            other => other?,
        };
        let found = right_in(conn, workspace, catalog, &hub, user, now)?;
        let Some(right) = caller.rights.in_hub(found) else { continue };
        uses.insert(id);
        if right >= HubRight::SecurityManager {
            runs.insert(id);
        }
    }
    Ok(Theirs { person: Some(user), uses, runs })
}

/// What the caller is in a local partner, as far as it counts. Like a role in a hub that was given by
/// name it does not outlive a deactivation.
fn partner_role(conn: &mut DbConn, caller: &Caller, id: &str) -> Result<Option<PartnerRole>, StoreError> {
    let (Some(user), Ok(id)) = (caller.person, id.parse::<PartnerId>()) else { return Ok(None) };
    let Some(belonging) = partners::of(conn, caller.workspace, id, user)? else { return Ok(None) };
    let claims = roles::claims(conn, caller.workspace, &[user])?.remove(&user);
    let counts = claims
        .is_some_and(|claims| claims.active && claims.deactivated_at.is_none_or(|left| belonging.given_at > left));
    Ok(Some(belonging.role).filter(|role| counts && role.counts(caller.rights.role)))
}

/// Whether the caller may do this, and what they see while they do. `person` is whom the address
/// names, where it names somebody: what is only allowed for one's own is held against it.
///
/// # Errors
/// [`ServiceError::Missing`] with what is missing, [`ServiceError::NotFound`] for what is not there.
pub async fn authorize(
    context: &Context,
    caller: Caller,
    action: Action,
    about: About,
    person: Option<String>,
) -> Result<Caller, ServiceError> {
    match caller.rights.kind {
        Kind::Operator => return Ok(Caller { sight: Sight::Everything, ..caller }),
        Kind::Service | Kind::Person => {}
    }
    let (catalog, now) = (context.catalog.clone(), context.clock.now());
    context
        .store
        .read(move |conn| {
            let mut caller = caller.clone();
            let workspace = caller.workspace;
            if let (Some(user), Some(id)) = (caller.person, hub_of(conn, workspace, &about)?) {
                // A hub that was removed gave nobody any right that still counts.
                caller.hub = match hub_rows::load(conn, workspace, id) {
                    Err(StoreError::NotFound) => None,
                    other => {
                        let hub = other?;
                        let found = right_in(conn, workspace, &catalog, &hub, user, now)?;
                        // Whoever owned it is gone: the one person above all makes somebody else Owner.
                        let orphan = action == Action::AssignManagers
                            && caller.rights.role == Role::Owner
                            && found < Some(HubRight::Owner)
                            && owners::is_orphan(conn, workspace, &catalog, &hub, now)?;
                        if orphan { Some(HubRight::Owner) } else { found }
                    }
                };
            }
            if let About::Partner(id) = &about {
                caller.partner = partner_role(conn, &caller, id)?;
            }
            let own = || caller.person.map(|user| user.to_string());
            let verdict = caller.may(action);
            caller.sight = match verdict {
                Verdict::Yes => Sight::Everything,
                Verdict::Own => match &person {
                    Some(named) if own().as_ref() != Some(named) => {
                        return Err(unknown_or(&caller, action, verdict, &about));
                    }
                    // One that they do not run is as unknown to them as none.
                    None if matches!(about, About::Partner(_))
                        && !caller.partner.is_some_and(|role| role.may(action)) =>
                    {
                        return Err(refusal(&caller, action, verdict));
                    }
                    Some(_) | None => Sight::Theirs(Arc::new(theirs(conn, workspace, &catalog, &caller, now)?)),
                },
                Verdict::No => return Err(unknown_or(&caller, action, verdict, &about)),
            };
            Ok(caller)
        })
        .await
}

/// Whether the caller may do this in the hub that the request is about: for what a route's own action does
/// not say, because it depends on what was found there.
///
/// # Errors
/// [`ServiceError::Missing`] with what is missing.
pub fn demand(caller: &Caller, action: Action) -> Result<(), ServiceError> {
    match caller.may(action) {
        Verdict::Yes => Ok(()),
        verdict @ (Verdict::Own | Verdict::No) => Err(refusal(caller, action, verdict)),
    }
}

/// Those of these hubs in which the caller may do this: what a view over several hubs offers.
///
/// # Errors
/// [`StoreError`] of the statements.
pub async fn hubs_where(
    context: &Context,
    caller: &Caller,
    action: Action,
    slugs: BTreeSet<String>,
) -> Result<BTreeSet<String>, ServiceError> {
    let Some(user) = caller.person else {
        // No person's: one right for all hubs.
        return Ok(if caller.may(action) == Verdict::Yes { slugs } else { BTreeSet::new() });
    };
    let (catalog, now, caller) = (context.catalog.clone(), context.clock.now(), caller.clone());
    context
        .store
        .read(move |conn| {
            let mut found = BTreeSet::new();
            for slug in slugs {
                let hub = match hub_rows::by_slug(conn, caller.workspace, &slug) {
                    // Removed meanwhile: nobody may anything there.
                    Err(StoreError::NotFound) => continue,
                    other => other?,
                };
                let right = right_in(conn, caller.workspace, &catalog, &hub, user, now)?;
                if may(caller.rights, action, right) == Verdict::Yes {
                    found.insert(slug);
                }
            }
            Ok(found)
        })
        .await
}

/// The refusal that says what is missing; but names of hubs are not to be found out by trying, so that one
/// that is nothing to a person is as unknown to them as none. That they may ask why they themselves have
/// nothing there stays: who asks that knows the name.
fn unknown_or(caller: &Caller, action: Action, got: Verdict, about: &About) -> ServiceError {
    match word(about) {
        Some(what) if caller.person.is_some() && !knows(caller) => ServiceError::NotFound(what),
        Some(_) | None => refusal(caller, action, got),
    }
}

/// The refusal that says what is missing.
fn refusal(caller: &Caller, action: Action, got: Verdict) -> ServiceError {
    ServiceError::Missing(Box::new(missing(caller, action, got)))
}

fn missing(caller: &Caller, action: Action, got: Verdict) -> Missing {
    let needed = needed(action, got);
    let of_partner = action == Action::ReadPartners || action == Action::RunPartner;
    let else_own = if of_partner { ", or an admin of this partner" } else { "" };
    let who = who(caller.rights, caller.hub, action.extent());
    Missing {
        detail: format!("this needs {}{else_own}; you are {who}", needed.words()),
        action,
        roles: needed.roles.iter().map(|role| role.as_str()).collect(),
        hub_rights: needed.hub_rights.iter().map(|right| right.as_str()).collect(),
    }
}

/// What somebody would need who was refused.
#[derive(Clone, Debug)]
pub struct Missing {
    /// One sentence.
    pub detail: String,
    /// What was to be done.
    pub action: Action,
    /// Workspace roles of which one is enough.
    pub roles: Vec<&'static str>,
    /// Rights in the hub of which one is enough.
    pub hub_rights: Vec<&'static str>,
}
