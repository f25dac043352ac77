//! The storage core: one contract for both databases.

mod back_then;
mod contract;
mod expiry_cost;
mod gathered;
mod group_cost;
mod joint;
mod keys;
mod list_cost;
mod migrations;
mod nudges;
mod rows;
mod rows_read;
mod serving;
mod statistics;
mod stretches;
mod sync_cost;
mod upgrade;
