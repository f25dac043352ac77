//! Groups as an IdP pushes them: reading, creating, replacing, deleting. A change of members
//! costs what it names, never the size of the group; the steps of a PATCH are in `group_steps`.

use serde_json::{Value, json};

use super::group_steps::{self, Delta};
use super::shown::{self, Conditions, Found, Shown};
use super::users::log_ignored;
use super::{Caller, Context, ServiceError};
use crate::base::clock::Micros;
use crate::base::ids::GroupId;
use crate::base::random::Ids;
use crate::scim::etag;
use crate::scim::group::{self, GroupKeys};
use crate::scim::patch::{self, PatchRequest};
use crate::scim::query::Projection;
use crate::scim::resource::{self, MemberValue, Object};
use crate::scim::schema::ResourceKind;
use crate::store::activity::{self, Entry};
use crate::store::groups::{self, GroupRow};
use crate::store::memberships::{self, ShownMember};
use crate::store::{Locks, StoreError, Tx, marks, pending, reach::Reach};

/// Ids in one activity record; a larger change takes several.
const IDS_PER_RECORD: usize = 1_000;

/// What a write transaction on a group needs besides its own arguments.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) caller: Caller,
    pub(super) ids: Ids,
    pub(super) now: Micros,
}

impl Work {
    fn begin(context: &Context, caller: &Caller) -> Self {
        Self { caller: caller.clone(), ids: context.ids.clone(), now: context.clock.now() }
    }

    fn change<'a>(&'a self, cause: &'a str) -> marks::Change<'a> {
        marks::Change { cause, request_id: Some(&self.caller.request_id), now: self.now }
    }

    fn record(
        &self,
        tx: &mut Tx<'_>,
        id: GroupId,
        kind: &str,
        detail: Value,
        personal: Option<Value>,
    ) -> Result<(), StoreError> {
        let entry = Entry {
            id: self.ids.next(),
            at: self.now,
            kind,
            actor: &self.caller.actor(),
            target: &format!("group:{id}"),
            hub: None,
            user: None,
            task: None,
            request_id: Some(&self.caller.request_id),
            detail,
            personal,
        };
        activity::record(tx, self.caller.workspace, &entry)
    }

    /// One record of what changed; more only where a single one would hold too many ids.
    fn record_delta(&self, tx: &mut Tx<'_>, row: &GroupRow, kind: &str, delta: &Delta) -> Result<(), StoreError> {
        let (added, removed) = (delta.added(), delta.removed());
        let personal = (!delta.unknown.is_empty()).then(|| json!({ "pendingValues": delta.unknown }));
        let detail = json!({
            "displayName": row.display_name,
            "version": row.version,
            "added": added.iter().take(IDS_PER_RECORD).collect::<Vec<_>>(),
            "removed": removed.iter().take(IDS_PER_RECORD).collect::<Vec<_>>(),
            "pending": delta.unknown.len(),
        });
        self.record(tx, row.id, kind, detail, personal)?;
        for (name, ids) in [("added", &added), ("removed", &removed)] {
            for part in ids.chunks(IDS_PER_RECORD).skip(1) {
                self.record(tx, row.id, kind, json!({ "version": row.version, name: part }), None)?;
            }
        }
        Ok(())
    }
}

/// The outcome of a change to a group.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The group, when a body was asked for.
    pub shown: Option<Shown>,
    /// The version, for the `ETag` header.
    pub etag: String,
    /// Members named that nobody here answers to; they are kept as pending.
    pub pending: usize,
}

/// `POST /Groups`
///
/// # Errors
/// [`ServiceError::Scim`] for a body that is no group, and in strict mode for an unknown member.
pub async fn create(
    context: &Context,
    caller: &Caller,
    body: Value,
    projection: Projection,
) -> Result<(Shown, usize), ServiceError> {
    let incoming = resource::read(ResourceKind::Group, body, caller.dialect)?;
    log_ignored(&incoming.ignored);
    let keys = read_keys(&incoming.document)?;
    let named = check_members(incoming.members.unwrap_or_default())?;
    let document = Value::Object(incoming.document).to_string();
    let id = GroupId::from_uuid(context.ids.next());
    let work = Work::begin(context, caller);
    let (workspace, source) = (caller.workspace, caller.source);
    let (row, unknown) = context
        .store
        .write_with(Locks::rules(workspace), move |tx| {
            let row = groups::insert(tx, workspace, source, id, &keys, &document, work.now)?;
            let mut delta = Delta::default();
            group_steps::add(tx, &work, id, &named, &mut delta)?;
            announce(tx, &work, &row, &keys)?;
            mark_members(tx, &work, id, &delta)?;
            work.record_delta(tx, &row, "group.created", &delta)?;
            Ok::<_, ServiceError>((row, delta.unknown.len()))
        })
        .await?;
    context.nudge.planner();
    report_pending(id, unknown);
    let members = members_for(context, caller, id, &projection).await?;
    Ok((show(context, &row, &members, &projection)?, unknown))
}

