//! Users as an IdP pushes them. Every change is one transaction that holds the rows, the marks and
//! the activity record; the planner is nudged after the commit, never before.

use serde_json::{Value, json};

use super::arriving::{Arrived, Arriving};
use super::shown::{self, Conditions, Found, Shown};
use super::user_joining;
use super::{Caller, Context, ServiceError};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, SELF_MANAGED, UserId};
use crate::base::random::Ids;
use crate::scim::error::ScimError;
use crate::scim::etag;
use crate::scim::patch::{self, PatchRequest};
use crate::scim::query::Projection;
use crate::scim::render;
use crate::scim::resource::{self, Object};
use crate::scim::schema::ResourceKind;
use crate::scim::user::{self, UserKeys};
use crate::store::activity::{self, Entry};
use crate::store::memberships;
use crate::store::users::{self, UserRow};
use crate::store::{
    DbConn, Locks, StoreError, Tx, given_fields, marks, pending, reach::Reach, roles, user_with_groups,
};

/// What a write transaction on a user needs besides its own arguments.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) caller: Caller,
    ids: Ids,
    pub(super) now: Micros,
}

impl Work {
    fn begin(context: &Context, caller: &Caller) -> Self {
        Self { caller: caller.clone(), ids: context.ids.clone(), now: context.clock.now() }
    }

    pub(super) fn change<'a>(&'a self, cause: &'a str) -> marks::Change<'a> {
        marks::Change { cause, request_id: Some(&self.caller.request_id), now: self.now }
    }

    /// A record of what happened to a user of this name.
    pub(super) fn entry<'a>(
        &'a self,
        id: UserId,
        kind: &'a str,
        (actor, target): (&'a str, &'a str),
        detail: Value,
        name: &str,
    ) -> Entry<'a> {
        Entry {
            id: self.ids.next(),
            at: self.now,
            kind,
            actor,
            target,
            hub: None,
            user: Some(id),
            task: None,
            request_id: Some(&self.caller.request_id),
            detail,
            personal: Some(json!({ "userName": name })),
        }
    }

    fn record(&self, tx: &mut Tx<'_>, id: UserId, kind: &str, detail: Value, name: &str) -> Result<(), StoreError> {
        let (actor, target) = (self.caller.actor(), format!("user:{id}"));
        activity::record(tx, self.caller.workspace, &self.entry(id, kind, (&actor, &target), detail, name))
    }
}

/// `POST /Users`
///
/// # Errors
/// [`ServiceError::Scim`] for a body that is no user, and 409 `uniqueness` when the userName is
/// taken in the workspace; it names the source that holds it.
pub async fn create(
    context: &Context,
    caller: &Caller,
    body: Value,
    projection: Projection,
) -> Result<Shown, ServiceError> {
    let incoming = resource::read(ResourceKind::User, body, caller.dialect)?;
    log_ignored(&incoming.ignored);
    let keys = read_keys(&incoming.document)?;
    check_new(&keys, None)?;
    let document = Value::Object(incoming.document).to_string();
    let id = UserId::from_uuid(context.ids.next());
    let work = Work::begin(context, caller);
    let (taken, now) = (keys.user_name_key.clone(), work.now);
    let made = context.arrivals.write(Arriving { work, id, keys, document: document.clone() }).await;
    let Arrived { joined, due } = name_the_holder(context, caller, &taken, made.map_err(ServiceError::from)).await?;
    // A directory's first push is thousands of people whom no rule reaches: each look would find nothing.
    if due {
        context.nudge.planner();
    }
    let base = shown::scim_base(context);
    let text_id = id.to_string();
    let meta = render::Meta {
        kind: ResourceKind::User,
        id: &text_id,
        created: now,
        modified: now,
        version: 1,
        base_url: &base,
    };
    let groups = if joined.is_empty() { Vec::new() } else { groups_of(context, caller, id).await? };
    shown::shown(&document, &meta, shown::groups_of_user(&groups), &projection)
}

/// `GET /Users/{id}`
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
    let with_groups = projection.wants(ResourceKind::User, "groups");
    let (row, groups) = if with_groups {
        user_with_groups::read(&context.store, workspace, reach, id).await
    } else {
        let load = move |conn: &mut DbConn| users::load(conn, workspace, reach, id);
        context.store.point(load).await.map(|row| (row, Vec::new()))
    }
    .map_err(not_found)?;
    if !conditions.wants_body(row.version)? {
        return Ok(Found::Unchanged { etag: etag::of(row.version) });
    }
    show(context, &row, &groups, &projection).map(Found::Resource)
}

