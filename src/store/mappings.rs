//! Mappings as rows, and how a mapping finds its subject. A name binds once, to that group's id:
//! a rename keeps it, a second group of the name is not taken, and after a deletion only a person
//! can bind it anew (DESIGN.md section 5).

use diesel::pg::Pg;
use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::{mappings, user_groups, users};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, MappingId, SourceId, UserId, WorkspaceId};
use crate::domain::mapping::{Binding, HubRole, Mapping, SubjectName};

/// A mapping's row, column by column in the order of the table.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = mappings)]
struct Row {
    workspace: i64,
    id: Vec<u8>,
    hub_id: Vec<u8>,
    subject_kind: String,
    subject_by: String,
    subject_value: String,
    subject_key: String,
    subject_source: Option<i64>,
    bound_id: Option<Vec<u8>>,
    binding: String,
    scope: String,
    hub_role: String,
    app_role: String,
    seat: bool,
    assets: String,
    owner: Option<String>,
    file_ref: Option<String>,
    confirmed_at: i64,
    created_at: i64,
    modified_at: i64,
}

/// The key that makes a subject unique in a hub, together with the scope: how it is named, the
/// source where one is given, and the folded name.
pub fn subject_key(subject: &SubjectName, source: Option<SourceId>) -> String {
    let at = source.map(|SourceId(id)| format!("@{id}")).unwrap_or_default();
    match subject {
        SubjectName::Group(name) => format!("group{at}:{}", fold(name)),
        SubjectName::GroupId(id) => format!("group_id:{id}"),
        SubjectName::GroupExternalId(id) => format!("external_id{at}:{id}"),
        SubjectName::User(name) => format!("user:{}", fold(name)),
    }
}

fn fold(name: &str) -> String {
    crate::scim::fold::user_name(name)
}

impl Row {
    fn of(workspace: WorkspaceId, mapping: &Mapping, now: Micros) -> Self {
        let (kind, by, value) = match &mapping.subject {
            SubjectName::Group(name) => ("group", "name", name.clone()),
            SubjectName::GroupId(id) => ("group", "id", id.to_string()),
            SubjectName::GroupExternalId(id) => ("group", "external_id", id.clone()),
            SubjectName::User(name) => ("user", "name", name.clone()),
        };
        let (binding, bound_id) = match mapping.binding {
            Binding::Waiting => ("waiting", None),
            Binding::Group(id) => ("bound", Some(id.bytes())),
            Binding::User(id) => ("bound", Some(id.bytes())),
            Binding::Gone => ("gone", None),
        };
        Self {
            workspace: workspace.0,
            id: mapping.id.bytes(),
            hub_id: mapping.hub.bytes(),
            subject_kind: kind.into(),
            subject_by: by.into(),
            subject_value: value,
            subject_key: subject_key(&mapping.subject, mapping.source),
            subject_source: mapping.source.map(|s| s.0),
            bound_id,
            binding: binding.into(),
            scope: mapping.scope.clone().unwrap_or_default(),
            hub_role: hub_role_word(mapping.hub_role).into(),
            app_role: mapping.app_role.clone(),
            seat: mapping.seat,
            assets: serde_json::to_string(&mapping.assets).unwrap_or_else(|_| "[]".into()),
            owner: mapping.owner.clone(),
            file_ref: mapping.file_ref.clone(),
            confirmed_at: mapping.confirmed_at.0,
            created_at: now.0,
            modified_at: now.0,
        }
    }

