//! Hubs as rows. A hub always has a lane row beside it, in which all workers of the cluster
//! agree on its pace; secrets live in a table of their own and never pass through here.

use std::time::Duration;

use diesel::pg::Pg;
use diesel::prelude::*;
use serde::de::DeserializeOwned;

use super::conn::DbConn;
use super::kept::Keep as _;
use super::schema::{guard_passes, hub_lanes, hub_secrets, hubs, mappings, reconcile_marks, wide_marks};
use super::{StoreError, Tx, waits};
use crate::base::clock::Micros;
use crate::base::ids::{HubId, HubSlug, WorkspaceId};
use crate::domain::hub::{Hub, HubMode, HubPolicy, Login};

#[derive(Queryable, Selectable)]
#[diesel(table_name = hubs)]
pub(super) struct HubRow {
    id: Vec<u8>,
    slug: String,
    app: String,
    label: String,
    login: String,
    mode: String,
    paused: bool,
    settle_micros: i64,
    connection: String,
    policy: String,
    owner: Option<String>,
    file_ref: Option<String>,
    revision: i64,
}

/// A hub with the times that only views need.
#[derive(Clone, Debug)]
pub struct HubRecord {
    /// The hub.
    pub hub: Hub,
    /// When it was connected.
    pub created_at: Micros,
    /// When it last changed.
    pub modified_at: Micros,
    /// When a sync last completed.
    pub last_synced_at: Option<Micros>,
    /// Who connected it; not known of hubs from before this was kept.
    pub created_by: Option<String>,
}

/// The mode's word in the database.
pub const fn mode_word(mode: HubMode) -> &'static str {
    match mode {
        HubMode::Observe => "observe",
        HubMode::Active => "active",
    }
}

/// A mode by its word in the database.
pub(super) fn read_mode(word: &str) -> Result<HubMode, StoreError> {
    match word {
        "observe" => Ok(HubMode::Observe),
        "active" => Ok(HubMode::Active),
        _ => Err(StoreError::Corrupt("mode of a hub".into())),
    }
}

/// The login method's word in the database.
pub const fn login_word(login: Login) -> &'static str {
    match login {
        Login::Sso => "sso",
        Login::Password => "password",
    }
}

fn json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt(format!("{what} of a hub: {e}")))
}

fn text<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Corrupt(e.to_string()))
}

impl HubRow {
    pub(super) fn hub(self) -> Result<Hub, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt(format!("{what} of hub '{}'", self.slug));
        let login = match self.login.as_str() {
            "sso" => Login::Sso,
            "password" => Login::Password,
            _ => return Err(corrupt("login")),
        };
        let mode = read_mode(&self.mode)?;
        Ok(Hub {
            id: HubId::from_bytes(&self.id).map_err(|_| corrupt("id"))?,
            slug: self.slug.parse::<HubSlug>().map_err(|_| corrupt("slug"))?,
            app: self.app,
            label: self.label,
            login,
            mode,
            paused: self.paused,
            settle: Duration::from_micros(u64::try_from(self.settle_micros).unwrap_or(0)),
            connection: json("connection", &self.connection)?,
            policy: json("policy", &self.policy)?,
            owner: self.owner,
            file_ref: self.file_ref,
            revision: self.revision,
        })
    }
}

/// The columns of [`HubRow`]; `as_select` would tie the query to one database's type.
pub(super) fn columns() -> <HubRow as Selectable<Pg>>::SelectExpression {
    <HubRow as Selectable<Pg>>::construct_selection()
}

fn settle_micros(hub: &Hub) -> i64 {
    i64::try_from(hub.settle.as_micros()).unwrap_or(i64::MAX)
}

fn lane(policy: &HubPolicy) -> (i32, Option<f64>) {
    (i32::try_from(policy.max_in_flight).unwrap_or(i32::MAX), policy.calls_per_second)
}