/// `PUT /Users/{id}`: the body replaces the stored user, except that a body without `active` keeps
/// the present one: what does not speak of it must not bring a leaver back.
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
) -> Result<Shown, ServiceError> {
    let id = parse_id(id)?;
    let silent = !names_active(&body);
    let incoming = resource::read(ResourceKind::User, body, caller.dialect)?;
    log_ignored(&incoming.ignored);
    read_keys(&incoming.document)?;
    let wanted = incoming.document;
    change(context, caller, id, conditions, projection, move |stored| {
        let mut document = wanted.clone();
        if let (true, Some(active)) = (silent, stored.get("active")) {
            document.insert("active".into(), active.clone());
        }
        Ok(document)
    })
    .await
}

/// Whether a body says anything about `active`; names come in any case and behind a schema's URN.
fn names_active(body: &Value) -> bool {
    let is_it = |name: &str| name.rsplit(':').next().is_some_and(|last| last.eq_ignore_ascii_case("active"));
    body.as_object().is_some_and(|object| object.iter().any(|(name, value)| is_it(name) && !value.is_null()))
}

/// `PATCH /Users/{id}`: all operations or none.
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
) -> Result<Shown, ServiceError> {
    let id = parse_id(id)?;
    let dialect = caller.dialect;
    let request = PatchRequest::read(body, dialect)?;
    request.check_id(&id.to_string())?;
    change(context, caller, id, conditions, projection, move |stored| {
        let patched = patch::apply_user(stored, &request, dialect)?;
        log_ignored(&patched.ignored);
        Ok(patched.document)
    })
    .await
}

/// `DELETE /Users/{id}`: marks first, while the rows still say which hubs are concerned.
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
            // Groups before the user, as a change of members does it, so that the two never wait
            // for each other crosswise.
            let groups = memberships::group_ids_of(tx, workspace, id.uuid())?;
            memberships::lock_groups(tx, workspace, &groups)?;
            let row = users::load_for_delete(tx, workspace, Reach::Source(source), id).map_err(not_found)?;
            conditions.check_write(row.version)?;
            marks::user_changed(tx, workspace, id, &work.change("user_deleted"))?;
            let groups = memberships::remove_everywhere(tx, workspace, id.uuid(), work.now)?;
            given_fields::forget_user(tx, workspace, id)?;
            users::delete(tx, workspace, id, work.now)?;
            work.record(tx, id, "user.deleted", json!({ "left": groups }), &row.user_name)?;
            if row.active {
                owner_left(tx, &work, id, &row.user_name)?;
            }
            Ok::<_, ServiceError>(())
        })
        .await?;
    context.nudge.planner();
    Ok(())
}

/// Load, decide, store: one transaction. A document that comes out as it went in changes nothing,
/// not even `lastModified` (R-PATCH-58, R-PUT-12).
async fn change(
    context: &Context,
    caller: &Caller,
    id: UserId,
    conditions: Conditions,
    projection: Projection,
    edit: impl Fn(&Object) -> Result<Object, ServiceError> + Send + 'static,
) -> Result<Shown, ServiceError> {
    let work = Work::begin(context, caller);
    let (workspace, source) = (caller.workspace, caller.source);
    let with_groups = projection.wants(ResourceKind::User, "groups");
    let taken = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let wanted_name = std::sync::Arc::clone(&taken);
    let outcome = context
        .store
        .write_with(Locks::rules(workspace), move |tx| {
            let row = users::load_for_update(tx, workspace, Reach::Source(source), id).map_err(not_found)?;
            conditions.check_write(row.version)?;
            let before = shown::parse(&row.document)?;
            let after = edit(&before)?;
            let changed = after != before;
            let row = if changed {
                let keys = read_keys(&after)?;
                check_new(&keys, Some(&user::keys(&before)?))?;
                if let Ok(mut name) = wanted_name.lock() {
                    name.clone_from(&keys.user_name_key);
                }
                store_change(tx, &work, &row, &keys, &Value::Object(after).to_string())?
            } else {
                row
            };
            let groups = if with_groups { memberships::groups_of(tx, workspace, id)? } else { Vec::new() };
            Ok::<_, ServiceError>((row, groups, changed))
        })
        .await;
    let taken = taken.lock().map(|name| name.clone()).unwrap_or_default();
    let (row, groups, changed) = name_the_holder(context, caller, &taken, outcome).await?;
    if changed {
        context.nudge.planner();
    }
    show(context, &row, &groups, &projection)
}

