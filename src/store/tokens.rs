//! Credentials. The secret itself is never here: only its public lookup part and a keyed hash.

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::kept::Keep as _;
use super::roles;
use super::schema::{sources, tokens};
use crate::base::clock::Micros;
use crate::base::ids::{SourceId, TokenId, UserId, WorkspaceId};
use crate::domain::caller::{Preset, Scope};
use crate::domain::rights::{Claims, Role};

/// A token as its owner sees it, without anything it could be verified by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its public identity.
    pub id: TokenId,
    /// The source it speaks for.
    pub source: SourceId,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// The person it acts as.
    pub acts_as: Option<UserId>,
    /// The role it has as a service.
    pub role: Option<Role>,
    /// When it was made.
    pub created_at: Micros,
    /// When it ends; `None` for never.
    pub expires_at: Option<Micros>,
    /// When it was revoked.
    pub revoked_at: Option<Micros>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Micros>,
}

/// What authentication needs to know about a token.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The token's row.
    pub token: Token,
    /// The keyed hash of the whole token.
    pub hash: Vec<u8>,
    /// The IdP that its source speaks for.
    pub preset: Preset,
    /// Whether its source is strict.
    pub strict: bool,
    /// What is known of the person it acts as; `None` where it acts as nobody, or they are gone.
    pub person: Option<Claims>,
    /// Sessions of the page that began at or before this are over.
    pub sessions_ended_at: Option<Micros>,
}

type Row = (Vec<u8>, i64, String, String, i64, Option<i64>, Option<i64>, Option<i64>, Option<Vec<u8>>, Option<String>);

const COLUMNS: (
    tokens::id,
    tokens::source,
    tokens::name,
    tokens::scope,
    tokens::created_at,
    tokens::expires_at,
    tokens::revoked_at,
    tokens::last_used_at,
    tokens::acts_as,
    tokens::role,
) = (
    tokens::id,
    tokens::source,
    tokens::name,
    tokens::scope,
    tokens::created_at,
    tokens::expires_at,
    tokens::revoked_at,
    tokens::last_used_at,
    tokens::acts_as,
    tokens::role,
);

fn read(row: Row) -> Result<Token, StoreError> {
    let (id, source, name, scope, created_at, expires_at, revoked_at, last_used_at, acts_as, role) = row;
    let id = TokenId::from_bytes(&id).map_err(|_| StoreError::Corrupt(String::from("a token's id")))?;
    Ok(Token {
        id,
        source: SourceId(source),
        name,
        scope: scope.parse().map_err(|_| StoreError::Corrupt(format!("token {id}: scope '{scope}'")))?,
        acts_as: acts_as
            .map(|user| UserId::from_bytes(&user))
            .transpose()
            .map_err(|_| StoreError::Corrupt(format!("token {id}: the person")))?,
        role: role
            .map(|word| word.parse())
            .transpose()
            .map_err(|_| StoreError::Corrupt(format!("token {id}: the role")))?,
        created_at: Micros(created_at),
        expires_at: expires_at.map(Micros),
        revoked_at: revoked_at.map(Micros),
        last_used_at: last_used_at.map(Micros),
    })
}

/// The credential with this public part: the one place where a tenant is found without one.
///
/// # Errors
/// [`StoreError::Database`], [`StoreError::Corrupt`].
pub fn by_lookup_across_workspaces(conn: &mut DbConn, lookup: &str) -> Result<Option<Credential>, StoreError> {
    let found: Option<(i64, Vec<u8>, Option<i64>, Row)> = tokens::table
        .filter(tokens::lookup.eq(lookup))
        .select((tokens::workspace, tokens::hash, tokens::sessions_ended_at, COLUMNS))
        .kept()
        .get_result(conn)
        .optional()?;
    let Some((workspace, hash, sessions_ended_at, row)) = found else { return Ok(None) };
    let token = read(row)?;
    let (preset, strict): (String, bool) = sources::table
        .find((workspace, token.source.0))
        .select((sources::preset, sources::strict))
        .kept()
        .get_result(conn)?;
    let preset =
        preset.parse().map_err(|_| StoreError::Corrupt(format!("source {}: preset '{preset}'", token.source.0)))?;
    let sessions_ended_at = sessions_ended_at.map(Micros);
    let workspace = WorkspaceId(workspace);
    let person = match token.acts_as {
        Some(user) => roles::claims_of(conn, workspace, user)?,
        None => None,
    };
    Ok(Some(Credential { workspace, token, hash, preset, strict, person, sessions_ended_at }))
}

