//! Drift put right on request: a person looks at what that would mean, for everybody of the hub or for
//! some, and gives the digest of it back. The planner then looks at them again, as after any change:
//! its guard, its settle time, what is protected, exempted or decided all apply.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::base::ids::{MemberId, UserId};
use crate::base::limits::REPAIR_NAMES;
use crate::domain::hub::HubMode;
use crate::domain::hub_rules::FieldError;
use crate::service::scribe::{About, Scribe};
use crate::service::whatif::look::{self, Make};
use crate::service::whatif::steps::Diff;
use crate::service::whatif::{Digest, Fate, Plan, Touched};
use crate::service::{Caller, Context, ServiceError, hubs};
use crate::store::marks::{self, Settle};
use crate::store::{DbConn, hub_members, mappings as rows, users};

/// Whose drift. Without names: everybody's.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepairBody {
    /// Our ids of accounts.
    #[serde(default)]
    members: Option<Vec<String>>,
    /// SCIM ids of people: who is missing may have no account yet.
    #[serde(default)]
    users: Option<Vec<String>>,
}

impl RepairBody {
    /// Of these people, by their SCIM ids.
    pub fn of_users(users: Vec<String>) -> Self {
        Self { members: None, users: Some(users) }
    }
}

/// What a repair would mean, with its digest. Writes nothing.
///
/// # Errors
/// [`ServiceError::NotFound`] for the hub, [`ServiceError::InvalidFields`] naming who is not in it,
/// [`ServiceError::Conflict`] while the hub only observes.
pub async fn preview(context: &Context, caller: &Caller, slug: &str, body: RepairBody) -> Result<Plan, ServiceError> {
    let scribe = Scribe::new(context, caller);
    look::show(context, &scribe, maker(&scribe, slug, Names::read(&body)?)).await
}

/// Put it right, where that still means what was looked at.
///
/// # Errors
/// As [`preview`]; [`ServiceError::Invalid`] without a digest, [`ServiceError::Moved`] when it is
/// another one by now.
pub async fn repair(
    context: &Context,
    caller: &Caller,
    slug: &str,
    body: RepairBody,
    expect: Option<Digest>,
) -> Result<Plan, ServiceError> {
    let names = Names::read(&body)?;
    let Some(expect) = expect else {
        return Err(ServiceError::Invalid(String::from(
            "a repair needs ?expect=DIGEST: look at it first with POST …/drift/repair/preview, which shows its digest",
        )));
    };
    let scribe = Scribe::new(context, caller);
    let make = maker(&scribe, slug, names);
    let writer = scribe.clone();
    let carry = move |tx: &mut crate::store::Tx<'_>, diff: Diff, effects: Arc<Vec<_>>| {
        for touched in &diff.touched {
            let hub = &touched.hub;
            let change = writer.change("drift_repair");
            let people = match &touched.only {
                None => {
                    marks::hub_changed(tx, writer.workspace, hub.id, &change)?;
                    json!("everybody")
                }
                Some(only) => {
                    let only: Vec<UserId> = only.iter().copied().collect();
                    marks::put(tx, writer.workspace, &[hub.id], &only, writer.now, Settle::OfHub, &change)?;
                    json!(only.len())
                }
            };
            let target = format!("hub:{}", hub.slug);
            let detail = json!({ "people": people, "digest": expect.to_string() });
            writer.record(
                tx,
                "drift.repair",
                About { target: &target, hub: Some(hub.id), detail, ..About::default() },
            )?;
        }
        Ok((diff.plan, effects))
    };
    let (mut plan, effects) = look::change(context, &scribe, vec![slug.to_owned()], Some(expect), make, carry).await?;
    plan.effects = Arc::unwrap_or_clone(effects);
    plan.digest = expect.to_string();
    context.nudge.planner();
    Ok(plan)
}

/// Who was named, each with the field that names them.
#[derive(Clone, Debug)]
enum Names {
    Everybody,
    These { members: BTreeMap<MemberId, String>, users: BTreeMap<UserId, String> },
}