fn store_change(
    tx: &mut Tx<'_>,
    work: &Work,
    before: &UserRow,
    keys: &UserKeys,
    document: &str,
) -> Result<UserRow, ServiceError> {
    let workspace = work.caller.workspace;
    let after = users::replace(tx, workspace, before, keys, document, work.now)?;
    let joined = if keys.external_id == before.external_id {
        Vec::new()
    } else {
        pending::announce_arrival(tx, workspace, work.caller.source)?;
        user_joining::by_external_id(tx, work, before.id, keys.external_id.as_deref())?
    };
    let (kind, cause) = match (before.active, keys.active) {
        (true, false) => ("user.deactivated", "deactivated"),
        (false, true) => ("user.reactivated", "reactivated"),
        (true, true) | (false, false) => ("user.updated", "user_updated"),
    };
    if keys.user_name == before.user_name {
        marks::user_changed(tx, workspace, before.id, &work.change(cause))?;
    } else {
        // Individual shares may wait for the new name.
        marks::user_arrived(tx, workspace, before.id, &keys.user_name_key, &work.change(cause))?;
    }
    let detail = json!({ "version": after.version, "active": keys.active, "joined": joined });
    work.record(tx, before.id, kind, detail, &keys.user_name)?;
    if before.active && !keys.active {
        owner_left(tx, work, before.id, &keys.user_name)?;
    }
    Ok(after)
}

/// The one Owner of the workspace left: the role waits to be moved to somebody else (section 2), and
/// the status says so until it is.
fn owner_left(tx: &mut Tx<'_>, work: &Work, id: UserId, name: &str) -> Result<(), StoreError> {
    if roles::owner(tx, work.caller.workspace)? == Some(id) {
        work.record(tx, id, "workspace.owner_left", json!({}), name)?;
    }
    Ok(())
}

fn read_keys(document: &Object) -> Result<UserKeys, ServiceError> {
    let keys = user::keys(document)?;
    shown::check_identifier("userName", Some(&keys.user_name))?;
    shown::check_identifier("externalId", keys.external_id.as_deref())?;
    for (email, _) in &keys.emails {
        shown::check_identifier("emails.value", Some(email))?;
    }
    Ok(keys)
}

/// The constraint has decided; this only finds the words for it.
async fn name_the_holder<T>(
    context: &Context,
    caller: &Caller,
    user_name_key: &str,
    outcome: Result<T, ServiceError>,
) -> Result<T, ServiceError> {
    match outcome {
        Err(ServiceError::Conflict(text)) if text.contains("user_name") => {
            let (workspace, key) = (caller.workspace, user_name_key.to_owned());
            let holder = context.store.read(move |conn| users::holder_of_user_name(conn, workspace, &key)).await?;
            let detail = match holder {
                Some((SELF_MANAGED, _)) => String::from(
                    "userName is in use by a guest who was invited here. Who comes into the directory becomes a normal \
                     member: an administrator removes the guest, and the identity provider tries again.",
                ),
                Some((source, name)) if source != caller.source => format!(
                    "userName is in use by a user of the source '{name}'. Linking the two is up to an administrator."
                ),
                Some(_) | None => String::from("userName is in use by another user."),
            };
            Err(ScimError::uniqueness(detail).into())
        }
        other => other,
    }
}

/// Texts that are keys of indexes as well, and were stored without a bound once: whoever has a longer one
/// can still be changed, above all deactivated.
fn check_new(keys: &UserKeys, before: Option<&UserKeys>) -> Result<(), ServiceError> {
    if before.is_none_or(|before| before.display_name_key != keys.display_name_key) {
        shown::check_identifier("displayName", keys.display_name_key.as_deref())?;
    }
    let is_new = |email: &&(String, String)| before.is_none_or(|before| !before.emails.contains(email));
    for (_, kind) in keys.emails.iter().filter(is_new) {
        shown::check_identifier("emails.type", Some(kind))?;
    }
    Ok(())
}

async fn groups_of(context: &Context, caller: &Caller, id: UserId) -> Result<Vec<(GroupId, String)>, ServiceError> {
    let workspace = caller.workspace;
    Ok(context.store.read(move |conn| memberships::groups_of(conn, workspace, id)).await?)
}

fn show(
    context: &Context,
    row: &UserRow,
    groups: &[(GroupId, String)],
    projection: &Projection,
) -> Result<Shown, ServiceError> {
    let base = shown::scim_base(context);
    let id = row.id.to_string();
    let meta = shown::user_meta(row, &id, &base);
    shown::shown(&row.document, &meta, shown::groups_of_user(groups), projection)
}

fn parse_id(id: &str) -> Result<UserId, ServiceError> {
    id.parse().map_err(|_| ServiceError::NotFound("the user"))
}

fn not_found(error: StoreError) -> ServiceError {
    match error {
        StoreError::NotFound => ServiceError::NotFound("the user"),
        other => other.into(),
    }
}

/// Names no schema knows are passed over (idp-behaviour rule 9) and counted in the log, never
/// with their values.
pub(super) fn log_ignored(names: &[String]) {
    if !names.is_empty() {
        tracing::info!(ignored = names.len(), "a request named attributes that no schema has");
    }
}
