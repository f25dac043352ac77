//! Workspace roles: who has which, giving and taking them, and handing the workspace on.

use crate::base::ids::{UserId, WorkspaceId};
use crate::scim::fold;
use crate::store::{DbConn, reading, users};

use super::ServiceError;

/// Somebody of the workspace by SCIM id or userName.
///
/// # Errors
/// [`ServiceError::NotFound`].
pub(super) fn find_person(conn: &mut DbConn, workspace: WorkspaceId, name: &str) -> Result<UserId, ServiceError> {
    if let Ok(id) = name.parse::<UserId>()
        && !users::load_many(conn, workspace, &[id])?.is_empty()
    {
        return Ok(id);
    }
    reading::user_by_name(conn, workspace, &fold::user_name(name))?.ok_or(ServiceError::NotFound("user"))
}
