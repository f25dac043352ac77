//! The only folder that knows diesel and SQL. Every query function takes the workspace first;
//! one that looks across tenants says so in its name (`across_workspaces`).

pub mod activity;
pub mod attempts;
pub mod conn;
pub mod error;
pub mod filter_sql;
pub mod group_list;
pub mod groups;
pub mod hub_members;
pub mod hubs;
pub mod id_list;
pub mod intervals;
pub mod landed;
pub mod lanes;
pub mod leases;
pub mod mappings;
pub mod marks;
pub mod member_lookup;
pub mod memberships;
pub mod pending;
pub mod problems;
pub mod reach;
pub mod schema;
pub mod sources;
pub mod tasks;
pub mod tokens;
pub mod tx;
pub mod user_list;
pub mod users;
pub mod wide_marks;
pub mod workspaces;

pub use conn::DbConn;
pub use error::StoreError;
pub use tx::{Store, Tx};