/// `GET /Groups/{id}`: members are read only where the answer shows them.
///
/// # Errors
/// [`ServiceError::NotFound`] for any id that the caller's source does not own.
pub async fn read(
    context: &Context,
    caller: &Caller,
    id: &str,
    conditions: Conditions,
    projection: Projection,
) -> Result<Found, ServiceError> {
    let id = parse_id(id)?;
    let (workspace, reach) = (caller.workspace, shown::reach(caller));
    let row = context.store.point(move |conn| groups::load(conn, workspace, reach, id)).await.map_err(not_found)?;
    if !conditions.wants_body(row.version)? {
        return Ok(Found::Unchanged { etag: etag::of(row.version) });
    }
    if !projection.wants(ResourceKind::Group, "members") {
        return show(context, &row, &[], &projection).map(Found::Resource);
    }
    // Read again beside the members, so that version and members belong together.
    let (row, members) = context
        .store
        .read(move |conn| {
            let row = groups::load(conn, workspace, reach, id)?;
            Ok::<_, StoreError>((row, memberships::of_group(conn, workspace, id, i64::MAX)?))
        })
        .await
        .map_err(not_found)?;
    show(context, &row, &members, &projection).map(Found::Resource)
}

/// `PUT /Groups/{id}`: members become exactly the ones named, as a set difference in the database;
/// a body without `members` leaves them alone, because nobody is removed by guess.
///
/// # Errors
/// As [`create`]; [`ServiceError::NotFound`]; [`ServiceError::VersionMismatch`].
pub async fn replace(
    context: &Context,
    caller: &Caller,
    id: &str,
    body: Value,
    conditions: Conditions,
    projection: Projection,
) -> Result<Changed, ServiceError> {
    let id = parse_id(id)?;
    let incoming = resource::read(ResourceKind::Group, body, caller.dialect)?;
    log_ignored(&incoming.ignored);
    read_keys(&incoming.document)?;
    let named = incoming.members.map(check_members).transpose()?;
    let wanted = incoming.document;
    let edit = move |tx: &mut Tx<'_>, work: &Work, _before: &Object, delta: &mut Delta| {
        if let Some(named) = &named {
            group_steps::replace(tx, work, id, named, delta)?;
        }
        Ok(wanted.clone())
    };
    change(context, caller, id, conditions, projection, Answer::Body, edit).await
}

/// `PATCH /Groups/{id}`: the steps in order, all or none. Without `attributes` the answer has no
/// body, because one with all members would cost the size of the group.
///
/// # Errors
/// As [`replace`].
pub async fn patch(
    context: &Context,
    caller: &Caller,
    id: &str,
    body: Value,
    conditions: Conditions,
    projection: Projection,
) -> Result<Changed, ServiceError> {
    let id = parse_id(id)?;
    let dialect = caller.dialect;
    let request = PatchRequest::read(body, dialect)?;
    request.check_id(&id.to_string())?;
    let steps = patch::group_steps(&request, dialect)?;
    group_steps::check(&steps)?;
    let base = shown::scim_base(context);
    let edit = move |tx: &mut Tx<'_>, work: &Work, before: &Object, delta: &mut Delta| {
        group_steps::run(tx, work, id, &base, before, &steps, delta)
    };
    let answer = if projection.is_asked() { Answer::Body } else { Answer::Empty };
    change(context, caller, id, conditions, projection, answer, edit).await
}

/// `DELETE /Groups/{id}`: marks first, while the membership rows still say who is concerned.
///
/// # Errors
/// [`ServiceError::NotFound`]; [`ServiceError::VersionMismatch`].
pub async fn delete(context: &Context, caller: &Caller, id: &str, conditions: Conditions) -> Result<(), ServiceError> {
    let id = parse_id(id)?;
    let work = Work::begin(context, caller);
    let (workspace, source) = (caller.workspace, caller.source);
    context
        .store
        .write_with(Locks::rules(workspace), move |tx| {
            let row = groups::load_for_update(tx, workspace, Reach::Source(source), id).map_err(not_found)?;
            conditions.check_write(row.version)?;
            marks::group_deleted(tx, workspace, id, &work.change("group_deleted"))?;
            let members = memberships::clear(tx, workspace, id)?;
            pending::remove(tx, workspace, id, pending::Dropped::AllBut(&[]))?;
            memberships::remove_everywhere(tx, workspace, id.uuid(), work.now)?;
            groups::delete(tx, workspace, id)?;
            let detail = json!({ "displayName": row.display_name, "members": members });
            work.record(tx, id, "group.deleted", detail, None)?;
            Ok::<_, ServiceError>(())
        })
        .await?;
    context.nudge.planner();
    Ok(())
}

/// Whether a change is answered with the group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Body,
    Empty,
}

