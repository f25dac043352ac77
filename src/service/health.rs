//! Whether the database can be worked with.

use super::{Context, ServiceError};
use crate::store::{StoreError, migrate, workspaces};

/// Said in the log only.
const BEHIND: &str = "the database lacks migrations of this version; run `scimhub migrate`";

/// The database answers and has the tables this version works with.
///
/// # Errors
/// [`ServiceError::Unavailable`] when it does not.
pub async fn ready(context: &Context) -> Result<(), ServiceError> {
    let found = context
        .store
        .point(|conn| {
            workspaces::load(conn, workspaces::DEFAULT)?;
            if migrate::is_current(conn)? { Ok(()) } else { Err(StoreError::Refused(String::from(BEHIND))) }
        })
        .await;
    match found {
        Ok(()) => Ok(()),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Err(ServiceError::Unavailable)
        }
    }
}
