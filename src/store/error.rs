//! What can go wrong with storage, named by what the caller can do about it.

/// A storage failure.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique key is taken; `constraint` is the index's name on both databases.
    #[error("a value is already in use ({constraint})")]
    Conflict {
        /// The index or constraint, e.g. `users_user_name`.
        constraint: String,
    },
    /// No such row.
    #[error("no such row")]
    NotFound,
    /// The worker's lease was taken over; its result no longer counts.
    #[error("the lease of task {0} was taken over")]
    LeaseLost(crate::base::ids::TaskId),
    /// The database cannot be reached or is too busy; the same call may succeed later.
    #[error("the database is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is stored cannot be read as what it should be.
    #[error("stored data is not readable: {0}")]
    Corrupt(String),
    /// The installation is not set up so that it may start (key, lock, URL, version).
    #[error("{0}")]
    Refused(String),
    /// A closure panicked inside its transaction; nothing of it was kept.
    #[error("a change could not be made because of a fault in the program")]
    Panicked,
    /// A statement failed in a way nobody expected.
    #[error("a database statement failed")]
    Database(#[source] diesel::result::Error),
}

impl StoreError {
    /// Whether the same call may succeed later without anybody mending anything.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Conflict { .. }
            | Self::NotFound
            | Self::LeaseLost(_)
            | Self::Corrupt(_)
            | Self::Refused(_)
            | Self::Panicked
            | Self::Database(_) => false,
        }
    }
}

impl From<diesel::result::Error> for StoreError {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind, Error};
        match error {
            Error::NotFound => Self::NotFound,
            Error::DatabaseError(DatabaseErrorKind::UniqueViolation, info) => {
                // PostgreSQL names the index; SQLite names the columns.
                let constraint = match info.constraint_name() {
                    Some(name) => name.to_owned(),
                    None => super::dialect::sqlite::index_of(info.message()),
                };
                Self::Conflict { constraint }
            }
            Error::DatabaseError(
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::SerializationFailure,
                info,
            ) => Self::Unavailable(info.message().into()),
            Error::DatabaseError(DatabaseErrorKind::Unknown, info) if super::dialect::may_pass(info.message()) => {
                Self::Unavailable(info.message().into())
            }
            other => Self::Database(other),
        }
    }
}