/// Add a hub and its lane.
///
/// # Errors
/// [`StoreError::Conflict`] when the slug is taken in this workspace.
pub fn insert(tx: &mut Tx<'_>, workspace: WorkspaceId, hub: &Hub, now: Micros) -> Result<(), StoreError> {
    let conn: &mut DbConn = tx;
    diesel::insert_into(hubs::table)
        .values((
            hubs::workspace.eq(workspace.0),
            hubs::id.eq(hub.id.bytes()),
            hubs::slug.eq(hub.slug.as_str()),
            hubs::app.eq(&hub.app),
            hubs::label.eq(&hub.label),
            hubs::login.eq(login_word(hub.login)),
            hubs::mode.eq(mode_word(hub.mode)),
            hubs::paused.eq(hub.paused),
            hubs::settle_micros.eq(settle_micros(hub)),
            hubs::connection.eq(text(&hub.connection)?),
            hubs::policy.eq(text(&hub.policy)?),
            hubs::owner.eq(hub.owner.as_deref()),
            hubs::file_ref.eq(hub.file_ref.as_deref()),
            hubs::revision.eq(hub.revision),
            hubs::created_at.eq(now.0),
            hubs::modified_at.eq(now.0),
        ))
        .kept()
        .execute(conn)?;
    let (max_in_flight, per_second) = lane(&hub.policy);
    diesel::insert_into(hub_lanes::table)
        .values((
            hub_lanes::workspace.eq(workspace.0),
            hub_lanes::hub_id.eq(hub.id.bytes()),
            hub_lanes::max_in_flight.eq(max_in_flight),
            hub_lanes::per_second.eq(per_second),
        ))
        .kept()
        .execute(conn)?;
    Ok(())
}

/// Store every field of `hub`, count its revision up, and carry the pace into its lane. The
/// slug and the app are a hub's identity and stay as they are.
///
/// # Errors
/// [`StoreError::NotFound`] when the workspace has no such hub.
pub fn update(tx: &mut Tx<'_>, workspace: WorkspaceId, hub: &Hub, now: Micros) -> Result<(), StoreError> {
    let conn: &mut DbConn = tx;
    let (max_in_flight, per_second) = lane(&hub.policy);
    let found = diesel::update(hubs::table)
        .filter(hubs::workspace.eq(workspace.0))
        .filter(hubs::id.eq(hub.id.bytes()))
        .set((
            hubs::label.eq(&hub.label),
            hubs::login.eq(login_word(hub.login)),
            hubs::mode.eq(mode_word(hub.mode)),
            hubs::paused.eq(hub.paused),
            hubs::settle_micros.eq(settle_micros(hub)),
            hubs::connection.eq(text(&hub.connection)?),
            hubs::policy.eq(text(&hub.policy)?),
            hubs::owner.eq(hub.owner.as_deref()),
            hubs::file_ref.eq(hub.file_ref.as_deref()),
            hubs::revision.eq(hubs::revision + 1),
            hubs::modified_at.eq(now.0),
        ))
        .kept()
        .execute(conn)?;
    if found == 0 {
        return Err(StoreError::NotFound);
    }
    diesel::update(hub_lanes::table)
        .filter(hub_lanes::workspace.eq(workspace.0))
        .filter(hub_lanes::hub_id.eq(hub.id.bytes()))
        .set((hub_lanes::max_in_flight.eq(max_in_flight), hub_lanes::per_second.eq(per_second)))
        .kept()
        .execute(conn)?;
    Ok(())
}

/// A hub by id.
///
/// # Errors
/// [`StoreError::NotFound`].
pub fn load(conn: &mut DbConn, workspace: WorkspaceId, id: HubId) -> Result<Hub, StoreError> {
    hubs::table
        .filter(hubs::workspace.eq(workspace.0))
        .filter(hubs::id.eq(id.bytes()))
        .select(columns())
        .kept()
        .get_result::<HubRow>(conn)
        .map_err(StoreError::from)?
        .hub()
}

/// Whether the hub is there.
///
/// # Errors
/// A failed statement.
pub fn exists(conn: &mut DbConn, workspace: WorkspaceId, id: HubId) -> Result<bool, StoreError> {
    let found = hubs::table
        .find((workspace.0, id.bytes()))
        .select(hubs::workspace)
        .kept()
        .get_result::<i64>(conn)
        .optional()?;
    Ok(found.is_some())
}

