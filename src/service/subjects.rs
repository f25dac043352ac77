//! Whether there is, or ever was, what a report is asked about: a typing mistake must not read like
//! "never had anything". Who sees only what is theirs is told of nothing else that it exists.

use super::ServiceError;
use super::error::FieldError;
use crate::base::ids::{UserId, WorkspaceId};
use crate::domain::caller::Sight;
use crate::scim::fold;
use crate::store::interval_list::{self, IntervalFilter};
use crate::store::reading::{self, ActivityFilter};
use crate::store::{DbConn, StoreError, hubs, people, users};

/// Whom a report is about.
pub(super) enum Subject {
    /// A user, also one deleted since.
    User(UserId),
    /// Whoever had exactly this address, as nobody of this name is here any more.
    Address(String),
}

fn held(conn: &mut DbConn, workspace: WorkspaceId, sight: &Sight, filter: IntervalFilter) -> Result<bool, StoreError> {
    let filter = IntervalFilter { theirs: sight.narrowed(), ..filter };
    Ok(!interval_list::page(conn, workspace, &filter, None, 1)?.is_empty())
}

/// Whether a hub is or was called so.
///
/// # Errors
/// [`ServiceError::InvalidFields`] that names `hub`.
pub(super) fn hub(conn: &mut DbConn, workspace: WorkspaceId, sight: &Sight, slug: &str) -> Result<(), ServiceError> {
    let there = match hubs::by_slug(conn, workspace, slug) {
        Ok(hub) => sight.uses(hub.id) || sight.runs(hub.id),
        Err(StoreError::NotFound) => false,
        Err(other) => return Err(other.into()),
    };
    if there || held(conn, workspace, sight, IntervalFilter { hub_slug: Some(slug.to_owned()), ..Default::default() })?
    {
        return Ok(());
    }
    let detail = format!("no hub is or was called '{slug}'; it is the hub's id, as `scimhub hub list` shows it");
    Err(ServiceError::InvalidFields(vec![FieldError::new("hub", detail)]))
}

/// Whether the workspace has or had this user.
///
/// # Errors
/// [`ServiceError::InvalidFields`] that names the field.
pub(super) fn user(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    sight: &Sight,
    (field, text, id): (&str, &str, UserId),
) -> Result<(), ServiceError> {
    let of_them = IntervalFilter { user: Some(id), ..Default::default() };
    let there = match sight.narrowed() {
        Some(theirs) => theirs.person == Some(id) || held(conn, workspace, sight, of_them)?,
        None => {
            let told = ActivityFilter { user: Some(id), ..Default::default() };
            !users::load_many(conn, workspace, &[id])?.is_empty()
                || held(conn, workspace, sight, of_them)?
                || !reading::activity(conn, workspace, &told, None, 1)?.is_empty()
        }
    };
    if there { Ok(()) } else { Err(nobody(field, text)) }
}

fn nobody(field: &str, text: &str) -> ServiceError {
    let detail = format!(
        "nobody here is or was known by '{text}': give a userName, a user's id, or the address that a report shows"
    );
    ServiceError::InvalidFields(vec![FieldError::new(field, detail)])
}

/// Who is meant by a user's id, a userName, an address that a report shows, or an e-mail.
///
/// # Errors
/// [`ServiceError::InvalidFields`] that names `person`.
pub(super) fn person(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    sight: &Sight,
    text: &str,
) -> Result<Subject, ServiceError> {
    let named = match text.parse::<UserId>() {
        Ok(id) => Some(id),
        Err(_) => reading::user_by_name(conn, workspace, &fold::user_name(text))?,
    };
    if let Some(id) = named {
        user(conn, workspace, sight, ("person", text, id))?;
        return Ok(Subject::User(id));
    }
    if held(conn, workspace, sight, IntervalFilter { person: Some(text.to_owned()), ..Default::default() })? {
        return Ok(Subject::Address(text.to_owned()));
    }
    // Only one: an address of several says nothing about who is meant.
    match people::by_email(conn, workspace, &fold::email(text), 2)?.as_slice() {
        [id] => {
            user(conn, workspace, sight, ("person", text, *id))?;
            Ok(Subject::User(*id))
        }
        _ => Err(nobody("person", text)),
    }
}
