//! From the values an IdP names as members to our own ids. Only rows of the same source are
//! found (T-06); another source's id is as unknown as one that never existed.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use uuid::Uuid;

use super::conn::DbConn;
use super::kept::Keep as _;
use super::memberships::{Member, MemberKind};
use super::tx::Tx;
use super::{StoreError, id_list, pending};
use crate::base::ids::{SourceId, UserId, WorkspaceId};

/// Whether a value that is no id of ours may be a user's `externalId`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByExternalId {
    /// Also through the source's own `externalId` column, where exactly one user has it.
    Yes,
    /// By id only.
    No,
}

/// The outcome of a look-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Members that exist in this source, each once.
    pub known: Vec<Member>,
    /// Values nobody here answers to, each once, in key order.
    pub unknown: Vec<String>,
}

#[derive(QueryableByName)]
struct IdRaw {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
}

#[derive(QueryableByName)]
struct ExternalRaw {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
    #[diesel(sql_type = Text)]
    external_id: String,
}

/// Look up `values`. On PostgreSQL the users found are held against deletion until the
/// transaction ends, and values that stay unknown are looked up again once no create is under
/// way, so that a user arriving at the same moment is not missed.
///
/// # Errors
/// [`StoreError::Database`] when a statement fails.
pub fn find<'a>(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    source: SourceId,
    values: impl IntoIterator<Item = &'a str>,
    by_external_id: ByExternalId,
) -> Result<Found, StoreError> {
    let mut left: BTreeSet<&str> = values.into_iter().collect();
    let mut known = BTreeSet::new();
    search(tx, workspace, source, &mut left, &mut known, by_external_id)?;
    if !left.is_empty() && matches!(&**tx, DbConn::Postgres(_)) {
        pending::wait_for_arrivals(tx, workspace, source)?;
        search(tx, workspace, source, &mut left, &mut known, by_external_id)?;
    }
    Ok(Found {
        known: known.into_iter().map(|(kind, id)| Member { id, kind }).collect(),
        unknown: left.into_iter().map(str::to_owned).collect(),
    })
}

fn search(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    source: SourceId,
    left: &mut BTreeSet<&str>,
    known: &mut BTreeSet<(MemberKind, Uuid)>,
    by_external_id: ByExternalId,
) -> Result<(), StoreError> {
    for kind in [MemberKind::User, MemberKind::Group] {
        // One grammar for ids: what does not parse selects no row (T-01).
        let wanted: Vec<Uuid> =
            left.iter().filter_map(|value| value.parse::<UserId>().ok()).map(UserId::uuid).collect();
        for id in existing(tx, workspace, source, kind, &wanted)? {
            left.remove(id.hyphenated().to_string().as_str());
            known.insert((kind, id));
        }
    }
    if by_external_id == ByExternalId::Yes && !left.is_empty() {
        for (value, id) in with_external_id(tx, workspace, source, left)? {
            left.remove(value.as_str());
            known.insert((MemberKind::User, id));
        }
    }
    Ok(())
}

fn existing(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    source: SourceId,
    kind: MemberKind,
    wanted: &[Uuid],
) -> Result<Vec<Uuid>, StoreError> {
    let table = match kind {
        MemberKind::User => "users",
        MemberKind::Group => "user_groups",
    };
    let mut found = Vec::with_capacity(wanted.len());
    for part in id_list::parts(wanted) {
        let sql = format!(
            "SELECT id FROM {table} WHERE workspace = $1 AND source = $2 AND id {} ORDER BY id{}",
            id_list::one_of(tx, 3, part.len()),
            hold(tx)
        );
        let raws = diesel::sql_query(id_list::numbered(tx, &sql))
            .bind::<BigInt, _>(workspace.0)
            .bind::<BigInt, _>(source.0)
            .bind::<Text, _>(id_list::json(part.iter().copied()))
            .kept()
            .load::<IdRaw>(tx)?;
        for raw in raws {
            found.push(uuid(&raw.id)?);
        }
    }
    Ok(found)
}

fn with_external_id(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    source: SourceId,
    values: &BTreeSet<&str>,
) -> Result<Vec<(String, Uuid)>, StoreError> {
    let sql = format!(
        "SELECT id, external_id FROM users WHERE workspace = $1 AND source = $2 AND external_id {} ORDER BY id{}",
        id_list::one_of_texts(tx, 3, values.len()),
        hold(tx)
    );
    let raws = diesel::sql_query(id_list::numbered(tx, &sql))
        .bind::<BigInt, _>(workspace.0)
        .bind::<BigInt, _>(source.0)
        .bind::<Text, _>(id_list::json_texts(values.iter().copied()))
        .kept()
        .load::<ExternalRaw>(tx)?;
    let mut by_value: BTreeMap<String, Vec<Uuid>> = BTreeMap::new();
    for raw in raws {
        by_value.entry(raw.external_id).or_default().push(uuid(&raw.id)?);
    }
    // externalId is not unique: two users with one value are a guess, and we do not guess.
    let one = |(value, ids): (String, Vec<Uuid>)| match ids.as_slice() {
        [id] => Some((value, *id)),
        [] | [_, _, ..] => None,
    };
    Ok(by_value.into_iter().filter_map(one).collect())
}

fn hold(conn: &DbConn) -> &'static str {
    match conn {
        DbConn::Sqlite(_) => "",
        DbConn::Postgres(_) => " FOR KEY SHARE",
    }
}

fn uuid(bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|_| StoreError::Corrupt("an id is not 16 bytes long".into()))
}
