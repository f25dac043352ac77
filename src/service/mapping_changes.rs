//! Changes of a hub's mappings as people send them, one or several together: into steps, to be
//! previewed or carried out.

use serde::Deserialize;
use serde_json::Value;

use super::mappings::{MappingBody, mapping_of, source_id};
use super::scribe::Scribe;
use super::whatif::look::{self, Make};
use super::whatif::steps::{Diff, Step, carry_out, mapping_diff};
use super::whatif::{Digest, Fate, Plan, Touched};
use super::{Caller, Context, ServiceError, hubs};
use crate::base::ids::{MappingId, UserId, WorkspaceId};
use crate::base::limits::{MAPPING_CHANGES, SHARES_AT_ONCE};
use crate::domain::app::App;
use crate::domain::catalog::Catalog;
use crate::domain::entitlement::entitlement;
use crate::domain::hub::Hub;
use crate::domain::hub_file::subject_text;
use crate::domain::hub_rules as rules;
use crate::domain::mapping::{Binding, HubRole, Mapping, SubjectName};
use crate::domain::permissions::canonical;
use crate::store::{DbConn, facts, hub_members, mappings as rows, reading};

/// One change.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum MappingChange {
    /// Add it, or change the one of the same subject and `where`.
    Put(Box<MappingBody>),
    /// Delete the one of this id.
    Remove(String),
    /// Delete the one of this id, a group's; those of its members who have accepted their account keep
    /// what it gave them as individual shares (R5.10, *hub only*).
    Dissolve(String),
    /// Bind the one of this id anew.
    Bind(String),
}

/// Several changes that happen together or not at all.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingChanges {
    /// In this order.
    pub changes: Vec<MappingChange>,
}

impl MappingChanges {
    /// One change.
    pub fn one(change: MappingChange) -> Self {
        Self { changes: vec![change] }
    }

    /// The body of a preview: `{"changes": […]}`, or what `PUT …/mappings` takes.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] with what is wrong.
    pub fn read(body: Value) -> Result<Self, ServiceError> {
        let wrong = |error: serde_json::Error| ServiceError::Invalid(format!("the body is not right: {error}"));
        if body.get("changes").is_some() {
            return serde_json::from_value(body).map_err(wrong);
        }
        let body: MappingBody = serde_json::from_value(body).map_err(wrong)?;
        Ok(Self::one(MappingChange::Put(Box::new(body))))
    }
}

/// Which mapping a `put` must be about, where its address names one.
#[derive(Clone, Debug)]
pub(super) struct Meant(pub(super) String);

/// What the changes would mean. Writes nothing.
///
/// # Errors
/// As [`change`].
pub async fn preview(
    context: &Context,
    caller: &Caller,
    slug: &str,
    changes: MappingChanges,
) -> Result<Plan, ServiceError> {
    let scribe = Scribe::new(context, caller);
    look::show(context, &scribe, maker(context, &scribe, slug, changes, None)).await
}

/// Make the changes, all or none; with `expect` only where they still mean what a preview showed.
///
/// # Errors
/// [`ServiceError::NotFound`] for the hub or a mapping, [`ServiceError::Invalid`] with what is
/// wrong and in which change, [`ServiceError::Moved`].
pub async fn change(
    context: &Context,
    caller: &Caller,
    slug: &str,
    changes: MappingChanges,
    expect: Option<Digest>,
) -> Result<Plan, ServiceError> {
    let (scribe, catalog, keyring) = (Scribe::new(context, caller), context.catalog.clone(), context.keyring.clone());
    let make = maker(context, &scribe, slug, changes, None);
    let writer = scribe.clone();
    let slugs = vec![slug.to_owned()];
    let (mut plan, effects) = look::change(context, &scribe, slugs, expect, make, move |tx, diff, effects| {
        for step in &diff.steps {
            carry_out(tx, &writer, &catalog, &keyring, step)?;
        }
        Ok((diff.plan, effects))
    })
    .await?;
    plan.effects = effects.to_vec();
    plan.digest = expect.map(|digest| digest.to_string()).unwrap_or_default();
    context.nudge.planner();
    Ok(plan)
}

/// How the steps are made, as often as it is looked.
pub(super) fn maker(
    context: &Context,
    scribe: &Scribe,
    slug: &str,
    changes: MappingChanges,
    meant: Option<Meant>,
) -> impl Make + use<> {
    let (scribe, catalog, slug) = (scribe.clone(), context.catalog.clone(), slug.to_owned());
    move |conn| diff(conn, &scribe, &catalog, &slug, &changes, meant.as_ref())
}

