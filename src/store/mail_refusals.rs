//! Addresses that a mail server refused, until it takes a mail for them: what one of them costs is its
//! own rest and tries.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::StoreError;
use super::conn::DbConn;
use super::schema::mail_refusals;
use crate::base::clock::Micros;
use crate::base::ids::WorkspaceId;
use crate::domain::addressee::Refusal;

/// All of a workspace, by the name of whom it is about (`Addressee::way`).
///
/// # Errors
/// A failed statement.
pub fn all(conn: &mut DbConn, workspace: WorkspaceId) -> Result<BTreeMap<String, Refusal>, StoreError> {
    let rows: Vec<(String, String, i32, i64, String)> = mail_refusals::table
        .filter(mail_refusals::workspace.eq(workspace.0))
        .order(mail_refusals::way)
        .select((
            mail_refusals::way,
            mail_refusals::mail,
            mail_refusals::tries,
            mail_refusals::failed_at,
            mail_refusals::error,
        ))
        .load(conn)?;
    let read = |(way, mail, tries, at, error)| (way, Refusal { mail, tries, at: Micros(at), error });
    Ok(rows.into_iter().map(read).collect())
}

/// Keep that an address was refused once more.
///
/// # Errors
/// A failed statement.
pub fn put(conn: &mut DbConn, workspace: WorkspaceId, way: &str, refusal: &Refusal) -> Result<(), StoreError> {
    forget(conn, workspace, way)?;
    diesel::insert_into(mail_refusals::table)
        .values((
            mail_refusals::workspace.eq(workspace.0),
            mail_refusals::way.eq(way),
            mail_refusals::mail.eq(&refusal.mail),
            mail_refusals::tries.eq(refusal.tries),
            mail_refusals::failed_at.eq(refusal.at.0),
            mail_refusals::error.eq(&refusal.error),
        ))
        .execute(conn)?;
    Ok(())
}

/// A mail was taken for them.
///
/// # Errors
/// A failed statement.
pub fn forget(conn: &mut DbConn, workspace: WorkspaceId, way: &str) -> Result<(), StoreError> {
    diesel::delete(mail_refusals::table.find((workspace.0, way))).execute(conn)?;
    Ok(())
}

/// All are tried again at once: somebody set it up anew.
///
/// # Errors
/// A failed statement.
pub fn forget_all(conn: &mut DbConn, workspace: WorkspaceId) -> Result<(), StoreError> {
    diesel::delete(mail_refusals::table.filter(mail_refusals::workspace.eq(workspace.0))).execute(conn)?;
    Ok(())
}

/// Nobody but these is told any more.
///
/// # Errors
/// A failed statement.
pub fn keep_only(conn: &mut DbConn, workspace: WorkspaceId, ways: &BTreeSet<String>) -> Result<(), StoreError> {
    for way in all(conn, workspace)?.keys().filter(|way| !ways.contains(*way)) {
        forget(conn, workspace, way)?;
    }
    Ok(())
}