impl Names {
    fn read(body: &RepairBody) -> Result<Self, ServiceError> {
        if body.members.is_none() && body.users.is_none() {
            return Ok(Self::Everybody);
        }
        let mut wrong = Vec::new();
        let (members, users) = (body.members.as_deref().unwrap_or(&[]), body.users.as_deref().unwrap_or(&[]));
        let names = members.len().saturating_add(users.len());
        if names == 0 {
            wrong.push(FieldError::new("members", "names nobody; leave it out to repair everybody"));
        } else if names > REPAIR_NAMES {
            wrong.push(FieldError::new("members", format!("at most {REPAIR_NAMES} names; repair everybody instead")));
        }
        let members = ids("members", members, &mut wrong);
        let users = ids("users", users, &mut wrong);
        if wrong.is_empty() { Ok(Self::These { members, users }) } else { Err(ServiceError::InvalidFields(wrong)) }
    }
}

fn ids<Id: std::str::FromStr + Ord>(name: &str, given: &[String], wrong: &mut Vec<FieldError>) -> BTreeMap<Id, String> {
    let mut found = BTreeMap::new();
    for (number, text) in given.iter().take(REPAIR_NAMES).enumerate() {
        let field = format!("{name}/{number}");
        match text.parse() {
            Ok(id) => {
                found.insert(id, field);
            }
            Err(_) => wrong.push(FieldError::new(field, "is not an id; GET …/drift shows them")),
        }
    }
    found
}

fn maker(scribe: &Scribe, slug: &str, names: Names) -> impl Make + use<> {
    let (scribe, slug) = (scribe.clone(), slug.to_owned());
    move |conn| {
        let hub = hubs::find(conn, scribe.workspace, &slug)?;
        match hub.mode {
            HubMode::Active => {}
            HubMode::Observe => {
                return Err(ServiceError::Conflict(String::from(
                    "this hub only observes: it changes nothing in its app until it is activated",
                )));
            }
        }
        let only = match &names {
            Names::Everybody => None,
            Names::These { members, users } => Some(people(conn, &scribe, &hub, members, users)?),
        };
        let mappings = rows::of_hub(conn, scribe.workspace, hub.id)?;
        let mut diff = Diff::default();
        if hub.paused {
            diff.plan.notes.push(String::from("pushing is paused in this hub: it happens when that is resumed"));
        }
        let (before, after) = (mappings.clone(), mappings);
        diff.touched.push(Touched { hub, was: None, before, after, fate: Fate::Stays, only });
        Ok(diff)
    }
}

/// The people behind the names, all of them or an error for each that is nobody's.
fn people(
    conn: &mut DbConn,
    scribe: &Scribe,
    hub: &crate::domain::hub::Hub,
    members: &BTreeMap<MemberId, String>,
    named: &BTreeMap<UserId, String>,
) -> Result<BTreeSet<UserId>, ServiceError> {
    let mut wrong = Vec::new();
    let ids: Vec<Vec<u8>> = members.keys().map(|id| id.bytes()).collect();
    let rows: BTreeMap<MemberId, Option<UserId>> =
        hub_members::of_ids(conn, scribe.workspace, hub.id, &ids)?.into_iter().map(|row| (row.id, row.user)).collect();
    let mut found = BTreeSet::new();
    for (id, field) in members {
        match rows.get(id) {
            Some(Some(user)) => {
                found.insert(*user);
            }
            Some(None) => wrong.push(FieldError::new(
                field,
                "belongs to nobody here, so no repair touches it: match, exempt or remove it",
            )),
            None => wrong.push(FieldError::new(field, "is no account of this hub")),
        }
    }
    let ids: Vec<UserId> = named.keys().copied().collect();
    // Somebody deleted is nobody's user any more and may still have an account.
    let mut here: BTreeSet<UserId> =
        users::load_many(conn, scribe.workspace, &ids)?.into_iter().map(|user| user.id).collect();
    here.extend(hub_members::of_users(conn, scribe.workspace, hub.id, &ids)?.into_iter().filter_map(|row| row.user));
    for (id, field) in named {
        if here.contains(id) {
            found.insert(*id);
        } else {
            wrong.push(FieldError::new(field, "is no user of this workspace"));
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(ServiceError::InvalidFields(wrong)) }
}
