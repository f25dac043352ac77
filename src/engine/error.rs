//! What can go wrong in the engine itself; failures of apps are no errors here but outcomes.

use crate::store::StoreError;

/// A failure of the engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The database did not do its part; the work is still there and is taken up again.
    #[error("the store failed")]
    Store(#[from] StoreError),
}
