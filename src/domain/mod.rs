//! Our decisions as pure functions over values: no clock, no randomness, no database, no
//! network. Time and dice come in as arguments, so every rule can be read and proved alone.

pub mod addressee;
pub mod app;
pub mod assets;
pub mod breaker;
pub mod caller;
pub mod catalog;
pub mod create_fields;
pub mod credential;
pub mod decide;
pub mod decision;
pub mod drift;
pub mod entitlement;
pub mod event;
pub mod failure;
pub mod failures;
pub mod guard;
pub mod guarding;
pub mod hub;
pub mod hub_file;
pub mod hub_rules;
pub mod hub_status;
pub mod instructions;
pub mod leaver;
pub mod mapping;
pub mod member;
pub mod notice;
pub mod occasion;
pub mod parent;
pub mod permissions;
pub mod plan;
pub mod principal;
pub mod problem;
pub mod protection;
pub mod reasons;
pub mod redaction;
pub mod retry;
pub mod rights;
pub mod scope;
pub mod seal;
pub mod session;
pub mod slots;
pub mod sync;
pub mod task;
pub mod task_states;
pub mod webhook;
pub mod whatif;
pub mod why;

#[cfg(test)]
mod worked_cases;