/// A hub by the name used in files and URLs.
///
/// # Errors
/// [`StoreError::NotFound`].
pub fn by_slug(conn: &mut DbConn, workspace: WorkspaceId, slug: &str) -> Result<Hub, StoreError> {
    hubs::table
        .filter(hubs::workspace.eq(workspace.0))
        .filter(hubs::slug.eq(slug))
        .select(columns())
        .kept()
        .get_result::<HubRow>(conn)
        .map_err(StoreError::from)?
        .hub()
}

/// Who connected it.
///
/// # Errors
/// A failed statement.
pub fn set_created_by(tx: &mut Tx<'_>, workspace: WorkspaceId, id: HubId, actor: &str) -> Result<(), StoreError> {
    diesel::update(hubs::table.find((workspace.0, id.bytes())))
        .set(hubs::created_by.eq(Some(actor)))
        .kept()
        .execute(tx)?;
    Ok(())
}

/// Keep a hub from changing until the transaction ends. SQLite has one writer; on PostgreSQL the
/// row is locked by an update that changes nothing.
///
/// # Errors
/// A failed statement.
pub fn lock(tx: &mut Tx<'_>, workspace: WorkspaceId, slug: &str) -> Result<(), StoreError> {
    let conn: &mut DbConn = tx;
    if matches!(conn, DbConn::Postgres(_)) {
        diesel::update(hubs::table)
            .filter(hubs::workspace.eq(workspace.0))
            .filter(hubs::slug.eq(slug))
            .set(hubs::revision.eq(hubs::revision))
            .kept()
            .execute(conn)?;
    }
    Ok(())
}

/// All hubs of the workspace by slug.
///
/// # Errors
/// [`StoreError::Database`], [`StoreError::Corrupt`].
pub fn list(conn: &mut DbConn, workspace: WorkspaceId) -> Result<Vec<Hub>, StoreError> {
    Ok(records(conn, workspace)?.into_iter().map(|record| record.hub).collect())
}

/// A hub by the name used in files and URLs, with its times.
///
/// # Errors
/// [`StoreError::NotFound`].
pub fn record(conn: &mut DbConn, workspace: WorkspaceId, slug: &str) -> Result<HubRecord, StoreError> {
    let row: RecordRow = hubs::table
        .filter(hubs::workspace.eq(workspace.0))
        .filter(hubs::slug.eq(slug))
        .select((columns(), hubs::created_at, hubs::modified_at, hubs::last_synced_at, hubs::created_by))
        .kept()
        .get_result(conn)?;
    read_record(row)
}

/// All hubs of the workspace by slug, with their times.
///
/// # Errors
/// [`StoreError::Database`], [`StoreError::Corrupt`].
pub fn records(conn: &mut DbConn, workspace: WorkspaceId) -> Result<Vec<HubRecord>, StoreError> {
    let mut rows: Vec<RecordRow> = hubs::table
        .filter(hubs::workspace.eq(workspace.0))
        .select((columns(), hubs::created_at, hubs::modified_at, hubs::last_synced_at, hubs::created_by))
        .kept()
        .load(conn)?;
    // Sorted here: text sorts by locale on PostgreSQL.
    rows.sort_by(|a, b| a.0.slug.cmp(&b.0.slug));
    rows.into_iter().map(read_record).collect()
}

type RecordRow = (HubRow, i64, i64, Option<i64>, Option<String>);

fn read_record((row, created, modified, synced, created_by): RecordRow) -> Result<HubRecord, StoreError> {
    Ok(HubRecord {
        hub: row.hub()?,
        created_at: Micros(created),
        modified_at: Micros(modified),
        last_synced_at: synced.map(Micros),
        created_by,
    })
}