fn diff(
    conn: &mut DbConn,
    scribe: &Scribe,
    catalog: &Catalog,
    slug: &str,
    changes: &MappingChanges,
    meant: Option<&Meant>,
) -> Result<Diff, ServiceError> {
    let workspace = scribe.workspace;
    let hub = hubs::find(conn, workspace, slug)?;
    let app = rules::app(catalog, &hub.app).map_err(ServiceError::Invalid)?;
    let count = changes.changes.len();
    if !(1..=MAPPING_CHANGES).contains(&count) {
        return Err(ServiceError::Invalid(format!("changes holds 1 to {MAPPING_CHANGES} changes, not {count}")));
    }
    let present = rows::of_hub(conn, workspace, hub.id)?;
    let mut row = Row { scribe, hub: &hub, app, meant, after: present.clone(), touched: Vec::new() };
    let mut diff = Diff::default();
    for (number, change) in changes.changes.iter().enumerate() {
        let steps = match change {
            MappingChange::Put(body) => row.put(conn, body).map(|step| vec![step]),
            MappingChange::Remove(id) => row.remove(conn, id).map(|step| vec![step]),
            MappingChange::Dissolve(id) => row.dissolve(conn, id),
            MappingChange::Bind(id) => row.bind(conn, id).map(|step| vec![step]),
        };
        let steps = steps.map_err(|error| if count > 1 { numbered(number, error) } else { error })?;
        for step in steps {
            diff.plan.mappings.extend(match &step {
                Step::AddMapping(hub, after) => mapping_diff(hub, None, Some(after)),
                Step::RemoveMapping(hub, before) => mapping_diff(hub, Some(before), None),
                Step::ChangeMapping { hub, before, after } | Step::BindMapping { hub, before, after } => {
                    mapping_diff(hub, Some(before), Some(after))
                }
                Step::AddHub(_) | Step::ChangeHub { .. } | Step::RemoveHub(_) | Step::Seal(..) | Step::Role(_) => None,
            });
            diff.steps.push(step);
        }
    }
    let after = row.after;
    diff.touched.push(Touched { was: Some(hub.clone()), hub, before: present, after, fate: Fate::Stays, only: None });
    Ok(diff)
}

/// Say which of several changes is wrong; one that is not there stays a 404 only where it is alone.
fn numbered(number: usize, error: ServiceError) -> ServiceError {
    match error {
        ServiceError::Invalid(_) | ServiceError::NotFound(_) => {
            ServiceError::Invalid(format!("changes[{number}]: {error}"))
        }
        ServiceError::Conflict(text) => ServiceError::Conflict(format!("changes[{number}]: {text}")),
        ServiceError::InvalidFields(mut errors) => {
            for error in &mut errors {
                error.field = format!("changes[{number}].{}", error.field);
                error.detail = format!("changes[{number}]: {}", error.detail);
            }
            ServiceError::InvalidFields(errors)
        }
        other @ (ServiceError::Scim(_)
        | ServiceError::TakenFields(_)
        | ServiceError::VersionMismatch
        | ServiceError::Moved(_)
        | ServiceError::Missing(_)
        | ServiceError::Forbidden(_)
        | ServiceError::Unavailable
        | ServiceError::Store(_)) => other,
    }
}

/// The mappings of one hub while changes are made on them.
struct Row<'a> {
    scribe: &'a Scribe,
    hub: &'a Hub,
    app: &'a App,
    meant: Option<&'a Meant>,
    after: Vec<Mapping>,
    touched: Vec<MappingId>,
}