/// Keep a new token.
///
/// # Errors
/// [`StoreError::Conflict`] when the public part exists, which 64 random bits all but rule out.
pub fn insert(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    token: &Token,
    lookup: &str,
    hash: &[u8],
) -> Result<(), StoreError> {
    diesel::insert_into(tokens::table)
        .values((
            tokens::workspace.eq(workspace.0),
            tokens::id.eq(token.id.bytes()),
            tokens::source.eq(token.source.0),
            tokens::name.eq(&token.name),
            tokens::scope.eq(token.scope.as_str()),
            tokens::lookup.eq(lookup),
            tokens::hash.eq(hash),
            tokens::created_at.eq(token.created_at.0),
            tokens::expires_at.eq(token.expires_at.map(|at| at.0)),
            tokens::acts_as.eq(token.acts_as.map(UserId::bytes)),
            tokens::role.eq(token.role.map(Role::as_str)),
        ))
        .kept()
        .execute(conn)?;
    Ok(())
}

/// A page of the workspace's tokens, oldest first, revoked and expired ones included.
///
/// # Errors
/// [`StoreError::Database`], [`StoreError::Corrupt`].
pub fn page(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    after: Option<TokenId>,
    limit: i64,
) -> Result<Vec<Token>, StoreError> {
    let from = after.map(TokenId::bytes).unwrap_or_default();
    let rows: Vec<Row> = tokens::table
        .filter(tokens::workspace.eq(workspace.0))
        .filter(tokens::id.gt(from))
        .order(tokens::id.asc())
        .limit(limit)
        .select(COLUMNS)
        .kept()
        .load(conn)?;
    rows.into_iter().map(read).collect()
}

/// One token.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Database`], [`StoreError::Corrupt`].
pub fn load(conn: &mut DbConn, workspace: WorkspaceId, id: TokenId) -> Result<Token, StoreError> {
    let row: Row = tokens::table.find((workspace.0, id.bytes())).select(COLUMNS).kept().get_result(conn)?;
    read(row)
}

/// End a token now. A second revocation keeps the first time.
///
/// # Errors
/// [`StoreError::NotFound`] when the workspace has no such token.
pub fn revoke(conn: &mut DbConn, workspace: WorkspaceId, id: TokenId, now: Micros) -> Result<Token, StoreError> {
    diesel::update(tokens::table.find((workspace.0, id.bytes())).filter(tokens::revoked_at.is_null()))
        .set(tokens::revoked_at.eq(now.0))
        .kept()
        .execute(conn)?;
    load(conn, workspace, id)
}

/// End the page's sessions of a token that began at or before `upto`. The moment only grows: a
/// clock that is behind cannot bring an ended session back.
///
/// # Errors
/// [`StoreError::Database`].
pub fn end_sessions(conn: &mut DbConn, workspace: WorkspaceId, id: TokenId, upto: Micros) -> Result<(), StoreError> {
    let earlier = tokens::sessions_ended_at.is_null().or(tokens::sessions_ended_at.lt(upto.0));
    diesel::update(tokens::table.find((workspace.0, id.bytes())).filter(earlier))
        .set(tokens::sessions_ended_at.eq(upto.0))
        .kept()
        .execute(conn)?;
    Ok(())
}

/// Note that a token was used. Callers do so at most once a minute.
///
/// # Errors
/// [`StoreError::Database`].
pub fn used(conn: &mut DbConn, workspace: WorkspaceId, id: TokenId, now: Micros) -> Result<(), StoreError> {
    diesel::update(tokens::table.find((workspace.0, id.bytes())))
        .set(tokens::last_used_at.eq(now.0))
        .kept()
        .execute(conn)?;
    Ok(())
}
