//! Whether the database can be worked with.

use super::{Context, ServiceError};
use crate::store::workspaces;

/// The database answers and has the tables this version works with.
///
/// # Errors
/// [`ServiceError::Unavailable`] when it does not.
pub async fn ready(context: &Context) -> Result<(), ServiceError> {
    let found = context.store.point(|conn| workspaces::load(conn, workspaces::DEFAULT)).await;
    match found {
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Err(ServiceError::Unavailable)
        }
    }
}
