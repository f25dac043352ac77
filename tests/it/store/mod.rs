//! The storage core: one contract for both databases.

mod back_then;
mod contract;
mod gathered;
mod group_cost;
mod keys;
mod list_cost;
mod migrations;
mod nudges;
mod rows;
mod serving;
mod stretches;