impl Row<'_> {
    const fn workspace(&self) -> WorkspaceId {
        self.scribe.workspace
    }

    /// Each mapping in one change only: two would make the digest's steps mean less than they say.
    fn once(&mut self, mapping: &Mapping) -> Result<(), ServiceError> {
        if self.touched.contains(&mapping.id) {
            let what = subject_text(&mapping.subject);
            return Err(ServiceError::Invalid(format!("{what} with this where is in an earlier change already")));
        }
        self.touched.push(mapping.id);
        Ok(())
    }

    fn existing(&mut self, conn: &mut DbConn, id: &str) -> Result<Mapping, ServiceError> {
        let found = mapping_of(conn, self.workspace(), self.hub, id)?;
        self.once(&found)?;
        Ok(found)
    }

    fn put(&mut self, conn: &mut DbConn, body: &MappingBody) -> Result<Step, ServiceError> {
        let subject = body.subject()?;
        body.check(self.app)?;
        let source = source_id(conn, self.workspace(), body.source.as_deref())?;
        let (scope, key) = (body.scope(), rows::subject_key(&subject, source));
        let same = |one: &&Mapping| rows::subject_key(&one.subject, one.source) == key && one.scope == scope;
        let found = self.after.iter().find(same).cloned();
        if let Some(Meant(id)) = self.meant {
            let meant = mapping_of(conn, self.workspace(), self.hub, id)?;
            if found.as_ref().is_none_or(|found| found.id != meant.id) {
                return Err(ServiceError::Invalid(String::from(
                    "this mapping has another subject or where; its identity cannot change: put a new mapping and \
                     delete this one",
                )));
            }
        }
        let binding = match &found {
            Some(found) => found.binding,
            None => rows::find_subject(conn, self.workspace(), &subject, source)?,
        };
        let app_role = canonical(self.app, &body.app_role);
        // What a hand changed is no longer what that commit said; its owner's next apply says it anew.
        let as_committed = found.as_ref().filter(|found| {
            found.app_role == app_role
                && found.hub_role == body.hub_role.unwrap_or(HubRole::Collaborator)
                && found.seat == body.seat.unwrap_or(true)
                && found.assets == body.assets
        });
        let file_ref = as_committed.and_then(|found| found.file_ref.clone());
        let wanted = Mapping {
            id: found.as_ref().map_or_else(|| MappingId::from_uuid(self.scribe.id()), |found| found.id),
            hub: self.hub.id,
            subject,
            source,
            binding,
            scope,
            hub_role: body.hub_role.unwrap_or(HubRole::Collaborator),
            app_role,
            seat: body.seat.unwrap_or(true),
            assets: body.assets.clone(),
            owner: found.as_ref().and_then(|found| found.owner.clone()),
            file_ref,
            confirmed_at: self.scribe.now,
        };
        self.once(&wanted)?;
        self.after.retain(|one| one.id != wanted.id);
        self.after.push(wanted.clone());
        Ok(match found {
            Some(found) => {
                Step::ChangeMapping { hub: self.hub.clone(), before: Box::new(found), after: Box::new(wanted) }
            }
            None => Step::AddMapping(self.hub.clone(), wanted),
        })
    }

    fn remove(&mut self, conn: &mut DbConn, id: &str) -> Result<Step, ServiceError> {
        let found = self.existing(conn, id)?;
        self.after.retain(|one| one.id != found.id);
        Ok(Step::RemoveMapping(self.hub.clone(), found))
    }

    /// A group's share taken apart (R5.10): its members who have accepted their account get it as a
    /// share of their own, unless they have one; the others are dropped from hub and app alike.
    fn dissolve(&mut self, conn: &mut DbConn, id: &str) -> Result<Vec<Step>, ServiceError> {
        let found = self.existing(conn, id)?;
        let Binding::Group(group) = found.binding else {
            return Err(ServiceError::Conflict(String::from(
                "mode: hub_only turns a group's share into shares of its members, and this mapping is bound to no group",
            )));
        };
        let people = hub_members::accepted_in_group(conn, self.workspace(), self.hub.id, group, SHARES_AT_ONCE)?;
        if people.len() > SHARES_AT_ONCE {
            return Err(ServiceError::Conflict(format!(
                "mode: more than {SHARES_AT_ONCE} members would each get a share of their own; take the group apart first"
            )));
        }
        let rules = facts::rules_of(conn, self.workspace(), vec![found.clone()])?;
        let users: Vec<UserId> = people.iter().map(|(user, _)| *user).collect();
        let known = facts::of_people(conn, self.workspace(), self.hub.id, self.app, &rules, &users)?;
        let mut steps = Vec::new();
        for ((user, name), facts) in people.into_iter().zip(known) {
            let given = facts
                .person
                .as_ref()
                .is_some_and(|person| !entitlement(person, &rules, self.app, None).reasons.is_empty());
            let has_own = self.after.iter().any(|one| one.binding == Binding::User(user) && one.scope.is_none());
            if !given || has_own {
                continue;
            }
            let share = Mapping {
                id: MappingId::from_uuid(self.scribe.id()),
                subject: SubjectName::User(name),
                source: None,
                binding: Binding::User(user),
                scope: None,
                owner: None,
                file_ref: None,
                confirmed_at: self.scribe.now,
                ..found.clone()
            };
            self.after.push(share.clone());
            steps.push(Step::AddMapping(self.hub.clone(), share));
        }
        self.after.retain(|one| one.id != found.id);
        steps.push(Step::RemoveMapping(self.hub.clone(), found));
        Ok(steps)
    }

    fn bind(&mut self, conn: &mut DbConn, id: &str) -> Result<Step, ServiceError> {
        let found = self.existing(conn, id)?;
        match found.binding {
            Binding::Gone | Binding::Waiting => {}
            Binding::User(id) if reading::user_name(conn, self.workspace(), id)?.is_none() => {}
            Binding::Group(_) | Binding::User(_) => {
                return Err(ServiceError::Conflict(String::from("this mapping is bound already")));
            }
        }
        let binding = rows::find_subject(conn, self.workspace(), &found.subject, found.source)?;
        if binding == Binding::Waiting {
            return Err(ServiceError::Conflict(format!(
                "there is no {} to bind to, or more than one; name its source, or map the group by group_id",
                subject_text(&found.subject)
            )));
        }
        let bound = Mapping { binding, confirmed_at: self.scribe.now, ..found.clone() };
        self.after.retain(|one| one.id != bound.id);
        self.after.push(bound.clone());
        Ok(Step::BindMapping { hub: self.hub.clone(), before: Box::new(found), after: Box::new(bound) })
    }
}
