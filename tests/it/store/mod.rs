//! The storage core: one contract for both databases.

mod contract;
mod keys;
mod migrations;
mod nudges;
mod rows;
mod serving;
mod group_cost;
