//! Facts about the installation as a whole, by name. The one table without a workspace.

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::StoreError;
use super::conn::DbConn;
use super::schema::settings;

/// The value of a setting.
///
/// # Errors
/// [`StoreError::Database`].
pub fn get_across_workspaces(conn: &mut DbConn, name: &str) -> Result<Option<String>, StoreError> {
    Ok(settings::table.filter(settings::name.eq(name)).select(settings::value).get_result(conn).optional()?)
}

/// Set it, whatever it was.
///
/// # Errors
/// [`StoreError::Database`].
pub fn put_across_workspaces(conn: &mut DbConn, name: &str, value: &str) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind::<Text, _>(name)
    .bind::<Text, _>(value)
    .execute(conn)?;
    Ok(())
}

/// Set it where it was not set; the value that stands afterwards.
///
/// # Errors
/// [`StoreError::Database`].
pub fn put_new_across_workspaces(conn: &mut DbConn, name: &str, value: &str) -> Result<String, StoreError> {
    diesel::sql_query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind::<Text, _>(name)
        .bind::<Text, _>(value)
        .execute(conn)?;
    get_across_workspaces(conn, name)?.ok_or(StoreError::NotFound)
}