    fn read(self) -> Result<Mapping, StoreError> {
        let bad = |what: &str| StoreError::Corrupt(format!("a mapping's {what}"));
        let subject = match (self.subject_kind.as_str(), self.subject_by.as_str()) {
            ("group", "name") => SubjectName::Group(self.subject_value),
            ("group", "id") => SubjectName::GroupId(self.subject_value.parse().map_err(|_| bad("group id"))?),
            ("group", "external_id") => SubjectName::GroupExternalId(self.subject_value),
            ("user", "name") => SubjectName::User(self.subject_value),
            _ => return Err(bad("subject")),
        };
        let binding = match (self.binding.as_str(), self.bound_id) {
            ("waiting", _) => Binding::Waiting,
            ("gone", _) => Binding::Gone,
            ("bound", Some(id)) if self.subject_kind == "group" => {
                Binding::Group(GroupId::from_bytes(&id).map_err(|_| bad("group"))?)
            }
            ("bound", Some(id)) => Binding::User(UserId::from_bytes(&id).map_err(|_| bad("user"))?),
            _ => return Err(bad("binding")),
        };
        Ok(Mapping {
            id: MappingId::from_bytes(&self.id).map_err(|_| bad("id"))?,
            hub: HubId::from_bytes(&self.hub_id).map_err(|_| bad("hub"))?,
            subject,
            source: self.subject_source.map(SourceId),
            binding,
            scope: Some(self.scope).filter(|scope| !scope.is_empty()),
            hub_role: hub_role(&self.hub_role).ok_or_else(|| bad("hub role"))?,
            app_role: self.app_role,
            seat: self.seat,
            assets: serde_json::from_str(&self.assets).map_err(|_| bad("assets"))?,
            owner: self.owner,
            file_ref: self.file_ref,
            confirmed_at: Micros(self.confirmed_at),
        })
    }
}

/// The stored word of a hub role.
pub(crate) const fn hub_role_word(role: HubRole) -> &'static str {
    match role {
        HubRole::Collaborator => "collaborator",
        HubRole::Manager => "manager",
        HubRole::Owner => "owner",
    }
}

/// A hub role by its stored word.
pub(crate) fn hub_role(word: &str) -> Option<HubRole> {
    match word {
        "collaborator" => Some(HubRole::Collaborator),
        "manager" => Some(HubRole::Manager),
        "owner" => Some(HubRole::Owner),
        _ => None,
    }
}

/// One mapping.
///
/// # Errors
/// [`StoreError::NotFound`], or that of the statement.
pub fn load(conn: &mut DbConn, workspace: WorkspaceId, id: MappingId) -> Result<Mapping, StoreError> {
    mappings::table.find((workspace.0, id.bytes())).select(Row::as_select()).get_result(conn)?.read()
}

/// All mappings of a hub, in a stable order.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn of_hub(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<Vec<Mapping>, StoreError> {
    let rows: Vec<Row> = mappings::table
        .filter(mappings::workspace.eq(workspace.0))
        .filter(mappings::hub_id.eq(hub.bytes()))
        .select(Row::as_select())
        .load(conn)?;
    // Sorted here: asked for the order of ids, SQLite would walk the workspace's key.
    let mut found = rows.into_iter().map(Row::read).collect::<Result<Vec<_>, _>>()?;
    found.sort_unstable_by_key(|mapping| mapping.id);
    Ok(found)
}

