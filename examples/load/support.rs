//! Throw-away databases, as the tests make them: the same files, under the names they use.

#[path = "../../tests/it/support/database.rs"]
mod database;
#[path = "../../tests/it/support/postgres.rs"]
mod postgres;
#[path = "../../tests/it/support/proxy.rs"]
mod proxy;
#[path = "../../tests/it/support/wait.rs"]
mod wait;

pub use database::Database;
pub use proxy::Proxy;
pub use wait::until;
