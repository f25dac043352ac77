//! What the machine itself can do, measured beside the product in the same minute.

pub mod hello;
pub mod postgres;
pub mod sqlite;