/// Those of a hub's mappings that have one of these subject keys.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn with_subjects(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    keys: &[String],
) -> Result<Vec<Mapping>, StoreError> {
    let rows: Vec<Row> = mappings::table
        .filter(mappings::workspace.eq(workspace.0))
        .filter(mappings::hub_id.eq(hub.bytes()))
        .filter(mappings::subject_key.eq_any(keys))
        .select(Row::as_select())
        .load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// Those of a hub's mappings that can be about these people: all of groups, each with its group's name, and
/// their own shares. A hub with thousands of individual shares is planned without reading them all for
/// every few people.
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn about(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    people: &[UserId],
) -> Result<Vec<(Mapping, Option<String>)>, StoreError> {
    let theirs = people.iter().map(|user| Some(user.bytes())).collect::<Vec<_>>();
    let group = user_groups::workspace.eq(mappings::workspace).and(mappings::bound_id.eq(user_groups::id.nullable()));
    let rows: Vec<(Row, Option<String>)> = mappings::table
        .left_join(user_groups::table.on(group))
        .filter(mappings::workspace.eq(workspace.0))
        .filter(mappings::hub_id.eq(hub.bytes()))
        .filter(
            mappings::subject_kind.eq("group").or(mappings::binding.ne("bound")).or(mappings::bound_id.eq_any(theirs)),
        )
        .select((<Row as Selectable<Pg>>::construct_selection(), user_groups::display_name.nullable()))
        .kept_if(people.len() == 1)
        .load(conn)?;
    let named = |(row, name): (Row, Option<String>)| {
        let mapping = row.read()?;
        // One that is gone keeps the id that it had; its name is nobody's.
        let name = name.filter(|_| matches!(mapping.binding, Binding::Group(_)));
        Ok((mapping, name))
    };
    let mut found = rows.into_iter().map(named).collect::<Result<Vec<_>, StoreError>>()?;
    found.sort_unstable_by_key(|(mapping, _)| mapping.id);
    Ok(found)
}

/// The mapping with this identity: (hub, subject, `where`).
///
/// # Errors
/// [`StoreError`] of the statement.
pub fn by_identity(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    hub: HubId,
    subject: &SubjectName,
    source: Option<SourceId>,
    scope: Option<&str>,
) -> Result<Option<Mapping>, StoreError> {
    mappings::table
        .filter(mappings::workspace.eq(workspace.0))
        .filter(mappings::hub_id.eq(hub.bytes()))
        .filter(mappings::subject_key.eq(subject_key(subject, source)))
        .filter(mappings::scope.eq(scope.unwrap_or_default()))
        .select(Row::as_select())
        .get_result(conn)
        .optional()?
        .map(Row::read)
        .transpose()
}

/// Store a new mapping with the binding it has. Use [`find_subject`] first for a fresh one, and
/// [`super::marks::hub_changed`] in the same transaction.
///
/// # Errors
/// [`StoreError::Conflict`] (`mappings_identity`) when the hub has it already.
pub fn insert(tx: &mut DbConn, workspace: WorkspaceId, mapping: &Mapping, now: Micros) -> Result<(), StoreError> {
    diesel::insert_into(mappings::table).values(Row::of(workspace, mapping, now)).execute(tx)?;
    Ok(())
}

/// Change everything but the identity, in place.
///
/// # Errors
/// [`StoreError::NotFound`] when there is no such mapping.
pub fn update(tx: &mut DbConn, workspace: WorkspaceId, mapping: &Mapping, now: Micros) -> Result<(), StoreError> {
    let row = Row::of(workspace, mapping, now);
    // A gone binding keeps the id it had, so that explain can still name it.
    let changed = diesel::update(mappings::table.find((workspace.0, mapping.id.bytes())))
        .set((
            mappings::binding.eq(row.binding),
            mappings::hub_role.eq(row.hub_role),
            mappings::app_role.eq(row.app_role),
            mappings::seat.eq(row.seat),
            mappings::assets.eq(row.assets),
            mappings::owner.eq(row.owner),
            mappings::file_ref.eq(row.file_ref),
            mappings::confirmed_at.eq(row.confirmed_at),
            mappings::modified_at.eq(now.0),
        ))
        .kept()
        .execute(tx)?;
    if changed == 0 {
        return Err(StoreError::NotFound);
    }
    if mapping.binding != Binding::Gone {
        diesel::update(mappings::table.find((workspace.0, mapping.id.bytes())))
            .set(mappings::bound_id.eq(row.bound_id))
            .kept()
            .execute(tx)?;
    }
    Ok(())
}

/// Delete a mapping. Write the wide mark in the same transaction.
///
/// # Errors
/// [`StoreError::NotFound`] when there is no such mapping.
pub fn delete(tx: &mut DbConn, workspace: WorkspaceId, id: MappingId) -> Result<(), StoreError> {
    match diesel::delete(mappings::table.find((workspace.0, id.bytes()))).execute(tx)? {
        0 => Err(StoreError::NotFound),
        _ => Ok(()),
    }
}

/// What a subject means right now: the binding a new mapping, or one a person confirms, gets.
/// A name that more than one group bears stays `Waiting`.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn find_subject(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    subject: &SubjectName,
    source: Option<SourceId>,
) -> Result<Binding, StoreError> {
    let found: Vec<Vec<u8>> = match subject {
        SubjectName::User(name) => {
            let mut query = users::table
                .filter(users::workspace.eq(workspace.0))
                .filter(users::user_name_key.eq(fold(name)))
                .select(users::id)
                .into_boxed();
            if let Some(source) = source {
                query = query.filter(users::source.eq(source.0));
            }
            query.limit(2).load(conn)?
        }
        SubjectName::Group(_) | SubjectName::GroupId(_) | SubjectName::GroupExternalId(_) => {
            let mut query =
                user_groups::table.filter(user_groups::workspace.eq(workspace.0)).select(user_groups::id).into_boxed();
            query = match subject {
                SubjectName::Group(name) => query.filter(user_groups::display_name_key.eq(fold(name))),
                SubjectName::GroupId(id) => query.filter(user_groups::id.eq(id.bytes())),
                SubjectName::GroupExternalId(id) => query.filter(user_groups::external_id.eq(id.clone())),
                SubjectName::User(_) => query,
            };
            if let Some(source) = source {
                query = query.filter(user_groups::source.eq(source.0));
            }
            query.limit(2).load(conn)?
        }
    };
    let [id] = found.as_slice() else { return Ok(Binding::Waiting) };
    let bad = |_| StoreError::Corrupt("an id".into());
    match subject {
        SubjectName::User(_) => UserId::from_bytes(id).map(Binding::User).map_err(bad),
        SubjectName::Group(_) | SubjectName::GroupId(_) | SubjectName::GroupExternalId(_) => {
            GroupId::from_bytes(id).map(Binding::Group).map_err(bad)
        }
    }
}