/// Forget a hub: its lane, secrets, mappings and marks go with it. Nothing changes in the app;
/// members, tasks, access intervals and activity stay, because auditors ask for them.
///
/// # Errors
/// [`StoreError::NotFound`].
pub fn delete(tx: &mut Tx<'_>, workspace: WorkspaceId, id: HubId) -> Result<(), StoreError> {
    let conn: &mut DbConn = tx;
    let key = id.bytes();
    let found = diesel::delete(hubs::table)
        .filter(hubs::workspace.eq(workspace.0))
        .filter(hubs::id.eq(&key))
        .kept()
        .execute(conn)?;
    if found == 0 {
        return Err(StoreError::NotFound);
    }
    diesel::delete(hub_lanes::table)
        .filter(hub_lanes::workspace.eq(workspace.0))
        .filter(hub_lanes::hub_id.eq(&key))
        .kept()
        .execute(conn)?;
    diesel::delete(hub_secrets::table)
        .filter(hub_secrets::workspace.eq(workspace.0))
        .filter(hub_secrets::hub_id.eq(&key))
        .kept()
        .execute(conn)?;
    diesel::delete(mappings::table)
        .filter(mappings::workspace.eq(workspace.0))
        .filter(mappings::hub_id.eq(&key))
        .kept()
        .execute(conn)?;
    diesel::delete(reconcile_marks::table)
        .filter(reconcile_marks::workspace.eq(workspace.0))
        .filter(reconcile_marks::hub_id.eq(&key))
        .kept()
        .execute(conn)?;
    diesel::delete(wide_marks::table)
        .filter(wide_marks::workspace.eq(workspace.0))
        .filter(wide_marks::hub_id.eq(&key))
        .kept()
        .execute(conn)?;
    waits::delete(tx, workspace, id)?;
    let conn: &mut DbConn = tx;
    diesel::delete(guard_passes::table)
        .filter(guard_passes::workspace.eq(workspace.0))
        .filter(guard_passes::hub_id.eq(&key))
        .kept()
        .execute(conn)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;
    use crate::base::random::Ids;
    use crate::domain::hub::ConnectionValue;
    use crate::store::Store;
    use std::sync::Arc;

    fn hub(slug: &str) -> Hub {
        Hub {
            id: HubId::from_uuid(Ids::new(Arc::new(SystemClock::new())).next()),
            slug: slug.parse().unwrap(),
            app: String::from("sandbox"),
            label: String::from("Sandbox"),
            login: Login::Sso,
            mode: HubMode::Observe,
            paused: false,
            settle: Duration::from_secs(60),
            connection: [
                (String::from("base_url"), ConnectionValue::Plain(String::from("http://127.0.0.1:1/scim"))),
                (String::from("token"), ConnectionValue::Secret { secret: String::from("SANDBOX") }),
            ]
            .into(),
            policy: HubPolicy::default(),
            owner: None,
            file_ref: None,
            revision: 1,
        }
    }

    #[tokio::test]
    async fn a_hub_comes_back_as_it_went_in_and_only_in_its_workspace() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}", folder.path().join("t.db").display())).unwrap();
        let (here, there) = (WorkspaceId(1), WorkspaceId(2));
        let mut one = hub("one");
        let written = one.clone();
        store.write(move |tx| insert(tx, here, &written, Micros(1))).await.unwrap();
        let found = store.read(move |c| by_slug(c, here, "one")).await.unwrap();
        assert_eq!(found, one);
        let id = one.id;
        assert!(matches!(store.read(move |c| load(c, there, id)).await, Err(StoreError::NotFound)));
        one.mode = HubMode::Active;
        let changed = one.clone();
        store.write(move |tx| update(tx, here, &changed, Micros(2))).await.unwrap();
        let found = store.read(move |c| load(c, here, id)).await.unwrap();
        assert_eq!((found.mode, found.revision), (HubMode::Active, 2));
        let again = hub("one");
        let refused = store.write(move |tx| insert(tx, here, &again, Micros(3))).await;
        assert!(matches!(refused, Err(StoreError::Conflict { .. })));
        assert!(matches!(store.write(move |tx| delete(tx, there, id)).await, Err(StoreError::NotFound)));
        store.write(move |tx| delete(tx, here, id)).await.unwrap();
        assert!(store.read(move |c| list(c, here)).await.unwrap().is_empty());
    }
}