/// Lock, decide, store: one transaction. What nets out to nothing keeps version and
/// `lastModified` and marks nobody.
async fn change<F>(
    context: &Context,
    caller: &Caller,
    id: GroupId,
    conditions: Conditions,
    projection: Projection,
    answer: Answer,
    edit: F,
) -> Result<Changed, ServiceError>
where
    F: Fn(&mut Tx<'_>, &Work, &Object, &mut Delta) -> Result<Object, ServiceError> + Send + 'static,
{
    let work = Work::begin(context, caller);
    let (workspace, source) = (caller.workspace, caller.source);
    let (row, unknown, marked) = context
        .store
        .write_with(Locks::rules(workspace), move |tx| {
            let row = groups::load_for_update(tx, workspace, Reach::Source(source), id).map_err(not_found)?;
            conditions.check_write(row.version)?;
            let before = shown::parse(&row.document)?;
            let mut delta = Delta::default();
            let after = edit(tx, &work, &before, &mut delta)?;
            let row = store_change(tx, &work, row, &before, after, &delta)?;
            let marked = !delta.concerned().is_empty();
            Ok::<_, ServiceError>((row, delta.unknown.len(), marked))
        })
        .await?;
    // A nudge without a mark costs one look; a rename may have bound a mapping.
    if marked || unknown == 0 {
        context.nudge.planner();
    }
    report_pending(id, unknown);
    let shown = match answer {
        Answer::Empty => None,
        Answer::Body => {
            let members = members_for(context, caller, id, &projection).await?;
            Some(show(context, &row, &members, &projection)?)
        }
    };
    Ok(Changed { shown, etag: etag::of(row.version), pending: unknown })
}

fn store_change(
    tx: &mut Tx<'_>,
    work: &Work,
    before: GroupRow,
    old: &Object,
    new: Object,
    delta: &Delta,
) -> Result<GroupRow, ServiceError> {
    let workspace = work.caller.workspace;
    let renamed = new != *old;
    let row = if renamed {
        let keys = read_keys(&new)?;
        let row = groups::replace(tx, workspace, &before, &keys, &Value::Object(new).to_string(), work.now)?;
        if row.display_name != before.display_name || row.external_id != before.external_id {
            announce(tx, work, &row, &keys)?;
        }
        row
    } else if delta.moves_members() {
        groups::touch(tx, workspace, &before, work.now)?
    } else {
        before
    };
    mark_members(tx, work, row.id, delta)?;
    if renamed || !delta.is_empty() {
        work.record_delta(tx, &row, "group.updated", delta)?;
    }
    Ok(row)
}

/// Mappings may wait for this name or externalId.
fn announce(tx: &mut Tx<'_>, work: &Work, row: &GroupRow, keys: &GroupKeys) -> Result<(), StoreError> {
    marks::group_arrived(
        tx,
        work.caller.workspace,
        row.source,
        row.id,
        &keys.display_name_key,
        keys.external_id.as_deref(),
        &work.change("group_arrived"),
    )?;
    Ok(())
}

fn mark_members(tx: &mut Tx<'_>, work: &Work, id: GroupId, delta: &Delta) -> Result<(), StoreError> {
    let users = delta.concerned();
    if !users.is_empty() {
        marks::members_changed(tx, work.caller.workspace, id, &users, &work.change("group_membership"))?;
    }
    Ok(())
}

fn report_pending(id: GroupId, unknown: usize) {
    if unknown > 0 {
        tracing::info!(group.id = %id, pending = unknown, "a group names members that have not arrived");
    }
}

async fn members_for(
    context: &Context,
    caller: &Caller,
    id: GroupId,
    projection: &Projection,
) -> Result<Vec<ShownMember>, ServiceError> {
    if !projection.wants(ResourceKind::Group, "members") {
        return Ok(Vec::new());
    }
    let workspace = caller.workspace;
    Ok(context.store.read(move |conn| memberships::of_group(conn, workspace, id, i64::MAX)).await?)
}

fn show(
    context: &Context,
    row: &GroupRow,
    members: &[ShownMember],
    projection: &Projection,
) -> Result<Shown, ServiceError> {
    let base = shown::scim_base(context);
    let id = row.id.to_string();
    let meta = shown::group_meta(row, &id, &base);
    shown::shown(&row.document, &meta, shown::members_of_group(members), projection)
}

fn read_keys(document: &Object) -> Result<GroupKeys, ServiceError> {
    let keys = group::keys(document)?;
    shown::check_identifier("displayName", Some(&keys.display_name))?;
    shown::check_identifier("externalId", keys.external_id.as_deref())?;
    Ok(keys)
}

fn check_members(named: Vec<MemberValue>) -> Result<Vec<MemberValue>, ServiceError> {
    for member in &named {
        shown::check_identifier("members.value", Some(&member.value))?;
    }
    Ok(named)
}

fn parse_id(id: &str) -> Result<GroupId, ServiceError> {
    id.parse().map_err(|_| ServiceError::NotFound("the group"))
}

fn not_found(error: StoreError) -> ServiceError {
    match error {
        StoreError::NotFound => ServiceError::NotFound("the group"),
        other => other.into(),
    }
}