/// Bind the mappings that waited for this group and answer their hubs.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn bind_arrived_group(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    source: SourceId,
    group: GroupId,
    display_name_key: &str,
    external_id: Option<&str>,
    now: Micros,
) -> Result<Vec<HubId>, StoreError> {
    let at = source.0;
    let mut keys = vec![
        format!("group:{display_name_key}"),
        format!("group@{at}:{display_name_key}"),
        format!("group_id:{group}"),
    ];
    if let Some(id) = external_id {
        keys.extend([format!("external_id:{id}"), format!("external_id@{at}:{id}")]);
    }
    let waiting: Vec<Row> = mappings::table
        .filter(mappings::workspace.eq(workspace.0))
        .filter(mappings::subject_key.eq_any(&keys))
        .filter(mappings::binding.eq("waiting"))
        .order(mappings::id)
        .select(Row::as_select())
        .load(tx)?;
    let mut hubs = Vec::new();
    for row in waiting {
        let mapping = row.read()?;
        if find_subject(tx, workspace, &mapping.subject, mapping.source)? != Binding::Group(group) {
            continue;
        }
        if bind(tx, workspace, mapping.id, group.bytes(), now)? {
            hubs.push(mapping.hub);
        }
    }
    hubs.sort_unstable();
    hubs.dedup();
    Ok(hubs)
}

/// The subject's key of an individual share.
pub(super) fn user_key(user_name_key: &str) -> String {
    format!("user:{user_name_key}")
}

/// Whether individual shares wait for this userName.
///
/// # Errors
/// [`StoreError`] of the statement.
pub(super) fn any_waits_for_user(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    user_name_key: &str,
) -> Result<bool, StoreError> {
    let waiting = mappings::table
        .filter(mappings::workspace.eq(workspace.0))
        .filter(mappings::subject_key.eq(user_key(user_name_key)))
        .filter(mappings::binding.eq("waiting"));
    Ok(waiting.select(mappings::id).limit(1).kept().get_result::<Vec<u8>>(conn).optional()?.is_some())
}

/// Bind the individual shares that waited for this userName.
///
/// # Errors
/// [`StoreError`] of the statements.
pub fn bind_arrived_user(
    tx: &mut DbConn,
    workspace: WorkspaceId,
    user: UserId,
    user_name_key: &str,
    now: Micros,
) -> Result<(), StoreError> {
    let waiting: Vec<Row> = mappings::table
        .filter(mappings::workspace.eq(workspace.0))
        .filter(mappings::subject_key.eq(user_key(user_name_key)))
        .filter(mappings::binding.eq("waiting"))
        .order(mappings::id)
        .select(Row::as_select())
        .load(tx)?;
    for row in waiting {
        let mapping = row.read()?;
        if find_subject(tx, workspace, &mapping.subject, mapping.source)? == Binding::User(user) {
            bind(tx, workspace, mapping.id, user.bytes(), now)?;
        }
    }
    Ok(())
}

/// Bind one that still waits; `false` when another transaction was faster.
fn bind(tx: &mut DbConn, workspace: WorkspaceId, id: MappingId, to: Vec<u8>, now: Micros) -> Result<bool, StoreError> {
    let bound = diesel::update(mappings::table.find((workspace.0, id.bytes())))
        .filter(mappings::binding.eq("waiting"))
        .set((mappings::binding.eq("bound"), mappings::bound_id.eq(Some(to)), mappings::modified_at.eq(now.0)))
        .kept()
        .execute(tx)?;
    Ok(bound == 1)
}
